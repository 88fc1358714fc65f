//! Servers that plugins ask, well-behaved and not, and one that nobody may reach.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A server on a loopback address. What it answers depends on the path.
#[derive(Clone)]
pub struct Outside {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    written: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Outside {
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0", None).await
    }

    /// With a certificate of `tls/` and its key.
    pub async fn with_tls(address: &str, certificate: &[u8]) -> Self {
        let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::listen(address, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// On every address of this machine, so that whatever port it has leads here alone.
    pub async fn everywhere() -> Self {
        match TcpListener::bind("[::]:0").await {
            Ok(listener) => Self::serve(listener, None),
            Err(_no_ipv6) => Self::listen("0.0.0.0:0", None).await,
        }
    }

    async fn listen(address: &str, tls: Option<TlsAcceptor>) -> Self {
        Self::serve(TcpListener::bind(address).await.unwrap(), tls)
    }

    fn serve(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = server.seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, tls) = (Open::new(&seen), tls.clone());
                tokio::spawn(async move {
                    let mut stream: Box<dyn Both> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    // Whoever goes away early is what some tests are about.
                    let _ = answer(&mut stream, &seen.0).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that came.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Those that are open.
    pub fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that were taken from it.
    pub fn written(&self) -> usize {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// The heads of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

struct Open(Arc<Seen>);

impl Open {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(stream: &mut Box<dyn Both>, seen: &Seen) -> std::io::Result<()> {
    let head = head(stream).await?;
    seen.requests.lock().unwrap().push(head.clone());
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/echo" => {
            let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; line.map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body).await?;
            whole(stream, "", &body).await
        }
        "/redirect" => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {query}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        "/hang" => wait_for_end(stream).await,
        "/drip-head" => drip(stream, b"HTTP/1.1 200 OK\r\nX-Drip: ").await,
        "/drip-body" => drip(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await,
        "/endless" => flood(stream, seen, b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 64 << 10]).await,
        "/huge" => whole_head(stream, "Content-Length: 10737418240\r\n").await,
        "/short" => {
            whole_head(stream, "Content-Length: 100\r\n").await?;
            stream.write_all(b"only this").await
        }
        "/big-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            flood(stream, seen, b"X-Big: ", &[b'x'; 64 << 10]).await
        }
        "/gzip" => whole(stream, "Content-Encoding: gzip\r\n", &packed(b"small when packed")).await,
        "/no-gzip" => whole(stream, "Content-Encoding: gzip\r\n", b"this is not packed at all").await,
        // Ten thousand and more of these make 10 GB.
        "/bomb" => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
            flood(stream, seen, head, &packed(&vec![0; 1 << 20])).await
        }
        "/missing" => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await,
        "/latest/USD" => whole(stream, "Content-Type: application/json\r\n", b"{\"price\": \"1.0842\"}").await,
        "/garbage" => stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await,
        _ => whole(stream, "X-Colour: green\r\n", b"well behaved").await,
    }
}

async fn head(stream: &mut Box<dyn Both>) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn whole_head(stream: &mut Box<dyn Both>, headers: &str) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).await
}

async fn whole(stream: &mut Box<dyn Both>, headers: &str, body: &[u8]) -> std::io::Result<()> {
    whole_head(stream, &format!("{headers}Content-Length: {}\r\n", body.len())).await?;
    stream.write_all(body).await
}

/// One byte after the other, until the client goes away.
async fn drip(stream: &mut Box<dyn Both>, head: &[u8]) -> std::io::Result<()> {
    stream.write_all(head).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        stream.write_all(b"x").await?;
        stream.flush().await?;
    }
}

/// The same bytes again and again, until the client goes away.
async fn flood(stream: &mut Box<dyn Both>, seen: &Seen, head: &[u8], bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(head).await?;
    loop {
        stream.write_all(bytes).await?;
        seen.written.fetch_add(bytes.len(), Ordering::SeqCst);
    }
}

/// Says nothing until the client goes away.
async fn wait_for_end(stream: &mut Box<dyn Both>) -> std::io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
