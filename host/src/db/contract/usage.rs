//! What holds for hourly numbers and quotas.

use jiff::Timestamp;

use crate::db::{ControlPlane, TenantQuota, Used};

fn used(tenant: &str, quota: &str, amount: i64) -> Used {
    Used { tenant: tenant.into(), plugin: "crm".into(), quota: quota.into(), amount }
}

pub(super) async fn what_several_hosts_count_is_added_up(db: &dyn ControlPlane) {
    assert_eq!(db.usage_list(10).await.unwrap(), []);
    let first = vec![used("acme", "calls", 5), used("beta", "calls", 1)];
    assert_eq!(db.usage_add(10, first.clone(), 0).await.unwrap(), first);
    assert_eq!(db.usage_add(10, vec![used("acme", "calls", 2)], 0).await.unwrap(), [used("acme", "calls", 7)]);
    db.usage_add(11, vec![used("acme", "cpu", 3)], 0).await.unwrap();
    assert_eq!(db.usage_list(10).await.unwrap(), [used("acme", "calls", 7), used("beta", "calls", 1)]);
    assert_eq!(db.usage_add(12, Vec::new(), 11).await.unwrap(), []);
    assert_eq!((db.usage_list(10).await.unwrap().len(), db.usage_list(11).await.unwrap().len()), (0, 1));
    assert!(
        db.usage_add(13, vec![used("acme", "calls", 1), Used { plugin: "".into(), ..used("b", "calls", 1) }], 0)
            .await
            .is_err()
    );
    assert_eq!(db.usage_list(13).await.unwrap(), [], "all or none");
}

pub(super) async fn a_quota_is_set_once_for_each_plugin_and_for_all(db: &dyn ControlPlane) {
    let quota = |plugin: Option<&str>, amount| TenantQuota {
        tenant: "acme".into(),
        plugin: plugin.map(Into::into),
        quota: "calls".into(),
        amount,
        set_by: "operator".into(),
        set_at: Timestamp::from_microsecond(7).unwrap(),
    };
    for (plugin, amount) in [(None, 5), (Some("crm"), 6), (None, 8)] {
        db.tenant_quota_put(quota(plugin, amount)).await.unwrap();
    }
    assert_eq!(db.tenant_quota_list().await.unwrap(), [quota(None, 8), quota(Some("crm"), 6)]);
    assert!(db.tenant_quota_put(TenantQuota { tenant: "nobody-known".into(), ..quota(None, 1) }).await.is_err());
    assert!(db.tenant_quota_delete("acme", None, "calls").await.unwrap());
    assert!(!db.tenant_quota_delete("acme", None, "calls").await.unwrap());
    assert!(db.tenant_quota_delete("acme", Some("crm"), "calls").await.unwrap());
}
