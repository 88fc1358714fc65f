//! Schedules: ticks that are run once, missed, asked for by hand, and run by whichever process is there.
//!
//! A day of the tests lasts no longer than they need: [`Time`] tells hosts what the clock says. Ticks are twelve hours away
//! by the real clock, so that none comes by itself.

mod by_hand;
mod hostile;
mod processes;
mod ticks;

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch, eventually};

/// A file name in the scratch directory, where hosts run.
const CLOCK: &str = "clock";
/// Runs may take as long as a test.
const PATIENT: &str = "\
log.filter = \"error\"
lifecycle.flush_ms = 50
schedules.deadline_ms = 200000
schedules.cpu_ms = 20000
schedules.lease_ms = 250000
schedules.late_ms = 300000
";
const DAY: i64 = 86_400;

/// The clock of the hosts in a scratch directory.
struct Time {
    file: PathBuf,
    /// What schedules of this test mean: a time of the day that is half a day away.
    cron: String,
}

impl Time {
    fn new(scratch: &mut Scratch) -> Self {
        scratch.set_environment(&[("TENON_CLOCK_FILE", CLOCK)]);
        let away = Timestamp::now() + jiff::SignedDuration::from_hours(12);
        let cron = away.strftime("%-M %-H * * *").to_string();
        let time = Self { file: scratch.path(CLOCK), cron };
        time.set_ahead(0);
        time
    }

    fn schedule(&self, name: &str) -> Value {
        json!({ "name": name, "cron": self.cron })
    }

    /// Has the clock show a point in time, so many seconds later.
    fn set(&self, at: &str, later: i64) {
        let at: Timestamp = at.parse().unwrap();
        self.set_ahead(at.as_second() - Timestamp::now().as_second() + later);
    }

    /// Read by a host at any moment, so it is there as a whole or not at all.
    fn set_ahead(&self, seconds: i64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}

/// The timer with these schedules.
fn timer(scratch: &Scratch, schedules: &[Value]) {
    let manifest = json!({
        "id": "timer", "name": "Timer", "version": "1.0.0", "schedules": schedules,
        "services": [{ "name": "demo:timer", "version": "1.0.0" }],
        "endpoints": [
            { "method": "GET", "path": "/notes", "function": "demo:timer/timer.notes" },
            { "method": "POST", "path": "/release", "function": "demo:timer/timer.release" },
        ],
    });
    scratch.add_plugin_as("timer", "timer", &manifest);
}

/// A host with a timer whose schedules are due at the same time.
async fn host(names: &[&str], config: &str) -> (Host, Time) {
    let mut scratch = Scratch::with_plugins(&[]);
    let time = Time::new(&mut scratch);
    let schedules: Vec<Value> = names.iter().map(|name| time.schedule(name)).collect();
    timer(&scratch, &schedules);
    (start(scratch, config).await, time)
}

async fn start(scratch: Scratch, config: &str) -> Host {
    let file = scratch.file("tenon.toml", &format!("{PATIENT}{config}"));
    Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await
}

/// The tenant's schedules, once the host has taken them all up.
async fn taken_up(client: &Client) -> Vec<Value> {
    eventually("the schedules to be taken up", async || {
        let schedules = client.get("/api/v1/schedules").await.rows().to_vec();
        let all = !schedules.is_empty() && schedules.iter().all(|schedule| schedule["nextTick"].is_string());
        all.then_some(schedules)
    })
    .await
}

/// When the first of the tenant's schedules is due.
async fn next_tick(client: &Client) -> String {
    taken_up(client).await[0]["nextTick"].as_str().unwrap().to_owned()
}

/// The runs of a schedule, the newest first, once the newest is over and there are so many.
async fn runs(client: &Client, schedule: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/schedules/timer/{schedule}/runs");
    eventually(&format!("{count} runs of {schedule}"), async || {
        let runs = client.get(&path).await.rows().to_vec();
        let is_over = runs.iter().all(|run| run["outcome"] != "running" && run["outcome"] != "waiting");
        (runs.len() >= count && is_over).then_some(runs)
    })
    .await
}

/// What a schedule has noted, in the order of its runs, once there are so many.
async fn notes(client: &Client, schedule: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} notes of {schedule}"), async || {
        let mut notes = client.get("/plugins/timer/notes").await.rows().to_vec();
        notes.retain(|note| note["schedule"] == schedule);
        notes.sort_by_key(|note| (note["id"].as_str().unwrap().to_owned(), note["attempt"].as_u64()));
        (notes.len() >= count).then_some(notes)
    })
    .await
}

fn days(tick: &str, days: i64) -> String {
    let tick: Timestamp = tick.parse().unwrap();
    (tick + jiff::SignedDuration::from_secs(days * DAY)).to_string()
}
