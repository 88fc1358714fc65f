//! What holds for events and their deliveries.

use jiff::{SignedDuration, Timestamp};

use crate::db::{
    ControlPlane, DeadFilter, Delivery, DeliveryClaim, EventFilter, EventPrune, EventRequest, NewEvent, Outcome,
    Requested, Settled,
};

fn event(id: &str, tenant: &str, key: Option<&str>, subscribers: &[&str]) -> NewEvent {
    NewEvent {
        id: id.into(),
        tenant: tenant.into(),
        source: "/plugins/crm".into(),
        topic: "deal.won".into(),
        key: key.map(Into::into),
        subject: Some("deal-1".into()),
        at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
        correlation_id: "corr".into(),
        hops: 1,
        data: "{}".into(),
        subscribers: subscribers.iter().map(ToString::to_string).collect(),
    }
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

/// Claims as of so many seconds from now.
async fn claim(db: &dyn ControlPlane, tenant: &str, lease: &str, seconds: i64, without: &[&str]) -> Vec<Delivery> {
    let claim = DeliveryClaim {
        tenant: tenant.into(),
        limit: 10,
        without: without.iter().map(ToString::to_string).collect(),
        now: later(seconds),
        until: later(seconds + 60),
        lease: lease.into(),
    };
    db.delivery_claim(vec![claim]).await.unwrap()
}

fn told(deliveries: &[Delivery]) -> Vec<(&str, &str)> {
    deliveries.iter().map(|delivery| (&*delivery.event.id, &*delivery.subscriber)).collect()
}

async fn settle(db: &dyn ControlPlane, lease: &str, delivery: &Delivery, outcome: Outcome) -> Vec<String> {
    let settled = Settled { sequence: delivery.sequence, lease: lease.into(), outcome };
    db.delivery_settle(vec![settled]).await.unwrap()
}

pub(super) async fn an_event_is_taken_in_once_with_its_deliveries(db: &dyn ControlPlane) {
    let (one, two) = (event("e1", "once", None, &["a", "b"]), event("e2", "once", None, &[]));
    assert_eq!(db.event_add(vec![one.clone(), two]).await.unwrap(), 2);
    assert_eq!(db.event_add(vec![one.clone()]).await.unwrap(), 0, "it is known");
    let listed =
        db.event_list(EventFilter { tenant: Some("once".into()), ..EventFilter::default() }, 10).await.unwrap();
    assert_eq!(listed.iter().map(|event| &*event.id).collect::<Vec<_>>(), ["e2", "e1"]);
    let before =
        EventFilter { tenant: Some("once".into()), before: Some(listed[0].sequence), ..EventFilter::default() };
    assert_eq!(db.event_list(before, 10).await.unwrap(), [listed[1].clone()]);
    assert_eq!(listed[1].subject.as_deref(), Some("deal-1"));

    for (topic, expected) in [("deal.won", 2), ("deal.*", 2), ("*.*", 2), ("deal.*.*", 0), ("*.lost", 0)] {
        let of = EventFilter { tenant: Some("once".into()), topic: Some(topic.into()), ..EventFilter::default() };
        assert_eq!(db.event_list(of, 10).await.unwrap().len(), expected, "{topic}");
    }

    let claimed = claim(db, "once", "l1", 0, &[]).await;
    assert_eq!(told(&claimed), [("e1", "a"), ("e1", "b")]);
    assert_eq!(claim(db, "once", "l2", 0, &[]).await, [], "somebody has them");
    for delivery in &claimed {
        assert_eq!(settle(db, "l1", delivery, Outcome::Done).await, ["once"]);
    }
    assert_eq!(db.event_add(vec![one]).await.unwrap(), 0, "also when it was delivered");
    assert_eq!(db.delivery_next("once").await.unwrap(), None);

    let request = |key: &str, sha: char| EventRequest {
        principal: "key:1".into(),
        key: key.into(),
        sha256: sha.to_string().repeat(64),
    };
    let new = |id: &str| event(id, "once", None, &["a"]);
    let requested = async |sha| db.event_requested("once", &request("k", sha)).await.unwrap();
    assert_eq!(requested('0').await, None);
    assert_eq!(db.event_request(request("k", '0'), new("r1")).await.unwrap(), Requested::New(1));
    assert_eq!(requested('0').await, Some(Requested::Known("r1".into())));
    assert_eq!(requested('1').await, Some(Requested::Other));
    assert_eq!(db.event_requested("twice", &request("k", '0')).await.unwrap(), None, "each tenant has its own");
    assert_eq!(db.event_request(request("k", '0'), new("r2")).await.unwrap(), Requested::Known("r1".into()));
    assert_eq!(db.event_request(request("k", '1'), new("r3")).await.unwrap(), Requested::Other);
    assert_eq!(db.delivery_count().await.unwrap(), [("once".to_owned(), 1)]);
    let claimed = claim(db, "once", "l3", 1, &[]).await;
    settle(db, "l3", &claimed[0], Outcome::Done).await;
}

pub(super) async fn deliveries_of_a_key_come_one_after_the_other(db: &dyn ControlPlane) {
    let events = [Some("k"), Some("k"), Some("other"), None].into_iter().enumerate();
    let events = events.map(|(index, key)| event(&format!("k{index}"), "keys", key, &["a"]));
    db.event_add(events.collect()).await.unwrap();
    let first = claim(db, "keys", "l1", 1, &[]).await;
    assert_eq!(told(&first), [("k0", "a"), ("k2", "a"), ("k3", "a")], "k1 is behind k0");
    // Tried again later, k1 waits for it.
    let due = later(30);
    let again = Outcome::Again { due, error: "not now".into() };
    assert!(settle(db, "l1", &first[0], again).await.is_empty());
    assert_eq!(claim(db, "keys", "l2", 10, &[]).await, []);
    for delivery in &first[1..] {
        settle(db, "l1", delivery, Outcome::Done).await;
    }
    let next = db.delivery_next("keys").await.unwrap().unwrap();
    assert_eq!(next.as_microsecond(), due.as_microsecond());
    let second = claim(db, "keys", "l3", 31, &[]).await;
    assert_eq!((told(&second), second[0].attempts), (vec![("k0", "a")], 1));
    assert_eq!(second[0].last_error.as_deref(), Some("not now"));
    let dead = Outcome::Dead { attempted: true, error: "never".into(), at: later(0) };
    assert_eq!(settle(db, "l3", &second[0], dead).await, ["keys"]);
    let third = claim(db, "keys", "l4", 31, &[]).await;
    assert_eq!(told(&third), [("k1", "a")], "the key goes on");
    // A lease that is over is another's.
    let fourth = claim(db, "keys", "l5", 100, &[]).await;
    assert_eq!(told(&fourth), [("k1", "a")]);
    assert!(settle(db, "l4", &third[0], Outcome::Done).await.is_empty());
    assert_eq!(settle(db, "l5", &fourth[0], Outcome::Done).await, ["keys"]);

    let letters = db.dead_letter_list(DeadFilter { tenant: Some("keys".into()), ..DeadFilter::default() }, 10).await;
    let letter = &letters.unwrap()[0];
    for (topic, expected) in [("deal.*", 1), ("deal.*.*", 0)] {
        let of = DeadFilter { tenant: Some("keys".into()), topic: Some(topic.into()), ..DeadFilter::default() };
        assert_eq!(db.dead_letter_list(of, 10).await.unwrap().len(), expected, "{topic}");
    }
    assert_eq!((letter.attempts, &*letter.error, &*letter.event.id), (2, "never", "k0"));
    assert_eq!(db.dead_letter_fetch(Some("other"), letter.sequence).await.unwrap(), None);
    assert_eq!(db.dead_letter_replay(Some("other"), letter.sequence, later(0)).await.unwrap(), None);
    let replayed = db.dead_letter_replay(None, letter.sequence, later(0)).await.unwrap();
    assert_eq!(replayed.as_deref(), Some("keys"));
    assert_eq!(db.dead_letter_fetch(None, letter.sequence).await.unwrap(), None);
    let again = claim(db, "keys", "l6", 101, &[]).await;
    assert_eq!((told(&again), again[0].attempts), (vec![("k0", "a")], 0));
    settle(db, "l6", &again[0], Outcome::Dead { attempted: false, error: "gone".into(), at: later(0) }).await;
    let letters = db.dead_letter_list(DeadFilter::default(), 10).await.unwrap();
    assert!(db.dead_letter_drop(Some("keys"), letters[0].sequence).await.unwrap());
    assert!(!db.dead_letter_drop(None, letters[0].sequence).await.unwrap());
}

pub(super) async fn who_is_not_there_is_waited_for_without_an_attempt(db: &dyn ControlPlane) {
    db.event_add(vec![event("w1", "waits", None, &["here", "gone"])]).await.unwrap();
    let claimed = claim(db, "waits", "l1", 1, &["here"]).await;
    assert_eq!(told(&claimed), [("w1", "gone")]);
    settle(db, "l1", &claimed[0], Outcome::Wait { due: later(5) }).await;
    let claimed = claim(db, "waits", "l2", 6, &["here"]).await;
    assert_eq!((claimed[0].attempts, claimed[0].waiting_us.is_some()), (0, true));
    settle(db, "l2", &claimed[0], Outcome::Done).await;
    let claimed = claim(db, "waits", "l3", 6, &[]).await;
    settle(db, "l3", &claimed[0], Outcome::Done).await;
}

pub(super) async fn what_is_given_back_is_due_and_has_not_waited(db: &dyn ControlPlane) {
    db.event_add(vec![event("b1", "back", None, &["a"])]).await.unwrap();
    let claimed = claim(db, "back", "l1", 1, &[]).await;
    assert!(settle(db, "l1", &claimed[0], Outcome::GivenBack).await.is_empty());
    let again = claim(db, "back", "l2", 1, &[]).await;
    assert_eq!(again, claimed, "nobody waits for a lease, and nothing is counted");
    assert_eq!((again[0].attempts, again[0].waiting_us), (0, None));
    // What waited before has waited since then.
    settle(db, "l2", &again[0], Outcome::Wait { due: later(1) }).await;
    let waited = claim(db, "back", "l3", 2, &[]).await;
    settle(db, "l1", &waited[0], Outcome::GivenBack).await;
    assert_eq!(claim(db, "back", "l4", 2, &[]).await, [], "whose lease it is not gives nothing back");
    settle(db, "l3", &waited[0], Outcome::GivenBack).await;
    let again = claim(db, "back", "l5", 2, &[]).await;
    assert!(again == waited && again[0].waiting_us.is_some(), "{again:?}");
    settle(db, "l5", &again[0], Outcome::Done).await;
}

pub(super) async fn marks_of_outboxes_stay_until_they_are_removed(db: &dyn ControlPlane) {
    for (plugin, at) in [("b", 0), ("a", 0), ("a", 10)] {
        db.outbox_mark("acme", plugin, later(at)).await.unwrap();
    }
    let mark = |plugin: &str| ("acme".to_owned(), plugin.to_owned());
    assert_eq!(db.outbox_list().await.unwrap(), [mark("a"), mark("b")]);
    // Another host has written it since.
    assert!(!db.outbox_unmark("acme", "a", later(5)).await.unwrap());
    assert_eq!(db.outbox_list().await.unwrap(), [mark("a"), mark("b")]);
    assert!(db.outbox_unmark("acme", "a", later(20)).await.unwrap());
    assert!(!db.outbox_unmark("acme", "a", later(20)).await.unwrap());
    assert_eq!(db.outbox_list().await.unwrap(), [mark("b")]);
    assert!(db.outbox_unmark("acme", "b", later(5)).await.unwrap());
}

pub(super) async fn what_is_old_goes_and_what_is_not_delivered_stays(db: &dyn ControlPlane) {
    let count = async || db.event_list(EventFilter { tenant: Some("old".into()), ..EventFilter::default() }, 100).await;
    let events = (0..10).map(|index| event(&format!("o{index}"), "old", None, if index == 0 { &["a"] } else { &[] }));
    db.event_add(events.collect()).await.unwrap();
    let ago = later(-3_600);
    let (spared, most) = (Vec::new(), 1_000);
    let keep = EventPrune { spared, events: ago, events_max: most, dead: ago, dead_max: most, requests: ago, rows: 3 };
    assert!(!db.event_prune(keep.clone()).await.unwrap());
    assert_eq!(count().await.unwrap().len(), 10);
    let few = EventPrune { events_max: 4, rows: 100, ..keep.clone() };
    db.event_prune(few).await.unwrap();
    let left = count().await.unwrap();
    assert_eq!(left.iter().map(|event| &*event.id).collect::<Vec<_>>(), ["o9", "o8", "o7", "o6", "o0"]);
    let none = EventPrune { events: later(60), requests: later(60), ..keep };
    while db.event_prune(none.clone()).await.unwrap() {}
    assert_eq!(count().await.unwrap().len(), 1, "o0 is still to be delivered");
    let claimed = claim(db, "old", "l1", 1, &[]).await;
    settle(db, "l1", &claimed[0], Outcome::Dead { attempted: true, error: "never".into(), at: later(-7_200) }).await;
    while db.event_prune(none.clone()).await.unwrap() {}
    assert_eq!(count().await.unwrap(), [], "its dead letter was old too");
}

pub(super) async fn who_is_spared_keeps_its_events_and_nobody_elses(db: &dyn ControlPlane) {
    let list = async |tenant: &str| {
        let filter = EventFilter { tenant: Some(tenant.into()), ..EventFilter::default() };
        db.event_list(filter, 100).await.unwrap().len()
    };
    for tenant in ["spared", "others"] {
        let events = (0..4).map(|index| event(&format!("{tenant}{index}"), tenant, None, &["a"]));
        db.event_add(events.collect()).await.unwrap();
        let dead = Outcome::Dead { attempted: true, error: "never".into(), at: later(-60) };
        for delivery in claim(db, tenant, tenant, 1, &[]).await {
            settle(db, tenant, &delivery, dead.clone()).await;
        }
    }
    let (ago, none, spared) = (later(-3_600), later(60), vec!["spared".to_owned()]);
    let few = EventPrune { spared, events: ago, events_max: 1, dead: none, dead_max: 0, requests: none, rows: 100 };
    db.event_prune(few.clone()).await.unwrap();
    let letters = db.dead_letter_list(DeadFilter::default(), 10).await.unwrap();
    assert_eq!((list("spared").await, list("others").await, letters), (4, 1, vec![]), "dead letters go of all");
    db.event_prune(EventPrune { events: none, ..few.clone() }).await.unwrap();
    assert_eq!((list("spared").await, list("others").await), (4, 0));
    db.event_prune(EventPrune { spared: Vec::new(), events: none, ..few }).await.unwrap();
    assert_eq!(list("spared").await, 0);
}
