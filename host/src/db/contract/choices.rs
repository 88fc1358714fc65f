//! What holds for decisions about plugins.

use jiff::Timestamp;

use crate::db::{ConfigRow, ControlPlane, Grant, GrantKind, Rollout, RolloutStep, Stale, TenantOrigin, TenantPlugin};

pub(super) async fn nobody_overwrites_what_they_have_not_seen(db: &dyn ControlPlane) {
    let now = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
    db.tenant_ensure("chooser", TenantOrigin::Operator).await.unwrap();
    let row = |enabled, pin: Option<&str>, revision| TenantPlugin {
        tenant: "chooser".into(),
        plugin: "crm".into(),
        enabled,
        pin: pin.map(Into::into),
        revision,
        updated_at: now,
    };
    assert_eq!(db.tenant_plugin_put(row(false, None, 0)).await.unwrap(), Ok(1));
    assert_eq!(db.tenant_plugin_put(row(true, None, 0)).await.unwrap(), Err(Stale), "there is one already");
    assert_eq!(db.tenant_plugin_put(row(true, Some("^1.0.0"), 1)).await.unwrap(), Ok(2));
    assert_eq!(db.tenant_plugin_put(row(false, None, 1)).await.unwrap(), Err(Stale));
    assert_eq!(db.tenant_plugin_list().await.unwrap(), [row(true, Some("^1.0.0"), 2)]);
    let nobody = TenantPlugin { tenant: "nobody".into(), ..row(true, None, 0) };
    assert!(db.tenant_plugin_put(nobody).await.is_err(), "a tenant that does not exist decides nothing");

    let rollout = |version: &str, percent, revision| Rollout {
        plugin: "crm".into(),
        base: "1.0.0".into(),
        steps: vec![RolloutStep { version: version.into(), percent, tenants: vec!["acme".into(), "beta".into()] }],
        ended: false,
        revision,
        updated_at: now,
    };
    assert_eq!(db.rollout_put(rollout("1.1.0", 10, 0)).await.unwrap(), Ok(1));
    assert_eq!(db.rollout_put(rollout("1.1.0", 50, 1)).await.unwrap(), Ok(2));
    assert_eq!(db.rollout_put(rollout("1.1.0", 60, 1)).await.unwrap(), Err(Stale));
    assert_eq!(db.rollout_list().await.unwrap(), [rollout("1.1.0", 50, 2)]);
    let ended = Rollout { ended: true, steps: Vec::new(), ..rollout("1.1.0", 50, 2) };
    assert_eq!(db.rollout_put(ended.clone()).await.unwrap(), Ok(3));
    assert_eq!(db.rollout_list().await.unwrap(), [Rollout { revision: 3, ..ended }]);
    assert_eq!(db.rollout_put(rollout("1.2.0", 10, 3)).await.unwrap(), Ok(4));
    assert_eq!(db.rollout_delete("crm", 1).await.unwrap(), Err(Stale));
    assert_eq!(db.rollout_delete("crm", 4).await.unwrap(), Ok(()));
    assert_eq!(db.rollout_list().await.unwrap(), []);
}

pub(super) async fn every_decision_is_seen_by_its_revision(db: &dyn ControlPlane) {
    let at = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
    db.tenant_ensure("decider", TenantOrigin::Operator).await.unwrap();
    let (tenant, plugin) = ("decider".to_owned(), "crm".to_owned());
    let mut last = db.decision_revision().await.unwrap();
    let mut risen = async |what: &str| {
        let now = db.decision_revision().await.unwrap();
        assert!(now > last, "{what} is not seen");
        last = now;
    };
    let row = TenantPlugin {
        tenant: tenant.clone(),
        plugin: plugin.clone(),
        enabled: false,
        pin: None,
        revision: 0,
        updated_at: at,
    };
    db.tenant_plugin_put(row.clone()).await.unwrap().unwrap();
    risen("a tenant's decision").await;
    db.tenant_plugin_put(TenantPlugin { revision: 1, ..row }).await.unwrap().unwrap();
    risen("a changed one").await;
    let entries = "{}".to_owned();
    db.config_put(ConfigRow { tenant, plugin: plugin.clone(), entries, revision: 0, updated_at: at })
        .await
        .unwrap()
        .unwrap();
    risen("a setting").await;
    db.config_delete("decider", "crm").await.unwrap();
    risen("a forgotten setting").await;
    let (value, granted_by) = ("crm:deals".to_owned(), "local".to_owned());
    db.grant_add(Grant { plugin, kind: GrantKind::Service, value, granted_by, granted_at: at }).await.unwrap();
    risen("a grant").await;
    db.grant_remove("crm", GrantKind::Service, "crm:deals").await.unwrap();
    risen("a grant taken back").await;
    db.tenant_ensure("another", TenantOrigin::Operator).await.unwrap();
    assert_eq!(db.decision_revision().await.unwrap(), last, "nothing was decided");
}
