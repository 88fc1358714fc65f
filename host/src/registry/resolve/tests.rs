use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// `crm 1.2.0` with lines `exports crm:contacts/contacts 1.0.0`, `needs …` and `likes …` (an
/// optional import), the latter two with an optional range.
fn plugin(name_and_version: &str, lines: &[&str]) -> PluginVersion {
    let (id, version) = name_and_version.split_once(' ').unwrap();
    let mut plugin = PluginVersion {
        id: PluginId::parse(id).unwrap(),
        version: version.parse().unwrap(),
        exports: vec![],
        imports: vec![],
        kept_for: None,
        stands_in: false,
    };
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let (interface, version) = (InterfaceName::parse(words[1]).unwrap(), words[2].parse().unwrap());
        if words[0] == "exports" {
            plugin.exports.push(Export { interface, version });
            continue;
        }
        let mut import = Import::undeclared(interface, version);
        import.required = words[0] == "needs";
        if let Some(range) = words.get(3) {
            import.requirement = range.parse().unwrap();
        }
        plugin.imports.push(import);
    }
    plugin
}

const CONTACTS: &str = "crm:contacts/contacts";

fn crm(version: &str, export: &str) -> PluginVersion {
    plugin(&format!("crm {version}"), &[&format!("exports {CONTACTS} {export}")])
}

fn analytics() -> PluginVersion {
    plugin("analytics 1.0.0", &[&format!("needs {CONTACTS} 1.1.0")])
}

fn all_of(loaded: &[PluginVersion]) -> TenantChoices {
    TenantChoices { enabled: loaded.iter().map(|plugin| plugin.id.clone()).collect(), ..TenantChoices::default() }
}

fn resolve_all(loaded: &[PluginVersion]) -> Resolution {
    resolve(loaded, &all_of(loaded), &|_, _, _, _| Ok(()))
}

fn find<'a>(resolution: &'a Resolution, id: &str) -> &'a PluginResolution {
    resolution.plugins.iter().find(|plugin| plugin.id.as_str() == id).unwrap()
}

/// Why `crm` does not serve analytics.
#[track_caller]
fn assert_passed_over(resolution: &Resolution, words: &str) {
    let analytics = find(resolution, "analytics");
    let [refusal] = &analytics.links[0].passed_over[..] else { panic!("{analytics}") };
    assert_eq!(refusal.reason.to_string(), words);
    assert_eq!(analytics.links[0].outcome, Outcome::Missing { required: true });
    assert!(!analytics.is_active());
}

#[test]
fn the_highest_compatible_version_is_linked_and_the_others_say_why_not() {
    let loaded = [crm("1.0.0", "1.1.0"), crm("1.2.0", "1.2.0"), crm("2.0.0", "2.0.0"), analytics()];
    assert_eq!(
        render(&resolve_all(&loaded)),
        "\
analytics 1.0.0 — active
  crm:contacts/contacts ^1.1.0  ->  crm 1.2.0 (exports 1.2.0)
      passed over: crm 2.0.0 — exports 2.0.0, which is not compatible with the imported 1.1.0
      passed over: crm 1.0.0 — a higher version is available

crm 1.0.0 — active

crm 1.2.0 — active

crm 2.0.0 — active
"
    );
}

#[test]
fn a_plugin_does_not_serve_itself_in_any_version() {
    let old = plugin("crm 1.0.0", &["exports a:b/c 1.0.0"]);
    let new = plugin("crm 1.1.0", &["exports a:b/c 1.0.0", "likes a:b/c 1.0.0"]);
    let resolution = resolve_all(&[old, new]);
    let passed_over = &resolution.plugins[1].links[0].passed_over;
    assert_eq!(passed_over.len(), 2);
    assert!(passed_over.iter().all(|refusal| refusal.reason == PassedOver::Itself));
}

#[test]
fn a_provider_the_tenant_has_not_enabled_is_passed_over() {
    let loaded = [analytics(), crm("1.1.0", "1.1.0")];
    let choices = all_of(&loaded[..1]);
    let resolution = resolve(&loaded, &choices, &|_, _, _, _| Ok(()));
    assert_passed_over(&resolution, "not enabled for the tenant");
    assert_eq!(find(&resolution, "crm").status, Status::Inactive { reason: InactiveReason::NotEnabled });
    assert!(resolution.serving.is_empty());
}

#[test]
fn a_provider_outside_the_tenants_pin_is_passed_over() {
    let loaded = [analytics(), crm("1.1.0", "1.1.0")];
    let mut choices = all_of(&loaded);
    choices.wanted.insert(PluginId::parse("crm").unwrap(), Wanted::Pinned("~1.0".parse().unwrap()));
    assert_passed_over(&resolve(&loaded, &choices, &|_, _, _, _| Ok(())), "the tenant is pinned to ~1.0");
}

#[test]
fn versions_that_do_not_fit_are_passed_over() {
    let with = |export: &str| resolve_all(&[analytics(), crm("1.0.0", export)]);
    assert_passed_over(&with("2.0.0"), "exports 2.0.0, which is not compatible with the imported 1.1.0");
    assert_passed_over(&with("1.2.0-rc.1"), "exports 1.2.0-rc.1, which is not compatible with the imported 1.1.0");
    assert_passed_over(&with("1.0.9"), "exports 1.0.9, which is older than the imported 1.1.0");
    let picky = plugin("analytics 1.0.0", &[&format!("needs {CONTACTS} 1.1.0 >=1.1.0, <1.3.0")]);
    let resolution = resolve_all(&[picky, crm("1.0.0", "1.3.0")]);
    assert_passed_over(&resolution, "exports 1.3.0, which is outside >=1.1.0, <1.3.0");
}

#[test]
fn a_provider_of_other_types_is_passed_over_with_the_difference() {
    let loaded = [analytics(), crm("1.1.0", "1.1.0")];
    let resolution = resolve(&loaded, &all_of(&loaded), &|importer, import, of, export| {
        let words = format!("{} {} {} {}", importer.id, import.interface.label(), of.id, export.version);
        assert_eq!(words, "analytics contacts crm 1.1.0");
        Err("`get` takes a u64 instead of a string".to_owned())
    });
    assert_passed_over(&resolution, "types differ: `get` takes a u64 instead of a string");
}

#[test]
fn between_equals_the_higher_plugin_version_and_then_the_earlier_name_decides() {
    let other = plugin("people 1.0.0", &[&format!("exports {CONTACTS} 1.1.0")]);
    let resolution = resolve_all(&[other, crm("0.9.0", "1.1.0"), crm("1.0.0", "1.1.0"), analytics()]);
    let link = &find(&resolution, "analytics").links[0];
    let Outcome::Linked { provider } = &link.outcome else { panic!("{link}") };
    assert_eq!(provider.to_string(), "crm 1.0.0 (exports 1.1.0)");
    let by: Vec<&PassedOver> = link.passed_over.iter().map(|refusal| &refusal.reason).collect();
    assert_eq!(
        by,
        [
            &PassedOver::Outranked { by: Precedence::EarlierName },
            &PassedOver::Outranked { by: Precedence::HigherPlugin },
        ]
    );
}

#[test]
fn a_new_version_that_cannot_work_is_passed_over_for_the_older_one_that_does() {
    let mut broken = crm("1.3.0", "1.3.0");
    broken.imports.push(Import::undeclared(InterfaceName::parse("mail:outbox/send").unwrap(), Version::new(1, 0, 0)));
    let resolution = resolve_all(&[analytics(), crm("1.2.0", "1.2.0"), broken]);
    let link = &find(&resolution, "analytics").links[0];
    assert!(matches!(&link.outcome, Outcome::Linked { provider } if provider.version == Version::new(1, 2, 0)));
    assert_eq!(link.passed_over[0].reason.to_string(), "not active: nothing provides mail:outbox/send ^1.0.0");
    assert_eq!(resolution.serving[&PluginId::parse("crm").unwrap()], Version::new(1, 2, 0));
}

#[test]
fn whoever_needs_an_inactive_plugin_is_inactive_too_and_says_why() {
    let mut crm = crm("1.1.0", "1.1.0");
    let mut missing = Import::undeclared(InterfaceName::parse("mail:outbox/send").unwrap(), Version::new(1, 0, 0));
    missing.reason = Some("greetings".to_owned());
    crm.imports.push(missing);
    let board = plugin("board 1.0.0", &["needs analytics:reports/reports 1.0.0"]);
    let mut analytics = analytics();
    analytics.exports.push(Export {
        interface: InterfaceName::parse("analytics:reports/reports").unwrap(),
        version: Version::new(1, 0, 0),
    });
    let resolution = resolve_all(&[board, analytics, crm]);
    let status = |id| find(&resolution, id).status.to_string();
    assert_eq!(status("crm"), "inactive: nothing provides mail:outbox/send ^1.0.0, needed for: greetings");
    assert_eq!(status("analytics"), "inactive: crm:contacts/contacts would come from crm 1.1.0, which is not active");
    assert_eq!(
        status("board"),
        "inactive: analytics:reports/reports would come from analytics 1.0.0, which is not active"
    );
}

#[test]
fn an_optional_import_may_be_missing() {
    let resolution = resolve_all(&[plugin("analytics 1.0.0", &[&format!("likes {CONTACTS} 1.0.0")])]);
    assert_eq!(
        render(&resolution),
        "\
analytics 1.0.0 — active
  crm:contacts/contacts ^1.0.0 (optional)  ->  no provider; calls answer `unavailable`
"
    );
}

#[test]
fn a_cycle_of_required_links_is_refused_and_named_and_one_of_optional_links_is_not() {
    let a = plugin("a 1.0.0", &["exports x:a/i 1.0.0", "needs x:b/i 1.0.0"]);
    let b = plugin("b 1.0.0", &["exports x:b/i 1.0.0", "needs x:a/i 1.0.0"]);
    let c = plugin("c 1.0.0", &["needs x:a/i 1.0.0"]);
    let relaxed = plugin("b 1.0.0", &["exports x:b/i 1.0.0", "likes x:a/i 1.0.0"]);
    let resolution = resolve_all(&[a.clone(), b, c]);
    let status = |id| find(&resolution, id).status.to_string();
    assert_eq!(status("a"), "inactive: required dependencies form a cycle: a -> b -> a");
    assert_eq!(status("b"), "inactive: required dependencies form a cycle: b -> a -> b");
    assert_eq!(status("c"), "inactive: x:a/i would come from a 1.0.0, which is not active");
    assert!(resolve_all(&[a, relaxed]).plugins.iter().all(PluginResolution::is_active));
}

#[test]
fn http_requests_go_to_the_highest_active_version_within_the_pin() {
    let loaded = [crm("1.0.0", "1.0.0"), crm("1.5.0", "1.0.0"), crm("2.0.0", "2.0.0")];
    let mut choices = all_of(&loaded);
    choices.wanted.insert(PluginId::parse("crm").unwrap(), Wanted::Pinned("^1".parse().unwrap()));
    let resolution = resolve(&loaded, &choices, &|_, _, _, _| Ok(()));
    assert_eq!(resolution.serving[&PluginId::parse("crm").unwrap()], Version::new(1, 5, 0));
}

#[test]
fn the_http_api_gets_reasons_as_data_and_in_words() {
    let resolution = resolve_all(&[crm("1.0.0", "1.0.0"), analytics()]);
    let provider = json!({"id": "crm", "version": "1.0.0", "export": "1.0.0"});
    assert_eq!(
        serde_json::to_value(&resolution).unwrap(),
        json!({
            "plugins": [
                {
                    "id": "analytics", "version": "1.0.0",
                    "status": "inactive",
                    "reason": {"kind": "providerMissing", "interface": CONTACTS, "requirement": "^1.1.0", "reason": null},
                    "links": [{
                        "import": {"interface": CONTACTS, "version": "1.1.0", "requirement": "^1.1.0", "required": true, "reason": null},
                        "outcome": {"kind": "missing", "required": true},
                        "passedOver": [{
                            "provider": provider,
                            "reason": {"kind": "olderExport", "export": "1.0.0", "import": "1.1.0"},
                            "message": "exports 1.0.0, which is older than the imported 1.1.0",
                        }],
                    }],
                },
                {"id": "crm", "version": "1.0.0", "status": "active", "links": []},
            ],
            "serving": {"crm": "1.0.0"},
        })
    );
}

#[test]
fn a_replaced_version_goes_on_for_a_tenant_that_cannot_have_what_took_its_place_and_for_nobody_else() {
    let old = PluginVersion { kept_for: Some(BTreeSet::new()), stands_in: true, ..crm("1.5.0", "1.1.0") };
    let loaded = [analytics(), old, crm("2.0.0", "2.0.0")];
    let id = PluginId::parse("crm").unwrap();
    let with = |wanted: Option<Wanted>| {
        let choices = TenantChoices {
            wanted: wanted.map(|wanted| (id.clone(), wanted)).into_iter().collect(),
            ..all_of(&loaded)
        };
        resolve(&loaded, &choices, &|_, _, _, _| Ok(()))
    };
    let nobody = with(None);
    assert_eq!(nobody.serving[&id], Version::new(2, 0, 0));
    assert!(!find(&nobody, "analytics").is_active());
    for wanted in [Wanted::StaysOn(Version::new(1, 5, 0)), Wanted::Pinned("=1.5.0".parse().unwrap())] {
        let tenant = with(Some(wanted));
        assert_eq!(tenant.serving[&id], Version::new(1, 5, 0));
        assert!(find(&tenant, "analytics").is_active());
    }
    let elsewhere = with(Some(Wanted::Pinned("^2".parse().unwrap())));
    assert_eq!(elsewhere.serving[&id], Version::new(2, 0, 0));
    assert!(!find(&elsewhere, "analytics").is_active());
}

#[test]
fn a_replaced_provider_serves_those_it_is_kept_for_where_nobody_else_can_and_answers_no_requests() {
    let kept = |id: &str| PluginVersion {
        kept_for: Some([PluginId::parse(id).unwrap()].into_iter().collect()),
        ..crm("1.5.0", "1.1.0")
    };
    let resolution = resolve_all(&[analytics(), kept("analytics"), crm("2.0.0", "2.0.0")]);
    assert!(find(&resolution, "analytics").is_active());
    assert_eq!(resolution.serving[&PluginId::parse("crm").unwrap()], Version::new(2, 0, 0));
    // Not for others.
    let resolution = resolve_all(&[analytics(), kept("reports")]);
    assert!(!find(&resolution, "analytics").is_active());
    assert_passed_over(&resolution, "its file was replaced, and it is kept for others");
    // And not when a file holds one that will do, even if that is older.
    let resolution = resolve_all(&[analytics(), kept("analytics"), crm("1.4.0", "1.1.0")]);
    let link = &find(&resolution, "analytics").links[0];
    let Outcome::Linked { provider } = &link.outcome else { panic!("{link}") };
    assert_eq!(provider.version, Version::new(1, 4, 0));
    let words = "its file was replaced, and it is kept only for what nobody else can serve";
    assert_eq!(link.passed_over[0].reason.to_string(), words);
}
