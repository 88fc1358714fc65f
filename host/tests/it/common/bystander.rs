//! A tenant who has nothing to do with any attack. It asks without pause, and every answer must be right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::stolen::unless_stolen;
use super::{Answer, Client};

/// What it asks: one plugin alone, one through another, one with tables.
pub const PLUGINS: [&str; 3] = ["greeter-1-0", "caller", "crm"];

/// Requests under way, until [`Self::stop`].
pub struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<u64, String>>>,
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
            let by_task = task.await.map_err(|error| error.to_string()).flatten();
            answered += by_task.map_err(|wrong| format!("a request of the bystander went wrong: {wrong}"))?;
        }
        Ok(answered)
    }
}

/// Makes the errand, numbered, until it is told to stop. Gives the number of requests.
async fn without_pause<F: Future<Output = Result<u64, String>>>(
    client: Client,
    stop: Arc<AtomicBool>,
    errand: impl Fn(Client, u64) -> F,
) -> Result<u64, String> {
    let (mut number, mut requests) = (0, 0);
    while requests == 0 || !stop.load(Ordering::Relaxed) {
        number += 1;
        requests += unless_stolen(|| errand(client.clone(), number)).await?;
    }
    Ok(requests)
}

async fn greeting(client: Client, number: u64) -> Result<u64, String> {
    let answer = client.get(&format!("/plugins/greeter/greetings/{number}")).await;
    expect(data(&answer, 200)?["text"] == format!("1.0.0 greets {number}"), &answer)?;
    Ok(1)
}

async fn nested_greeting(client: Client, number: u64) -> Result<u64, String> {
    let answer = client.get(&format!("/plugins/caller/ask/{number}")).await;
    expect(*data(&answer, 200)? == format!("1.0.0 greets {number}"), &answer)?;
    Ok(1)
}

/// Writes a contact, reads it back and removes it, so that its database stays small. One that is made again finds what
/// it wrote before, so each has an address of its own.
async fn contact(client: Client, number: u64) -> Result<u64, String> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let email = format!("ada-{}@example.com", WRITTEN.fetch_add(1, Ordering::Relaxed));
    let contact = json!({ "firstName": "Ada", "lastName": number.to_string(), "email": email });
    let written = client.post("/plugins/crm/contacts", contact).await;
    let id = data(&written, 201)?["id"].as_str().expect("a contact has an id").to_owned();
    let read = client.get(&format!("/plugins/crm/contacts/{id}")).await;
    expect(data(&read, 200)?["lastName"].as_str() == Some(number.to_string().as_str()), &read)?;
    data(&client.delete(&format!("/plugins/crm/contacts/{id}")).await, 200)?;
    Ok(3)
}

fn data(answer: &Answer, status: u16) -> Result<&Value, String> {
    expect(answer.status == status && answer.json["success"] == true, answer)?;
    Ok(&answer.json["data"])
}

fn expect(right: bool, answer: &Answer) -> Result<(), String> {
    if right { Ok(()) } else { Err(format!("{} {}", answer.status, answer.text)) }
}
