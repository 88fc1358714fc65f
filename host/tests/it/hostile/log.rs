//! The log under attack, by plugins that print and fail and by clients that send: every line is the host's, their text
//! stands in its field alone, and a flood of one tenant costs another no line.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, Host, eventually};

const PLUGINS: [&str; 2] = ["hostile-console", "probe"];

/// What must never begin a line, nor stand where the host's own words do.
const FORGED: &str = "FORGED";

/// Printed, half of it to each stream. Every part is a line that wants to be more or something else than one.
fn forgeries() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 12] = [
        b"a\n2026-01-01T00:00:00.000000Z ERROR FORGED plugin=crm 1.0.0 tenant=victim",
        b"b\r2026-01-01T00:00:00.000000Z ERROR FORGED",
        b"c\x1b[2K\x1b[1A\x1b[31mFORGED\x1b[0m\x07\x08\x08",
        b"d\x00\x0b\x0c\x7fFORGED",
        "e\u{202e}DEGROF\u{202c}\u{2066}\u{2069}\u{200f}\u{61c}FORGED".as_bytes(),
        "f\u{2028}FORGED\u{2029}FORGED\u{85}FORGED\u{9b}31m".as_bytes(),
        "g\u{200b}\u{feff}\u{ad}\u{e0041}FORGED".as_bytes(),
        b"h\xff\xfe\xc0\xafFORGED\xf0\x9f",
        br#"i" correlation=x text="FORGED"#,
        br#"j"}}{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","fields":{"message":"FORGED"}}"#,
        b"k\\nFORGED\\u{1b}\\",
        b"l 2026-01-01T00:00:00.000000Z  WARN a call of a plugin failed plugin=FORGED 1.0.0",
    ];
    lines.map(<[u8]>::to_vec).into()
}

async fn print(client: &Client, bytes: &[u8]) {
    let body = json!({ "bytes": STANDARD.encode(bytes) });
    client.post("/plugins/hostile-console/print", body).await.data(200);
}

fn log(host: &Host) -> String {
    let bytes = std::fs::read(host.scratch().log()).unwrap();
    String::from_utf8(bytes).expect("the log is UTF-8")
}

/// The log's lines once one of them has this in it. A line that is still being written is not among them.
async fn lines_with(host: &Host, last: &str) -> Vec<String> {
    eventually(last, async || {
        let log = log(host);
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        // By line feeds alone: what else may break a line is looked for below.
        let lines: Vec<String> = whole.split('\n').map(str::to_owned).collect();
        lines.iter().any(|line| line.contains(last)).then_some(lines)
    })
    .await
}

/// Nothing in a line moves the cursor, breaks it, turns its direction or hides.
fn assert_plain(line: &str) {
    let hidden = |character: char| {
        matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!line.chars().any(|character| character.is_control() || hidden(character)), "{line:?}");
}

/// `2026-11-21T16:51:35.123456Z  INFO what`, as the host begins every line of text: gives what comes after the level.
#[track_caller]
fn own_beginning(line: &str) -> &str {
    let (time, rest) = line.split_at_checked(27).unwrap_or_else(|| panic!("not a line of the host's: {line:?}"));
    let digits = time.char_indices().all(|(index, character)| match index {
        4 | 7 => character == '-',
        10 => character == 'T',
        13 | 16 => character == ':',
        19 => character == '.',
        26 => character == 'Z',
        _ => character.is_ascii_digit(),
    });
    let rest = rest.trim_start();
    let level = ["ERROR ", "WARN ", "INFO ", "DEBUG ", "TRACE "].into_iter().find_map(|level| rest.strip_prefix(level));
    assert!(digits && level.is_some(), "not a line of the host's: {line:?}");
    level.unwrap_or_default()
}

#[tokio::test]
async fn text_lines_are_the_hosts_whatever_a_plugin_prints() {
    let host = Host::with_plugins(&PLUGINS).await;
    for forgery in forgeries() {
        // Twice, so that either stream has all of it.
        print(&host, &[forgery.as_slice(), b"\n", &forgery, b"\n"].concat()).await;
    }
    host.post("/plugins/hostile-console/fail", json!({ "times": 1 })).await.data(200);
    print(&host, b"the last word\n\n").await;
    let mut printed = 0;
    for line in lines_with(&host, "word").await {
        assert_plain(&line);
        let said = own_beginning(&line);
        if line.contains(FORGED) {
            let (own, text) = said.split_once(" text=\"").unwrap_or_else(|| panic!("not within a text: {line}"));
            assert!(own.starts_with("printed plugin=hostile-console 1.0.0 tenant=demo correlation="), "{line}");
            assert!(!own.contains(FORGED) && is_one_quoted(text), "{line}");
            printed += 1;
        }
    }
    assert!(printed >= forgeries().len(), "only {printed} of the lines are in the log");
}

/// Whether the first quote that is not escaped is the last character.
fn is_one_quoted(text: &str) -> bool {
    let mut escaped = false;
    let end = text.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    end == Some(text.len() - 1)
}

#[tokio::test]
async fn json_lines_are_the_hosts_whatever_a_plugin_prints() {
    let host = Host::with_config(&PLUGINS, "log.format = \"json\"").await;
    for forgery in forgeries() {
        print(&host, &[forgery.as_slice(), b"\n", &forgery, b"\n"].concat()).await;
    }
    print(&host, b"the last word\n\n").await;
    let mut printed = 0;
    for line in lines_with(&host, "word").await {
        assert_plain(&line);
        let mut event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = event["fields"]["text"].take();
        assert!(!event.to_string().contains(FORGED), "outside its field: {line}");
        if text.as_str().is_some_and(|text| text.contains(FORGED)) {
            assert_eq!(event["fields"]["message"], "printed", "{line}");
            assert_eq!(event["fields"]["plugin"], "hostile-console 1.0.0", "{line}");
            printed += 1;
        }
    }
    assert!(printed >= forgeries().len(), "only {printed} of the lines are in the log");
}

#[tokio::test]
async fn one_tenants_flood_is_bounded_and_told_and_costs_another_no_line() {
    const BURST: u64 = 64 << 10;
    const RATE: u64 = 4 << 10;
    let config = format!(
        "log.tenant_bytes_per_s = {RATE}\nlog.tenant_burst_bytes = {BURST}\nlog.dropped_report_interval_ms = 200\n\
         limits.cpu_budget_ms = 5000\nlimits.wall_deadline_ms = 25000"
    );
    let host = Host::with_config(&PLUGINS, &config).await;
    let begun = Instant::now();
    let (loud, quiet) = (host.tenant("loud"), host.tenant("quiet"));
    for number in 0..10 {
        loud.post("/plugins/hostile-console/flood", json!({ "bytes": 2 << 20 })).await.data(200);
        loud.post("/plugins/hostile-console/lines", json!({ "count": 200_000 })).await.data(200);
        assert_eq!(*loud.post("/plugins/hostile-console/fail", json!({ "times": 20 })).await.data(200), 20);
        // Once to each stream.
        print(&quiet, format!("quiet line {number}\n").repeat(2).as_bytes()).await;
    }
    print(&quiet, b"the last word\n\n").await;
    let lines = lines_with(&host, "word").await;
    let of = |tenant: &str| lines.iter().filter(|line| line.contains(&format!("tenant={tenant} "))).count();
    assert!(of("loud") > 0 && of("quiet") >= 11, "{} and {} lines", of("loud"), of("quiet"));
    for number in 0..10 {
        let text = format!("text=\"quiet line {number}\"");
        assert!(lines.iter().any(|line| line.contains("tenant=quiet") && line.contains(&text)), "{text} is lost");
    }
    let lines = lines_with(&host, "log lines of a tenant were dropped").await;
    let told = lines.iter().find(|line| line.contains("were dropped")).map(String::as_str).unwrap_or_default();
    assert!(own_beginning(told).contains("tenant=loud lines="), "{told}");
    assert!(!lines.iter().any(|line| line.contains("were dropped") && line.contains("tenant=quiet")), "{lines:#?}");
    // Without the rate it were more than 500 KiB: ten times 8 KiB in one line, 100 short lines and 20 failures.
    let size = log(&host).len() as u64;
    let bound = BURST + RATE * (begun.elapsed().as_secs() + 1) + 16 * 1024;
    assert!(size <= bound, "the log has {size} bytes, {bound} were expected at most");
}

#[tokio::test]
async fn clients_cannot_forge_lines() {
    let config = "log.filter = \"trace\"";
    let host = Host::with_config(&PLUGINS, config).await;
    let requests: [&[u8]; 8] = [
        b"POST /plugins/probe/trap?%0aFORGED HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Correlation-ID: FORGED=1\r\n",
        b"POST /plugins/probe/trap HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Correlation-ID: a\x1b[2JFORGED\r\n",
        b"POST /plugins/probe/trap HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Correlation-ID: a\xe2\x80\xaeFORGED\r\n",
        b"POST /plugins/probe/trap HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Tenant-ID: a\tFORGED\r\n",
        b"GET /plugins/%0a2026-01-01T00:00:00Z%20INFO%20FORGED HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"GET /plugins/\xe2\x80\xa8FORGED HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: \x1b]0;FORGED\x07\r\n",
        b"\x1b[31mFORGED\r\n2026-01-01T00:00:00.000000Z  INFO FORGED\r\n",
    ];
    for request in requests {
        let address = host.address().trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(&[request, b"Content-Length: 0\r\nConnection: close\r\n\r\n"].concat()).await.unwrap();
        let mut answer = Vec::new();
        // Some are cut off, which is an answer too.
        let _ = connection.read_to_end(&mut answer).await;
    }
    print(&host, b"the last word\n\n").await;
    for line in lines_with(&host, "word").await {
        assert_plain(&line);
        assert!(!own_beginning(&line).starts_with(FORGED), "{line}");
    }
}
