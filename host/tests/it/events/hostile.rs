//! Handlers that trap, hang and never end, events that cause each other, and more of them than can be handled.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{QUICK, dead, handled, host, publish, second};
use crate::common::{Host, Scratch, eventually, rounds};

#[tokio::test]
async fn a_handler_that_traps_hangs_or_never_ends_troubles_nobody() {
    let host = host("").await;
    for deed in ["trap", "spin", "sleep"] {
        publish(&host, "news.act", Some(deed), json!({ "do": deed })).await;
        publish(&host, "news.plain", Some(deed), json!({})).await;
    }
    publish(&host, "news.plain", None, json!({})).await;
    let letters = dead(&host, 3).await;
    assert!(letters.iter().all(|letter| letter["attempts"] == 3), "{letters:?}");
    let errors: Vec<&str> = letters.iter().map(|letter| letter["error"].as_str().unwrap()).collect();
    assert!(errors.iter().any(|error| error.contains("trapped") || error.contains("unreachable")), "{errors:?}");
    let heard = handled(&host, 4).await;
    assert!(heard.iter().all(|event| event["topic"] == "news.plain" && event["times"] == 1), "{heard:?}");
    // Told with the plugin's other failures.
    let failures = eventually("the failures to be told", async || {
        let failures = host.get("/api/v1/plugins/crier-a/errors").await;
        (failures.text.contains("\"handle\"")).then_some(failures.text)
    })
    .await;
    assert!(failures.contains("backtrace"), "{failures}");
}

#[tokio::test]
async fn a_loop_of_events_ends_and_a_storm_starves_no_request() {
    let scratch = Scratch::with_plugins(&["crier", "crm"]);
    second(&scratch);
    let config = scratch.file("tenon.toml", QUICK);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    let storm = host.tenant("storm");
    let waves = rounds(4_u32, 40);
    for _ in 0..waves {
        let body = json!({ "topic": "news.plain", "data": "{}", "count": 500, "commit": true });
        storm.post("/plugins/crier-a/transact", body).await.data(200);
    }
    // Both hear it, and each publishes one more for both.
    publish(&storm, "echo.crier-a", None, json!({})).await;

    // Meanwhile requests of this tenant and of another are answered, all of them.
    let mut requests = JoinSet::new();
    for client in [storm.clone(), host.tenant("quiet")] {
        requests.spawn(async move {
            let mut longest = Duration::ZERO;
            for number in 0..50 {
                let begun = std::time::Instant::now();
                let contact = json!({ "firstName": "A", "lastName": "B", "email": format!("{number}@example.com") });
                client.post("/plugins/crm/contacts", contact).await.data(201);
                client.get("/plugins/crm/contacts").await.data(200);
                longest = longest.max(begun.elapsed());
            }
            longest
        });
    }
    let longest = requests.join_all().await;
    println!("longest pairs of requests beside the storm: {longest:?}");

    // 2^n echoes at hop n: each of two hears each, up to the eighth, which may publish no more.
    let letters = dead(&storm, 1).await;
    assert!(letters.iter().all(|letter| letter["event"]["hops"] == 8), "{letters:?}");
    let waiting = async || {
        let mut all = Vec::new();
        for plugin in ["crier-a", "crier-b"] {
            all.push(storm.get(&format!("/plugins/{plugin}/effects")).await.data(200).as_u64().unwrap());
        }
        all
    };
    let all = u64::from(waves) * 500;
    eventually("the storm to be over", async || waiting().await.iter().all(|effects| *effects >= all).then_some(()))
        .await;
    let hops = |row: &Value| row["hops"].as_u64().unwrap();
    let heard = storm.get("/plugins/crier-a/handled").await.rows().to_vec();
    assert!(heard.iter().all(|row| hops(row) <= 8 && row["times"] == 1));
}
