//! What commands say when the host refuses, or does not answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use reqwest::Method;
use serde_json::json;

use crate::common::{Host, Scratch, ask, output};

#[tokio::test]
async fn a_wrong_field_is_told_once_and_by_its_name() {
    let host = Host::with_plugins(&[]).await;
    let told = output(host.scratch().tenon(&["tenant", "create", "Not One", "--url", host.address()])).await.failure();
    assert!(told.starts_with("tenon: id: "), "a sentence of its own: {told}");
    assert_eq!((told.matches("is not a tenant id").count(), told.trim_end().lines().count()), (1, 1), "{told}");

    let keys = |body| ask(host.request(Method::POST, "/api/v1/keys").json(&body));
    for (body, message) in [
        (json!({}), "role is required"),
        (json!({"role": "member", "rolle": 1}), "rolle is unknown, expected"),
        (json!({"role": "member", "name": 5}), "name is integer `5`, expected a string"),
        (json!([]), "body is an array, expected an object"),
    ] {
        let answer = keys(body).await;
        let told = answer.message(422, "invalid");
        assert!(told.starts_with(message) && !told.contains("line 1"), "expected {message}: {told}");
    }
    let told = host.get("/api/v1/keys?limit=many").await;
    assert_eq!(told.wrong_fields(), ["limit"], "{told:?}");
}

/// Refuses every request with this status for as long as the test runs, and tells what was asked: method and path.
fn refuser(status: u16) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let first = lines.next().unwrap_or_default();
            lines.for_each(drop);
            _ = tell.send(first.trim_end_matches(" HTTP/1.1").to_owned());
            let body = json!({ "success": false, "error": { "code": "refused", "message": "not today" } }).to_string();
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            _ = (&stream).write_all((head + &body).as_bytes());
        }
    });
    (address, asked)
}

#[tokio::test]
async fn nothing_is_rolled_out_over_what_could_not_be_read() {
    let scratch = Scratch::with_plugins(&[]);
    for change in [&["--percent", "10"][..], &["--end"]] {
        let version = if change.len() == 1 { &[][..] } else { &["1.1.0"] };
        for (status, methods) in [(503, 1), (403, 1), (404, 2)] {
            let (address, asked) = refuser(status);
            let args = [&["rollout", "crm"], version, change, &["--url", &address]].concat();
            let told = output(scratch.tenon(&args)).await.failure();
            assert!(told.contains("not today"), "{told}");
            let asked: Vec<String> = asked.try_iter().collect();
            assert_eq!(asked.len(), methods, "{status}: {asked:?}");
            assert_eq!(asked[0], "GET /api/v1/rollouts/crm");
        }
    }
}

#[tokio::test]
async fn no_name_leads_a_command_to_another_path() {
    let scratch = Scratch::with_plugins(&[]);
    let (address, asked) = refuser(400);
    for (args, path) in [
        (&["plugin", "show", "../keys"][..], "GET /api/v1/plugins/..%2Fkeys"),
        (&["plugin", "show", ".."], "GET /api/v1/plugins/%252E%252E"),
        (&["plugin", "disable", "crm?force=true#"], "POST /api/v1/plugins/crm%3Fforce%3Dtrue%23/deactivate"),
        (
            &["plugin", "uninstall", "crm", "1.0.0+b", "--force"],
            "DELETE /api/v1/plugins/crm/versions/1.0.0%2Bb?force=true",
        ),
        (&["plugin", "pin", "a/b", "^1"], "GET /api/v1/plugins/a%2Fb/decision"),
        (&["plugin", "stats", "a/b"], "GET /api/v1/plugins/a%2Fb/stats"),
        (&["plugin", "errors", "a/b"], "GET /api/v1/plugins/a%2Fb/errors?limit=50"),
        (&["plugin", "forget", "a/b", "--claims"], "POST /api/v1/plugins/a%2Fb/forget"),
        (&["plugin", "purge", "a/b", "--all", "--yes"], "POST /api/v1/plugins/a%2Fb/purge"),
        (&["catalogue", "install", "a/b", "../1"], "POST /api/v1/catalogue/a%2Fb/..%2F1/install"),
        (&["snapshot", "list", "a/b"], "GET /api/v1/plugins/a%2Fb/snapshots"),
        (&["snapshot", "delete", "crm", ".."], "DELETE /api/v1/plugins/crm/snapshots/%252E%252E"),
        (&["snapshot", "restore", "crm", "a/b"], "POST /api/v1/plugins/crm/snapshots/a%2Fb/restore"),
        (&["grant", "a/b"], "GET /api/v1/plugins/a%2Fb/grants"),
        (&["revoke", "crm", "--host", "*.a.example/.."], "DELETE /api/v1/plugins/crm/grants/host/*.a.example%2F.."),
        (&["explain", "a/b"], "GET /api/v1/plugins/a%2Fb/links"),
        (&["config", "show", "a/b"], "GET /api/v1/plugins/a%2Fb/config"),
        (&["logs", "a/b", "--level", "a&b"], "GET /api/v1/plugins/a%2Fb/logs?level=a%26b&lines=100"),
        (&["shared-data", "a/b", "--cursor", "é"], "GET /api/v1/plugins/a%2Fb/shared-data?limit=50&cursor=%C3%A9"),
        (&["rollback", "a/b", "--to", "1.0.0+b"], "POST /api/v1/rollouts/a%2Fb/rollback?to=1.0.0%2Bb"),
        (&["schedule", "run", "a/b", "c d"], "POST /api/v1/schedules/a%2Fb/c%20d/run"),
        (
            &["quota", "unset", "a b", "--plugin", "c d", "--tenant", "e"],
            "DELETE /api/v1/tenants/e/quotas/a%20b?plugin=c+d",
        ),
        (&["key", "revoke", "a/b"], "DELETE /api/v1/keys/a%2Fb"),
        (&["trust", "remove", "a/b"], "DELETE /api/v1/trust/a%2Fb"),
        (&["notifications", "read", "a/b"], "POST /api/v1/notifications/a%2Fb/read"),
    ] {
        let told = output(scratch.tenon(&[args, &["--url", &address]].concat())).await.failure();
        assert!(told.contains("not today"), "{args:?}: {told}");
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), [path], "{args:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_not_taken_for_no_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Reads something and hangs up, for as long as the test runs.
    std::thread::spawn(move || listener.incoming().flatten().for_each(|mut stream| _ = stream.read(&mut [0; 64])));
    let scratch = Scratch::with_plugins(&[]);
    let told = output(scratch.tenon(&["tenant", "create", "acme", "--url", &address])).await.failure();
    assert!(told.contains("broke off before it had answered") && told.contains("`tenon audit` tells"), "{told}");
    assert!(!told.contains("no host answers"), "{told}");
    let told = output(scratch.tenon(&["tenant", "list", "--url", &address])).await.failure();
    assert!(told.contains("broke off") && !told.contains("tenon audit"), "what only reads changes nothing: {told}");
}
