//! What holds for grants.

use jiff::Timestamp;

use crate::db::{ControlPlane, Grant, GrantKind};

pub(super) async fn grants_are_given_once_and_taken_back(db: &dyn ControlPlane) {
    let grant = |kind, value: &str, by: &str| Grant {
        plugin: "analytics".into(),
        kind,
        value: value.into(),
        granted_by: by.into(),
        granted_at: Timestamp::from_microsecond(1_700_000_000_000_002).unwrap(),
    };
    let deals = grant(GrantKind::Service, "crm:deals", "local");
    let read = grant(GrantKind::Permission, "plugin.crm.deals.read", "local");
    let events = grant(GrantKind::Namespace, "crm.events", "local");
    for grant in [&deals, &events, &read, &Grant { granted_by: "another".into(), ..deals.clone() }] {
        db.grant_add(grant.clone()).await.unwrap();
    }
    assert_eq!(db.grant_list().await.unwrap(), [events.clone(), read.clone(), deals]);
    assert!(db.grant_remove("analytics", GrantKind::Service, "crm:deals").await.unwrap());
    assert!(!db.grant_remove("analytics", GrantKind::Service, "crm:deals").await.unwrap());
    assert!(!db.grant_remove("crm", GrantKind::Permission, &read.value).await.unwrap(), "another's is not touched");
    assert!(db.grant_remove("analytics", GrantKind::Namespace, "crm.events").await.unwrap());
    assert_eq!(db.grant_list().await.unwrap(), [read]);
}
