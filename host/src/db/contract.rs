//! What every control plane must do, whichever database is behind it. Each implementation runs
//! [`contract`] against a database that is empty.

mod audit;
mod choices;
mod configuration;
mod events;
mod grants;
mod keys;
mod lifecycle;
mod notifications;
mod schedules;
mod tenants;
mod trust;
mod usage;

use jiff::Timestamp;

use super::{
    AuditEntry, AuditFilter, Claim, ClaimKind, Consumer, ControlPlane, Endpoint, Import, Plugin, PluginRecord,
    PluginStatus, Provider, RegistrySnapshot, RejectedFile, ServiceRecord,
};

/// Runs every check in turn on an empty database.
pub(super) async fn contract(db: &dyn ControlPlane) {
    db.ping().await.unwrap();
    tenants::tenants_are_made_once(db).await;
    tenants::a_tenant_is_created_by_one(db).await;
    tenants::tenants_are_listed_page_by_page(db).await;
    a_snapshot_is_read_back_as_written(db).await;
    services_know_their_provider_and_consumers(db).await;
    the_next_snapshot_replaces_and_remembers(db).await;
    a_snapshot_that_breaks_a_rule_changes_nothing(db).await;
    a_status_can_be_set_and_unset(db).await;
    claims_stay_until_another_takes_their_place(db).await;
    audit::entries_are_found_again_and_stay(db).await;
    choices::nobody_overwrites_what_they_have_not_seen(db).await;
    choices::every_decision_is_seen_by_its_revision(db).await;
    configuration::what_a_tenant_sets_stays_until_it_is_forgotten(db).await;
    grants::grants_are_given_once_and_taken_back(db).await;
    lifecycle::a_tenant_runs_what_it_was_moved_to(db).await;
    lifecycle::the_last_failures_of_each_plugin_and_tenant_are_kept(db).await;
    lifecycle::numbers_are_added_up(db).await;
    events::an_event_is_taken_in_once_with_its_deliveries(db).await;
    events::deliveries_of_a_key_come_one_after_the_other(db).await;
    events::who_is_not_there_is_waited_for_without_an_attempt(db).await;
    events::what_is_given_back_is_due_and_has_not_waited(db).await;
    events::marks_of_outboxes_stay_until_they_are_removed(db).await;
    events::what_is_old_goes_and_what_is_not_delivered_stays(db).await;
    events::who_is_spared_keeps_its_events_and_nobody_elses(db).await;
    schedules::a_tick_has_one_run_whoever_comes_first(db).await;
    schedules::one_run_is_open_at_a_time(db).await;
    schedules::a_run_is_begun_again_when_its_lease_is_over(db).await;
    schedules::time_goes_on_only(db).await;
    schedules::old_runs_go_and_open_ones_stay(db).await;
    notifications::each_is_kept_once_and_read_by_each_reader(db).await;
    notifications::what_went_is_known_by_its_last_sequence(db).await;
    notifications::who_is_spared_keeps_its_notifications(db).await;
    trust::a_key_is_trusted_under_one_name_until_it_is_removed(db).await;
    trust::highest_versions_stay_and_kept_ones_are_replaced(db).await;
    keys::keys_are_made_and_end(db).await;
    keys::keys_are_listed_and_counted(db).await;
    usage::what_several_hosts_count_is_added_up(db).await;
    usage::a_quota_is_set_once_for_each_plugin_and_for_all(db).await;
    what_a_snapshot_changes_is_told_with_it(db).await;
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
    let crm = |version: &str| ("crm".to_owned(), version.to_owned());
    let one_is_awaited = RegistrySnapshot { awaited: vec![crm("1.10.0")], ..snapshot(&[("crm", "1.2.0")]) };
    db.registry_replace(one_is_awaited).await.unwrap();
    assert_eq!(db.plugin_fetch("crm", "1.10.0").await.unwrap(), Some(added), "it is not gone");
    db.registry_replace(next).await.unwrap();
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
    for mut broken in [nobody_provides, twice] {
        broken.audit = vec![added("analytics 2.0.0")];
        assert!(db.registry_replace(broken).await.is_err());
        assert_eq!(db.plugin_list().await.unwrap(), before);
        assert_eq!(db.audit_list(AuditFilter::default(), 1).await.unwrap(), [], "what was not done is not told");
    }
}

async fn what_a_snapshot_changes_is_told_with_it(db: &dyn ControlPlane) {
    let mut next = snapshot(&[("crm", "5.0.0")]);
    next.audit = vec![added("crm 5.0.0"), added("crm 5.0.1")];
    db.registry_replace(next).await.unwrap();
    let told = db.audit_list(AuditFilter::default(), 2).await.unwrap();
    let targets: Vec<_> = told.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, ["crm 5.0.1", "crm 5.0.0"]);
}

fn added(target: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::UNIX_EPOCH,
        actor: "directory".into(),
        tenant: None,
        operation: "directory.added".into(),
        target: target.into(),
        before: None,
        after: Some("{}".into()),
        outcome: "done".into(),
        correlation_id: "c".into(),
        parts: Vec::new(),
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

async fn claims_stay_until_another_takes_their_place(db: &dyn ControlPlane) {
    assert_eq!(db.claim_list().await.unwrap(), []);
    let mut next = snapshot(&[("crm", "1.2.0")]);
    let claimed_at = next.plugins[0].plugin.loaded_at;
    let claim = |kind, name: &str, holder: &str| Claim {
        kind,
        name: name.into(),
        holder: holder.into(),
        plugin: "crm 1.2.0".into(),
        file_name: "crm-1.2.0.wasm".into(),
        claimed_at,
        types: (kind == ClaimKind::Types).then(|| format!("1\n{holder}()")),
    };
    let release = claim(ClaimKind::Release, "crm 1.2.0", "aa");
    let service = claim(ClaimKind::Service, "crm:deals", "crm");
    let types = claim(ClaimKind::Types, "crm:deals/deals@1.0.0", "cc");
    next.claims = vec![service.clone(), types, release.clone()];
    db.registry_replace(next.clone()).await.unwrap();
    assert_eq!(db.claim_list().await.unwrap(), [release, service.clone(), next.claims[1].clone()]);

    let altered = claim(ClaimKind::Release, "crm 1.2.0", "bb");
    let retyped = claim(ClaimKind::Types, "crm:deals/deals@1.0.0", "dd");
    next.plugins.clear();
    next.claims = vec![altered.clone(), retyped.clone()];
    db.registry_replace(next).await.unwrap();
    let kept = [altered, service.clone(), retyped.clone()];
    assert_eq!(db.claim_list().await.unwrap(), kept, "they outlive their plugin");

    db.claims_forget(vec![service.clone(), retyped]).await.unwrap();
    db.claims_forget(vec![service]).await.unwrap();
    assert_eq!(db.claim_list().await.unwrap(), kept[..1], "those that were named are forgotten");
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
    RegistrySnapshot { plugins: plugins.iter().map(record).collect(), ..RegistrySnapshot::default() }
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
