//! What holds for tenants.

use crate::db::{ControlPlane, TenantOrigin};

pub(super) async fn tenants_are_made_once(db: &dyn ControlPlane) {
    assert_eq!(db.tenant_list().await.unwrap(), []);
    assert_eq!(db.tenant_fetch("demo").await.unwrap(), None);
    let demo = db.tenant_ensure("demo", TenantOrigin::Demo).await.unwrap();
    assert_eq!((demo.id.as_str(), demo.origin), ("demo", TenantOrigin::Demo));
    assert_eq!(db.tenant_ensure("demo", TenantOrigin::Dev).await.unwrap(), demo, "a known tenant stays as it is");
    let acme = db.tenant_ensure("acme", TenantOrigin::Operator).await.unwrap();
    assert_eq!(db.tenant_list().await.unwrap(), [acme, demo.clone()]);
    assert_eq!(db.tenant_fetch("demo").await.unwrap(), Some(demo));
    assert!(db.tenant_ensure("", TenantOrigin::Dev).await.is_err(), "a tenant has a name");
}

pub(super) async fn a_tenant_is_created_by_one(db: &dyn ControlPlane) {
    let made = db.tenant_create("beta", TenantOrigin::Operator).await.unwrap();
    assert_eq!(made, db.tenant_fetch("beta").await.unwrap());
    assert_eq!(made.unwrap().origin, TenantOrigin::Operator);
    assert_eq!(db.tenant_create("beta", TenantOrigin::Operator).await.unwrap(), None, "it is there");
    assert_eq!(db.tenant_create("demo", TenantOrigin::Operator).await.unwrap(), None);
    assert_eq!(db.tenant_fetch("demo").await.unwrap().unwrap().origin, TenantOrigin::Demo);
}

pub(super) async fn tenants_are_listed_page_by_page(db: &dyn ControlPlane) {
    let page = async |after: Option<&str>, limit| {
        let found = db.tenant_page(after, limit).await.unwrap();
        found.into_iter().map(|tenant| tenant.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["acme", "beta"]);
    assert_eq!(page(Some("beta"), 2).await, ["demo"]);
    assert_eq!(page(Some("bet"), 1).await, ["beta"], "the name need not exist");
    assert_eq!(page(Some("demo"), 2).await, [""; 0]);
}
