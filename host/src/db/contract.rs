//! What every control plane must do, whichever database is behind it. Each implementation runs
//! [`contract`] against a database that is empty.

use jiff::Timestamp;

use super::{
    Consumer, ControlPlane, Endpoint, Import, Plugin, PluginRecord, PluginStatus, Provider, RegistrySnapshot,
    RejectedFile, ServiceRecord, TenantOrigin,
};

/// Runs every check in turn on an empty database.
pub(super) async fn contract(db: &dyn ControlPlane) {
    db.ping().await.unwrap();
    tenants_are_made_once(db).await;
    a_snapshot_is_read_back_as_written(db).await;
    services_know_their_provider_and_consumers(db).await;
    the_next_snapshot_replaces_and_remembers(db).await;
    a_snapshot_that_breaks_a_rule_changes_nothing(db).await;
    a_status_can_be_set_and_unset(db).await;
}

async fn tenants_are_made_once(db: &dyn ControlPlane) {
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

async fn a_snapshot_is_read_back_as_written(db: &dyn ControlPlane) {
    let written = crm_and_analytics();
    db.registry_replace(written.clone()).await.unwrap();
    let [analytics, crm] = [&written.plugins[0], &written.plugins[1]];
    assert_eq!(db.plugin_list().await.unwrap(), [analytics.plugin.clone(), crm.plugin.clone()]);
    assert_eq!(db.plugin_fetch("crm", "1.2.0").await.unwrap(), Some(crm.plugin.clone()));
    assert_eq!(db.plugin_fetch("crm", "1.2.1").await.unwrap(), None);
    assert_eq!(db.import_list("analytics", "1.0.0").await.unwrap(), analytics.imports);
    assert_eq!(db.import_list("crm", "1.2.0").await.unwrap(), []);
    assert_eq!(db.rejected_file_list().await.unwrap(), written.rejected);
}

async fn services_know_their_provider_and_consumers(db: &dyn ControlPlane) {
    let services = db.service_list().await.unwrap();
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["crm:contacts", "crm:deals"]);
    let [contacts, deals] = &services[..] else { panic!("{services:?}") };
    assert_eq!((contacts.plugin_id.as_str(), contacts.plugin_version.as_str()), ("crm", "1.2.0"));
    assert_eq!((contacts.version.as_str(), contacts.status), ("1.0.0", PluginStatus::Active));
    assert_eq!((&contacts.endpoints[..], &contacts.consumers[..]), (&[][..], &[][..]));
    let paths: Vec<_> = deals.endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
    assert_eq!(paths, ["/deals", "/deals/{id}"], "in the manifest's order");
    assert_eq!(deals.endpoints, deals_endpoints());
    let analytics = Consumer {
        plugin_id: "analytics".into(),
        plugin_version: "1.0.0".into(),
        interface: "deals".into(),
        requirement: "^1.0.0".into(),
        required: true,
    };
    assert_eq!(deals.consumers, [analytics]);
}

async fn the_next_snapshot_replaces_and_remembers(db: &dyn ControlPlane) {
    let before = db.plugin_fetch("crm", "1.2.0").await.unwrap().unwrap();
    let mut next = snapshot(&[("crm", "1.2.0"), ("crm", "1.10.0")]);
    next.plugins[0].plugin.sha256 = "b".repeat(64);
    db.registry_replace(next.clone()).await.unwrap();

    let kept = db.plugin_fetch("crm", "1.2.0").await.unwrap().unwrap();
    assert_eq!(kept.first_seen_at, before.first_seen_at, "it was known before");
    assert!(kept.loaded_at > before.loaded_at);
    assert_eq!(kept.sha256, "b".repeat(64), "the rest follows the file");
    let added = db.plugin_fetch("crm", "1.10.0").await.unwrap().unwrap();
    assert_eq!(added.first_seen_at, next.plugins[1].plugin.first_seen_at);
    assert_eq!(db.plugin_fetch("analytics", "1.0.0").await.unwrap(), None);
    assert_eq!(db.import_list("analytics", "1.0.0").await.unwrap(), []);
    assert_eq!(db.service_list().await.unwrap(), []);
    assert_eq!(db.rejected_file_list().await.unwrap(), []);
}

async fn a_snapshot_that_breaks_a_rule_changes_nothing(db: &dyn ControlPlane) {
    let before = db.plugin_list().await.unwrap();
    let mut nobody_provides = snapshot(&[("analytics", "2.0.0")]);
    nobody_provides.plugins[0].imports.push(deals_import(Some("gone")));
    let mut twice = snapshot(&[("crm", "3.0.0")]);
    let service = ServiceRecord { name: "crm:deals".into(), version: "1.0.0".into(), endpoints: vec![] };
    twice.plugins[0].services = vec![service.clone(), service];
    for broken in [nobody_provides, twice] {
        assert!(db.registry_replace(broken).await.is_err());
        assert_eq!(db.plugin_list().await.unwrap(), before);
    }
}

async fn a_status_can_be_set_and_unset(db: &dyn ControlPlane) {
    let set = async |status, reason| db.plugin_status_set("crm", "1.10.0", status, reason).await.unwrap();
    let read = async || {
        let plugin = db.plugin_fetch("crm", "1.10.0").await.unwrap().unwrap();
        (plugin.status, plugin.reason)
    };
    assert!(set(PluginStatus::Error, Some("trapped 5 times in a minute")).await);
    assert_eq!(read().await, (PluginStatus::Error, Some("trapped 5 times in a minute".into())));
    assert!(set(PluginStatus::Uninstalling, None).await);
    assert_eq!(read().await, (PluginStatus::Uninstalling, None));
    let other = db.plugin_fetch("crm", "1.2.0").await.unwrap().unwrap();
    assert_eq!(other.status, PluginStatus::Active, "another version is not concerned");
    assert!(!db.plugin_status_set("crm", "9.9.9", PluginStatus::Active, None).await.unwrap());
}

/// Plugins that neither offer nor need anything, loaded now.
pub(super) fn snapshot(plugins: &[(&str, &str)]) -> RegistrySnapshot {
    let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    let record = |&(id, version): &(&str, &str)| PluginRecord {
        plugin: Plugin {
            id: id.into(),
            version: version.into(),
            sha256: "a".repeat(64),
            file_name: format!("{id}-{version}.wasm"),
            manifest: format!(r#"{{"id":"{id}","price":0.10,"name":"Ärger"}}"#),
            status: PluginStatus::Active,
            reason: None,
            first_seen_at: now,
            loaded_at: now,
        },
        services: Vec::new(),
        imports: Vec::new(),
    };
    RegistrySnapshot { plugins: plugins.iter().map(record).collect(), rejected: Vec::new() }
}

/// Analytics comes first, so that its provider is not yet written when it is.
fn crm_and_analytics() -> RegistrySnapshot {
    let mut snapshot = snapshot(&[("analytics", "1.0.0"), ("crm", "1.2.0")]);
    let service = |name: &str, endpoints| ServiceRecord { name: name.into(), version: "1.0.0".into(), endpoints };
    snapshot.plugins[0].plugin.status = PluginStatus::Inactive;
    snapshot.plugins[0].plugin.reason = Some("crm:tasks ^1.0.0 has no provider".into());
    snapshot.plugins[0].imports = vec![
        deals_import(Some("crm")),
        Import {
            service: "crm:tasks".into(),
            interface: "tasks".into(),
            reason: None,
            required: false,
            ..deals_import(None)
        },
    ];
    snapshot.plugins[1].services = vec![service("crm:deals", deals_endpoints()), service("crm:contacts", vec![])];
    let now = snapshot.plugins[0].plugin.loaded_at;
    let rejected = |file_name: &str, sha256| RejectedFile {
        file_name: file_name.into(),
        sha256,
        reason: "it is not a component".into(),
        seen_at: now,
    };
    snapshot.rejected = vec![rejected("half.wasm", Some("c".repeat(64))), rejected("huge.wasm", None)];
    snapshot
}

fn deals_import(provider: Option<&str>) -> Import {
    Import {
        service: "crm:deals".into(),
        interface: "deals".into(),
        service_version: "1.0.0".into(),
        requirement: "^1.0.0".into(),
        required: true,
        reason: Some("the pipeline report reads deals".into()),
        provider: provider.map(|plugin| Provider {
            plugin_id: plugin.into(),
            plugin_version: "1.2.0".into(),
            service_version: "1.0.0".into(),
        }),
    }
}

fn deals_endpoints() -> Vec<Endpoint> {
    let list = Endpoint {
        method: "GET".into(),
        path: "/deals".into(),
        function: Some("crm:deals/deals.list".into()),
        permissions: vec!["plugin.crm.deals.read".into(), "reports:*".into()],
        rate_limit_per_minute: Some(120),
        cache_ttl_s: Some(30),
        description: Some("Deals, page by page".into()),
    };
    let plain = Endpoint {
        path: "/deals/{id}".into(),
        function: None,
        permissions: Vec::new(),
        rate_limit_per_minute: None,
        cache_ttl_s: None,
        description: None,
        ..list.clone()
    };
    vec![list, plain]
}
