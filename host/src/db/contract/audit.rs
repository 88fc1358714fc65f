//! What holds for the audit log.

use jiff::{Timestamp, ToSpan};

use crate::db::{AuditEntry, AuditFilter, AuditPart, AuditRecord, ControlPlane};

pub(super) async fn entries_are_found_again_and_stay(db: &dyn ControlPlane) {
    let begun = Timestamp::from_microsecond(1_700_000_000_000_000).unwrap();
    let entry = |second: i64, actor: &str, tenant: Option<&str>, operation: &str| AuditEntry {
        at: begun + second.seconds(),
        actor: actor.into(),
        tenant: tenant.map(Into::into),
        operation: operation.into(),
        target: format!("target {second}"),
        before: None,
        after: Some(r#"{"a":1}"#.into()),
        outcome: if second == 2 { "denied".into() } else { "done".into() },
        correlation_id: format!("c{second}"),
        parts: Vec::new(),
    };
    let written = [
        entry(0, "local", None, "tenants.create"),
        entry(1, "key:1", Some("acme"), "keys.create"),
        entry(2, "key:1", Some("acme"), "keys.revoke"),
        entry(3, "key:2", Some("beta"), "keysmith.new"),
    ];
    for entry in &written {
        db.audit_append(entry.clone()).await.unwrap();
    }
    let find = async |filter: AuditFilter, limit| {
        let found = db.audit_list(filter, limit).await.unwrap();
        found.iter().map(|record| record.target.trim_start_matches("target ").to_owned()).collect::<String>()
    };
    let all = AuditFilter::default;
    assert_eq!(find(all(), 100).await, "3210", "the newest first");
    assert_eq!(find(all(), 2).await, "32");
    assert_eq!(find(AuditFilter { tenant: Some("acme".into()), ..all() }, 100).await, "21");
    assert_eq!(find(AuditFilter { actor: Some("key:1".into()), ..all() }, 100).await, "21");
    assert_eq!(find(AuditFilter { operation: Some("keys.".into()), ..all() }, 100).await, "21");
    assert_eq!(find(AuditFilter { operation: Some("keys.create".into()), ..all() }, 100).await, "1");
    assert_eq!(find(AuditFilter { operation: Some("keys".into()), ..all() }, 100).await, "");
    assert_eq!(find(AuditFilter { outcome: Some("denied".into()), ..all() }, 100).await, "2");
    assert_eq!(find(AuditFilter { target: Some("target 3".into()), ..all() }, 100).await, "3");
    assert_eq!(find(AuditFilter { correlation_id: Some("c0".into()), ..all() }, 100).await, "0");
    let (since, until) = (Some(begun + 1.seconds()), Some(begun + 3.seconds()));
    assert_eq!(find(AuditFilter { since, until, ..all() }, 100).await, "21", "from the first, to before the last");

    let found = db.audit_list(all(), 100).await.unwrap();
    let AuditRecord { at, actor, tenant, operation, before, after, outcome, correlation_id, .. } = found[2].clone();
    let target = found[2].target.clone();
    let parts = Vec::new();
    let read = AuditEntry { at, actor, tenant, operation, target, before, after, outcome, correlation_id, parts };
    assert_eq!(read, written[1]);
    assert_eq!(find(AuditFilter { before: Some(found[1].sequence), ..all() }, 100).await, "10", "the page after");

    let part = |tenant: &str| AuditPart {
        tenant: tenant.into(),
        before: None,
        after: Some(format!("{{\"of\":\"{tenant}\"}}")),
    };
    let parts = vec![part("acme"), part("gamma")];
    db.audit_append(AuditEntry { parts, ..entry(4, "local", None, "plugins.purge") }).await.unwrap();
    assert_eq!(find(all(), 2).await, "43", "who reads the whole reads no parts");
    for (tenant, found) in [("acme", "421"), ("gamma", "4"), ("beta", "3")] {
        let own = AuditFilter { tenant: Some(tenant.into()), ..all() };
        assert_eq!(find(own.clone(), 100).await, found);
        let told = db.audit_list(own, 1).await.unwrap();
        let own = format!(r#"{{"of":"{tenant}"}}"#);
        assert!(tenant == "beta" || told[0].after.as_ref() == Some(&own), "{told:?}");
    }
}
