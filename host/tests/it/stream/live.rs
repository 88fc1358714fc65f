//! What is heard by whom, over either version of HTTP.

use reqwest::Method;
use serde_json::json;

use super::{Person, eventually, send, tell, title};
use crate::common::{Client, Host, Listener};

async fn contact(client: &Client, email: &str) {
    let contact = json!({ "firstName": "A", "lastName": "B", "email": email });
    client.post("/plugins/crm/contacts", contact).await.data(201);
}

async fn deal(client: &Client) {
    client.post("/plugins/crm/deals", json!({ "title": "D", "value": 10, "stage": "won" })).await.data(201);
}

#[tokio::test]
async fn who_may_read_something_hears_of_it_and_nobody_else() {
    const CONFIG: &str = "[roles]\nclerk = [\"plugin.crm.contacts.read\"]\nguest = []";
    let host = Host::with_config(&["crm", "notifier"], CONFIG).await;
    let acme = host.tenant("acme");
    let person = |name, roles: &str| Person::new(&acme, name, roles);
    // Who sees all events hears of the host's own too.
    let topics = "?topics=contact.*,deal.*,order.*";
    let mut owner = person("ow", "owner").listen(topics).await;
    let mut member = person("me", "member").listen("").await;
    let mut clerk = person("cl", "clerk").listen("").await;
    let mut guest = person("gu", "guest").listen("").await;
    let mut elsewhere = Person::new(&host.tenant("beta"), "ow", "owner").listen(topics).await;
    contact(&acme, "a@example.com").await;
    deal(&acme).await;
    tell(&acme, "order.paid", json!({})).await;
    send(&acme, json!({}), "end").await;
    send(&host.tenant("beta"), json!({}), "end").await;

    // Each kind of message comes in its own order, and the kinds in any.
    let heard = async |listener: &mut Listener, count: usize| {
        let mut heard = Vec::new();
        for _ in 0..count {
            heard.push(listener.message().await.event);
        }
        heard.sort();
        heard
    };
    let all = ["contact.created", "deal.created", "deal.won", "notification", "order.paid"];
    assert_eq!(heard(&mut owner, 5).await, all);
    assert_eq!(heard(&mut member, 4).await, all[..4]);
    assert_eq!(heard(&mut clerk, 2).await, ["contact.created", "notification"]);
    assert_eq!(heard(&mut guest, 1).await, ["notification"]);
    assert_eq!(heard(&mut elsewhere, 1).await, ["notification"]);
    // And nothing more: what comes next is what is told next.
    for email in ["b@example.com", "c@example.com"] {
        contact(&acme, email).await;
    }
    for listener in [&mut owner, &mut member, &mut clerk] {
        assert_eq!(heard(listener, 2).await, ["contact.created"; 2]);
    }
    send(&acme, json!({}), "last").await;
    for listener in [&mut owner, &mut member, &mut clerk, &mut guest] {
        assert_eq!(title(&listener.message().await), ("notification", "last"));
    }
}

#[tokio::test]
async fn a_client_hears_the_topics_that_it_names() {
    let host = Host::with_plugins(&["crm", "notifier"]).await;
    let person = Person::new(&host, "ow", "owner");
    let mut contacts = person.listen("?topics=contact.*@crm").await;
    let mut orders = person.listen("?topics=order.paid,deal.won@other").await;
    let mut none = person.listen("?topics=").await;
    contact(&host, "a@example.com").await;
    deal(&host).await;
    let paid = tell(&host, "order.paid", json!({ "text": "a\r\nb" })).await;
    let first = contacts.message().await;
    assert_eq!((first.event.as_str(), first.data["type"].as_str()), ("contact.created", Some("contact.created")));
    let fields = ["specversion", "source", "datacontenttype", "tenant"].map(|name| first.data[name].as_str().unwrap());
    assert_eq!(fields, ["1.0", "/plugins/crm", "application/json", "demo"]);
    let order = orders.message().await;
    assert_eq!((title(&order), &order.data["data"]), (("order.paid", paid.as_str()), &json!({ "text": "a\r\nb" })));
    send(&host, json!({}), "end").await;
    for listener in [&mut contacts, &mut orders, &mut none] {
        assert_eq!(title(&listener.message().await), ("notification", "end"), "notifications are always heard");
    }

    let refused =
        async |roles: &str, query: &str| Person::new(&host, "x", roles).get(&format!("/api/v1/stream{query}")).await;
    for query in ["?topics=deal", "?topics=*.*@Crm", "?topic=deal.won", "?topics=a.b,,c"] {
        refused("owner", query).await.refusal(422, "invalid");
    }
    // Better told than kept still.
    for query in ["?topics=order.paid", "?topics=contact.*,tenant.created", "?topics=deal.won@analytics"] {
        refused("member", query).await.refusal(403, "denied");
    }
    refused("member", "?topics=deal.*,contact.deleted@crm").await.headers.get("content-type").unwrap();
}

#[tokio::test]
async fn a_stream_goes_over_http_2_beside_other_requests() {
    let host = Host::with_plugins(&["notifier"]).await;
    let client = host.http2();
    let mut listeners = Vec::new();
    for name in ["a", "b", "c"] {
        listeners.push(Person::new(&client, name, "member").listen("").await);
    }
    for number in 0..20 {
        send(&client, json!({}), &number.to_string()).await;
    }
    for listener in &mut listeners {
        for number in 0..20 {
            assert_eq!(title(&listener.message().await).1, number.to_string());
        }
    }
}

#[tokio::test]
async fn who_comes_back_hears_what_was_missed_once() {
    let host = Host::with_plugins(&["notifier"]).await;
    let jo = Person::new(&host, "jo", "owner");
    let mut listener = jo.listen("?topics=order.*").await;
    tell(&host, "order.paid", json!({ "n": 0 })).await;
    let id = listener.message().await.id;
    drop(listener);
    let mut expected = Vec::new();
    for number in 1..100 {
        expected.push(tell(&host, "order.paid", json!({ "n": number })).await);
    }
    send(&host, json!({}), "a notification").await;
    eventually("the notification", async || (jo.titles("").await.len() == 1).then_some(())).await;
    let back = |id: &str| {
        let request = jo.request(Method::GET, "/api/v1/stream?topics=order.*").header("Last-Event-ID", id);
        async move { Listener::open(request).await }
    };
    let mut again = back(&id).await;
    let missed = again.missed().await;
    let ids: Vec<&str> = missed.iter().map(|message| title(message).1).collect();
    assert_eq!(ids[..99], expected[..]);
    assert_eq!(ids[99..], ["a notification"]);
    // With each id that was told it goes on behind that message.
    let middle = back(&missed[41].id).await.missed().await;
    assert_eq!(title(&middle[0]).1, expected[42]);
    let query = Listener::open(
        jo.request(Method::GET, &format!("/api/v1/stream?topics=order.*&lastEventId={}", missed[97].id)),
    )
    .await
    .missed()
    .await;
    assert_eq!(query.len(), 2);
    // Nobody has told this.
    for unknown in ["x", "999999-0", "0-999999", "1", "-1-1"] {
        let mut strange =
            Listener::open(jo.request(Method::GET, "/api/v1/stream?topics=order.*").header("Last-Event-ID", unknown))
                .await;
        let told = strange.missed().await;
        assert!(matches!(&told[..], [one] if one.event == "reset" && one.data["reason"].is_string()), "{told:?}");
    }
}
