//! A plugin that notifies without end.

use serde_json::json;

use super::{Person, eventually, send};
use crate::common::Host;

#[tokio::test]
async fn a_flood_of_notifications_is_stopped_exactly_at_its_quota_and_troubles_nobody_else() {
    let config = "quotas.enforced_in_dev = true\nquotas.notifications_per_hour = 50\nlimits.cpu_budget_ms = 9000";
    let host = Host::with_config(&["notifier"], config).await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    let flood = |title: &str| json!({ "to": {}, "notice": { "kind": "news", "title": title }, "count": 30 });
    let path = "/plugins/notifier/send";
    let (one, two, three) =
        tokio::join!(acme.post(path, flood("a")), acme.post(path, flood("b")), acme.post(path, flood("c")));
    let refused = [&one, &two, &three].into_iter().filter(|answer| answer.status != 200);
    for answer in refused.clone() {
        assert!(answer.message(400, "quota").contains("quotas.notifications_per_hour"), "{answer:?}");
    }
    assert!((1..=3).contains(&refused.count()));
    let jo = Person::new(&acme, "jo", "member");
    eventually("as many as may be", async || (jo.titles("?limit=200").await.len() == 50).then_some(())).await;
    // The other tenant has its own.
    send(&beta, json!({}), "fine").await;
    let jo_there = Person::new(&beta, "jo", "member");
    eventually("the other's", async || (jo_there.titles("").await == ["fine"]).then_some(())).await;
    assert_eq!(jo.titles("?limit=200").await.len(), 50, "no more came");
    // An operator sees it.
    let usage = acme.get("/api/v1/usage").await;
    let quotas = usage.rows()[0]["quotas"].as_array().unwrap();
    let sent = quotas.iter().find(|quota| quota["quota"] == "notifications").unwrap();
    assert_eq!((&sent["used"], &sent["limit"]), (&json!(50), &json!(50)));
}

#[tokio::test]
async fn what_is_told_too_often_is_kept_up_to_a_bound() {
    let config = "notifications.kept = 5\nevents.kept = 5";
    let host = Host::with_config(&["notifier"], config).await;
    let jo = Person::new(&host, "jo", "owner");
    let mut listener = jo.listen("?topics=").await;
    send(&host, json!({}), "first").await;
    let id = listener.message().await.id;
    let body = json!({ "to": {}, "notice": { "kind": "news", "title": "n{n}" }, "count": 20, "commit": true });
    host.post("/plugins/notifier/transact", body).await.data(200);
    // The host looks once a minute.
    let expected = ["n19", "n18", "n17", "n16", "n15"];
    crate::common::within(std::time::Duration::from_secs(240), "the oldest to go", async || {
        (jo.titles("?limit=200").await == expected).then_some(())
    })
    .await;
    // Who comes back for them learns that some are gone, and hears the rest.
    let request = jo.request(reqwest::Method::GET, "/api/v1/stream?topics=").header("Last-Event-ID", id);
    let missed = crate::common::Listener::open(request).await.missed().await;
    assert_eq!(missed[0].event, "reset");
    let rest: Vec<&str> = missed[1..].iter().map(|message| message.data["title"].as_str().unwrap()).collect();
    assert_eq!(rest, ["n15", "n16", "n17", "n18", "n19"]);
    // Once is enough.
    let request = jo.request(reqwest::Method::GET, "/api/v1/stream?topics=").header("Last-Event-ID", &missed[1].id);
    assert_eq!(crate::common::Listener::open(request).await.missed().await.len(), 4);
}
