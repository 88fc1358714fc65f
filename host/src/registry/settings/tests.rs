use serde_json::json;

use super::*;
use crate::seal::Place;

fn manifest(version: &str, fields: Value) -> Manifest {
    let manifest = json!({"id": "crm", "name": "CRM", "version": version, "config": fields});
    Manifest::parse(manifest.to_string().as_bytes()).unwrap()
}

fn fields() -> Value {
    json!([
        {"key": "region", "type": "select", "label": "Region", "default": "eu",
         "options": [{"value": "eu", "label": "EU"}, {"value": "us", "label": "US"}]},
        {"key": "apiKey", "type": "string", "label": "Key", "required": true, "secret": true},
        {"key": "limit", "type": "number", "label": "Limit"},
    ])
}

struct World {
    seals: Seals,
    tenant: TenantId,
    _data: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let seals = Seals::open(data.path()).unwrap();
        Self { seals, tenant: TenantId::parse("acme").unwrap(), _data: data }
    }

    fn settings(&self, entries: Value) -> Settings {
        self.settings_of(entries.to_string())
    }

    fn settings_of(&self, entries: String) -> Settings {
        let row = db::ConfigRow {
            tenant: "acme".into(),
            plugin: "crm".into(),
            entries,
            revision: 1,
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        };
        Settings::read(vec![row], &self.seals)
    }

    fn sealed(&self, field: &str, value: Value) -> Value {
        let place = Place { tenant: "acme", plugin: "crm", field };
        let Kept::Sealed { sealed, .. } = Kept::seal(&self.seals, place, &value).unwrap() else { panic!() };
        json!({ "sealed": sealed })
    }
}

#[test]
fn a_value_counts_before_a_default_and_only_where_the_version_takes_it() {
    let world = World::new();
    let (crm, acme) = (manifest("1.0.0", fields()), Some(&world.tenant));
    let of = |settings: &Settings, key: &str| settings.effective(acme, &crm).get(key).cloned();

    let none = Settings::default();
    assert_eq!((of(&none, "region"), of(&none, "apiKey"), of(&none, "limit")), (Some(json!("eu")), None, None));
    let set = world.settings(json!({
        "region": {"plain": "us"}, "limit": {"plain": "many"}, "apiKey": world.sealed("apiKey", json!("hunter2")),
        "gone": {"plain": 1},
    }));
    assert_eq!((of(&set, "region"), of(&set, "apiKey")), (Some(json!("us")), Some(json!("hunter2"))));
    assert_eq!((of(&set, "limit"), of(&set, "gone")), (None, None), "no number, and no field");
    assert_eq!(set.effective(None, &crm), none.effective(acme, &crm), "others have the defaults");
    let shown = format!("{set:?} {:?}", set.effective(acme, &crm));
    assert!(!shown.contains("hunter2") && shown.contains("apiKey"), "{shown}");
}

#[test]
fn a_version_lacks_what_it_requires_and_nobody_gave() {
    let world = World::new();
    let crm = [manifest("1.0.0", json!([])), manifest("1.1.0", fields())];
    let lacking =
        |settings: &Settings| settings.unconfigured(Some(&world.tenant), crm.iter()).into_values().collect::<Vec<_>>();
    assert_eq!(lacking(&Settings::default()), [["apiKey"]]);
    assert!(lacking(&world.settings(json!({"apiKey": world.sealed("apiKey", json!("x"))}))).is_empty());
    // What was sealed for another field, or is no text, is as good as nothing.
    let moved = json!({"apiKey": world.sealed("other", json!("x"))});
    assert_eq!(lacking(&world.settings(moved)), [["apiKey"]]);
    let wrong = json!({"apiKey": world.sealed("apiKey", json!(1))});
    assert_eq!(lacking(&world.settings(wrong)), [["apiKey"]]);
}

#[test]
fn what_is_stored_is_read_back() {
    let world = World::new();
    let entries = json!({"apiKey": world.sealed("apiKey", json!("x")), "n": {"plain": null}});
    let settings = world.settings(entries.clone());
    let stored = settings.stored(&world.tenant, &PluginId::parse("crm").unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&stored.text()).unwrap(), entries);
}

#[test]
fn one_entry_that_cannot_be_read_costs_no_other_and_is_kept() {
    let world = World::new();
    let (crm, acme) = (PluginId::parse("crm").unwrap(), world.tenant.clone());
    let deep = format!("{{\"plain\":{}{}}}", "[".repeat(127), "]".repeat(127));
    let entries = format!("{{\"a\":{{\"other\":1}},\"deep\":{deep},\"limit\":{{\"plain\":3}}}}");
    let settings = world.settings_of(entries.clone());
    let stored = settings.stored(&acme, &crm).unwrap();
    assert_eq!(stored.unreadable().map(|(field, _)| field).collect::<Vec<_>>(), ["a", "deep"]);
    assert_eq!(stored.text(), entries);
    let version = manifest("1.0.0", fields());
    assert_eq!(settings.effective(Some(&acme), &version).get("limit"), Some(&json!(3)));
    // Of what is no object nothing is left but the revision, with which it can be set anew.
    let nothing = world.settings_of("[]".to_owned());
    assert_eq!(**nothing.stored(&acme, &crm).unwrap(), Stored { entries: BTreeMap::new(), revision: 1 });
}
