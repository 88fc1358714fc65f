//! What becomes of a delivery that fails, and of one whose subscriber is not there.

use serde_json::json;

use super::{QUICK, data, dead, handled, host, publish, second};
use crate::common::{Host, Scratch, eventually};

fn tenon(host: &Host, args: &[&str]) -> Result<String, String> {
    let output = host.scratch().tenon(args).args(["--url", host.address()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn what_fails_is_tried_again_and_its_key_waits_for_it() {
    let host = host("").await;
    publish(&host, "news.act", Some("k"), json!({ "do": "fail-first", "times": 2 })).await;
    publish(&host, "news.plain", Some("k"), json!({ "second": true })).await;
    let heard = handled(&host, 2).await;
    assert_eq!((&heard[0]["attempt"], &heard[1]["attempt"]), (&json!(3), &json!(1)), "{heard:?}");
    assert_eq!(data(&heard[1]), json!({ "second": true }));

    // Its effect was there already when it failed.
    publish(&host, "news.act", Some("k"), json!({ "do": "trap-after" })).await;
    publish(&host, "news.plain", Some("k"), json!({})).await;
    let heard = handled(&host, 4).await;
    assert!(heard.len() == 4 && heard.iter().all(|event| event["times"] == 1), "{heard:?}");
    host.get("/api/v1/events/dead").await.rows().is_empty().then_some(()).unwrap();
}

#[tokio::test]
async fn dead_letters_are_shown_replayed_and_dropped_by_those_who_may() {
    let host = host("").await;
    let poison = publish(&host, "news.act", Some("k"), json!({ "do": "retry" })).await;
    publish(&host, "news.act", Some("k"), json!({ "do": "reject" })).await;
    publish(&host, "news.plain", Some("k"), json!({})).await;
    handled(&host, 1).await;
    let letters = dead(&host, 2).await;
    let (rejected, poisoned) = (&letters[0], &letters[1]);
    assert_eq!((&rejected["attempts"], &poisoned["attempts"]), (&json!(1), &json!(3)));
    assert_eq!((&poisoned["event"]["id"], &poisoned["subscriber"]), (&json!(poison), &json!("crier-a")));
    assert_eq!(poisoned["error"], "the crier was asked for it");

    let letter = poisoned["letter"].to_string();
    let path = format!("/api/v1/events/dead/{letter}");
    host.tenant("other").get(&path).await.refusal(404, "dead_letter_not_found");
    host.tenant("other").delete(&path).await.refusal(404, "dead_letter_not_found");
    host.roles("member").get(&path).await.refusal(403, "denied");
    host.roles("admin").get(&path).await.data(200);
    let shown = tenon(&host, &["events", "dead", "list"]).unwrap();
    assert!(shown.contains("news.act") && shown.contains("the crier was asked for it"), "{shown}");
    assert!(tenon(&host, &["events", "dead", "show", &letter]).unwrap().contains(&poison));
    assert!(tenon(&host, &["events", "list", "--type", "news.act"]).unwrap().contains(&poison));

    tenon(&host, &["events", "dead", "replay", &letter]).unwrap();
    let again = eventually("the letter to die again", async || {
        let letters = dead(&host, 2).await;
        letters.into_iter().find(|known| known["event"]["id"] == json!(poison) && known["letter"] != poisoned["letter"])
    })
    .await;
    assert_eq!(again["attempts"], 3, "it is begun anew");
    tenon(&host, &["events", "dead", "drop", &again["letter"].to_string()]).unwrap();
    let error = tenon(&host, &["events", "dead", "drop", &again["letter"].to_string()]).unwrap_err();
    assert!(error.contains("there is no dead letter"), "{error}");
    let audit = host.get("/api/v1/audit?operation=dead-letters.").await;
    let done: Vec<_> = audit.rows().iter().filter(|row| row["outcome"] == "done").collect();
    assert_eq!(
        done.iter().map(|row| row["operation"].as_str().unwrap()).collect::<Vec<_>>(),
        ["dead-letters.drop", "dead-letters.replay"]
    );
}

#[tokio::test]
async fn a_subscriber_that_is_switched_off_is_waited_for() {
    let scratch = Scratch::with_plugins(&["crier"]);
    second(&scratch);
    let config = "events.backoff_first_ms = 3000\nevents.backoff_most_ms = 3000\nevents.attempts = 2\n";
    let config = scratch.file("tenon.toml", &format!("log.filter = \"error\"\n{config}"));
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let effects = async || host.get("/plugins/crier-b/effects").await.data(200).as_u64().unwrap();
    publish(&host, "news.act", None, json!({ "do": "fail-first", "times": 1 })).await;
    // Both have tried once, or are about to.
    host.post("/api/v1/plugins/crier-b/deactivate", json!({})).await.data(200);
    handled(&host, 1).await;
    host.post("/api/v1/plugins/crier-b/activate", json!({})).await.data(200);
    eventually("the second crier to handle it", async || (effects().await == 1).then_some(())).await;
    assert!(host.get("/api/v1/events/dead").await.rows().is_empty(), "waiting is no attempt");

    // Who is switched off when it happens never hears of it.
    host.post("/api/v1/plugins/crier-b/deactivate", json!({})).await.data(200);
    publish(&host, "news.plain", Some("later"), json!({})).await;
    handled(&host, 2).await;
    host.post("/api/v1/plugins/crier-b/activate", json!({})).await.data(200);
    publish(&host, "news.plain", Some("later"), json!({})).await;
    eventually("the second crier to handle the last", async || (effects().await >= 2).then_some(())).await;
    handled(&host, 3).await;
    assert_eq!(effects().await, 2);
}

#[tokio::test]
async fn what_fails_of_the_host_is_no_attempt() {
    let mut scratch = Scratch::with_plugins(&["crier"]);
    let config = scratch.file("tenon.toml", "log.filter = \"error\"\nevents.attempts = 1\n");
    let fault = scratch.file("fault", "tenon:host/events.first-time-in");
    scratch.set_environment(&[("TENON_FAULT_FILE", "fault")]);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    publish(&host, "news.plain", Some("k"), json!({})).await;
    // As often as it may fail of the plugin, and once more.
    eventually("two calls of the handler to fail", async || {
        let log = std::fs::read_to_string(host.scratch().log()).unwrap();
        (log.matches("the fault asked for in").count() >= 2).then_some(())
    })
    .await;
    assert!(host.get("/api/v1/events/dead").await.rows().is_empty());
    std::fs::write(&fault, "").unwrap();
    assert_eq!(handled(&host, 1).await[0]["attempt"], 1);
}

#[tokio::test]
async fn nobody_hears_what_it_was_not_granted() {
    let scratch = Scratch::with_plugins(&["crier"]);
    let config = scratch.file("tenon.toml", &format!("{QUICK}grants.automatic = \"never\"\n"));
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    publish(&host, "news.plain", None, json!({ "heard": false })).await;
    eventually("the event to arrive", async || {
        (host.get("/api/v1/events?type=news.plain").await.rows().len() == 1).then_some(())
    })
    .await;
    let grants = host.get("/api/v1/plugins/crier-a/grants").await.text;
    assert!(grants.contains("news.*"), "{grants}");
    let grant = json!({ "grants": [{ "kind": "event", "value": "news.*" }] });
    host.post("/api/v1/plugins/crier-a/grants", grant).await.data(200);
    publish(&host, "news.plain", None, json!({ "heard": true })).await;
    let heard = handled(&host, 1).await;
    assert_eq!(data(&heard[0]), json!({ "heard": true }));

    // Taken back while it waits: it dies without another attempt.
    publish(&host, "news.act", None, json!({ "do": "fail-first", "times": 100 })).await;
    host.delete("/api/v1/plugins/crier-a/grants/event/news.%2A").await.data(200);
    let letters = dead(&host, 1).await;
    let error = letters[0]["error"].as_str().unwrap();
    assert!(error.contains("granted") || error.contains("attempt"), "{error}");
    assert_eq!(host.get("/plugins/crier-a/effects").await.data(200), 1);
}

#[tokio::test]
async fn what_waits_outlives_the_host() {
    let mut host = host("").await;
    let body = json!({ "topic": "news.plain", "data": "{}", "count": 200, "commit": true });
    host.post("/plugins/crier-a/transact", body).await.data(200);
    host.restart().await;
    let heard = handled(&host, 200).await;
    assert!(heard.len() == 200 && heard.iter().all(|event| event["times"] == 1), "{}", heard.len());
}
