//! The rules of endpoints: what is kept of answers, and how often one may call.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use reqwest::Method;

use crate::attack::{Attack, Outcome};
use crate::common::{Client, ask};

/// No two requests of all rounds are the same.
static NUMBER: AtomicU64 = AtomicU64::new(0);

pub fn table() -> Vec<Attack> {
    let of = |attack: Attack| attack.with_plugin("hostile-flood");
    vec![
        of(Attack::run_by("answers that are kept, more than there is room for", fill)).times(40, 4),
        of(Attack::run_by("answers that are kept under long names", name)).times(20, 4),
        of(Attack::run_by("more calls than the rate allows, all at once and by every way", rarely)),
    ]
}

fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

async fn fill(attacker: Client) -> Outcome {
    let answer = attacker.get(&format!("/plugins/hostile-flood/fill/{}/200000", number())).await;
    is(answer.status == 200 && answer.header("x-cache") == "miss", &answer)
}

async fn name(attacker: Client) -> Outcome {
    let text = format!("{}{}", number(), "y".repeat(30_000));
    let answer = attacker.get(&format!("/plugins/hostile-flood/name?text={text}")).await;
    is(answer.status == 200 && answer.header("x-cache") == "miss", &answer)
}

/// One call a minute is let through. A round may take longer, so one may be in each.
async fn rarely(attacker: Client) -> Outcome {
    let ways = [
        (Method::GET, "/rarely"),
        (Method::HEAD, "/rarely"),
        (Method::GET, "/rarely?x=1"),
        (Method::GET, "/%72arely"),
        (Method::GET, "/rarely/"),
        (Method::GET, "//rarely"),
        (Method::POST, "/rarely"),
    ];
    let http2 = attacker.http2();
    let requests = (0..42).map(|turn| {
        let (method, path) = ways[turn % ways.len()].clone();
        let client = if turn % 2 == 0 { &attacker } else { &http2 };
        ask(client.request(method, &format!("/plugins/hostile-flood{path}")).header("Cache-Control", "no-cache"))
    });
    let answers = join_all(requests).await;
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    is(passed <= 1 && answers.iter().all(|answer| answer.status < 500), &passed)
}

fn is(good: bool, found: &impl std::fmt::Debug) -> Outcome {
    if good { Ok(()) } else { Err(format!("{found:?}").chars().take(300).collect()) }
}
