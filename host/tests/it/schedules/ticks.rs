//! What becomes of ticks: run, missed, skipped, waited for.

use serde_json::{Value, json};

use super::{Time, days, host, next_tick, notes, runs, start, taken_up, timer};
use crate::common::{Scratch, eventually};

#[tokio::test]
async fn a_tick_runs_once_for_each_tenant_that_has_the_plugin() {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let vienna = json!({ "name": "note-vienna", "cron": "30 2 * * *", "timeZone": "Europe/Vienna" });
    timer(&scratch, &[time.schedule("note"), vienna]);
    let host = start(scratch, "").await;
    let (acme, without) = (host.tenant("acme"), host.tenant("without"));
    without.post("/api/v1/plugins/timer/deactivate", json!({})).await.data(200);
    assert_eq!(without.get("/api/v1/schedules").await.rows(), [] as [Value; 0]);
    let schedules = taken_up(&acme).await;
    assert_eq!((&schedules[0]["timeZone"], &schedules[0]["missed"]), (&json!("UTC"), &json!("skip")));
    taken_up(&host).await;
    let tick = schedules[0]["nextTick"].as_str().unwrap();
    time.set(tick, 1);
    for client in [&*host, &acme] {
        let run = &runs(client, "note", 1).await[0];
        assert_eq!((&run["outcome"], &run["tick"], &run["version"]), (&json!("done"), &json!(tick), &json!("1.0.0")));
        let note = &notes(client, "note", 1).await[0];
        assert_eq!((&note["due"], &note["id"]), (&json!(tick), &run["run"]));
        assert_eq!((&note["byHand"], &note["attempt"], &note["passed"]), (&json!(false), &json!(1), &json!(0)));
    }
    let listed = taken_up(&acme).await;
    assert_eq!(listed[0]["nextTick"], days(tick, 1));
    assert_eq!((&listed[0]["lastRun"]["outcome"], &listed[0]["lastRun"]["tick"]), (&json!("done"), &json!(tick)));

    // The tick of the other schedule is half past two where it is meant.
    let next = listed[1]["nextTick"].as_str().unwrap().to_owned();
    time.set(&next, 1);
    let note = notes(&acme, "note-vienna", 1).await.pop().unwrap();
    assert!(note["local"].as_str().unwrap().contains("T02:30:00+0"), "{note}");

    time.set(&days(tick, 1), 1);
    assert_eq!(runs(&acme, "note", 2).await.len(), 2);
    assert_eq!(notes(&acme, "note", 2).await.len(), 2);
    assert_eq!(without.get("/api/v1/schedules").await.rows(), [] as [Value; 0]);
}

#[tokio::test]
async fn ticks_that_the_host_was_not_there_for_are_skipped_or_made_up_for_once() {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let mut once = time.schedule("note-once");
    once["missed"] = json!("once");
    timer(&scratch, &[once, time.schedule("note-skip")]);
    let mut host = start(scratch, "").await;
    let tick = next_tick(&host).await;
    host.terminate();
    host.ended().await;
    // An hour after the third tick.
    time.set(&days(&tick, 2), 3_600);
    host.start_again().await;
    let once = &runs(&host, "note-once", 1).await[0];
    assert_eq!((&once["outcome"], &once["passed"], &once["tick"]), (&json!("done"), &json!(2), &json!(days(&tick, 2))));
    assert_eq!(notes(&host, "note-once", 1).await[0]["passed"], 2);
    let skip = &runs(&host, "note-skip", 1).await[0];
    assert_eq!((&skip["outcome"], &skip["passed"], &skip["attempts"]), (&json!("skipped"), &json!(2), &json!(0)));
    assert!(skip["error"].as_str().unwrap().contains("schedules.late_ms"), "{skip}");
    assert!(notes(&host, "note-skip", 0).await.is_empty());

    // Shortly after a tick is on time for both.
    host.terminate();
    host.ended().await;
    time.set(&days(&tick, 3), 60);
    host.start_again().await;
    for name in ["note-once", "note-skip"] {
        let run = &runs(&host, name, 2).await[0];
        assert_eq!((&run["outcome"], &run["passed"]), (&json!("done"), &json!(0)), "{run}");
    }
}

#[tokio::test]
async fn one_run_goes_on_at_a_time_and_what_passes_meanwhile_is_skipped_or_made_up_for() {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let mut once = time.schedule("hold-once");
    once["missed"] = json!("once");
    timer(&scratch, &[once, time.schedule("hold-skip")]);
    let host = start(scratch, "").await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    for name in ["hold-once", "hold-skip"] {
        notes(&host, name, 1).await;
    }
    time.set(&days(&tick, 1), 3_600);
    // They still hold on, and nothing else was begun.
    let schedules = taken_up(&host).await;
    assert!(schedules.iter().all(|schedule| schedule["lastRun"]["outcome"] == "running"), "{schedules:?}");
    host.post("/plugins/timer/release", json!({})).await.data(200);
    let once = runs(&host, "hold-once", 2).await;
    assert!(once.iter().all(|run| run["outcome"] == "done"), "{once:?}");
    assert_eq!(once[0]["tick"], days(&tick, 1));
    let skip = runs(&host, "hold-skip", 2).await;
    assert_eq!((&skip[0]["outcome"], &skip[1]["outcome"]), (&json!("skipped"), &json!("done")), "{skip:?}");
    assert_eq!(notes(&host, "hold-skip", 1).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_fails_says_why_and_is_not_tried_again() {
    let (host, time) = host(&["fail", "trap", "note"], "").await;
    time.set(&next_tick(&host).await, 1);
    let fail = &runs(&host, "fail", 1).await[0];
    assert_eq!((&fail["outcome"], &fail["error"]), (&json!("failed"), &json!("the timer was asked to fail")));
    let trap = &runs(&host, "trap", 1).await[0];
    assert!(trap["outcome"] == "failed" && trap["error"].as_str().unwrap().contains("trap"), "{trap}");
    assert_eq!(runs(&host, "note", 1).await[0]["outcome"], "done");
    // Told with the plugin's other failures.
    let failures = eventually("the failure to be told", async || {
        let failures = host.get("/api/v1/plugins/timer/errors").await;
        failures.text.contains("schedule trap: ").then_some(failures.text)
    })
    .await;
    assert!(failures.contains("\"run\"") && failures.contains("backtrace"), "{failures}");
    for name in ["fail", "trap", "note"] {
        assert_eq!((runs(&host, name, 1).await.len(), notes(&host, name, 1).await.len()), (1, 1), "{name}");
    }
}

#[tokio::test]
async fn a_tick_that_finds_the_quota_used_up_waits_for_more_of_it() {
    let (host, time) = host(&["note"], "quotas.enforced_in_dev = true\n").await;
    let (tick, quota) = (next_tick(&host).await, "/api/v1/tenants/demo/quotas/cpu");
    host.put(quota, json!({ "amount": 0 })).await.data(200);
    time.set(&tick, 1);
    eventually("the run to wait", async || {
        let runs = host.get("/api/v1/schedules/timer/note/runs").await;
        runs.rows().first().is_some_and(|run| run["outcome"] == "waiting").then_some(())
    })
    .await;
    host.put(quota, json!({ "amount": 600_000 })).await.data(200);
    // Looked at again a minute later at most, by the hosts' clock.
    time.set(&tick, 70);
    assert_eq!(runs(&host, "note", 1).await[0]["outcome"], "done");
    assert_eq!(notes(&host, "note", 1).await[0]["attempt"], 1);
}

#[tokio::test]
async fn with_another_pattern_a_schedule_begins_anew() {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let mut schedule = time.schedule("note");
    schedule["missed"] = json!("once");
    timer(&scratch, std::slice::from_ref(&schedule));
    let host = start(scratch, "loader.rescan_ms = 50\n").await;
    let tick = next_tick(&host).await;
    // Eleven hours on, the pattern is one that would have been due in them.
    time.set(&tick, -3_600);
    let between: jiff::Timestamp = tick.parse().unwrap();
    let between = between - jiff::SignedDuration::from_hours(5);
    schedule["cron"] = json!(between.strftime("%-M %-H * * *").to_string());
    timer(host.scratch(), &[schedule]);
    let next = eventually("the new pattern to count", async || {
        let next = taken_up(&host).await[0]["nextTick"].clone();
        (next != json!(tick)).then_some(next)
    })
    .await;
    let next = next.as_str().unwrap();
    time.set(next, 1);
    let runs = runs(&host, "note", 1).await;
    assert_eq!((runs.len(), &runs[0]["tick"], &runs[0]["passed"]), (1, &json!(next), &json!(0)), "{runs:?}");
}

#[tokio::test]
async fn schedules_need_an_export_and_sense() {
    let scratch = Scratch::with_plugins(&[]);
    let manifest =
        |id: &str, schedules: Value| json!({ "id": id, "name": id, "version": "1.0.0", "schedules": schedules });
    scratch.add_plugin_as("vault", "deaf", &manifest("vault", json!([{ "name": "s", "cron": "0 3 * * *" }])));
    let wrong = json!([{ "name": "s", "cron": "0 3 * *", "timeZone": "Mars/Olympus" }]);
    scratch.add_plugin_as("timer", "wrong", &manifest("wrong", wrong));
    let thousand: Vec<Value> = (0..1_000).map(|n| json!({ "name": format!("s{n}"), "cron": "* * * * *" })).collect();
    scratch.add_plugin_as("timer", "many", &manifest("many", json!(thousand)));
    let host = start(scratch, "").await;
    let rejected = host.get("/api/v1/plugins").await.text;
    for said in [
        "does not export `tenon:plugin/scheduled@1.0.0`",
        "$.schedules[0].cron",
        "$.schedules[0].timeZone",
        "at most 50",
    ] {
        assert!(rejected.contains(said), "{said}: {rejected}");
    }
}
