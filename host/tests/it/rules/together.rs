//! Many who ask at once, and those who write meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use super::{keeping, looked, write};
use crate::common::{eventually, rounds};

const PATIENT: &str = "limits.cpu_budget_ms = 10000\nlimits.wall_deadline_ms = 25000";

#[tokio::test]
async fn who_asks_for_the_same_at_once_is_told_the_same() {
    let host = keeping(PATIENT).await;
    let answers = join_all((0..30).map(|_| host.get("/plugins/keeper/slow/a/1500"))).await;
    let drawn: BTreeSet<u64> = answers.iter().map(|answer| answer.data(200)["drawn"].as_u64().unwrap()).collect();
    let misses = answers.iter().filter(|answer| answer.header("x-cache") == "miss").count();
    assert_eq!((drawn.len(), misses), (1, 1), "one call answered all");
    // By another plugin as well.
    let answers = join_all((0..10).map(|_| host.get("/plugins/caller/slow/b/1500"))).await;
    let drawn: BTreeSet<u64> = answers.iter().map(|answer| answer.data(200)["drawn"].as_u64().unwrap()).collect();
    assert_eq!(drawn.len(), 1);
}

#[tokio::test]
async fn who_waits_for_a_call_that_fails_or_is_given_up_asks_for_itself() {
    let host = keeping(PATIENT).await;
    let begun = Instant::now();
    let answers = join_all((0..12).map(|_| host.get("/plugins/keeper/slow/missing/300"))).await;
    answers.iter().for_each(|answer| _ = answer.refusal(404, "not_found"));
    assert!(begun.elapsed() < Duration::from_secs(12), "one after the other: {:?}", begun.elapsed());

    let first = host.clone();
    let leading = tokio::spawn(async move { first.get("/plugins/keeper/slow/c/2000").await });
    // Whoever of the two came first: the one that stays is answered.
    let given_up = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        leading.abort();
    };
    let (answer, ()) = tokio::join!(host.get("/plugins/keeper/slow/c/2000"), given_up);
    answer.data(200);
}

/// A call that reads and then takes its time is overtaken by a write: whatever it answers, nobody is given it later.
#[tokio::test]
async fn a_write_that_overtakes_a_read_leaves_nothing_old() {
    let host = keeping(PATIENT).await;
    for round in 0..rounds(25, 2_000) {
        let (name, value) = (format!("n{}", round % 5), format!("v{round}"));
        let path = format!("/keeper/slow/{name}/40");
        let late = async {
            tokio::time::sleep(Duration::from_millis(round % 40)).await;
            write(&host, &name, &value).await;
        };
        tokio::join!(looked(&host, &path), looked(&host, &path), late);
        let (told, after) = looked(&host, &path).await;
        assert_eq!(after.data(200)["value"], value.as_str(), "round {round}, {told}");
    }
}

#[tokio::test]
async fn what_was_written_by_a_call_that_nobody_waited_for_drops_answers_too() {
    let host = keeping(PATIENT).await;
    looked(&host, "/keeper/look/a").await;
    let writer = host.clone();
    let writing = tokio::spawn(async move {
        writer.post("/plugins/keeper/write", json!({"name": "a", "value": "late", "waitMs": 20_000})).await
    });
    // Whatever is committed is what is told, though the call that wrote goes on, and though it is then given up.
    let seen = async || (looked(&host, "/keeper/look/a").await.1.data(200)["value"] == "late").then_some(());
    eventually("what was written", seen).await;
    writing.abort();
    eventually("what was written", seen).await;
}
