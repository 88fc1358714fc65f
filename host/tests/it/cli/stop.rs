//! How a host stops.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::common::{Host, Scratch, eventually};

const ADA: &str = r#"{"firstName":"Ada","lastName":"Lovelace","email":"ada@example.com"}"#;

/// A connection on which the host has begun to wait for the body of a request.
async fn under_way(host: &Host) -> BufReader<TcpStream> {
    let address = host.address().strip_prefix("http://").unwrap();
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!(
        "POST /plugins/crm/contacts HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        ADA.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    timeout(Duration::from_secs(30), stream.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream
}

/// Waits until the host takes no more connections.
async fn refuses_connections(host: &Host) {
    let address = host.address().strip_prefix("http://").unwrap();
    eventually("the host to take no more connections", async || TcpStream::connect(address).await.err()).await;
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_host_stops() {
    let mut host = Host::with_plugins(&["crm"]).await;
    let mut stream = under_way(&host).await;
    host.process().terminate();
    refuses_connections(&host).await;

    stream.write_all(ADA.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("HTTP/1.1 201 Created") && answer.contains("\"contact-5\""), "{answer}");
    assert_eq!(host.process().ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_keep_the_host() {
    let mut host = Host::with_plugins(&["crm"]).await;
    host.get("/health").await.data(200);
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut silent = TcpStream::connect(&address).await.unwrap();
    host.process().terminate();
    assert_eq!(host.process().ended().await.code(), Some(0));
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0, "it was closed");
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_after_the_grace() {
    let scratch = Scratch::with_plugins(&["crm"]);
    let config = scratch.file("tenon.toml", "[http]\nshutdown_grace_ms = 100\n");
    let mut host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let mut stream = under_way(&host).await;
    host.process().terminate();
    assert_eq!(host.process().ended().await.code(), Some(0));
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest).await;
    assert!(!rest.contains("HTTP/1.1 201"), "{rest}");
    let log = std::fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("cut off"), "the log says so: {log}");
}
