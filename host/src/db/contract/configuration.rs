//! What holds for configuration.

use jiff::Timestamp;

use crate::db::{ConfigRow, ControlPlane, Stale, TenantOrigin};

pub(super) async fn what_a_tenant_sets_stays_until_it_is_forgotten(db: &dyn ControlPlane) {
    db.tenant_ensure("setter", TenantOrigin::Operator).await.unwrap();
    let row = |entries: &str, revision| ConfigRow {
        tenant: "setter".into(),
        plugin: "crm".into(),
        entries: entries.into(),
        revision,
        updated_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
    };
    assert_eq!(db.config_put(row("{}", 0)).await.unwrap(), Ok(1));
    assert_eq!(db.config_put(row("{\"a\":1}", 0)).await.unwrap(), Err(Stale), "there is one already");
    assert_eq!(db.config_put(row("{\"a\":2}", 1)).await.unwrap(), Ok(2));
    assert_eq!(db.config_put(row("{\"a\":3}", 1)).await.unwrap(), Err(Stale));
    assert_eq!(db.config_list().await.unwrap(), [row("{\"a\":2}", 2)]);
    let nobody = ConfigRow { tenant: "nobody".into(), ..row("{}", 0) };
    assert!(db.config_put(nobody).await.is_err(), "a tenant that does not exist sets nothing");
    assert!(!db.config_delete("setter", "analytics").await.unwrap());
    assert!(db.config_delete("setter", "crm").await.unwrap());
    assert_eq!(db.config_list().await.unwrap(), []);
}
