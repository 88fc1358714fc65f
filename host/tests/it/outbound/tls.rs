//! Hosts that do not prove who they are.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::Outside;
use super::world::{World, assert_error, manifest};

#[tokio::test]
async fn a_host_that_does_not_prove_who_it_is_is_told_nothing() {
    let servers = [
        Outside::with_tls("127.0.0.1:0", include_bytes!("tls/expired.pem")).await,
        Outside::with_tls("127.0.0.1:0", include_bytes!("tls/other.pem")).await,
        Outside::with_tls("127.0.0.1:0", include_bytes!("tls/stranger.pem")).await,
    ];
    let ports = servers.each_ref().map(Outside::port);
    let world = World::start(manifest(&ports), &["127.0.0.0/8".to_owned()], "").await;
    for server in &servers {
        let url = format!("https://api.outbound.test:{}/", server.port());
        assert_error(&world.raw("GET", &url, &[], 0).await, "TlsCertificateError");
        assert!(server.connections() == 1 && server.requests().is_empty());
    }
    // The certificate is of another name, and the name is what is looked at.
    let url = format!("https://other.outbound.test:{}/", servers[1].port());
    assert_eq!(world.ask(&url).await["status"], 200);
}

#[tokio::test]
async fn a_host_that_speaks_no_tls_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        heard
    });
    let world = World::start(manifest(&[port]), &["127.0.0.0/8".to_owned()], "").await;
    let url = format!("https://api.outbound.test:{port}/secret-path");
    assert_error(&world.raw("GET", &url, &["x-secret: 1"], 0).await, "TlsProtocolError");
    let heard = String::from_utf8_lossy(&server.await.unwrap()).into_owned();
    assert!(heard.contains("api.outbound.test") && !heard.contains("secret"), "{heard:?}");
    let log = world.log();
    assert!(
        log.contains("a request to a host outside came to nothing") && log.contains("TLS did not come about"),
        "{log}"
    );
}
