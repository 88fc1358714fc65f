use super::rollout::Step;
use super::*;
use crate::registry::resolve::InactiveReason;

fn plugin(id: &str) -> PluginId {
    PluginId::parse(id).unwrap()
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn key(id: &str, text: &str) -> PluginKey {
    PluginKey { id: plugin(id), version: version(text) }
}

fn rollout(percent: u8, tenants: &[&str]) -> Rollout {
    Rollout { base: version("1.0.0"), steps: vec![step(percent, tenants)], ended: false, revision: 1 }
}

fn step(percent: u8, tenants: &[&str]) -> Step {
    Step { version: version("1.1.0"), percent, tenants: tenants.iter().map(|id| tenant(id)).collect() }
}

fn tenants() -> impl Iterator<Item = TenantId> {
    (0..1_000).map(|number| tenant(&format!("tenant-{number}")))
}

#[test]
fn a_share_grows_and_never_swaps_its_tenants() {
    let crm = plugin("crm");
    let included = |percent| tenants().filter(|id| step(percent, &[]).includes(&crm, id)).collect::<BTreeSet<_>>();
    let mut before = included(0);
    assert!(before.is_empty());
    for percent in 1..=100 {
        let now = included(percent);
        assert!(now.is_superset(&before), "{percent}");
        let expected = usize::from(percent) * 10;
        assert!(now.len().abs_diff(expected) < 60, "{percent} percent of 1,000 are {}", now.len());
        before = now;
    }
    assert_eq!(before.len(), 1_000);
}

#[test]
fn another_plugin_begins_with_other_tenants() {
    let first = |id: &str| tenants().filter(|t| step(10, &[]).includes(&plugin(id), t)).collect::<BTreeSet<_>>();
    assert!(first("crm").intersection(&first("analytics")).count() < 40);
}

#[test]
fn a_pin_counts_before_a_rollout_and_that_before_nothing() {
    let mut choices = Choices::default();
    choices.rollouts.insert(plugin("crm"), rollout(0, &["acme", "pinned"]));
    let pin = VersionReq::parse("=1.0.0").unwrap();
    let pinned = PluginChoice { pin: Some(pin.clone()), ..PluginChoice::default() };
    choices.tenants.entry(tenant("pinned")).or_default().insert(plugin("crm"), pinned);
    let off = PluginChoice { enabled: false, ..PluginChoice::default() };
    choices.tenants.entry(tenant("off")).or_default().insert(plugin("crm"), off);
    let plugins = [key("analytics", "1.0.0"), key("crm", "1.0.0"), key("crm", "1.1.0")];
    let of =
        |id: Option<&str>| choices.of(id.map(tenant).as_ref(), plugins.iter(), &Setbacks::default(), BTreeMap::new());
    let wanted = |id| of(id).wanted.get(&plugin("crm")).cloned();

    assert_eq!(wanted(Some("acme")), Some(Wanted::RolledOut(version("1.1.0"))));
    assert_eq!(wanted(Some("other")), Some(Wanted::UpTo(version("1.0.0"))));
    assert_eq!(wanted(None), Some(Wanted::UpTo(version("1.0.0"))));
    assert_eq!(wanted(Some("pinned")), Some(Wanted::Pinned(pin)));
    assert_eq!(of(Some("acme")).wanted.get(&plugin("analytics")), None);
    assert!(of(Some("acme")).enabled.len() == 2 && of(Some("off")).enabled.len() == 1);
}

#[test]
fn a_tenant_that_could_not_be_moved_stays_on_what_ran_before() {
    let crm = plugin("crm");
    let plugins: Vec<PluginKey> = ["1.0.0", "1.0.5", "1.1.0"].map(|version| key("crm", version)).into();
    let broken = InactiveReason::Failed { reason: "no".to_owned() };
    let failed = |versions: &[&str]| Setbacks {
        held: versions.iter().map(|text| ((crm.clone(), version(text)), broken.clone())).collect(),
        ran: [(crm.clone(), version("1.0.0"))].into(),
    };
    let mut choices = Choices::default();
    let wanted = |choices: &Choices, setbacks: &Setbacks, plugins: &[PluginKey]| {
        choices.of(Some(&tenant("acme")), plugins.iter(), setbacks, BTreeMap::new()).wanted.remove(&crm)
    };
    let before = Some(Wanted::StaysOn(version("1.0.0")));
    assert_eq!(wanted(&choices, &failed(&["1.1.0"]), &plugins), before, "not 1.0.5, which it never ran");
    assert_eq!(wanted(&choices, &failed(&["1.0.5"]), &plugins), None, "the highest has not failed");
    assert_eq!(wanted(&choices, &failed(&["1.1.0", "1.0.0"]), &plugins), None, "what ran before fails too");
    let mended = [&plugins[..], &[key("crm", "1.2.0")]].concat();
    assert_eq!(wanted(&choices, &failed(&["1.1.0"]), &mended), None, "a version that mends it is tried");
    choices.rollouts.insert(crm.clone(), rollout(100, &[]));
    assert_eq!(wanted(&choices, &failed(&["1.1.0"]), &mended), before);
    let pin = VersionReq::parse("=1.1.0").unwrap();
    let pinned = PluginChoice { pin: Some(pin.clone()), ..PluginChoice::default() };
    choices.tenants.entry(tenant("acme")).or_default().insert(crm.clone(), pinned);
    assert_eq!(wanted(&choices, &failed(&["1.1.0"]), &mended), before);
    assert_eq!(wanted(&choices, &failed(&["1.2.0"]), &mended), Some(Wanted::Pinned(pin)));
}

#[test]
fn what_ran_before_goes_on_until_a_version_is_activated_and_only_if_it_is_there() {
    let crm = plugin("crm");
    let of = |plugins: &[PluginKey]| {
        let setbacks = Setbacks {
            held: [((crm.clone(), version("1.1.0")), InactiveReason::Activating)].into(),
            ran: [(crm.clone(), version("1.0.0"))].into(),
        };
        Choices::default().of(Some(&tenant("acme")), plugins.iter(), &setbacks, BTreeMap::new())
    };
    let both = of(&[key("crm", "1.0.0"), key("crm", "1.1.0")]);
    assert_eq!(both.wanted.get(&crm), Some(&Wanted::StaysOn(version("1.0.0"))));
    assert_eq!(both.held.len(), 1);
    let alone = of(&[key("crm", "1.1.0")]);
    assert!(alone.wanted.is_empty() && alone.held.is_empty(), "there is nothing else: requests wait");
}

#[test]
fn a_tenant_that_lacks_a_setting_stays_on_what_it_had_before_the_rollout() {
    let crm = plugin("crm");
    let plugins: Vec<PluginKey> = ["0.9.0", "1.0.0", "1.1.0"].map(|version| key("crm", version)).into();
    let mut choices = Choices::default();
    let of = |choices: &Choices, id: Option<&str>, ran: &[&str], plugins: &[PluginKey]| {
        let ran = ran.iter().map(|text| (crm.clone(), version(text))).collect();
        let lacking = [((crm.clone(), version("1.1.0")), vec!["region".to_owned()])].into();
        let setbacks = Setbacks { ran, ..Setbacks::default() };
        choices.of(id.map(tenant).as_ref(), plugins.iter(), &setbacks, lacking)
    };
    let stays = |text: &str| Some(Wanted::StaysOn(version(text)));
    let wanted = |choices: &TenantChoices| choices.wanted.get(&crm).cloned();
    assert_eq!(wanted(&of(&choices, Some("acme"), &["1.0.0"], &plugins)), None, "the resolver finds the next best");
    choices.rollouts.insert(crm.clone(), rollout(100, &[]));
    assert_eq!(wanted(&of(&choices, Some("acme"), &["0.9.0"], &plugins)), stays("0.9.0"), "what it ran");
    assert_eq!(wanted(&of(&choices, Some("acme"), &[], &plugins)), stays("1.0.0"), "what tenants had before");
    assert_eq!(wanted(&of(&choices, None, &[], &plugins)), stays("1.0.0"));
    let without = [plugins[0].clone(), plugins[2].clone()];
    assert_eq!(wanted(&of(&choices, Some("acme"), &[], &without)), stays("0.9.0"), "or the best before it");
    let held = of(&choices, Some("acme"), &[], &plugins).held.into_values().collect::<Vec<_>>();
    assert_eq!(held, [InactiveReason::Unconfigured { fields: vec!["region".to_owned()] }]);
}
