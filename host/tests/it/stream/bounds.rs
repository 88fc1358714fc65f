//! How much streams may take: many at once, and clients that do not read.

use reqwest::Method;
use serde_json::json;
use tenon::stream::sse::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Person, eventually, tell, title};
use crate::common::{DEADLINE, Host, Listener};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_listen_at_once_and_one_more_is_refused() {
    const STREAMS: usize = 200;
    let config = "stream.principal_streams = 150\nstream.tenant_streams = 200\nstream.backlog = 4";
    let host = Host::with_config(&[], config).await;
    let mut listeners = Vec::new();
    for number in 0..STREAMS {
        // Over connections of their own, and shared ones.
        let client = if number % 2 == 0 { (*host).clone() } else { host.http2() };
        let person = Person::new(&client, if number < 100 { "jo" } else { "al" }, "owner");
        listeners.push(person.listen("?topics=order.*").await);
    }
    let refused = Person::new(&host, "jo", "owner").get("/api/v1/stream").await;
    assert!(refused.message(429, "too_many_streams").contains("stream.tenant_streams"), "{refused:?}");
    assert!(!refused.header("retry-after").is_empty());
    let mut elsewhere = Person::new(&host.tenant("beta"), "jo", "owner").listen("?topics=order.*").await;
    let mut told = Vec::new();
    for number in 0..20 {
        told.push(tell(&host, "order.paid", json!({ "n": number })).await);
    }
    for listener in &mut listeners {
        for id in &told {
            assert_eq!(title(&listener.message().await), ("order.paid", id.as_str()));
        }
    }
    let own = tell(&host.tenant("beta"), "order.paid", json!({})).await;
    assert_eq!(title(&elsewhere.message().await).1, own, "another tenant has places of its own");
    // Who leaves makes room.
    listeners.truncate(STREAMS - 1);
    let person = Person::new(&host, "al", "owner");
    let again =
        eventually("a place", async || Listener::try_open(person.request(Method::GET, "/api/v1/stream")).await.ok());
    drop(again.await);
    // Those of one person have a bound of their own.
    drop(listeners);
    let mut own = Vec::new();
    eventually("the places to be free", async || {
        while let Ok(listener) = Listener::try_open(person.request(Method::GET, "/api/v1/stream")).await {
            own.push(listener);
        }
        (own.len() == 150).then_some(())
    })
    .await;
    assert!(person.get("/api/v1/stream").await.message(429, "too_many_streams").contains("principal_streams"));
}

const EVENT_BYTES: usize = 60_000;
const EVENTS: usize = 300;
const SLOW: usize = 20;

/// Resident memory of a process, in bytes.
fn resident(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_cost_their_buffer_are_cut_off_and_can_go_on() {
    // Places for those who are there, so that a place is free when one of them is cut off.
    let config =
        "stream.principal_streams = 21\nhttp.write_timeout_ms = 2000\nhttp.linger_ms = 100\nlog.filter = \"error\"";
    let host = Host::with_config(&[], config).await;
    let person = Person::new(&host, "jo", "owner");
    let address = host.address().strip_prefix("http://").unwrap().to_owned();
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        let head = format!("GET /api/v1/stream?topics=order.* HTTP/1.1\r\nhost: {address}\r\nx-user-id: jo\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        // Up to where it is live, and then nothing more.
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(": live") {
            let mut piece = [0; 4096];
            let read = socket.read(&mut piece).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..read]);
        }
        slow.push((socket, seen));
    }
    let mut quick = person.listen("?topics=order.*").await;
    let before = resident(host.id());
    let (mut told, mut most) = (Vec::new(), 0);
    for _ in 0..EVENTS {
        let id = tell(&host, "order.paid", json!({ "text": "x".repeat(EVENT_BYTES) })).await;
        assert_eq!(title(&quick.message().await).1, id, "who reads is not held up");
        told.push(id);
        most = most.max(resident(host.id()).saturating_sub(before));
    }
    let all = SLOW * EVENTS * EVENT_BYTES;
    println!("{} MiB more for {SLOW} clients that are {} MiB behind together", most >> 20, all >> 20);
    assert!(most < all / 3, "{most} bytes more, of {all}");

    let mut places = Vec::new();
    eventually("all that do not read to be cut off", async || {
        let request = person.request(Method::GET, "/api/v1/stream?topics=order.*");
        places.extend(Listener::try_open(request).await.ok());
        (places.len() == SLOW).then_some(())
    })
    .await;
    drop(places);

    // What the system had taken for it each of them can read; then its connection ends, and it goes on where it was.
    let (mut socket, mut seen) = slow.pop().unwrap();
    let read = tokio::time::timeout(DEADLINE, async {
        let mut piece = vec![0; 1 << 16];
        while let Ok(read @ 1..) = socket.read(&mut piece).await {
            seen.extend_from_slice(&piece[..read]);
        }
    });
    read.await.expect("a client that did not read is cut off");
    let last = last_id(&seen);
    let mut again = eventually("a place", async || {
        let request = person.request(Method::GET, "/api/v1/stream?topics=order.*").header("Last-Event-ID", &last);
        Listener::try_open(request).await.ok()
    })
    .await;
    let missed = again.missed().await;
    let missed: Vec<&str> = missed.iter().map(|message| title(message).1).collect();
    assert!(!missed.is_empty() && told.ends_with(&missed.iter().map(ToString::to_string).collect::<Vec<_>>()));
}

/// The id that a client was told last, of what came in chunks over HTTP/1.
fn last_id(answer: &[u8]) -> String {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut parser) = (&answer[head..], Parser::default());
    while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        let bytes = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let chunk = &rest[(end + 2).min(rest.len())..(end + 2 + bytes).min(rest.len())];
        parser.read(chunk);
        rest = &rest[(end + 2 + bytes + 2).min(rest.len())..];
    }
    parser.last_id().unwrap().to_owned()
}

#[tokio::test]
async fn streams_leave_connections_for_others_and_are_not_closed_for_them() {
    let config = "http.connections_max = 8\nhttp.wait_min_ms = 0\nhttp.header_read_timeout_ms = 60000";
    let host = Host::with_config(&[], config).await;
    let person = Person::new(&host, "jo", "owner");
    let mut listeners = Vec::new();
    for _ in 0..4 {
        listeners.push(person.listen("?topics=order.*").await);
    }
    assert!(person.get("/api/v1/stream").await.message(429, "too_many_streams").contains("stream.streams"));
    // Sockets that are only held open, more than there are places.
    let address = host.address().strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(address).await.unwrap());
        let told = tell(&host, "order.paid", json!({})).await;
        for listener in &mut listeners {
            assert_eq!(title(&listener.message().await).1, told);
        }
    }
}
