//! Notes each run it begins, and then does what the first word of the schedule's name says: `note`, `fail`, `trap`, `spin`,
//! `sleep`, or `hold`, which goes on until somebody releases it. It embeds no manifest: a test writes one beside the file,
//! and so decides which schedules there are.

#![cfg(target_family = "wasm")]
#![expect(clippy::disallowed_methods, reason = "in a component it is the host that waits, and blocks nobody")]

use std::time::Duration;

use exports::demo::timer::timer::{Guest, Noted};
use serde::{Deserialize, Serialize};
use tenon_plugin::keyvalue;
use tenon_plugin::schedules::Failed;
use tenon_plugin::{Scheduled, Tick};

wit_bindgen::generate!({
    inline: "
        package timer:plugin;

        world plugin {
            export demo:timer/timer@1.0.0;
        }
    ",
    path: ["../wit/demo-timer"],
});

tenon_plugin::scheduled!(Timer);

/// The bucket of runs, and the one that says whether those that hold on may end.
const NOTES: &str = "notes";
const RELEASED: &str = "released";

struct Timer;

#[derive(Serialize, Deserialize)]
struct Note {
    schedule: String,
    id: String,
    due: String,
    local: String,
    passed: u32,
    by_hand: bool,
    attempt: u32,
}

impl Scheduled for Timer {
    fn run(tick: Tick) -> Result<(), Failed> {
        let Tick { id, schedule, due, local, passed, by_hand, attempt, .. } = tick;
        let deed = schedule.split('-').next().unwrap_or_default().to_owned();
        let key = format!("{id}.{attempt}");
        keyvalue::open(NOTES)?.set_json(&key, &Note { schedule, id, due, local, passed, by_hand, attempt })?;
        match deed.as_str() {
            "fail" => return Err(Failed::new("the timer was asked to fail")),
            "trap" => panic!("the timer was asked to trap"),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "sleep" => std::thread::sleep(Duration::from_secs(3_600)),
            "hold" => {
                while !keyvalue::open(RELEASED)?.exists("all")? {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Guest for Timer {
    fn notes() -> Result<Vec<Noted>, String> {
        all_notes().map_err(|error| error.to_string())
    }

    fn release() -> Result<(), String> {
        keyvalue::open(RELEASED).and_then(|bucket| bucket.set("all", "yes")).map_err(|error| error.to_string())
    }
}

fn all_notes() -> keyvalue::Result<Vec<Noted>> {
    let bucket = keyvalue::open(NOTES)?;
    let mut notes = Vec::new();
    for key in bucket.keys() {
        if let Some(Note { schedule, id, due, local, passed, by_hand, attempt }) = bucket.json(&key?)? {
            notes.push(Noted { schedule, id, due, local, passed, by_hand, attempt });
        }
    }
    Ok(notes)
}

export!(Timer);
