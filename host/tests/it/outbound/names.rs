//! A name server of the test's own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// Answers every name below `outbound.test`, and whatever else it is asked:
///
/// * `v4-7f000001.…` and `v6-<32 digits>.…` have the address that they name, in hexadecimal;
/// * of the others each has 127.0.0.1, or what [`NameServer::set`] says;
/// * answers about `tcp-….outbound.test` do not fit into a datagram, and those about `tcp-cut-…` break off over TCP,
///   too.
pub struct NameServer {
    pub address: SocketAddr,
    known: Known,
}

type Known = Arc<Mutex<HashMap<String, Entry>>>;

#[derive(Default)]
struct Entry {
    /// One answer after the other; the last goes on.
    answers: Vec<Vec<IpAddr>>,
    /// How often it was asked for an address of version 4.
    asked: usize,
    /// How often over TCP.
    asked_over_tcp: usize,
}

impl NameServer {
    pub async fn start() -> Self {
        let (socket, listener) = sockets().await;
        let server = Self { address: socket.local_addr().unwrap(), known: Arc::default() };
        tokio::spawn(datagrams(socket, server.known.clone()));
        tokio::spawn(streams(listener, server.known.clone()));
        server
    }

    /// Lets a name have these addresses, one list after the other.
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let entry = Entry { answers: answers.iter().map(parse).collect(), ..Entry::default() };
        self.known.lock().unwrap().insert(name.to_owned(), entry);
    }

    /// How often the name was asked for an address of version 4.
    pub fn asked(&self, name: &str) -> usize {
        self.known.lock().unwrap().get(name).map_or(0, |entry| entry.asked)
    }

    /// How often the name was asked for over TCP.
    pub fn asked_over_tcp(&self, name: &str) -> usize {
        self.known.lock().unwrap().get(name).map_or(0, |entry| entry.asked_over_tcp)
    }
}

/// Two of one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // Somebody else may listen there.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()).await {
            return (socket, listener);
        }
    }
}

async fn datagrams(socket: UdpSocket, known: Known) {
    let mut message = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut message).await {
        let question = &message[..length];
        let Some((name, end)) = name(question) else { continue };
        let answer =
            if name.starts_with("tcp-") { truncated(question, end) } else { answer(question, &name, end, &known) };
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn streams(listener: TcpListener, known: Known) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let known = known.clone();
        tokio::spawn(async move {
            let mut question = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut question).await?;
            let Some((name, end)) = name(&question) else { return Ok(()) };
            known.lock().unwrap().entry(name.clone()).or_default().asked_over_tcp += 1;
            let Some(answer) = answer(&question, &name, end, &known) else { return Ok(()) };
            stream.write_u16(answer.len() as u16).await?;
            let end = if name.starts_with("tcp-cut-") { answer.len() - 2 } else { answer.len() };
            stream.write_all(&answer[..end]).await
        });
    }
}

/// The name that is asked for, and where it is over.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while *question.get(at)? > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question.get(at + 1..at + 1 + length)?.to_vec()).ok()?);
        at += 1 + length;
    }
    Some((labels.join("."), at))
}

/// An answer without its records, because they do not fit.
fn truncated(question: &[u8], end: usize) -> Option<Vec<u8>> {
    let mut answer = question.get(..end + 5)?.to_vec();
    answer[2..4].copy_from_slice(&0x8380_u16.to_be_bytes());
    Some(answer)
}

fn answer(question: &[u8], name: &str, end: usize, known: &Known) -> Option<Vec<u8>> {
    let kind = u16::from_be_bytes([*question.get(end + 1)?, *question.get(end + 2)?]);
    let addresses = addresses(name, kind, known);
    let mut answer = question.get(..end + 5)?.to_vec();
    answer[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
    answer[7] = addresses.len() as u8;
    for address in addresses {
        let (kind, bytes) = match address {
            IpAddr::V4(address) => (TYPE_A, address.octets().to_vec()),
            IpAddr::V6(address) => (TYPE_AAAA, address.octets().to_vec()),
        };
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        // Class and time to live: none.
        answer.extend([0, 1, 0, 0, 0, 0, 0, bytes.len() as u8]);
        answer.extend(bytes);
    }
    Some(answer)
}

fn addresses(name: &str, kind: u16, known: &Known) -> Vec<IpAddr> {
    let mut known = known.lock().unwrap();
    let entry = known.entry(name.to_owned()).or_default();
    entry.asked += usize::from(kind == TYPE_A);
    let first = name.split('.').next().unwrap_or_default();
    let all = if let Some(digits) = first.strip_prefix("v4-") {
        vec![Ipv4Addr::from_bits(u32::from_str_radix(digits, 16).unwrap()).into()]
    } else if let Some(digits) = first.strip_prefix("v6-") {
        vec![Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).unwrap()).into()]
    } else {
        let at = entry.asked.saturating_sub(1).min(entry.answers.len().saturating_sub(1));
        entry.answers.get(at).cloned().unwrap_or_else(|| vec![Ipv4Addr::LOCALHOST.into()])
    };
    all.into_iter().filter(|address: &IpAddr| address.is_ipv4() == (kind == TYPE_A)).collect()
}
