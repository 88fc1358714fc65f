//! Schedules that never end, that trap each time, and as many of them as there can be, for many tenants at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Time, days, next_tick, notes, runs, start, taken_up, timer};
use crate::common::{Client, Host, Scratch, eventually, rounds, within};

/// Runs that do harm end soon.
const SHORT: &str = "\
schedules.deadline_ms = 8000
schedules.cpu_ms = 1000
";
/// A busy machine may take its time.
const PATIENCE: Duration = Duration::from_secs(300);
const LONG: &str = "\
schedules.cpu_ms = 1000
schedules.late_ms = 3000000
";

async fn host(schedules: impl Fn(&Time) -> Vec<Value>, more: &[&str], config: &str) -> (Host, Time) {
    let mut scratch = Scratch::with_plugins(more);
    let time = Time::new(&mut scratch);
    timer(&scratch, &schedules(&time));
    let file = scratch.file("tenon.toml", &format!("log.filter = \"error\"\n{config}"));
    (Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await, time)
}

#[tokio::test]
async fn a_schedule_that_never_ends_is_ended_and_troubles_no_other() {
    let names = ["spin", "sleep", "trap", "note"];
    let (host, time) = host(|time| names.map(|name| time.schedule(name)).to_vec(), &[], SHORT).await;
    let tick = next_tick(&host).await;
    for day in 0..2_u16 {
        time.set(&days(&tick, day.into()), 1);
        let late = "did not answer within";
        // On a busy machine the time is over before the CPU time is.
        for (name, said) in [("spin", ["CPU budget", late]), ("sleep", [late, late]), ("trap", ["trapped", "trapped"])]
        {
            let run = runs(&host, name, usize::from(day) + 1).await.remove(0);
            let error = run["error"].as_str().unwrap_or_default();
            assert!(run["outcome"] == "failed" && said.iter().any(|said| error.contains(said)), "{name}: {run}");
        }
        let note = runs(&host, "note", usize::from(day) + 1).await.remove(0);
        assert_eq!((&note["outcome"], &note["tick"]), (&json!("done"), &json!(days(&tick, day.into()))));
    }
    assert_eq!(host.get("/plugins/timer/notes").await.rows().len(), 8, "each tick was begun once");
}

#[tokio::test]
async fn many_schedules_of_many_tenants_starve_no_request() {
    // As many as a manifest may have, due at once; the last of them spins.
    let all = |time: &Time| {
        let mut schedules: Vec<Value> = (0..49).map(|number| time.schedule(&format!("note-{number}"))).collect();
        schedules.push(time.schedule("spin"));
        schedules
    };
    let (host, time) = host(all, &["crm"], LONG).await;
    let tenants: Vec<String> = (0..rounds(3, 60)).map(|number| format!("busy-{number}")).collect();
    for tenant in &tenants {
        taken_up(&host.tenant(tenant)).await;
    }
    let tick = next_tick(&host).await;
    time.set(&tick, 1);

    // Meanwhile requests of one of these tenants and of another are answered, all of them.
    let mut requests = JoinSet::new();
    for client in [host.tenant(&tenants[0]), host.tenant("quiet")] {
        requests.spawn(async move {
            let mut longest = Duration::ZERO;
            for number in 0..40 {
                let begun = Instant::now();
                let contact = json!({ "firstName": "A", "lastName": "B", "email": format!("{number}@example.com") });
                client.post("/plugins/crm/contacts", contact).await.data(201);
                client.get("/plugins/crm/contacts").await.data(200);
                longest = longest.max(begun.elapsed());
            }
            longest
        });
    }
    let longest = requests.join_all().await;
    println!("longest pairs of requests beside {} runs: {longest:?}", tenants.len() * 50);
    for tenant in &tenants {
        let client = host.tenant(tenant);
        let schedules = within(PATIENCE, "all runs to be over", async || {
            let schedules = client.get("/api/v1/schedules").await.rows().to_vec();
            let is_over = |schedule: &Value| matches!(schedule["lastRun"]["outcome"].as_str(), Some("done" | "failed"));
            schedules.iter().all(is_over).then_some(schedules)
        })
        .await;
        let done = schedules.iter().filter(|schedule| schedule["lastRun"]["outcome"] == "done").count();
        assert_eq!((schedules.len(), done), (50, 49), "{tenant}");
        assert_eq!(notes(&client, "note-7", 1).await.len(), 1);
    }
}

#[tokio::test]
async fn no_more_runs_go_on_at_once_than_may() {
    let names = ["hold-a", "hold-b", "hold-c", "hold-d"];
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    timer(&scratch, &names.map(|name| time.schedule(name)));
    let host = start(scratch, "schedules.concurrency = 3\nschedules.tenant_concurrency = 2\n").await;
    let acme = host.tenant("acme");
    taken_up(&acme).await;
    let tick = next_tick(&host).await;
    time.set(&tick, 1);
    // Both tenants have some of the three places.
    let running = async |client: &Client| {
        let schedules = client.get("/api/v1/schedules").await.rows().to_vec();
        schedules.iter().filter(|schedule| schedule["lastRun"]["outcome"] == "running").count()
    };
    eventually("three runs", async || {
        let both = [running(&host).await, running(&acme).await];
        assert!(both.iter().all(|running| *running <= 2) && both.iter().sum::<usize>() <= 3, "{both:?}");
        (both.iter().sum::<usize>() == 3).then_some(())
    })
    .await;
    for client in [&*host, &acme] {
        client.post("/plugins/timer/release", json!({})).await.data(200);
    }
    for client in [&*host, &acme] {
        for name in names {
            assert_eq!(runs(client, name, 1).await[0]["outcome"], "done");
        }
    }
}
