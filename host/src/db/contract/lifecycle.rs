//! What holds for what plugins went through.

use jiff::Timestamp;

use crate::db::{Activation, ControlPlane, InstallationFailure, PLUGIN_ERRORS, PluginError, PluginStat, TenantOrigin};

fn at(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_001 + second * 1_000_000).unwrap()
}

pub(super) async fn a_tenant_runs_what_it_was_moved_to(db: &dyn ControlPlane) {
    db.tenant_ensure("mover", TenantOrigin::Operator).await.unwrap();
    let row = |version: &str, second| Activation {
        tenant: "mover".into(),
        plugin: "crm".into(),
        version: version.into(),
        activated_at: at(second),
    };
    db.activation_put(row("1.0.0", 0), vec![]).await.unwrap();
    db.activation_put(row("2.0.0", 1), vec![]).await.unwrap();
    db.activation_put(row("1.1.0", 2), vec!["1.0.0".into()]).await.unwrap();
    assert_eq!(db.activation_list().await.unwrap(), [row("1.1.0", 2), row("2.0.0", 1)]);
    let nobody = Activation { tenant: "nobody".into(), ..row("1.0.0", 0) };
    assert!(db.activation_put(nobody, vec!["1.1.0".into()]).await.is_err(), "there is no such tenant");
    assert!(db.activation_delete("mover", "crm").await.unwrap());
    assert!(!db.activation_delete("mover", "crm").await.unwrap(), "nothing runs any more");
    assert_eq!(db.activation_list().await.unwrap(), []);

    db.installation_put("crm", "1.0.0", at(0)).await.unwrap();
    db.installation_put("crm", "1.1.0", at(1)).await.unwrap();
    db.activation_put(row("1.0.0", 0), vec![]).await.unwrap();
    assert_eq!(db.installation_list().await.unwrap(), ["crm"]);
    db.installation_delete("crm").await.unwrap();
    assert_eq!(db.installation_list().await.unwrap(), [""; 0]);
    assert_eq!(db.activation_list().await.unwrap(), [], "what is not installed runs for nobody");
}

pub(super) async fn the_last_failures_of_each_plugin_and_tenant_are_kept(db: &dyn ControlPlane) {
    let error = |plugin: &str, tenant: Option<&str>, number: i64| PluginError {
        sequence: 0,
        at: at(number),
        plugin: plugin.into(),
        version: "1.1.0".into(),
        tenant: tenant.map(Into::into),
        hook: "on-activate".into(),
        message: format!("failure {number}"),
        backtrace: Some("0: crm!activate".into()),
        correlation_id: None,
    };
    db.plugin_use_note(vec![error("rare", None, 0)], vec![]).await.unwrap();
    db.plugin_use_note(vec![error("crm", None, -1), error("crm", Some("quiet"), 0)], vec![]).await.unwrap();
    let many = 2 * i64::from(PLUGIN_ERRORS) + 10;
    let tenant = |number: i64| Some(if number % 2 == 0 { "even" } else { "odd" });
    let failures = (0..many).map(|number| error("crm", tenant(number), number)).collect();
    db.plugin_use_note(failures, vec![]).await.unwrap();
    let all = db.plugin_error_list("crm", None, None, 200).await.unwrap();
    assert_eq!((all.len(), &*all[0].message, &*all[99].message), (102, "failure 109", "failure 10"));
    assert_eq!(all[0].backtrace.as_deref(), Some("0: crm!activate"));
    let kept = (all[100].tenant.as_deref(), all[101].tenant.as_deref());
    assert_eq!(kept, (Some("quiet"), None), "nobody's failures push another's out");
    let odd = db.plugin_error_list("crm", Some("odd"), None, 2).await.unwrap();
    assert_eq!(odd.iter().map(|error| &*error.message).collect::<Vec<_>>(), ["failure 109", "failure 107"]);
    let next = db.plugin_error_list("crm", Some("odd"), Some(odd[1].sequence), 1).await.unwrap();
    assert_eq!(next[0].message, "failure 105");
    assert_eq!(db.plugin_error_list("rare", None, None, 200).await.unwrap().len(), 1, "of each plugin its own");

    let install = |plugin: &str, number| PluginError { hook: "on-install".into(), ..error(plugin, None, number) };
    let failures = vec![install("new", 1), install("new", 2), error("new", None, 3), install("old", 4)];
    db.plugin_use_note(failures, vec![]).await.unwrap();
    db.installation_put("old", "1.1.0", at(5)).await.unwrap();
    let failed = db.installation_failure_list().await.unwrap();
    let last =
        InstallationFailure { plugin: "new".into(), version: "1.1.0".into(), message: "failure 2".into(), at: at(2) };
    assert_eq!(failed, [last], "the other is installed by now");
}

pub(super) async fn numbers_are_added_up(db: &dyn ControlPlane) {
    let stat = |tenant: &str, calls, last_used_at| PluginStat {
        tenant: tenant.into(),
        plugin: "crm".into(),
        activations: 1,
        calls,
        failures: calls / 2,
        lifecycle_failures: 1,
        last_used_at,
    };
    db.plugin_use_note(vec![], vec![stat("a", 2, Some(at(0))), stat("b", 4, None)]).await.unwrap();
    db.plugin_use_note(vec![], vec![stat("a", 4, Some(at(5))), stat("a", 0, None)]).await.unwrap();
    let a = PluginStat { activations: 3, lifecycle_failures: 3, ..stat("a", 6, Some(at(5))) };
    assert_eq!(db.plugin_stat_list("crm", Some("a")).await.unwrap(), std::slice::from_ref(&a));
    assert_eq!(db.plugin_stat_list("crm", None).await.unwrap(), [a.clone(), stat("b", 4, None)]);
    let nobodys = PluginStat { plugin: String::new(), ..stat("a", 1, None) };
    assert!(db.plugin_use_note(vec![], vec![stat("a", 1, None), nobodys]).await.is_err());
    assert_eq!(db.plugin_stat_list("crm", Some("a")).await.unwrap(), [a], "all or nothing");
}
