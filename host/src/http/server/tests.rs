use std::time::Instant;

use axum::extract::Request as AxumRequest;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use axum::extract::ConnectInfo;

/// Long enough for anything that should happen.
const PATIENCE: Duration = Duration::from_secs(10);

struct Host {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Drained>,
}

async fn host(router: Router, config: HttpConfig) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(async move {
        let stop = Stop { stop: async { _ = stopped.await }, now: std::future::pending() };
        serve(listener, router, &config, Draining::default(), stop).await
    });
    Host { address, stop, served }
}

/// A router whose `/held` announces each request and answers when it is let go.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (announce, release) = (entered.clone(), released.clone());
    let handler = get(move || async move {
        announce.notify_one();
        release.notified().await;
        "done"
    });
    (Router::new().route("/held", handler), entered, released)
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it should have happened by now")
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: tenon\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_cut_off() {
    let config = HttpConfig { header_read_timeout_ms: 100, ..HttpConfig::default() };
    let host = host(Router::new(), config).await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nhost: ten"] {
        let mut stream = send(host.address, beginning).await;
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("200"), "{beginning:?} was answered with {answer:?}");
    }
}

#[tokio::test]
async fn dripping_headers_do_not_win_time() {
    let config = HttpConfig { header_read_timeout_ms: 100, ..HttpConfig::default() };
    let host = host(Router::new(), config).await;
    let mut stream = send(host.address, "GET / HTTP/1.1\r\n").await;
    let started = Instant::now();
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    while stream.write_all(b"x-drip: 1\r\n").await.is_ok() {
        assert!(started.elapsed() < PATIENCE, "it was never cut off");
        drip.tick().await;
    }
}

#[tokio::test]
async fn a_slow_body_fails_with_its_own_error() {
    let config = HttpConfig { request_body_timeout_ms: 50, ..HttpConfig::default() };
    let router = Router::new().route(
        "/",
        post(async |request: AxumRequest| match axum::body::to_bytes(request.into_body(), 1024).await {
            Ok(body) => (StatusCode::OK, format!("{} bytes", body.len())),
            Err(error) => (StatusCode::REQUEST_TIMEOUT, format!("too slow: {}", BodyTimeout::caused(&error))),
        }),
    );
    let host = host(router, config).await;
    let head = "POST / HTTP/1.1\r\nhost: tenon\r\nconnection: close\r\ncontent-length: 5\r\n\r\n";
    let answer = rest(&mut send(host.address, &format!("{head}ab")).await).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.ends_with("too slow: true"), "{answer}");
    let answer = rest(&mut send(host.address, &format!("{head}abcde")).await).await;
    assert!(answer.ends_with("5 bytes"), "{answer}");
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let config = HttpConfig { headers_max: 3, header_bytes: 8192, ..HttpConfig::default() };
    let host = host(Router::new().route("/", get(|| async {})), config).await;
    let with = |lines: &str| GET.replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n"));
    assert!(rest(&mut send(host.address, &with("a: 1")).await).await.starts_with("HTTP/1.1 200"));
    for lines in ["a: 1\r\nb: 2".to_owned(), format!("a: {}", "x".repeat(9000))] {
        let answer = rest(&mut send(host.address, &with(&lines)).await).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn the_clients_address_reaches_the_router() {
    let router = Router::new().route("/", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()));
    let host = host(router, HttpConfig::default()).await;
    let mut stream = send(host.address, GET).await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(rest(&mut stream).await.ends_with(&own));
}

#[tokio::test]
async fn http2_without_tls_is_served_on_the_same_port() {
    let host = host(Router::new().route("/", get(|| async { "two" })), HttpConfig::default()).await;
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // GET, http, / and the authority "t", as HPACK writes them; flags END_STREAM and END_HEADERS.
    stream.write_all(&frame(1, 5, 1, &[0x82, 0x86, 0x84, 0x41, 1, b't'])).await.unwrap();
    loop {
        let mut head = [0; 9];
        within(stream.read_exact(&mut head)).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        within(stream.read_exact(&mut payload)).await.unwrap();
        if head[3] == 1 {
            assert_eq!(payload[0], 0x88, ":status 200");
            break;
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn stopping_finishes_the_request_under_way_and_accepts_no_other() {
    let (router, entered, released) = held();
    let host = host(router, HttpConfig::default()).await;
    let mut idle = TcpStream::connect(host.address).await.unwrap();
    let mut stream = send(host.address, "GET /held HTTP/1.1\r\nhost: tenon\r\n\r\n").await;
    within(entered.notified()).await;
    host.stop.send(()).unwrap();
    assert_eq!(rest(&mut idle).await, "", "a connection without a request is closed at once");
    within(async {
        while TcpStream::connect(host.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!host.served.is_finished());
    released.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    assert_eq!(within(host.served).await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_off() {
    let (router, entered, _released) = held();
    let host = host(router, HttpConfig { shutdown_grace_ms: 50, ..HttpConfig::default() }).await;
    let mut stream = send(host.address, "GET /held HTTP/1.1\r\nhost: tenon\r\n\r\n").await;
    within(entered.notified()).await;
    host.stop.send(()).unwrap();
    assert_eq!(within(host.served).await.unwrap(), Drained::Cut { connections: 1 });
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn one_connection_too_many_waits_for_a_place() {
    let (router, entered, released) = held();
    let host = host(router, HttpConfig { connections_max: 1, linger_ms: 0, ..HttpConfig::default() }).await;
    let request = "GET /held HTTP/1.1\r\nhost: tenon\r\nconnection: close\r\n\r\n";
    let mut first = send(host.address, request).await;
    within(entered.notified()).await;
    let mut second = send(host.address, request).await;
    let too_early = tokio::time::timeout(Duration::from_millis(100), entered.notified()).await;
    assert!(too_early.is_err(), "the second was served beside the first");
    released.notify_one();
    assert!(rest(&mut first).await.ends_with("done"));
    within(entered.notified()).await;
    released.notify_one();
    assert!(rest(&mut second).await.ends_with("done"));
}
