//! What holds for schedules and their runs.

use jiff::{SignedDuration, Timestamp};

use crate::db::{
    ControlPlane, NewRun, RunClaim, RunEnd, RunLease, RunOutcome, RunPrune, RunState, ScheduleKey, ScheduleRun,
    Standing,
};

const DEFINITION: &str = "* * * * * UTC";

fn key(name: &str) -> ScheduleKey {
    ScheduleKey { tenant: "acme".into(), plugin: "crm".into(), name: name.into() }
}

/// So many minutes after a moment that all tests share.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_mins(minutes)
}

fn run(id: &str, name: &str, minutes: i64) -> NewRun {
    NewRun {
        id: id.into(),
        key: key(name),
        tick: at(minutes),
        asked_by: None,
        passed: 2,
        correlation_id: format!("c-{id}"),
    }
}

fn lease(lease: &str, minutes: i64) -> RunLease {
    RunLease { lease: lease.into(), now: at(minutes), until: at(minutes + 2) }
}

fn begin(id: &str, name: &str, decided: i64, minutes: i64) -> RunClaim {
    RunClaim::Begin { run: run(id, name, minutes), decided: at(decided), lease: lease(id, minutes) }
}

async fn put(db: &dyn ControlPlane, name: &str, definition: &str, minutes: i64) -> Standing {
    let standing = Standing { key: key(name), definition: definition.into(), decided: at(minutes), open: None };
    db.schedule_put(vec![standing]).await.unwrap();
    standing_of(db, name).await
}

async fn standing_of(db: &dyn ControlPlane, name: &str) -> Standing {
    db.schedule_fetch(key(name)).await.unwrap().unwrap()
}

async fn claim(db: &dyn ControlPlane, claim: RunClaim) -> bool {
    db.run_claim(vec![claim]).await.unwrap()[0]
}

async fn end(db: &dyn ControlPlane, id: &str, lease: &str, outcome: RunOutcome) {
    let ended = RunEnd { id: id.into(), lease: lease.into(), version: Some("1.0.0".into()), outcome };
    db.run_end(vec![ended]).await.unwrap();
}

fn over(state: RunState, minutes: i64) -> RunOutcome {
    RunOutcome::Over { state, at: at(minutes), error: (state != RunState::Done).then(|| "no".to_owned()) }
}

async fn fetch(db: &dyn ControlPlane, id: &str) -> ScheduleRun {
    db.run_fetch("acme", id).await.unwrap().unwrap()
}

pub(super) async fn a_tick_has_one_run_whoever_comes_first(db: &dyn ControlPlane) {
    put(db, "first", DEFINITION, 0).await;
    let both = vec![begin("f1", "first", 0, 1), begin("f2", "first", 0, 1)];
    assert_eq!(db.run_claim(both).await.unwrap(), [true, false]);
    let standing = standing_of(db, "first").await;
    let open = standing.open.unwrap();
    assert_eq!((standing.decided, &*open.id, open.tick, open.until), (at(1), "f1", at(1), at(3)));
    assert_eq!((open.passed, open.attempts, open.asked_by), (2, 1, None));
    // Under another's lease nothing is written down.
    end(db, "f1", "f2", over(RunState::Failed, 2)).await;
    assert_eq!(fetch(db, "f1").await.state, RunState::Open);
    end(db, "f1", "f1", over(RunState::Done, 2)).await;
    let done = fetch(db, "f1").await;
    assert_eq!((done.state, done.error, done.ended_at), (RunState::Done, None, Some(at(2))));
    assert_eq!((done.version.as_deref(), done.begun_at, done.lease), (Some("1.0.0"), Some(at(1)), None));
    assert!(!claim(db, begin("f3", "first", 0, 1)).await, "it is decided");
    assert_eq!(db.run_fetch("beta", "f1").await.unwrap(), None, "it is of another tenant");
}

pub(super) async fn one_run_is_open_at_a_time(db: &dyn ControlPlane) {
    put(db, "open", DEFINITION, 0).await;
    let by_hand = |id: &str| RunClaim::ByHand {
        run: NewRun { asked_by: Some("jo".into()), ..run(id, "open", 1) },
        lease: lease(id, 1),
    };
    assert!(claim(db, by_hand("o1")).await && !claim(db, by_hand("o2")).await);
    assert!(!claim(db, begin("o3", "open", 0, 1)).await, "the clock waits for it");
    assert_eq!(standing_of(db, "open").await.decided, at(0), "a run by hand decides nothing");
    let skip = RunClaim::Skip { run: run("o4", "open", 2), decided: at(0), now: at(2), error: "too late".into() };
    assert!(claim(db, skip.clone()).await && !claim(db, skip).await, "what is skipped needs no place");
    let skipped = fetch(db, "o4").await;
    assert_eq!((skipped.state, skipped.attempts, skipped.begun_at), (RunState::Skipped, 0, None));
    end(db, "o1", "o1", over(RunState::Failed, 2)).await;
    assert!(claim(db, begin("o5", "open", 2, 3)).await);
    end(db, "o5", "o5", over(RunState::Done, 3)).await;
    let listed = db.run_list(key("open"), None, 2).await.unwrap();
    assert_eq!(listed.iter().map(|run| &*run.id).collect::<Vec<_>>(), ["o5", "o4"]);
    let before = db.run_list(key("open"), Some("o4"), 2).await.unwrap();
    assert_eq!(
        (&*before[0].id, before[0].asked_by.as_deref(), before[0].error.as_deref()),
        ("o1", Some("jo"), Some("no"))
    );
    let last = db.run_last("acme").await.unwrap();
    assert!(last.iter().any(|run| run.id == "o5") && !last.iter().any(|run| run.id == "o4"), "{last:?}");
}

pub(super) async fn a_run_is_begun_again_when_its_lease_is_over(db: &dyn ControlPlane) {
    put(db, "again", DEFINITION, 0).await;
    assert!(claim(db, begin("a1", "again", 0, 1)).await);
    let again = |id: &str, minutes| RunClaim::Again { id: "a1".into(), lease: lease(id, minutes) };
    assert!(!claim(db, again("x", 2)).await, "somebody has it");
    assert!(claim(db, again("y", 3)).await && !claim(db, again("z", 3)).await);
    end(db, "a1", "a1", over(RunState::Done, 4)).await;
    let open = standing_of(db, "again").await.open.unwrap();
    assert_eq!((open.attempts, open.until), (2, at(5)), "it is another's by now");
    end(db, "a1", "y", RunOutcome::Later { due: at(4) }).await;
    let open = standing_of(db, "again").await.open.unwrap();
    assert_eq!((open.attempts, open.until), (1, at(4)), "that was no attempt");
    assert!(claim(db, again("z", 4)).await);
    end(db, "a1", "z", RunOutcome::GivenBack { at: at(4) }).await;
    assert_eq!(standing_of(db, "again").await.open.unwrap().attempts, 2, "and that was one");
    let close =
        |minutes| RunClaim::Close { id: "a1".into(), now: at(minutes), state: RunState::Lost, error: "gone".into() };
    assert!(!claim(db, close(3)).await && claim(db, close(4)).await && !claim(db, close(4)).await);
    assert_eq!(fetch(db, "a1").await.state, RunState::Lost);
    assert_eq!(standing_of(db, "again").await.open, None);
}

pub(super) async fn time_goes_on_only(db: &dyn ControlPlane) {
    let first = put(db, "time", DEFINITION, 5).await;
    assert_eq!(put(db, "time", DEFINITION, 3).await, first);
    let other = put(db, "time", "0 * * * * UTC", 7).await;
    assert_eq!((&*other.definition, other.decided), ("0 * * * * UTC", at(7)));
    assert!(db.schedule_list(None).await.unwrap().contains(&other));
    assert_eq!(db.schedule_list(Some("beta")).await.unwrap(), []);
    assert_eq!(db.schedule_fetch(key("none")).await.unwrap(), None);
    assert!(!db.schedule_forget("acme", "none").await.unwrap());
}

pub(super) async fn old_runs_go_and_open_ones_stay(db: &dyn ControlPlane) {
    put(db, "old", DEFINITION, 0).await;
    for minute in 1..=6 {
        let id = format!("p{minute}");
        assert!(claim(db, begin(&id, "old", minute - 1, minute)).await);
        if minute < 6 {
            end(db, &id, &id, over(RunState::Done, minute)).await;
        }
    }
    let left = async || {
        let runs = db.run_list(key("old"), None, 100).await.unwrap();
        runs.into_iter().map(|run| run.id).collect::<Vec<_>>()
    };
    let long_ago = RunPrune { ended: at(-60), kept: 100, rows: 2 };
    assert!(!db.run_prune(long_ago.clone()).await.unwrap());
    assert_eq!(left().await.len(), 6);
    while db.run_prune(RunPrune { kept: 3, ..long_ago.clone() }).await.unwrap() {}
    assert_eq!(left().await, ["p6", "p5", "p4"]);
    while db.run_prune(RunPrune { ended: at(60), ..long_ago }).await.unwrap() {}
    assert_eq!(left().await, ["p6"], "it is not over");
    assert!(db.schedule_forget("acme", "crm").await.unwrap());
    assert_eq!((left().await.len(), db.schedule_fetch(key("old")).await.unwrap()), (0, None));
}
