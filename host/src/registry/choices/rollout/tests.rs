use super::*;

const MOST: usize = 8;

fn crm() -> PluginId {
    PluginId::parse("crm").unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn tenants(ids: &[&str]) -> BTreeSet<TenantId> {
    ids.iter().map(|id| TenantId::parse(id).unwrap()).collect()
}

fn base(text: &str) -> Rollout {
    Rollout { base: version(text), steps: Vec::new(), ended: false, revision: 1 }
}

impl Rollout {
    fn gives(self, text: &str, percent: u8, named: &[&str]) -> Self {
        self.give(&version(text), Some(percent), tenants(named), MOST).unwrap()
    }

    fn goes_back(&self, loaded: &[&str]) -> Option<String> {
        let loaded: Vec<Version> = loaded.iter().map(|text| version(text)).collect();
        Some(self.back(&crm(), &loaded.iter().collect::<Vec<_>>())?.to_string())
    }
}

#[test]
fn who_takes_no_part_in_a_step_keeps_what_it_had() {
    let rollout = base("1.0.0").gives("1.1.0", 10, &["acme"]).gives("1.2.0", 0, &["beta"]);
    let of = |id: &str| rollout.version_of(&crm(), &TenantId::parse(id).unwrap()).to_string();
    assert_eq!(["acme", "beta"].map(of), ["1.1.0", "1.2.0"]);
    assert_eq!(rollout.to_string(), "1.2.0 (beta), 1.1.0 (acme, 10 percent), 1.0.0");
    assert_eq!((rollout.at(9), rollout.at(10)), (&version("1.1.0"), &version("1.0.0")));
    assert_eq!(rollout.rest(), &version("1.0.0"));
    let all = rollout.gives("1.2.0", 100, &[]);
    assert_eq!((all.to_string().as_str(), all.steps.len()), ("1.2.0", 2), "it grew");
}

#[test]
fn a_step_grows_and_never_shrinks() {
    let rollout = base("1.0.0").gives("1.1.0", 50, &["acme"]);
    let give = |percent| rollout.clone().give(&version("1.1.0"), percent, tenants(&["beta"]), MOST);
    assert_eq!(give(Some(10)), Err(NotGiven::Shrinks { reached: 50 }));
    let grown = give(None).unwrap();
    assert_eq!((grown.steps[0].percent, &grown.steps[0].tenants), (50, &tenants(&["acme", "beta"])));
    let again = Rollout { ended: true, ..rollout.clone() }.give(&version("1.1.0"), Some(10), tenants(&[]), MOST);
    assert_eq!(again.unwrap().steps.len(), 2, "it is another one once that was ended");
}

#[test]
fn going_back_takes_off_one_decision_after_the_other_and_then_goes_down() {
    let loaded = ["0.9.0", "1.0.0", "1.1.0", "1.2.0"];
    let rollout = base("1.0.0").gives("1.1.0", 10, &[]).gives("1.2.0", 100, &[]);
    let told = |rollout: &Rollout| rollout.goes_back(&loaded);
    assert_eq!(told(&rollout).unwrap(), "1.1.0 (10 percent), 1.0.0");
    let back = |rollout: &Rollout| rollout.back(&crm(), &loaded.map(version).iter().collect::<Vec<_>>());
    let [first, second] = [back(&rollout).unwrap(), back(&back(&rollout).unwrap()).unwrap()];
    assert_eq!((told(&first).unwrap().as_str(), told(&second).unwrap().as_str()), ("1.0.0", "0.9.0"));
    assert_eq!(base("0.9.0").goes_back(&loaded), None);
    let idle = base("1.0.0").gives("1.0.0", 100, &[]).gives("1.1.0", 0, &[]);
    assert_eq!(told(&idle).unwrap(), "0.9.0", "steps that gave nobody anything are passed over");
    let older = base("1.1.0").gives("1.0.0", 100, &[]);
    assert_eq!(told(&older).unwrap(), "1.1.0", "what was before the decision, also where that is higher");
}

#[test]
fn going_back_to_a_version_takes_what_is_above_it_and_nothing_else() {
    let rollout = base("1.0.0").gives("1.1.0", 100, &[]).gives("1.2.0", 10, &["acme"]);
    assert_eq!(rollout.back_to(&crm(), &version("1.1.0")).to_string(), "1.1.0");
    let all = rollout.back_to(&crm(), &version("1.0.0"));
    assert_eq!((all.to_string().as_str(), all.steps.len()), ("1.0.0", 0));
    assert_eq!(all.back_to(&crm(), &version("1.0.0")), all, "again it is the same");
    let partly = base("1.0.0").gives("1.2.0", 10, &["acme"]).back_to(&crm(), &version("1.1.0"));
    assert_eq!(partly.to_string(), "1.1.0 (acme, 10 percent), 1.0.0", "nobody goes forward");
}

#[test]
fn after_the_end_of_a_rollout_the_way_back_leads_to_it() {
    let ended = Rollout { ended: true, ..base("1.0.0").gives("1.1.0", 100, &[]) };
    let same = ended.followed_by(&crm(), Rollout::present(version("1.1.0"), []));
    assert_eq!(same.goes_back(&[]).unwrap(), "1.0.0", "the end changed nothing");
    let higher = [(version("1.3.0"), tenants(&["acme"]))];
    let now = ended.followed_by(&crm(), Rollout::present(version("1.2.0"), higher));
    assert_eq!(now.to_string(), "1.3.0 (acme), 1.2.0");
    let next = now.gives("1.3.0", 50, &[]);
    assert_eq!((next.to_string().as_str(), next.ended), ("1.3.0 (50 percent), 1.3.0 (acme), 1.2.0", false));
    assert_eq!(next.goes_back(&[]).unwrap(), "1.3.0 (acme), 1.2.0");
}

#[test]
fn what_is_gone_for_good_is_in_no_step() {
    let [zero, one, two] = ["1.0.0", "1.1.0", "1.2.0"].map(version);
    let rollout = base("1.0.0").gives("1.1.0", 10, &[]).gives("1.2.0", 0, &["acme"]);
    assert_eq!(rollout.clone().without(&one, &[&zero, &two]).unwrap().to_string(), "1.2.0 (acme), 1.0.0");
    assert_eq!(rollout.clone().without(&zero, &[&one, &two]).unwrap().rest(), &one, "those have the next");
    assert_eq!(base("1.1.0").without(&one, &[&zero, &two]).unwrap().rest(), &zero);
    assert_eq!(rollout.without(&zero, &[]), None);
}

#[test]
fn a_pile_is_bounded_and_forgets_only_what_counts_for_nobody() {
    let give = |rollout: Rollout, text: &str, percent| rollout.give(&version(text), Some(percent), tenants(&["a"]), 2);
    let two = give(give(base("1.0.0"), "1.1.0", 0).unwrap(), "1.2.0", 100).unwrap();
    let three = give(two, "1.3.0", 10).unwrap();
    assert_eq!((three.to_string().as_str(), three.steps.len()), ("1.3.0 (a, 10 percent), 1.2.0", 1));
    assert_eq!(give(give(three, "1.4.0", 1).unwrap(), "1.5.0", 1), Err(NotGiven::TooMany));
}

#[test]
fn a_step_whose_file_is_gone_is_passed_over() {
    let (rollout, acme) = (base("1.0.0").gives("1.1.0", 0, &["acme"]), TenantId::parse("acme").unwrap());
    let [zero, one] = ["1.0.0", "1.1.0"].map(version);
    assert_eq!(rollout.wanted(&crm(), Some(&acme), &[&zero, &one]), Wanted::RolledOut(one));
    assert_eq!(rollout.wanted(&crm(), Some(&acme), &[&zero]), Wanted::UpTo(zero));
}
