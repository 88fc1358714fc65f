//! Heads of requests that are too much, and paths and queries that mean something else to somebody else.

use super::wire::{Neighbour, Raw, Wire, address};
use super::with_mirror;
use crate::common::Host;

async fn get(host: &Host, target: &str, lines: &str) -> Raw {
    let mut wire = Wire::connect(address(host)).await;
    let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", address(host));
    wire.exchange("", head.into_bytes()).await.unwrap_or_else(|| panic!("no answer to {:.80}", target))
}

#[tokio::test]
async fn a_head_that_is_too_much_is_refused_with_an_answer() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let many: String = (0..1_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(get(&host, "/health/live", &many).await.status, 431);
    assert_eq!(get(&host, "/health/live", &format!("X-Long: {}\r\n", "x".repeat(1 << 20))).await.status, 431);
    assert_eq!(get(&host, "/health/live", &format!("{}: 1\r\n", "x".repeat(1 << 20))).await.status, 431);
    assert_eq!(get(&host, &format!("/{}", "x".repeat(1 << 20)), "").await.status, 431);
    let within: String = (0..90).map(|number| format!("X-{number}: {}\r\n", "x".repeat(600))).collect();
    assert_eq!(get(&host, "/health/live", &within).await.status, 200);
    neighbour.served().await;
}

#[tokio::test]
async fn a_path_reaches_no_other_plugin_than_the_one_it_names_first() {
    let host = with_mirror(&["crm", "hello"], "").await;
    for (path, status, says) in [
        ("/plugins/crm/../hello/", 400, "bad_path"),
        ("/plugins/crm/..%2fhello/", 400, "bad_path"),
        ("/plugins/crm/%2e%2e/hello/", 400, "bad_path"),
        ("/plugins/crm/.%2E/hello/", 400, "bad_path"),
        ("/plugins/crm/./contacts", 400, "bad_path"),
        ("/plugins/crm/..\\hello", 400, "bad_path"),
        ("/plugins/mirror/../crm/contacts", 400, "bad_path"),
        ("/plugins/mirror/a%2f..%2f..%2fcrm/contacts", 400, "bad_path"),
        ("/plugins/../health", 400, "bad_path"),
        ("/../../../../etc/passwd", 400, "bad_path"),
        ("/plugins/crm/contacts/%00", 400, "bad_path"),
        ("/plugins/crm/contacts/contact-1%00.png", 400, "bad_path"),
        ("/plugins/crm/contacts/%ff", 400, "bad_path"),
        ("/plugins/crm/contacts/%c0%af", 400, "bad_path"),
        ("/plugins/crm/contacts/%", 400, "bad_path"),
        ("/plugins/crm/contacts/%zz", 400, "bad_path"),
        ("/plugins/crm//contacts", 404, "endpoint_not_found"),
        ("/plugins//crm/contacts", 404, "plugin_not_found"),
        ("//plugins/crm/contacts", 404, "not_found"),
        ("/plugins/crm/contacts/", 404, "endpoint_not_found"),
        ("/plugins/crm;x=1/contacts", 404, "plugin_not_found"),
        ("/plugins/crm%2Fcontacts", 404, "plugin_not_found"),
        ("/plugins/crm%2Fcontacts/health", 404, "plugin_not_found"),
        ("/plugins/%63rm/contacts", 404, "plugin_not_found"),
        ("/plugins/CRM/contacts", 404, "plugin_not_found"),
        ("/plugins/crm /contacts", 400, ""),
        ("/PLUGINS/crm/contacts", 404, "not_found"),
        ("/plugins/crm/contacts;jsessionid=1", 404, "endpoint_not_found"),
        ("/plugins/crm/contacts/a%2F..b", 404, "not_found"),
        ("/plugins/crm/contacts/contact-1%2F", 404, "not_found"),
        ("/plugins/crm/%63ontacts?take=1", 200, "\"total\":4"),
        ("/plugins/crm/contacts#/../hello", 200, "\"total\":4"),
        ("/plugins/mirror/a%2Fb//c;d?e=%00%ff", 200, "Get /a%2Fb//c;d?e=%00%ff on "),
        ("/plugins/mirror?/../crm/", 200, "Get /?/../crm/ on "),
    ] {
        let answer = get(&host, path, "").await;
        let text = answer.text();
        assert!(answer.status == status && text.contains(says), "{path}: {} {text}", answer.status);
    }
}

#[tokio::test]
async fn a_flooded_or_broken_query_is_answered() {
    let host = Host::with_plugins(&["crm"]).await;
    let neighbour = Neighbour::of(&host);
    let flood = |pair: &str, count: usize| format!("/plugins/crm/contacts?{}", vec![pair; count].join("&"));
    assert!([414, 431].contains(&get(&host, &flood("a=1", 100_000), "").await.status));
    // As many as fit into the largest head.
    for pair in ["a", "", "=", "take=1", "tags=a", "tags", "%00", "skip"] {
        let count = 60_000 / (pair.len() + 1);
        let answer = get(&host, &flood(pair, count), "").await;
        let expected = if ["", "tags=a", "tags"].contains(&pair) { 200 } else { 422 };
        assert_eq!(answer.status, expected, "{pair}: {:.300}", answer.text());
        assert!(answer.body.len() < 64 << 10, "{pair}: an answer of {} bytes", answer.body.len());
    }
    let search = |text: &str| format!("/plugins/crm/contacts?search={text}");
    for text in ["%e2%82%ac", "+", "%2b", "a%26take=1", "%", "%zz"] {
        assert_eq!(get(&host, &search(text), "").await.status, 200, "{text}");
    }
    // A NUL is a character as others are, and CRM takes it for no part of a name.
    for text in ["%00", "Ada%00"] {
        assert_eq!(get(&host, &search(text), "").await.status, 422, "{text}");
    }
    for broken in ["%ff", "%c0%af", "a%ed%a0%80"] {
        let answer = get(&host, &search(broken), "").await;
        assert!(answer.status == 400 && answer.text().contains("bad_query"), "{broken}: {}", answer.text());
    }
    neighbour.served().await;
}
