use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        (0u64..3, 0u64..3, 0u64..2).prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
        (1u64..2, 0u64..2).prop_map(|(minor, pre)| format!("1.{minor}.0-rc.{pre}").parse().unwrap()),
    ]
}

fn interface() -> impl Strategy<Value = InterfaceName> {
    "x:[abc]/i".prop_map(|text| InterfaceName::parse(&text).unwrap())
}

fn import() -> impl Strategy<Value = Import> {
    let range =
        prop_oneof![Just(None), Just(Some("^1")), Just(Some(">=0.1, <1.2")), Just(Some("~1.1")), Just(Some("*"))];
    (interface(), version(), range, any::<bool>()).prop_map(|(interface, version, range, required)| {
        let mut import = Import { required, ..Import::undeclared(interface, version) };
        if let Some(range) = range {
            import.requirement = range.parse().unwrap();
        }
        import
    })
}

fn plugin() -> impl Strategy<Value = PluginVersion> {
    let exports = prop::collection::btree_set((interface(), version()), 0..3);
    let imports = prop::collection::vec(import(), 0..3);
    ("[pqrs]", version(), exports, imports).prop_map(|(id, version, exports, imports)| PluginVersion {
        id: PluginId::parse(&id).unwrap(),
        version,
        exports: exports.into_iter().map(|(interface, version)| Export { interface, version }).collect(),
        imports,
        kept_for: None,
        stands_in: false,
    })
}

fn choices() -> impl Strategy<Value = TenantChoices> {
    let enabled = subsequence(vec!["p", "q", "r", "s"], 2..=4);
    let wanted = prop_oneof![
        Just(None),
        (0u64..2).prop_map(|major| Some(Wanted::Pinned(format!("^{major}").parse().unwrap()))),
        version().prop_map(|version| Some(Wanted::RolledOut(version))),
        version().prop_map(|version| Some(Wanted::UpTo(version))),
    ];
    let (failed, unconfigured) = (prop::option::of(version()), prop::option::of(version()));
    (enabled, wanted, failed, unconfigured).prop_map(|(enabled, wanted, failed, unconfigured)| TenantChoices {
        enabled: enabled.into_iter().map(|id| PluginId::parse(id).unwrap()).collect(),
        wanted: wanted.map(|wanted| (PluginId::parse("p").unwrap(), wanted)).into_iter().collect(),
        held: failed
            .map(|version| ((PluginId::parse("q").unwrap(), version), InactiveReason::Activating))
            .into_iter()
            .collect(),
        unconfigured: unconfigured
            .map(|version| ((PluginId::parse("r").unwrap(), version), vec!["key".into()]))
            .into_iter()
            .collect(),
    })
}

/// Loaded plugins, each version once.
fn loaded() -> impl Strategy<Value = Vec<PluginVersion>> {
    prop::collection::vec(plugin(), 0..9).prop_map(|mut plugins| {
        let mut seen = BTreeSet::new();
        plugins.retain(|plugin| seen.insert((plugin.id.clone(), plugin.version.clone())));
        plugins
    })
}

/// Plugins that each offer a service of their own and need or like some of the others'.
fn entangled() -> impl Strategy<Value = Vec<PluginVersion>> {
    const IDS: [&str; 4] = ["p", "q", "r", "s"];
    let of = |id: &str| InterfaceName::parse(&format!("x:{id}/i")).unwrap();
    let edges = prop::collection::vec((subsequence(IDS.to_vec(), 0..3), any::<bool>()), IDS.len());
    edges.prop_map(move |edges| {
        let each = IDS.into_iter().zip(edges).map(|(id, (others, required))| PluginVersion {
            id: PluginId::parse(id).unwrap(),
            version: Version::new(1, 0, 0),
            exports: vec![Export { interface: of(id), version: Version::new(1, 0, 0) }],
            imports: others
                .into_iter()
                .map(|other| Import { required, ..Import::undeclared(of(other), Version::new(1, 0, 0)) })
                .collect(),
            kept_for: None,
            stands_in: false,
        });
        each.collect()
    })
}

/// An oracle with opinions: types differ where the patch numbers do.
fn by_patch(_: &PluginVersion, import: &Import, of: &PluginVersion, export: &Export) -> Result<(), String> {
    if of.version.minor == 2 && import.version.patch != export.version.patch {
        return Err("another patch".to_owned());
    }
    Ok(())
}

fn linked(resolution: &Resolution) -> impl Iterator<Item = (&PluginResolution, &Link, &Provider)> {
    let links = resolution.plugins.iter().flat_map(|plugin| plugin.links.iter().map(move |link| (plugin, link)));
    links.filter_map(|(plugin, link)| match &link.outcome {
        Outcome::Linked { provider } => Some((plugin, link, provider)),
        Outcome::Missing { .. } => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_linked_provider_fits_the_import_and_the_tenants_choices(loaded in loaded(), choices in choices()) {
        let resolution = resolve(&loaded, &choices, &by_patch);
        for (importer, link, provider) in linked(&resolution) {
            let import = &link.import;
            prop_assert!(import.requirement.matches(&provider.export));
            prop_assert_eq!(Track::of(&import.version), Track::of(&provider.export));
            prop_assert!(provider.export >= import.version);
            prop_assert_ne!(&importer.id, &provider.id);
            prop_assert!(choices.enabled.contains(&provider.id));
            let is_wanted = match choices.wanted.get(&provider.id) {
                None => true,
                Some(Wanted::Pinned(pin)) => pin.matches(&provider.version),
                Some(Wanted::RolledOut(chosen) | Wanted::StaysOn(chosen)) => {
                    provider.version == *chosen
                        || provider.version < *chosen && Track::of(&provider.version) != Track::of(chosen)
                }
                Some(Wanted::UpTo(highest)) => provider.version <= *highest,
            };
            prop_assert!(is_wanted);
            prop_assert!(!choices.unconfigured.contains_key(&(provider.id.clone(), provider.version.clone())));
            prop_assert!(!choices.held.contains_key(&(provider.id.clone(), provider.version.clone())));
            prop_assert!(resolution.plugin(&provider.id, &provider.version).unwrap().is_active());
        }
    }

    #[test]
    fn every_candidate_is_accounted_for_exactly_once(loaded in loaded(), choices in choices()) {
        let resolution = resolve(&loaded, &choices, &by_patch);
        for link in resolution.plugins.iter().flat_map(|plugin| &plugin.links) {
            let mut expected: Vec<Provider> = Vec::new();
            for plugin in &loaded {
                for export in plugin.exports.iter().filter(|export| export.interface == link.import.interface) {
                    let (id, version, export) = (plugin.id.clone(), plugin.version.clone(), export.version.clone());
                    expected.push(Provider { id, version, export });
                }
            }
            let mut accounted: Vec<Provider> = link.passed_over.iter().map(|refusal| refusal.provider.clone()).collect();
            if let Outcome::Linked { provider } = &link.outcome {
                accounted.push(provider.clone());
            }
            expected.sort();
            accounted.sort();
            prop_assert_eq!(accounted, expected);
        }
    }

    #[test]
    fn whoever_was_outranked_ranks_below_the_linked_one(loaded in loaded(), choices in choices()) {
        let resolution = resolve(&loaded, &choices, &by_patch);
        for (_, link, provider) in linked(&resolution) {
            let outranked = link.passed_over.iter().filter(|refusal| matches!(refusal.reason, PassedOver::Outranked { .. }));
            for Refusal { provider: other, .. } in outranked {
                let ours = (&provider.export, &provider.version, std::cmp::Reverse(&provider.id));
                prop_assert!(ours > (&other.export, &other.version, std::cmp::Reverse(&other.id)));
            }
        }
    }

    #[test]
    fn an_active_plugin_has_its_required_providers_and_stands_in_no_cycle(
        loaded in prop_oneof![loaded(), entangled()],
        choices in choices(),
    ) {
        let resolution = resolve(&loaded, &choices, &by_patch);
        let active: Vec<&PluginResolution> = resolution.plugins.iter().filter(|plugin| plugin.is_active()).collect();
        // Take plugins away whose required providers are gone already: without a cycle none stays.
        let mut settled: BTreeSet<(&PluginId, &Version)> = BTreeSet::new();
        for _ in 0..=active.len() {
            for plugin in &active {
                let is_settled = plugin.links.iter().filter(|link| link.import.required).all(|link| match &link.outcome {
                    Outcome::Linked { provider } => settled.contains(&(&provider.id, &provider.version)),
                    Outcome::Missing { .. } => false,
                });
                if is_settled {
                    settled.insert((&plugin.id, &plugin.version));
                }
            }
        }
        prop_assert_eq!(settled.len(), active.len());
        for (id, version) in &resolution.serving {
            prop_assert!(active.iter().all(|plugin| plugin.id != *id || plugin.version <= *version));
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        (loaded, shuffled) in loaded().prop_flat_map(|plugins| (Just(plugins.clone()), Just(plugins).prop_shuffle())),
        choices in choices(),
    ) {
        prop_assert_eq!(resolve(&loaded, &choices, &by_patch), resolve(&shuffled, &choices, &by_patch));
    }

    #[test]
    fn an_unrelated_plugin_changes_nothing_for_the_others(loaded in loaded(), mut choices in choices(), newcomer in plugin()) {
        let before = resolve(&loaded, &choices, &by_patch);
        let unrelated = PluginVersion { id: PluginId::parse("z").unwrap(), exports: vec![], ..newcomer };
        choices.enabled.insert(unrelated.id.clone());
        let mut after = resolve(loaded.iter().chain([&unrelated]), &choices, &by_patch);
        after.plugins.retain(|plugin| plugin.id != unrelated.id);
        after.serving.remove(&unrelated.id);
        prop_assert_eq!(after, before);
    }
}
