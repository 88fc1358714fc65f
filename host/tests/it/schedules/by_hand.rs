//! Runs that somebody asks for.

use serde_json::json;

use super::{Time, days, host, next_tick, notes, runs};
use crate::common::{Host, eventually};

fn tenon(host: &Host, args: &[&str]) -> Result<String, String> {
    let output = host.scratch().tenon(args).args(["--url", host.address()]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn a_schedule_is_run_by_hand_and_its_ticks_stay() {
    let (host, time) = host(&["note", "fail"], "").await;
    let tick = next_tick(&host).await;
    let said = tenon(&host, &["schedule", "run", "timer", "note", "--tenant", "acme"]).unwrap();
    assert_eq!(said, "note of timer was run");
    let acme = host.tenant("acme");
    let note = notes(&acme, "note", 1).await.remove(0);
    assert_eq!((&note["byHand"], &note["attempt"]), (&json!(true), &json!(1)));
    let run = runs(&acme, "note", 1).await.remove(0);
    assert!(run["askedBy"].is_string() && run["tick"] == note["due"] && run["run"] == note["id"], "{run}");
    let said = tenon(&host, &["schedule", "run", "timer", "fail", "--tenant", "acme"]).unwrap_err();
    assert!(said.contains("fail of timer was run and is failed: the timer was asked to fail"), "{said}");

    // Only for this tenant, and only for those who may.
    assert!(host.get("/api/v1/schedules/timer/note/runs").await.rows().is_empty());
    acme.roles("member").post("/api/v1/schedules/timer/note/run", json!({})).await.refusal(403, "denied");
    for (path, code) in [("timer/none", "schedule_not_found"), ("none/note", "plugin_not_found")] {
        acme.post(&format!("/api/v1/schedules/{path}/run"), json!({})).await.refusal(404, code);
        acme.get(&format!("/api/v1/schedules/{path}/runs")).await.refusal(404, code);
    }
    acme.post("/api/v1/plugins/timer/deactivate", json!({})).await.data(200);
    acme.post("/api/v1/schedules/timer/note/run", json!({})).await.refusal(503, "plugin_inactive");
    assert_eq!(runs(&acme, "note", 1).await.len(), 1, "what was done is still told");

    let audit = acme.get("/api/v1/audit?operation=schedules.run").await;
    let targets: Vec<_> =
        audit.rows().iter().filter(|row| row["outcome"] == "done").map(|row| &row["target"]).collect();
    assert_eq!(targets, ["timer fail", "timer note"], "{audit:?}");

    time.set(&tick, 1);
    assert_eq!(runs(&host, "note", 1).await[0]["tick"], tick);
    let listed = tenon(&host, &["schedules"]).unwrap();
    assert!(listed.contains("note") && listed.contains("done") && listed.contains(&days(&tick, 1)), "{listed}");
    let listed = tenon(&host, &["schedule", "runs", "timer", "fail"]).unwrap();
    assert!(listed.contains("failed") && listed.contains("the timer was asked to fail"), "{listed}");
}

#[tokio::test]
async fn a_run_that_takes_long_goes_on_and_nobody_begins_a_second() {
    let config = "limits.cpu_budget_ms = 500\nlimits.wall_deadline_ms = 4000\nschedules.tenant_concurrency = 1\n";
    let (host, time) = host(&["hold", "note"], config).await;
    let tick = next_tick(&host).await;
    let path = "/api/v1/schedules/timer/hold/run";
    let begun = host.post(path, json!({})).await.data(202).clone();
    assert_eq!((&begun["outcome"], &begun["endedAt"]), (&json!("running"), &json!(null)));
    host.post(path, json!({})).await.refusal(409, "schedule_running");
    let busy = host.post("/api/v1/schedules/timer/note/run", json!({})).await;
    busy.refusal(429, "schedules_busy");
    assert_eq!(busy.header("retry-after"), "1");
    // The clock waits for it too, and for the tenant's only place.
    time.set(&tick, 1);
    host.post("/plugins/timer/release", json!({})).await.data(200);
    let held = runs(&host, "hold", 2).await;
    assert!(held[1]["run"] == begun["run"] && held.iter().all(|run| run["outcome"] == "done"), "{held:?}");
    assert_eq!((&held[0]["tick"], &held[0]["askedBy"]), (&json!(tick), &json!(null)));
    assert_eq!(runs(&host, "note", 1).await[0]["tick"], tick);
    eventually("the second run by hand", async || (host.post(path, json!({})).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn runs_are_listed_page_by_page_and_only_the_last_are_kept() {
    let (host, _time): (Host, Time) = super::host(&["note"], "schedules.kept = 3\n").await;
    for _ in 0..5 {
        assert_eq!(host.post("/api/v1/schedules/timer/note/run", json!({})).await.data(200)["outcome"], "done");
    }
    let path = "/api/v1/schedules/timer/note/runs?limit=2";
    let first = host.get(path).await;
    let cursor = first.json["nextCursor"].as_str().unwrap();
    let second = host.get(&format!("{path}&cursor={cursor}")).await;
    let ids: Vec<&str> = [first.column("run"), second.column("run")].concat();
    assert!(ids.len() == 4 && ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    // Old ones go as the host starts, and then once a minute.
    let mut host = host;
    host.restart().await;
    eventually("the first runs to go", async || {
        (host.get("/api/v1/schedules/timer/note/runs").await.rows().len() == 3).then_some(())
    })
    .await;
}
