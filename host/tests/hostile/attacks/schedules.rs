//! Schedules that never end, or trap, asked for by hand again and again, also while they run.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::attack::{Attack, Outcome};
use crate::common::{Answer, Client};

/// The plugin that the suite makes of the component `timer`.
pub const PLUGIN: &str = "timer";
const NAMES: [&str; 3] = ["spin", "trap", "sleep"];

/// A busy machine may take away the whole time of a run before its CPU time is used up.
const LATE: &str = "did not answer within";

/// Its manifest. By the clock its schedules are due once in four years.
pub fn manifest() -> Value {
    json!({
        "id": PLUGIN,
        "name": "Timer",
        "version": "1.0.0",
        "services": [{ "name": "demo:timer", "version": "1.0.0" }],
        "schedules": NAMES.map(|name| json!({ "name": name, "cron": "0 0 29 2 *" })),
    })
}

pub fn table() -> Vec<Attack> {
    vec![
        Attack::run_by("a schedule without end", |client| ended(client, "spin", &["CPU budget", LATE])).times(2, 1),
        Attack::run_by("a schedule that traps", |client| ended(client, "trap", &["trapped"])).times(10, 1),
        Attack::run_by("a schedule that waits for ever", |client| ended(client, "sleep", &[LATE])).waits(),
        Attack::run_by("all of a plugin's schedules at once, each several times", crowd),
    ]
}

async fn run(client: &Client, name: &str) -> Answer {
    client.post(&format!("/api/v1/schedules/{PLUGIN}/{name}/run"), json!({})).await
}

/// Why it was not begun. Beside other attacks one of the same schedule may be running already.
fn not_begun(answer: &Answer) -> bool {
    matches!(
        (answer.status, answer.json["error"]["code"].as_str()),
        (409, Some("schedule_running")) | (429, Some("schedules_busy"))
    )
}

fn has_failed(answer: &Answer, reasons: &[&str]) -> Outcome {
    let (run, error) = (&answer.json["data"], answer.json["data"]["error"].as_str().unwrap_or_default());
    match answer.status == 200 && run["outcome"] == "failed" && reasons.iter().any(|reason| error.contains(reason)) {
        true => Ok(()),
        false => Err(format!("expected a run that failed with one of {reasons:?}: {} {}", answer.status, answer.text)),
    }
}

async fn ended(client: Client, name: &'static str, reasons: &'static [&'static str]) -> Outcome {
    let answer = run(&client, name).await;
    if not_begun(&answer) { Ok(()) } else { has_failed(&answer, reasons) }
}

async fn crowd(client: Client) -> Outcome {
    let answers = join_all(NAMES.iter().cycle().take(4 * NAMES.len()).map(|name| run(&client, name))).await;
    let begun: Vec<&Answer> = answers.iter().filter(|answer| !not_begun(answer)).collect();
    for answer in &begun {
        has_failed(answer, &["CPU budget", "trapped", LATE])?;
    }
    let all = answers.len();
    if begun.len() < all { Ok(()) } else { Err(format!("all of {all} runs were begun")) }
}
