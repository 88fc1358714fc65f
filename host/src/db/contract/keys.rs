//! What holds for API keys.

use jiff::{Timestamp, ToSpan};

use crate::db::{ApiKeyFilter, ControlPlane, NewApiKey, TenantOrigin};

fn begun() -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000).unwrap()
}

fn key(id: &str, tenant: Option<&str>) -> NewApiKey {
    NewApiKey {
        id: id.into(),
        tenant: tenant.map(Into::into),
        name: format!("the key \"{id}\" of Ärger & Co"),
        role: "member".into(),
        permissions: vec!["plugin.crm.*".into(), "plugin.analytics.*".into()],
        mac: vec![7; 32],
        created_at: begun(),
        created_by: "local".into(),
        expires_at: None,
    }
}

pub(super) async fn keys_are_made_and_end(db: &dyn ControlPlane) {
    for tenant in ["key-a", "key-b"] {
        db.tenant_create(tenant, TenantOrigin::Operator).await.unwrap();
    }
    let at_first = db.key_revision().await.unwrap();
    assert_eq!(at_first, 0);
    let ends = begun() + 10.seconds();
    let made = NewApiKey { expires_at: Some(ends), ..key("k1", Some("key-a")) };
    assert!(db.key_insert(made.clone(), 10).await.unwrap());
    assert!(db.key_insert(made.clone(), 10).await.is_err(), "an id is one key's");
    assert!(db.key_insert(key("k0", Some("nobody")), 10).await.is_err(), "a key's tenant exists");

    let read = db.key_fetch("k1").await.unwrap().unwrap();
    let again = NewApiKey {
        id: read.id,
        tenant: read.tenant,
        name: read.name,
        role: read.role,
        permissions: read.permissions,
        mac: read.mac,
        created_at: read.created_at,
        created_by: read.created_by,
        expires_at: read.expires_at,
    };
    assert_eq!((again, read.revoked_at, read.used_at), (made, None, None));
    assert_eq!(db.key_fetch("k2").await.unwrap(), None);
    let (changed, revision) = db.key_changes(at_first).await.unwrap();
    assert_eq!(changed, ["k1"]);

    // The end only comes nearer.
    assert!(!db.key_expire("k1", ends + 1.seconds()).await.unwrap());
    assert!(db.key_expire("k1", ends - 1.seconds()).await.unwrap());
    assert!(!db.key_expire("k2", ends).await.unwrap());
    // A use is noted without being a change, and never set back.
    for second in [5, 3] {
        db.key_used("k1", begun() + second.seconds()).await.unwrap();
    }
    let (changed, next) = db.key_changes(revision).await.unwrap();
    assert!(changed == ["k1"] && next > revision, "{changed:?} {next}");
    // Once revoked it stays so.
    assert!(db.key_revoke("k1", begun() + 6.seconds()).await.unwrap());
    assert!(!db.key_revoke("k1", begun() + 7.seconds()).await.unwrap());
    assert!(!db.key_expire("k1", begun()).await.unwrap());
    let read = db.key_fetch("k1").await.unwrap().unwrap();
    let times = [read.expires_at, read.used_at, read.revoked_at].map(|time| time.unwrap().duration_since(begun()));
    assert_eq!(times.map(|since| since.as_secs()), [9, 5, 6]);
    let (_, last) = db.key_changes(next).await.unwrap();
    assert_eq!(db.key_changes(last).await.unwrap(), (vec![], last));
    assert_eq!(db.key_revision().await.unwrap(), last);
}

pub(super) async fn keys_are_listed_and_counted(db: &dyn ControlPlane) {
    for id in ["b1", "b2", "b3"] {
        assert!(db.key_insert(key(id, Some("key-b")), 3).await.unwrap());
    }
    assert!(!db.key_insert(key("b4", Some("key-b")), 3).await.unwrap(), "there are three that can be used");
    assert!(db.key_insert(key("o1", None), 1).await.unwrap(), "operators have their own count");
    assert!(!db.key_insert(key("o2", None), 1).await.unwrap());
    db.key_revoke("b1", begun()).await.unwrap();
    db.key_expire("b2", begun()).await.unwrap();
    for (id, taken) in [("b5", true), ("b6", true), ("b7", false)] {
        assert_eq!(db.key_insert(key(id, Some("key-b")), 3).await.unwrap(), taken, "{id}");
    }

    let list = async |tenant: Option<&str>, before, limit| {
        let filter = ApiKeyFilter { tenant: tenant.map(Into::into), before };
        db.key_list(filter, limit).await.unwrap()
    };
    let ids = |keys: &[crate::db::ApiKey]| keys.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
    let found = list(Some("key-b"), None, 3).await;
    assert_eq!(ids(&found), ["b6", "b5", "b3"], "the newest first");
    assert_eq!(ids(&list(Some("key-b"), Some(found[2].sequence), 9).await), ["b2", "b1"], "the page after");
    assert_eq!(ids(&list(None, None, 4).await), ["b6", "b5", "o1", "b3"]);
}
