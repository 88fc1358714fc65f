//! What holds for notifications, and for what streams read.

use jiff::{SignedDuration, Timestamp};

use crate::db::{
    ControlPlane, EventPrune, Inbox, Listed, NewEvent, NewNotification, NotificationPrune, StreamPosition,
};

fn notification(id: &str, tenant: &str, recipient: &str) -> NewNotification {
    NewNotification {
        id: id.into(),
        tenant: tenant.into(),
        recipient: recipient.into(),
        plugin: "crm".into(),
        kind: "deal-won".into(),
        title: "Won".into(),
        body: String::new(),
        link: None,
        data: None,
        at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
        correlation_id: "corr".into(),
    }
}

fn inbox(tenant: &str, reader: &str) -> Inbox {
    let recipients = vec!["everyone".into(), format!("user:{reader}")];
    Inbox { tenant: tenant.into(), recipients, reader: reader.into() }
}

async fn listed(db: &dyn ControlPlane, inbox: &Inbox, unread: bool, after: Option<Listed>) -> Vec<String> {
    let found = db.notification_list(inbox, unread, after, 2).await.unwrap();
    found.into_iter().map(|notification| notification.id).collect()
}

pub(super) async fn each_is_kept_once_and_read_by_each_reader(db: &dyn ControlPlane) {
    let all = [("n1", "everyone"), ("n2", "user:jo"), ("n3", "user:al"), ("n4", "everyone"), ("n5", "role:sales")];
    let new = || all.iter().map(|(id, to)| notification(id, "inbox", to)).collect::<Vec<_>>();
    db.notification_add(new()).await.unwrap();
    db.notification_add(new()).await.unwrap();
    db.notification_add(vec![notification("m1", "other", "everyone")]).await.unwrap();
    let (jo, al) = (inbox("inbox", "jo"), inbox("inbox", "al"));
    let read = async |inbox: &Inbox, id: &str| {
        let noted = db.notification_read(inbox, id, Timestamp::now()).await.unwrap();
        noted.map(|notification| notification.read_at_us.unwrap())
    };
    let first = read(&jo, "n4").await;
    assert_eq!((first.is_some(), read(&jo, "n4").await), (true, first), "the first time stays");
    for (inbox, id) in [(&jo, "n3"), (&al, "n2"), (&jo, "n5"), (&jo, "m1"), (&jo, "none")] {
        assert_eq!(read(inbox, id).await, None, "{id} is not for {}", inbox.reader);
    }
    assert_eq!(listed(db, &jo, false, None).await, ["n2", "n1"]);
    assert_eq!(listed(db, &al, false, None).await, ["n4", "n3"]);
    let found = db.notification_list(&jo, false, None, 10).await.unwrap();
    assert_eq!(found.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["n2", "n1", "n4"]);
    let after =
        |index: usize| Some(Listed { read: found[index].read_at_us.is_some(), sequence: found[index].sequence });
    assert_eq!(listed(db, &jo, false, after(0)).await, ["n1", "n4"]);
    assert_eq!(listed(db, &jo, false, after(2)).await, [""; 0]);
    assert_eq!(listed(db, &jo, true, after(0)).await, ["n1"]);
    let told = async |recipients: Option<&[String]>| {
        let found = db.stream_notifications("inbox", recipients, found[1].sequence, 10).await.unwrap();
        found.into_iter().map(|notification| notification.id).collect::<Vec<_>>()
    };
    assert_eq!(told(None).await, ["n2", "n3", "n4", "n5"]);
    assert_eq!(told(Some(&jo.recipients)).await, ["n2", "n4"]);
}

pub(super) async fn what_went_is_known_by_its_last_sequence(db: &dyn ControlPlane) {
    assert_eq!(db.stream_bounds("gone").await.unwrap(), Default::default());
    let recipients = ["everyone", "user:jo", "everyone", "everyone", "user:jo", "everyone"];
    let new = recipients.iter().enumerate().map(|(at, to)| notification(&format!("g{at}"), "gone", to));
    db.notification_add(new.collect()).await.unwrap();
    let event = |at: u32| NewEvent {
        id: format!("ge{at}"),
        tenant: "gone".into(),
        source: "/plugins/crm".into(),
        topic: "deal.won".into(),
        key: None,
        subject: None,
        at: Timestamp::now(),
        correlation_id: "corr".into(),
        hops: 1,
        data: "{}".into(),
        subscribers: Vec::new(),
    };
    db.event_add((0..4).map(event).collect()).await.unwrap();
    let events = db.stream_events("gone", 0, 10).await.unwrap();
    let kept = db.stream_notifications("gone", None, 0, 10).await.unwrap();
    assert_eq!((events.len(), kept.len()), (4, 6));
    assert_eq!(db.stream_events("gone", events[2].sequence, 10).await.unwrap().len(), 1);
    let last = StreamPosition { event: events[3].sequence, notification: kept[5].sequence };
    let bounds = db.stream_bounds("gone").await.unwrap();
    assert_eq!((bounds.last, bounds.gone), (last, StreamPosition::default()));

    let long_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let prune = |of_recipient, of_tenant| NotificationPrune {
        spared: Vec::new(),
        before: long_ago,
        of_recipient,
        of_tenant,
        rows: 100,
    };
    db.notification_prune(prune(2, 100)).await.unwrap();
    let left = db.stream_notifications("gone", None, 0, 10).await.unwrap();
    assert_eq!(left.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["g1", "g3", "g4", "g5"]);
    assert_eq!(db.stream_bounds("gone").await.unwrap().gone.notification, kept[2].sequence);
    db.notification_prune(prune(100, 1)).await.unwrap();
    let now = Timestamp::now() + SignedDuration::from_secs(60);
    db.notification_prune(NotificationPrune { before: now, ..prune(100, 100) }).await.unwrap();
    let (spared, most) = (Vec::new(), 100);
    let prune =
        EventPrune { spared, events: now, events_max: most, dead: now, dead_max: most, requests: now, rows: most };
    while db.event_prune(prune.clone()).await.unwrap() {}
    let bounds = db.stream_bounds("gone").await.unwrap();
    assert_eq!((bounds.last, bounds.gone), (last, last), "what is gone was the last there was");
}

pub(super) async fn who_is_spared_keeps_its_notifications(db: &dyn ControlPlane) {
    let left = async |tenant: &str| db.stream_notifications(tenant, None, 0, 100).await.unwrap().len();
    for tenant in ["kept", "pruned"] {
        let recipients = ["everyone", "everyone", "user:jo", "user:al"].iter().enumerate();
        let new = recipients.map(|(at, to)| notification(&format!("{tenant}{at}"), tenant, to));
        db.notification_add(new.collect()).await.unwrap();
    }
    let spared = vec!["kept".to_owned()];
    let (ago, now) =
        (Timestamp::now() - SignedDuration::from_hours(1), Timestamp::now() + SignedDuration::from_mins(1));
    let mut prune = NotificationPrune { spared, before: ago, of_recipient: 1, of_tenant: 100, rows: 100 };
    for (before, of_recipient, of_tenant, pruned) in [(ago, 1, 100, 3), (ago, 100, 2, 2), (now, 100, 100, 0)] {
        prune = NotificationPrune { before, of_recipient, of_tenant, ..prune };
        db.notification_prune(prune.clone()).await.unwrap();
        assert_eq!((left("kept").await, left("pruned").await), (4, pruned));
    }
    db.notification_prune(NotificationPrune { spared: Vec::new(), ..prune }).await.unwrap();
    assert_eq!(left("kept").await, 0);
}
