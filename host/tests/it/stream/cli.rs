//! `tenon notifications` and `tenon stream`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::{Person, eventually, send, tell};
use crate::common::{DEADLINE, Host, output};

#[tokio::test]
async fn notifications_are_listed_and_read_from_the_command_line() {
    let host = Host::with_plugins(&["notifier"]).await;
    let tenon = async |args: &[&str]| {
        let args = [args, &["--url", host.address()]].concat();
        output(host.scratch().tenon(&args)).await
    };
    assert_eq!(tenon(&["notifications"]).await.success(), "there are no notifications\n");
    let id = send(&host, json!({}), "First").await;
    send(&host, json!({ "role": "owner" }), "Second").await;
    let person = Person::new(&host, "jo", "owner");
    eventually("both", async || (person.titles("").await.len() == 2).then_some(())).await;
    let listed = tenon(&["notifications", "--limit", "1"]).await.success();
    assert!(
        listed.contains("Second") && listed.contains("role:owner") && listed.contains("--cursor unread-"),
        "{listed}"
    );
    assert_eq!(tenon(&["notifications", "read", &id]).await.success(), format!("notification {id} is read\n"));
    let unread = tenon(&["notifications", "--unread", "--json"]).await.success();
    let unread: Value = serde_json::from_str(&unread).unwrap();
    assert_eq!(unread.as_array().unwrap().len(), 1);
    let all = tenon(&["notifications"]).await.success();
    assert!(all.find("Second") < all.find("First"), "{all}");
    assert!(tenon(&["notifications", "read", "none"]).await.status == Some(1));
}

#[tokio::test]
async fn a_follower_sees_each_message_once_across_a_restart() {
    let mut host = Host::with_config(&["notifier"], "stream.retry_ms = 20").await;
    let data = host.scratch().data();
    let args = ["stream", "--topics", "order.*", "--json", "--tenant", "demo", "--data", data.to_str().unwrap()];
    let mut command = Command::from(host.scratch().tenon(&args));
    let mut stream = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut told = BufReader::new(stream.stdout.take().unwrap()).lines();
    // Begun before it listens they are not its own; so it is told until it hears.
    let mut number = 0;
    let first = loop {
        tell(&host, "order.paid", json!({ "n": number })).await;
        number += 1;
        if let Ok(line) = timeout(std::time::Duration::from_millis(500), told.next_line()).await {
            break read(&line.unwrap().unwrap());
        }
    };
    let mut seen = first["data"]["data"]["n"].as_u64().unwrap();
    let mut until = async |number: u64| {
        while seen < number {
            let line = timeout(DEADLINE, told.next_line()).await.unwrap().unwrap().unwrap();
            let line = read(&line);
            assert_eq!(line["event"], "order.paid");
            seen += 1;
            assert_eq!(line["data"]["data"]["n"], seen, "each once, and in order");
        }
    };
    for _ in 0..3 {
        tell(&host, "order.paid", json!({ "n": number })).await;
        until(number).await;
        number += 1;
        host.restart().await;
        tell(&host, "order.paid", json!({ "n": number })).await;
        until(number).await;
        number += 1;
    }
    stream.kill().await.unwrap();
    let mut said = String::new();
    stream.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert!(!said.contains("lost"), "{said}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_hosts_own_words() {
    let host = Host::with_plugins(&[]).await;
    let refused = output(host.scratch().tenon(&["stream", "--topics", "deal", "--url", host.address()])).await;
    assert!(refused.status == Some(1) && refused.stderr.contains("topics"), "{refused:?}");
    let nobody = output(host.scratch().tenon(&["stream", "--url", "http://127.0.0.1:9"])).await;
    assert!(nobody.status == Some(1) && nobody.stderr.contains("no host answers"), "{nobody:?}");
}

fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
