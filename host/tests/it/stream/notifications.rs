//! Sending, listing and reading notifications.

use serde_json::{Value, json};

use super::{Person, eventually, send, title};
use crate::common::Host;

#[tokio::test]
async fn a_notification_reaches_whom_it_is_for_and_nobody_else() {
    let mut host = Host::with_plugins(&["notifier"]).await;
    let acme = host.tenant("acme");
    let (jo, al) = (Person::new(&acme, "jo", "member,sales"), Person::new(&acme, "al", "member"));
    let elsewhere = Person::new(&host.tenant("beta"), "jo", "member,sales");
    let (mut jo_hears, mut al_hears) = (jo.listen("").await, al.listen("").await);
    let mut elsewhere_hears = elsewhere.listen("").await;
    for (to, text) in
        [(json!({ "user": "jo" }), "to jo"), (json!({ "role": "sales" }), "to sales"), (json!({}), "to all")]
    {
        send(&acme, to, text).await;
    }
    send(&host.tenant("beta"), json!({}), "to beta").await;
    for text in ["to jo", "to sales", "to all"] {
        assert_eq!(title(&jo_hears.message().await), ("notification", text));
    }
    assert_eq!(title(&al_hears.message().await), ("notification", "to all"));
    assert_eq!(title(&elsewhere_hears.message().await), ("notification", "to beta"));
    assert_eq!(jo.titles("").await, ["to all", "to sales", "to jo"]);
    assert_eq!(al.titles("").await, ["to all"]);
    assert_eq!(elsewhere.titles("").await, ["to beta"]);
    // They are there after a restart, also those that nobody was told of.
    send(&acme, json!({ "user": "al" }), "late").await;
    host.restart().await;
    let al = Person::new(&host.tenant("acme"), "al", "member");
    eventually("what came last", async || (al.titles("").await == ["late", "to all"]).then_some(())).await;
}

#[tokio::test]
async fn what_is_not_read_comes_first_and_reading_is_each_readers_own() {
    let host = Host::with_plugins(&["notifier"]).await;
    let (jo, al) = (Person::new(&host, "jo", "member"), Person::new(&host, "al", "member"));
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(send(&host, json!({}), &format!("n{number}")).await);
    }
    eventually("all of them", async || (jo.titles("").await.len() == 5).then_some(())).await;
    let read = |who: &Person, id: &str| {
        let (who, path) = (who.clone(), format!("/api/v1/notifications/{id}/read"));
        async move { who.post(&path, json!({})).await }
    };
    let first = read(&jo, &ids[3]).await.data(200)["readAt"].clone();
    assert!(first.is_string());
    assert_eq!(read(&jo, &ids[3]).await.data(200)["readAt"], first, "again changes nothing");
    read(&jo, &ids[1]).await.data(200);
    assert_eq!(jo.titles("").await, ["n4", "n2", "n0", "n3", "n1"]);
    assert_eq!(jo.titles("?unread=true").await, ["n4", "n2", "n0"]);
    assert_eq!(al.titles("?unread=true").await, ["n4", "n3", "n2", "n1", "n0"], "what another read is not read");

    // Page by page, also across the border between the two.
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = jo.get(&format!("/api/v1/notifications?limit=2{cursor}")).await;
        pages.push(page.column("title").join(" "));
        match page.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, ["n4 n2", "n0 n3", "n1"]);
    for wrong in ["?cursor=x", "?cursor=read-", "?limit=0", "?unread=maybe"] {
        jo.get(&format!("/api/v1/notifications{wrong}")).await.refusal(422, "invalid");
    }

    // What is not for somebody is not there for them.
    let secret = send(&host, json!({ "user": "jo" }), "secret").await;
    eventually("the last one", async || (jo.titles("").await.len() == 6).then_some(())).await;
    read(&al, &secret).await.refusal(404, "notification_not_found");
    let beta = Person::new(&host.tenant("beta"), "jo", "member");
    read(&beta, &secret).await.refusal(404, "notification_not_found");
    read(&jo, &secret).await.data(200);
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_by_its_reason() {
    let host = Host::with_plugins(&["notifier"]).await;
    let send = async |to: Value, change: Value| {
        let mut notice = json!({ "kind": "news", "title": "t" });
        change.as_object().unwrap().iter().for_each(|(name, value)| notice[name] = value.clone());
        host.post("/plugins/notifier/send", json!({ "to": to, "notice": notice })).await
    };
    send(json!({}), json!({ "kind": "other" })).await.refusal(403, "denied");
    for (change, part) in [
        (json!({ "title": "x".repeat(201) }), "title"),
        (json!({ "body": "x".repeat(4097) }), "body"),
        (json!({ "link": format!("/{}", "x".repeat(2048)) }), "link"),
        (json!({ "data": "x".repeat(8200) }), "data"),
    ] {
        assert!(send(json!({}), change).await.message(400, "too_large").starts_with(part), "{part}");
    }
    for (change, part) in [
        (json!({ "title": "a\nb" }), "title"),
        (json!({ "link": "javascript:alert(1)" }), "link"),
        (json!({ "link": "//evil.example" }), "link"),
    ] {
        let refused = send(json!({}), change).await;
        assert!(refused.text.contains(part) && refused.status != 200, "{part}: {refused:?}");
    }
    for to in [json!({ "user": "a b" }), json!({ "role": "Owner" }), json!({ "user": "" })] {
        assert_ne!(send(to, json!({})).await.status, 200);
    }
    send(json!({}), json!({ "body": "one\ntwo", "link": "https://example.com/x", "data": "d" })).await.data(200);
    let jo = Person::new(&host, "jo", "");
    let listed = eventually("the one that was good", async || {
        let listed = jo.get("/api/v1/notifications").await;
        (listed.rows().len() == 1).then_some(listed)
    })
    .await;
    let told = &listed.rows()[0];
    let parts = ["to", "plugin", "kind", "title", "body", "link", "data"].map(|name| told[name].as_str().unwrap());
    assert_eq!(parts, ["everyone", "notifier", "news", "t", "one\ntwo", "https://example.com/x", "d"]);
}

#[tokio::test]
async fn a_notification_of_a_transaction_is_sent_when_it_commits() {
    let host = Host::with_plugins(&["notifier"]).await;
    let jo = Person::new(&host, "jo", "member");
    let mut hears = jo.listen("").await;
    for (title, commit) in [("gone", false), ("kept {n}", true), ("gone", false), ("last", true)] {
        let count = if commit { 2 } else { 5 };
        let body = json!({ "to": {}, "notice": { "kind": "news", "title": title }, "count": count, "commit": commit });
        host.post("/plugins/notifier/transact", body).await.data(200);
    }
    for expected in ["kept 0", "kept 1", "last", "last"] {
        assert_eq!(title(&hears.message().await).1, expected);
    }
    assert_eq!(jo.titles("").await.len(), 4);
}
