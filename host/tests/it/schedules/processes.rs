//! Several processes on one data directory, and processes that end in the middle of a run.

use std::fs;

use serde_json::json;

use super::{Time, days, host, next_tick, notes, runs, start, taken_up, timer};
use crate::common::{Client, Host, Process, Scratch, eventually};
use crate::files::{put, with_section};

const TENANTS: usize = 12;

/// One more process in the directories of a host.
async fn another(host: &Host) -> (Process, Client) {
    let scratch = host.scratch();
    let mut command = scratch.serve();
    command.args(["--dev", "--config", scratch.path("tenon.toml").to_str().unwrap()]);
    let process = Process::start(scratch, command).await;
    let client = Client::new(process.address());
    (process, client)
}

#[tokio::test]
async fn two_processes_run_each_tick_once() {
    let (host, time) = host(&["note", "note-too"], "").await;
    let tenants: Vec<String> = (0..TENANTS).map(|number| format!("tenant-{number}")).collect();
    for tenant in &tenants {
        taken_up(&host.tenant(tenant)).await;
    }
    // It finds them all as it starts.
    let (_process, other) = another(&host).await;
    let tick = next_tick(&host).await;
    for day in 0..3 {
        time.set(&days(&tick, day), 1);
        let count = usize::try_from(day).unwrap() + 1;
        for tenant in &tenants {
            for schedule in ["note", "note-too"] {
                let runs = runs(&other.tenant(tenant), schedule, count).await;
                assert!(runs.len() == count && runs.iter().all(|run| run["outcome"] == "done"), "{runs:?}");
            }
        }
    }
    for tenant in &tenants {
        for schedule in ["note", "note-too"] {
            let notes = notes(&host.tenant(tenant), schedule, 3).await;
            let due: Vec<&str> = notes.iter().map(|note| note["due"].as_str().unwrap()).collect();
            assert_eq!(due, [days(&tick, 0), days(&tick, 1), days(&tick, 2)], "{tenant} {schedule}");
            assert!(notes.iter().all(|note| note["attempt"] == 1), "{notes:?}");
        }
    }
}

#[tokio::test]
async fn a_run_whose_process_was_killed_is_begun_again_by_another_when_its_lease_is_over() {
    let (mut host, time) = host(&["hold"], "").await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    let begun = notes(&host, "hold", 1).await.remove(0);
    let (_process, other) = another(&host).await;
    host.process().kill();
    let path = "/api/v1/schedules/timer/hold/runs";
    assert_eq!(other.get(path).await.rows()[0]["outcome"], "running", "its lease is not over");
    // The lease lasts 250 s, and until 300 s after the tick a run is on time.
    time.set(&tick, 280);
    let notes = notes(&other, "hold", 2).await;
    assert_eq!((&notes[1]["id"], &notes[1]["attempt"]), (&begun["id"], &json!(2)), "it is the same run");
    other.post("/plugins/timer/release", json!({})).await.data(200);
    let runs = runs(&other, "hold", 1).await;
    assert_eq!((runs.len(), &runs[0]["outcome"], &runs[0]["attempts"]), (1, &json!("done"), &json!(2)), "{runs:?}");
}

#[tokio::test]
async fn a_plugin_that_takes_long_to_load_goes_on_where_it_was() {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let schedules = ["note", "hold"].map(|name| {
        let mut schedule = time.schedule(name);
        schedule["missed"] = json!("once");
        schedule
    });
    timer(&scratch, &schedules);
    let mut host = start(scratch, "loader.rescan_ms = 20\nloader.start_wait_ms = 1\n").await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    assert_eq!(runs(&host, "note", 1).await[0]["outcome"], "done");
    let begun = notes(&host, "hold", 1).await.remove(0);
    host.process().kill();
    // Nobody has compiled this one, as when a new host takes over; two more ticks have passed, and the run's lease.
    let file = host.scratch().plugins().join("timer.wasm");
    put(&file, &with_section(&fs::read(&file).unwrap(), "nonce", &uuid::Uuid::new_v4().to_string()));
    time.set(&days(&tick, 2), 3_600);
    host.start_again().await;
    let is_there = async || (host.get("/plugins/timer/notes").await.status == 200).then_some(());
    eventually("the plugin to be there", is_there).await;
    let again = notes(&host, "hold", 2).await.remove(1);
    assert_eq!((&again["id"], &again["attempt"]), (&begun["id"], &json!(2)), "it is the same run");
    let missed = runs(&host, "note", 2).await.remove(0);
    assert_eq!((&missed["outcome"], &missed["tick"]), (&json!("done"), &json!(days(&tick, 2))), "{missed}");
    assert_eq!(notes(&host, "note", 2).await[1]["passed"], 1);
    host.post("/plugins/timer/release", json!({})).await.data(200);
    let held = runs(&host, "hold", 1).await;
    assert!(held.iter().all(|run| run["outcome"] == "done"), "{held:?}");
}

#[tokio::test]
async fn a_run_whose_processes_always_end_is_given_up() {
    let (mut host, time) = host(&["hold"], "").await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    notes(&host, "hold", 1).await;
    host.process().kill();
    time.set(&tick, 280);
    host.start_again().await;
    notes(&host, "hold", 2).await;
    host.process().kill();
    time.set(&tick, 600);
    host.start_again().await;
    let runs = runs(&host, "hold", 1).await;
    assert_eq!((&runs[0]["outcome"], &runs[0]["attempts"]), (&json!("lost"), &json!(2)), "{runs:?}");
    assert!(runs[0]["error"].as_str().unwrap().contains("schedules.attempts"), "{runs:?}");
    assert_eq!(notes(&host, "hold", 2).await.len(), 2);
}

#[tokio::test]
async fn a_host_that_is_stopped_gives_its_runs_back() {
    let (mut host, time) = host(&["hold"], "http.shutdown_grace_ms = 1000\n").await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    notes(&host, "hold", 1).await;
    host.terminate();
    host.ended().await;
    // Nobody waits for a lease: the clock stays as it is.
    host.start_again().await;
    let notes = notes(&host, "hold", 2).await;
    assert_eq!((&notes[0]["id"], &notes[1]["attempt"]), (&notes[1]["id"], &json!(2)));
    host.post("/plugins/timer/release", json!({})).await.data(200);
    assert_eq!(runs(&host, "hold", 1).await[0]["outcome"], "done");
}

#[tokio::test]
async fn a_run_by_hand_ends_with_its_process() {
    let (mut host, time) = host(&["hold"], "limits.cpu_budget_ms = 500\nlimits.wall_deadline_ms = 4000\n").await;
    let tick = next_tick(&host).await;
    let path = "/api/v1/schedules/timer/hold/run";
    assert_eq!(host.post(path, json!({})).await.data(202)["outcome"], "running");
    host.process().kill();
    time.set(&tick, -3_600);
    host.start_again().await;
    let runs = runs(&host, "hold", 1).await;
    assert_eq!((runs.len(), &runs[0]["outcome"], &runs[0]["attempts"]), (1, &json!("lost"), &json!(1)), "{runs:?}");
    assert_eq!(notes(&host, "hold", 1).await.len(), 1);
}
