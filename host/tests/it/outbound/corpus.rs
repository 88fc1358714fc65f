//! Hundreds of addresses that lead, or seem to lead, where no plugin may go.

use serde_json::{Value, json};

use super::server::Outside;
use super::world::{World, ask, assert_error, manifest, start};
use crate::common::eventually;

/// Each line has what the guest is told and a URL; `{P}` is the port where the counting listener is.
const CORPUS: &str = include_str!("hostile_urls.txt");

const CONFIG: &str = "outbound.requests_per_minute = 100000\noutbound.requests_burst = 10000\n";

/// What a line's first word stands for. What the standard implementation refuses never reaches the capability.
fn expected(word: &str) -> &'static [&'static str] {
    match word {
        "ip" => &["DestinationIpProhibited"],
        "uri" => &["HttpRequestUriInvalid", "refused as it was set"],
        "denied" => &["HttpRequestDenied"],
        "scheme" => &["HttpProtocolError", "refused as it was set"],
        _ => panic!("what is {word}?"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_url_leads_to_a_connection() {
    let (forbidden, good) = (Outside::everywhere().await, Outside::start().await);
    let ports = [80, 443, forbidden.port(), good.port()];
    let world = World::start(manifest(&ports), &[good.address.to_string()], CONFIG).await;
    let lines: Vec<(&str, String)> = CORPUS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(word, url)| (word, unescaped(url).replace("{P}", &forbidden.port().to_string())))
        .collect();
    assert!(lines.len() >= 200, "only {} hostile URLs", lines.len());

    let mut wrong = Vec::new();
    for some in lines.chunks(25) {
        let urls: Vec<&str> = some.iter().map(|(_, url)| url.as_str()).collect();
        let outcomes = world.call("each", json!({ "urls": urls })).await.data(200).clone();
        for ((word, url), outcome) in some.iter().zip(outcomes.as_array().unwrap()) {
            let told = outcome.as_str().unwrap();
            if !expected(word).iter().any(|expected| told.contains(expected)) {
                wrong.push(format!("{word} {url:?}: {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} ended otherwise:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
    assert_eq!(forbidden.connections(), 0, "a hostile URL led to a connection");

    // The way out is open, and the listener counts.
    let outcome = world.ask(&format!("http://good.outbound.test:{}/", good.port())).await;
    assert_eq!(outcome["status"], 200, "{outcome}");
    drop(tokio::net::TcpStream::connect(("127.0.0.1", forbidden.port())).await.unwrap());
    eventually("the listener counts", async || (forbidden.connections() == 1).then_some(())).await;
    println!("{} hostile URLs, no connection", lines.len());
}

#[tokio::test]
async fn credentials_before_a_host_do_not_reach_the_log() {
    let world = World::start(manifest(&[443]), &[], "").await;
    assert_error(&world.ask("https://jo:s3cret@api.outbound.test/").await, "the URL cannot be used");
    let told = |log: &String| log.contains("a user stands before the host") && log.contains("api.outbound.test");
    let log = eventually("the refusal is logged", async || Some(world.log()).filter(told)).await;
    assert!(!log.contains("s3cret"), "{log}");
}

/// Without a word of the operator even the machine's own names are refused, by the machine's own resolver.
#[tokio::test]
async fn the_machines_own_names_are_not_on_the_internet() {
    let server = Outside::start().await;
    let mut manifest = manifest(&[server.port()]);
    manifest["outbound"][0]["host"] = json!("localhost");
    let url = format!("http://localhost:{}/", server.port());
    for (open, status) in [(Vec::new(), Value::Null), (vec![format!("localhost:{}", server.port())], json!(200))] {
        let host = start(manifest.clone(), &open, "").await;
        let outcome = ask(&host, &url).await;
        assert_eq!(outcome["status"], status, "{outcome}");
        assert!(!status.is_null() || outcome["error"] == "Prohibited", "{outcome}");
    }
    assert_eq!(server.connections(), 1);
}

/// `\n`, `\t`, `\0` and `\u{…}` as the characters they stand for.
fn unescaped(text: &str) -> String {
    let mut plain = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0");
    while let Some((before, rest)) = plain.split_once("\\u{") {
        let (digits, after) = rest.split_once('}').unwrap();
        let character = char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap();
        plain = format!("{before}{character}{after}");
    }
    plain
}
