//! What people hear as it happens: notifications, and streams of them and of events.

mod bounds;
mod cli;
mod ends;
mod hostile;
mod live;
mod notifications;
mod resume;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::common::{Answer, Client, Listener, Message, ask, eventually};

/// Somebody who asks a host in dev mode.
#[derive(Clone)]
struct Person {
    client: Client,
    name: &'static str,
}

impl Person {
    fn new(client: &Client, name: &'static str, roles: &str) -> Self {
        Self { client: client.roles(roles), name }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).header("X-User-ID", self.name)
    }

    async fn get(&self, path: &str) -> Answer {
        ask(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        ask(self.request(Method::POST, path).json(&body)).await
    }

    /// A stream from now on.
    async fn listen(&self, query: &str) -> Listener {
        let mut listener = Listener::open(self.request(Method::GET, &format!("/api/v1/stream{query}"))).await;
        assert!(listener.missed().await.is_empty(), "nothing was missed");
        listener
    }

    /// The titles of its notifications.
    async fn titles(&self, query: &str) -> Vec<String> {
        let listed = self.get(&format!("/api/v1/notifications{query}")).await;
        listed.column("title").into_iter().map(str::to_owned).collect()
    }
}

/// Has the notifier tell somebody something; nobody named is everybody.
async fn send(client: &Client, to: Value, title: &str) -> String {
    let body = json!({ "to": to, "notice": { "kind": "news", "title": title } });
    client.post("/plugins/notifier/send", body).await.data(200).as_str().unwrap().to_owned()
}

/// Tells an event of another system, which is told on at once.
async fn tell(client: &Client, topic: &str, data: Value) -> String {
    let told = client.roles("owner").post("/api/v1/events", json!({ "type": topic, "data": data })).await;
    told.data(202)["id"].as_str().unwrap().to_owned()
}

/// Name and data of the message, by what tells one from another.
fn title(message: &Message) -> (&str, &str) {
    let name = if message.event == "notification" { "title" } else { "id" };
    (&message.event, message.data[name].as_str().unwrap())
}
