//! Notifications without end, giant ones, ones that nobody may send, and streams without end that nobody reads.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::{Client, eventually};

const SEND: &str = "/plugins/notifier/send";

/// More streams than one person may have open, with the default of `stream.principal_streams`.
const STREAMS: usize = 14;
const ALLOWED: usize = 10;

pub fn table() -> Vec<Attack> {
    let running = json!({ "kind": "news", "title": "Click", "link": "javascript:alert(1)" });
    vec![
        Attack::run_by("notifications without end", flood).with_plugin("notifier").times(8, 4),
        refused("a notification with a title of a megabyte", json!({ "kind": "news", "title": title(1 << 20) }), "200"),
        refused("a notification of a kind that is not declared", json!({ "kind": "alarm", "title": "A" }), "notifies"),
        refused("a notification whose link runs something", running, "link"),
        Attack::run_by("streams without end, which nobody reads while much is told", deaf).with_plugin("notifier"),
    ]
}

fn title(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn refused(name: &'static str, notice: Value, expected: &'static str) -> Attack {
    let deed = move |client: Client| {
        let body = json!({ "to": {}, "notice": notice });
        async move {
            let answer = client.post(SEND, body).await;
            match (400..500).contains(&answer.status) && answer.text.contains(expected) {
                true => Ok(()),
                false => Err(format!("expected {expected:?}: {} {:.300}", answer.status, answer.text)),
            }
        }
    };
    Attack::run_by(name, deed).with_plugin("notifier")
}

/// Sent, or refused by a limit that is told.
async fn flood(client: Client) -> Outcome {
    let notice = json!({ "kind": "news", "title": "n{n}", "body": title(4_000) });
    let answer = client.post(SEND, json!({ "to": {}, "notice": notice, "count": 100 })).await;
    let code = answer.json["error"]["code"].as_str().unwrap_or_default();
    match answer.status == 200 || ["quota", "cpu_budget", "deadline", "unavailable"].contains(&code) {
        true => Ok(()),
        false => Err(format!("{} {:.300}", answer.status, answer.text)),
    }
}

/// As many as one person may have are opened and no more, nobody waits for them, and their places are free again when
/// they are gone.
async fn deaf(client: Client) -> Outcome {
    let open = async || -> Result<Response, String> {
        let request = client.request(Method::GET, "/api/v1/stream").header("X-User-ID", "deaf");
        request.send().await.map_err(|error| format!("{error:?}"))
    };
    let (mut opened, mut refusals) = (Vec::new(), 0);
    for _ in 0..STREAMS {
        let stream = open().await?;
        match stream.status().as_u16() {
            200 => opened.push(stream),
            429 => refusals += 1,
            other => return Err(format!("a stream ended in {other}")),
        }
    }
    if (opened.len(), refusals) != (ALLOWED, STREAMS - ALLOWED) {
        return Err(format!("{} streams were opened and {refusals} refused", opened.len()));
    }
    for _ in 0..4 {
        flood(client.clone()).await?;
    }
    drop(opened);
    let mut again = Vec::new();
    eventually("the places of the streams to be free", async || {
        while let Ok(stream) = open().await
            && stream.status() == 200
        {
            again.push(stream);
        }
        (again.len() == ALLOWED).then_some(())
    })
    .await;
    drop(again);
    // So that the next round finds them free.
    eventually("a place to be free", async || open().await.is_ok_and(|stream| stream.status() == 200).then_some(()))
        .await;
    Ok(())
}
