//! `tenon logs`: what plugins print and log, for those who may see it, now and as it comes.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::common::{Client, DEADLINE, Host, ask, eventually, output};

async fn log(client: &Client, message: &str, bytes: u32, times: u32) {
    let body = json!({ "message": message, "bytes": bytes, "times": times });
    client.post("/plugins/hostile-keeper/log", body).await.data(200);
}

async fn import(client: &Client, text: &str) {
    client.post("/plugins/importer/imports", json!({ "text": text })).await.data(200);
}

fn path(plugin: &str, query: &str) -> String {
    format!("/api/v1/plugins/{plugin}/logs?{query}")
}

/// Tenant and text of each line.
async fn lines(client: &Client, plugin: &str, query: &str) -> Vec<(String, String)> {
    let found = client.get(&path(plugin, query)).await;
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = found.data(200)["lines"].as_array().unwrap();
    lines.iter().map(|line| (text(line, "tenant"), text(line, "text"))).collect()
}

#[tokio::test]
async fn every_line_says_whose_it_is() {
    let host = Host::with_plugins(&["hostile-console", "probe", "hostile-keeper"]).await;
    let request = host.tenant("acme").request(Method::POST, "/plugins/hostile-console/print");
    // Half of it goes to each stream.
    let bytes = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, b"to out\nto err\n");
    ask(request.header("X-Correlation-ID", "mine-1").json(&json!({ "bytes": bytes }))).await.data(200);
    let request = host.tenant("acme").request(Method::POST, "/plugins/hostile-keeper/log");
    let body = json!({ "message": "m", "bytes": 0, "times": 1 });
    ask(request.header("X-Correlation-ID", "mine-2").json(&body)).await.data(200);

    let told = |line: &Value| {
        let names = ["plugin", "version", "tenant", "source", "level", "context", "text", "correlationId"];
        names.map(|name| line[name].as_str().unwrap_or("-").to_owned()).join(" ")
    };
    let found = host.tenant("acme").get(&path("hostile-console", "lines=10")).await;
    let found: Vec<String> = found.data(200)["lines"].as_array().unwrap().iter().map(told).collect();
    let expected = ["stdout info - to out", "stderr info - to err"];
    assert_eq!(found, expected.map(|line| format!("hostile-console 1.0.0 acme {line} mine-1")));
    let found = host.tenant("acme").get(&path("hostile-keeper", "")).await;
    let found: Vec<String> = found.data(200)["lines"].as_array().unwrap().iter().map(told).collect();
    let levels = ["trace", "debug", "info", "warn", "error", "critical"];
    assert_eq!(found, levels.map(|level| format!("hostile-keeper 1.0.0 acme log {level} m m mine-2")));

    // What the host says of a plugin stands there too.
    host.post("/plugins/probe/trap", Value::Null).await.refusal(502, "plugin_trapped");
    let found = lines(&host, "probe", "level=warn").await;
    assert!(
        matches!(&found[..], [.., (tenant, text)] if tenant == "demo" && text.starts_with("a call failed: ")),
        "{found:?}"
    );
    for (query, field) in [("lines=0", "lines"), ("lines=1001", "lines"), ("level=loud", "level"), ("after=x", "after")]
    {
        assert_eq!(host.get(&path("probe", query)).await.wrong_fields(), [field], "{query}");
    }
    assert_eq!(host.get(&path("nobody", "")).await.status, 404);
}

#[tokio::test]
async fn a_tenants_administrators_see_its_lines_and_no_others() {
    let host = Host::with_plugins(&["example-logging"]).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    import(&acme, "1").await;
    import(&beta, "two").await;
    import(&acme, "3").await;
    let of = |lines: &[(String, String)]| lines.iter().map(|(tenant, _)| tenant.clone()).collect::<Vec<_>>();
    assert_eq!(of(&lines(&acme.roles("admin"), "importer", "").await), ["acme"; 4]);
    assert_eq!(of(&lines(&beta.roles("admin"), "importer", "").await), ["beta"; 3]);
    for roles in ["member", ""] {
        assert_eq!(acme.roles(roles).get(&path("importer", "")).await.status, 403, "{roles}");
    }
    // Also with the cursor of somebody else, and while waiting.
    let cursor = acme.get(&path("importer", "")).await.data(200)["cursor"].as_u64().unwrap();
    let query = format!("after={cursor}&wait=true");
    let (waiting, ()) = tokio::join!(lines(&acme, "importer", &query), async {
        import(&beta, "4").await;
        import(&acme, "5").await;
    });
    assert!(!waiting.is_empty() && waiting.iter().all(|(tenant, _)| tenant == "acme"), "{waiting:?}");

    // Operators see all over the host's own socket, or one tenant's.
    let data = host.scratch().data();
    let logs = async |more: &[&str]| {
        let args = [&["logs", "importer", "--data", data.to_str().unwrap()], more].concat();
        output(host.scratch().tenon(&args)).await.success().to_owned()
    };
    let all = logs(&[]).await;
    assert!(all.contains(" acme 1.0.0 ") && all.contains(" beta 1.0.0 "), "{all}");
    let one = logs(&["--tenant", "beta", "--lines", "2"]).await;
    assert_eq!(one.lines().filter(|line| line.contains(" beta 1.0.0 ")).count(), 2, "{one}");
    assert_eq!(one.lines().count(), 2);
}

#[tokio::test]
async fn whoever_follows_sees_each_line_once_and_nothing_moves_their_cursor() {
    let mut host = Host::with_config(&["example-logging", "hostile-keeper"], "log.follow_wait_ms = 200").await;
    let args = ["logs", "hostile-keeper", "-f", "--level", "error", "--url", host.address()];
    let mut command = Command::from(host.scratch().tenon(&args));
    let mut logs = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(logs.stdout.take().unwrap()).lines();
    for round in 0..5 {
        log(&host, &format!("round {round}\n\x1b[2J\u{202e}"), 0, 1).await;
        for level in ["ERROR", "CRITICAL"] {
            let line = timeout(DEADLINE, told.next_line()).await.unwrap().unwrap().unwrap();
            let text = format!(r"round {round}\n\u{{1b}}[2J\u{{202e}}");
            assert!(line.contains(&format!(" {level} ")) && line.ends_with(&text), "{line:?}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
    // Those who wait do not hold up the end of the host; the command waits for the next one.
    host.terminate();
    host.ended().await;
    logs.kill().await.unwrap();
    let mut said = String::new();
    logs.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert!(!said.contains("lost"), "{said}");
}

#[tokio::test]
async fn a_flood_costs_bounded_memory_and_is_told_to_who_was_slow() {
    let config = "
        log.kept_lines = 50
        log.kept_bytes = 20000
        log.tenant_burst_bytes = 4194304
        limits.cpu_budget_ms = 9000
        limits.console_lines = 2000
        limits.console_bytes = 2097152
    ";
    let host = Host::with_config(&["hostile-keeper"], config).await;
    log(&host, "first", 0, 1).await;
    let cursor = host.get(&path("hostile-keeper", "")).await.data(200)["cursor"].as_u64().unwrap();
    log(&host, "flood", 10, 300).await;
    let found = host.get(&path("hostile-keeper", &format!("after={cursor}&lines=1000"))).await;
    assert_eq!(found.data(200)["skipped"], true);
    assert_eq!(found.data(200)["lines"].as_array().unwrap().len(), 50);
    log(&host, "long", 3000, 10).await;
    let kept = lines(&host, "hostile-keeper", "lines=1000").await;
    assert!((1..=5).contains(&kept.len()), "{} lines", kept.len());

    // More than a call may say is left out, and told.
    log(&host, "z", 100_000, 20).await;
    let last = eventually("what was left out", async || {
        let kept = lines(&host, "hostile-keeper", "lines=1").await;
        kept.first().map(|(_, text)| text.clone()).filter(|text| text.contains("bytes were left out"))
    });
    assert!(last.await.contains("limits.console_bytes"));
}
