//! Bodies that are too large, packed or not.

use std::io::Write;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compress, Compression, FlushCompress};
use futures::future::join_all;
use serde_json::Value;

use super::wire::{Neighbour, Raw, Wire, address};
use super::{memory_kib, with_mirror};
use crate::common::{Client, Host, eventually};

const ADA: &str = r#"{"firstName":"Ada","lastName":"Lovelace","email":"ada@example.com"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Ten megabytes of gzip that unfold to ten gigabytes of zeros: one block, again and again.
fn bomb() -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(1 << 20);
    compress.compress_vec(&vec![0; 10 << 20], &mut block, FlushCompress::Full).unwrap();
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    [&header[..], &block.repeat((10 << 20) / block.len())].concat()
}

async fn post(host: &Host, path: &str, headers: &str, body: Vec<u8>) -> Raw {
    let mut wire = Wire::connect(address(host)).await;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n{headers}\r\n",
        address(host)
    );
    wire.exchange(&head, body).await.expect("an answer, whatever was still to be sent")
}

fn code(answer: &Raw) -> (u16, String) {
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, json["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_with_an_answer_and_cost_no_memory() {
    let host = with_mirror(&["crm"], "").await;
    let neighbour = Neighbour::of(&host);
    host.get("/plugins/crm/contacts").await.data(200);
    host.get("/plugins/mirror/").await;
    let before = memory_kib(&host);
    let too_large = (413, "too_large".to_owned());
    let whole = post(&host, "/plugins/crm/contacts", "", vec![b'x'; 100 << 20]).await;
    assert_eq!(code(&whole), too_large);
    // Nobody knows before how long it will be.
    let mut chunk = b"100000\r\n".to_vec();
    chunk.resize(chunk.len() + (1 << 20), b'x');
    chunk.extend_from_slice(b"\r\n");
    let head =
        format!("POST /plugins/mirror/ HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", address(&host));
    let mut wire = Wire::connect(address(&host)).await;
    assert_eq!(code(&wire.exchange(&head, chunk.repeat(100)).await.unwrap()), too_large);
    let grown = memory_kib(&host).saturating_sub(before);
    assert!(grown < 50 << 10, "the host took {grown} KiB for bodies of which it wants 2 MiB");
    neighbour.served().await;
}

#[tokio::test]
async fn ten_megabytes_that_unfold_to_ten_gigabytes_stop_at_the_limit() {
    let host = with_mirror(&["crm"], "http.body_bytes = 16777216").await;
    let neighbour = Neighbour::of(&host);
    host.get("/plugins/crm/contacts").await.data(200);
    host.get("/plugins/mirror/").await;
    let before = memory_kib(&host);
    let bomb = bomb();
    assert!(bomb.len() > 9 << 20 && bomb.len() < 16 << 20);
    let sent = ["/plugins/crm/contacts", "/plugins/mirror/"].repeat(2);
    let answers = sent.iter().map(|path| post(&host, path, "Content-Encoding: gzip\r\n", bomb.clone()));
    for answer in join_all(answers).await {
        assert_eq!(code(&answer), (413, "too_large".to_owned()));
    }
    // Four at once, each up to its limit, twice while a buffer grows.
    let grown = memory_kib(&host).saturating_sub(before);
    assert!(grown < 200 << 10, "the host took {grown} KiB");
    neighbour.served().await;
}

/// What reads JSON has names of its own for a number and for raw text, and reads what stands behind them once more.
#[tokio::test]
async fn a_body_with_names_of_the_json_reader_hides_nothing_from_the_limits() {
    let host = Host::with_plugins(&["crm"]).await;
    let contacts = "/plugins/crm/contacts";
    let total = host.get(contacts).await.json["total"].clone();
    let many = format!("[{}[0]]", "[0],".repeat(500_000));
    let plain = post(&host, contacts, "", many.clone().into_bytes()).await;
    assert_eq!(code(&plain), (413, "too_large".to_owned()), "one that hides nothing");
    let before = memory_kib(&host);
    for name in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for text in [&many, "1e5", &ADA.replace('"', "\\\"")] {
            let body = format!("{{\"{name}\":\"{text}\"}}");
            let answer = post(&host, contacts, "", body.into_bytes()).await;
            let json: Value = serde_json::from_slice(&answer.body).unwrap();
            let fields = json["error"]["fields"].as_array().cloned().unwrap_or_default();
            let unknown =
                |field: &Value| field["field"] == name && field["message"].to_string().contains("is not a field");
            assert!(answer.status == 422 && fields.iter().any(unknown), "{}", answer.text());
        }
    }
    assert_eq!(host.get(contacts).await.json["total"], total, "no Ada is read out of the text");
    let grown = memory_kib(&host).saturating_sub(before);
    assert!(grown < 32 << 10, "the host took {grown} KiB for 2 MB of text");
}

#[tokio::test]
async fn bodies_that_do_not_end_take_no_more_than_their_room_together() {
    let config = "http.body_bytes = 1048576\nhttp.bodies_bytes = 1048576";
    let host = Host::with_config(&["crm"], config).await;
    let contacts = "/plugins/crm/contacts";
    let head = format!("POST {contacts} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n", address(&host));
    // One that does not end leaves too little for this.
    let padded = format!("{ADA}{}", " ".repeat(900_000));
    let (mut wires, mut refused) = (Vec::new(), None);
    while refused.is_none() {
        assert!(wires.len() < 100, "bodies that do not end take no room");
        // Whoever comes at the same moment may be refused instead, so there is one more each time.
        let mut wire = Wire::connect(address(&host)).await;
        assert!(wire.send(&head).await && wire.send(vec![b' '; 300_000]).await);
        wires.push(wire);
        // On a connection of its own: one that is refused with its body half sent is closed.
        let answer = Client::new(host.address()).post_text(contacts, padded.clone()).await;
        refused = Some(answer).filter(|answer| answer.status == 503);
    }
    let refused = refused.unwrap();
    assert!(refused.message(503, "busy").contains("http.bodies_bytes"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    host.get(contacts).await.data(200);
    drop(wires);
    let other = padded.replace("ada@", "grace@");
    let free = async || {
        let client = Client::new(host.address());
        (client.post_text(contacts, other.clone()).await.status != 503).then_some(())
    };
    eventually("the room to be free", free).await;
}

#[tokio::test]
async fn a_packed_body_is_what_it_unfolds_to() {
    let host = with_mirror(&["crm"], "http.body_bytes = 3000").await;
    let packed = post(&host, "/plugins/crm/contacts", "Content-Encoding: gzip\r\n", gzip(ADA.as_bytes())).await;
    assert_eq!(packed.status, 201, "{}", packed.text());
    let packed = post(&host, "/plugins/crm/contacts", "Content-Encoding: deflate\r\n", deflate(ADA.as_bytes())).await;
    assert_eq!(code(&packed), (409, "conflict".to_owned()), "the same Ada again");
    // A handler of a plugin's own sees the body unpacked, and headers that speak of that.
    let seen = post(&host, "/plugins/mirror/", "Content-Encoding: gzip\r\n", gzip(&[b'x'; 3000])).await;
    let text = seen.text();
    assert!(text.contains("\ncontent-length: 3000\n") && text.contains("body of 3000 bytes"), "{text}");
    assert!(!text.contains("content-encoding"), "{text}");
    // One more is too many, however few it came in.
    let over = post(&host, "/plugins/mirror/", "Content-Encoding: gzip\r\n", gzip(&[b'x'; 3001])).await;
    assert_eq!(code(&over), (413, "too_large".to_owned()));
}

#[tokio::test]
async fn what_is_packed_otherwise_or_broken_is_refused_by_name() {
    let host = with_mirror(&["crm"], "").await;
    for path in ["/plugins/crm/contacts", "/plugins/mirror/"] {
        for coding in ["br", "zstd", "compress", "gzip, gzip", "gzip\r\nContent-Encoding: gzip", "deflate, identity"] {
            let refused = post(&host, path, &format!("Content-Encoding: {coding}\r\n"), gzip(ADA.as_bytes())).await;
            assert_eq!(code(&refused), (415, "unsupported_encoding".to_owned()), "{path} {coding}");
            assert!(refused.head.contains("accept-encoding: gzip, deflate\r\n"), "{}", refused.head);
        }
        let packed = gzip(ADA.as_bytes());
        let cut = packed[..packed.len() - 3].to_vec();
        let continued = [packed.clone(), b"GET / HTTP/1.1".to_vec()].concat();
        for broken in [cut, continued, deflate(ADA.as_bytes()), ADA.into(), Vec::new()] {
            let refused = post(&host, path, "Content-Encoding: gzip\r\n", broken).await;
            assert_eq!(code(&refused), (400, "bad_encoding".to_owned()), "{path}");
        }
    }
}
