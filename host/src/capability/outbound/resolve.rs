//! From a name to all its addresses, once for each request.
//!
//! Names are looked up as everything on the machine does it (`getaddrinfo`), or by asking the one server that the
//! operator names. Nothing is kept: what the next request gets is asked for again, and checked again. A lookup of the
//! machine's cannot be ended, so it holds its request's places until it is over, and there are [`LOOKUPS`] at most.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dns::{ADDRESSES, Answer, Question, Record};
use super::error::LookupError;
use super::places::Places;
use crate::id::HostName;

/// Lookups of the machine's at once. Each has a thread.
const LOOKUPS: usize = 64;
/// How often a name server is asked, and how long each time is waited for its answer.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer that is read. Without more being agreed on it is 512 bytes over UDP.
const MESSAGE_BYTES: usize = 4 << 10;

/// Looks names up.
pub struct Resolver {
    server: Option<SocketAddr>,
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub fn new(server: Option<SocketAddr>) -> Self {
        Self { server, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// All addresses of a host, none twice.
    ///
    /// # Errors
    ///
    /// [`LookupError`] when there is none.
    pub async fn addresses(&self, host: &HostName, places: &Places) -> Result<Vec<IpAddr>, LookupError> {
        let mut found = match self.server {
            Some(server) => asked(server, host).await?,
            None => self.looked_up(host, places).await?,
        };
        // Those of version 4 first: most machines can reach them.
        found.sort_by_key(IpAddr::is_ipv6);
        let mut known = Vec::with_capacity(found.len());
        found.retain(|address| {
            !known.contains(address) && {
                known.push(*address);
                true
            }
        });
        if found.is_empty() { Err(LookupError::NoAddress) } else { Ok(found) }
    }

    async fn looked_up(&self, host: &HostName, places: &Places) -> Result<Vec<IpAddr>, LookupError> {
        let permit = self.lookups.clone().acquire_owned().await;
        let (host, places) = (host.clone(), places.clone());
        let lookup = tokio::task::spawn_blocking(move || {
            let _held = (permit, places);
            let found = (host.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).take(ADDRESSES).collect())
        });
        lookup.await.unwrap_or_else(|gone| Err(std::io::Error::other(gone))).map_err(LookupError::System)
    }
}

/// What the server knows of both kinds of addresses. One kind alone will do.
async fn asked(server: SocketAddr, host: &HostName) -> Result<Vec<IpAddr>, LookupError> {
    let (v4, v6) = tokio::join!(ask(server, host, Record::A), ask(server, host, Record::Aaaa));
    match (v4, v6) {
        (Ok(mut v4), Ok(v6)) => {
            v4.extend(v6);
            Ok(v4)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

async fn ask(server: SocketAddr, host: &HostName, record: Record) -> Result<Vec<IpAddr>, LookupError> {
    for _ in 0..TRIES {
        // A number and a port of its own for each try, so that nobody else can guess both.
        let question = Question::new(rand::random(), host, record);
        match timeout(PATIENCE, over_udp(server, &question)).await {
            Err(_late) => continue,
            Ok(Ok(Answer::Addresses(found))) => return Ok(found),
            Ok(Ok(Answer::Truncated)) => {
                return match timeout(PATIENCE, over_tcp(server, &question)).await {
                    Ok(Ok(Answer::Addresses(found))) => Ok(found),
                    Ok(Ok(Answer::Truncated)) => Err(LookupError::Unreadable),
                    Ok(Err(error)) => Err(error),
                    Err(_late) => Err(LookupError::Timeout),
                };
            }
            Ok(Err(error)) => return Err(error),
        }
    }
    Err(LookupError::Timeout)
}

async fn over_udp(server: SocketAddr, question: &Question) -> Result<Answer, LookupError> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(LookupError::Server)?;
    // From then on the system passes over what comes from anywhere else.
    socket.connect(server).await.map_err(LookupError::Server)?;
    socket.send(question.message()).await.map_err(LookupError::Server)?;
    let mut message = [0; MESSAGE_BYTES];
    loop {
        let length = socket.recv(&mut message).await.map_err(LookupError::Server)?;
        if let Some(answer) = question.answer(&message[..length]) {
            return answer;
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Question) -> Result<Answer, LookupError> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(question.message().len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), question.message()].concat()).await?;
        let length = usize::from(stream.read_u16().await?).min(MESSAGE_BYTES);
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        std::io::Result::Ok(message)
    };
    let message = exchange.await.map_err(LookupError::Server)?;
    question.answer(&message).unwrap_or(Err(LookupError::Unreadable))
}
