//! A tenant who has nothing to do with any attack. It asks without pause, and every answer must be right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::task::{JoinError, JoinHandle};

use super::Client;

/// What it asks: one plugin alone, one through another, one with tables.
pub const PLUGINS: [&str; 3] = ["greeter-1-0", "caller", "crm"];

/// Requests under way, until [`Self::stop`].
pub struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Bystander {
    pub fn start(host: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = host.tenant("bystander");
        let tasks = vec![
            tokio::spawn(without_pause(client.clone(), stop.clone(), greeting)),
            tokio::spawn(without_pause(client.clone(), stop.clone(), nested_greeting)),
            tokio::spawn(without_pause(client, stop.clone(), contact)),
        ];
        Self { stop, tasks }
    }

    /// How many of its requests were answered; or, when one was not, or with something else than it asked for, what it
    /// was answered.
    pub async fn stop(self) -> Result<u64, String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for task in self.tasks {
            answered +=
                task.await.map_err(|wrong| format!("a request of the bystander went wrong: {}", told(wrong)))?;
        }
        Ok(answered)
    }
}

/// What a task said when it panicked.
fn told(wrong: JoinError) -> String {
    let told = wrong.into_panic();
    told.downcast::<String>().map_or_else(|_| "it said nothing".to_owned(), |told| *told)
}

/// Makes the errand, numbered, until it is told to stop. Gives the number of requests.
async fn without_pause<F: Future<Output = u64>>(
    client: Client,
    stop: Arc<AtomicBool>,
    errand: impl Fn(Client, u64) -> F,
) -> u64 {
    let (mut number, mut requests) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        requests += errand(client.clone(), number).await;
    }
    assert!(requests > 0, "it asked nothing");
    requests
}

async fn greeting(client: Client, number: u64) -> u64 {
    let answer = client.get(&format!("/plugins/greeter/greetings/{number}")).await;
    assert_eq!(answer.data(200)["text"], format!("1.0.0 greets {number}"));
    1
}

async fn nested_greeting(client: Client, number: u64) -> u64 {
    let answer = client.get(&format!("/plugins/caller/ask/{number}")).await;
    assert_eq!(*answer.data(200), format!("1.0.0 greets {number}"));
    1
}

/// Writes a contact, reads it back and removes it, so that its database stays small.
async fn contact(client: Client, number: u64) -> u64 {
    let contact = json!({ "firstName": "Ada", "lastName": number.to_string(), "email": "ada@example.com" });
    let written = client.post("/plugins/crm/contacts", contact).await;
    let id = written.data(201)["id"].as_str().expect("a contact has an id").to_owned();
    let read = client.get(&format!("/plugins/crm/contacts/{id}")).await;
    assert_eq!(read.data(200)["lastName"], number.to_string());
    client.delete(&format!("/plugins/crm/contacts/{id}")).await.data(200);
    3
}
