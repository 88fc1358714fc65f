//! The corpus of requests: what each connection is answered, and that nothing on it is ever read in two ways.

use futures::future::join_all;

use super::wire::{Neighbour, Wire, address};
use crate::common::Host;

struct Case<'a> {
    name: &'a str,
    statuses: Vec<u16>,
    open: bool,
    bytes: Vec<u8>,
}

fn cases<'a>(corpus: &'a str, host: &str) -> Vec<Case<'a>> {
    let blocks = corpus.split("\n== ").skip(1);
    let case = |block: &'a str| {
        let (name, rest) = block.split_once("\n-> ").unwrap_or_else(|| panic!("no outcome: {block}"));
        let (outcome, lines) = rest.split_once('\n').unwrap_or_else(|| panic!("no bytes: {name}"));
        let (statuses, end) = outcome.rsplit_once(' ').unwrap_or(("", outcome));
        let statuses = statuses.split_whitespace().map(|status| status.parse().unwrap()).collect();
        assert!(["open", "closed"].contains(&end), "{name}: {outcome}");
        let text = lines.replace('\n', "").replace("{host}", host).replace("{FILL}", &"x".repeat(3 << 20));
        let text = text.replace("{EXTENSIONS}", &"1;a=b\\r\\n \\r\\n".repeat(10_000));
        Case { name, statuses, open: end == "open", bytes: raw(&text) }
    };
    blocks.map(case).collect()
}

fn raw(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, length) = match rest.as_bytes()[at + 1] {
            b'r' => (b'\r', 2),
            b'n' => (b'\n', 2),
            b't' => (b'\t', 2),
            b'0' => (0, 2),
            b'x' => (u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap(), 4),
            other => panic!("\\{} is no escape", char::from(other)),
        };
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What became of the connection, in the words of the corpus.
async fn outcome(case: &Case<'_>, address: &str) -> String {
    let mut wire = Wire::connect(address).await;
    wire.send(&case.bytes).await;
    let mut statuses = Vec::new();
    let mut open = true;
    // An answer more than expected must show, so the last proper request is told by its own status.
    for _ in 0..case.statuses.len() {
        match wire.answer().await {
            Some(answer) => statuses.push(answer.status),
            None => open = false,
        }
    }
    let probe = format!("OPTIONS /probe HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    if open && case.open {
        wire.send(probe).await;
    }
    match wire.answer().await {
        Some(answer) if case.open && answer.status == 404 && answer.body.windows(6).any(|part| part == b"/probe") => {}
        Some(more) => statuses.push(more.status),
        None => open = false,
    }
    if !case.open {
        statuses.extend(wire.answers().await.iter().map(|answer| answer.status));
        open = false;
    }
    statuses.iter().map(|status| format!("{status} ")).collect::<String>() + if open { "open" } else { "closed" }
}

#[tokio::test]
async fn every_request_of_the_corpus_has_its_outcome() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let cases = cases(include_str!("corpus.txt"), address(&host));
    assert!(cases.len() >= 60);
    let outcomes = join_all(cases.iter().map(|case| outcome(case, address(&host)))).await;
    let mut wrong = Vec::new();
    for (case, outcome) in cases.iter().zip(outcomes) {
        let expected: String = case.statuses.iter().map(|status| format!("{status} ")).collect();
        let expected = expected + if case.open { "open" } else { "closed" };
        if outcome != expected {
            wrong.push(format!("{}: expected {expected}, found {outcome}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    neighbour.served().await;
}
