use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::id::InterfaceName;

fn whole() -> Value {
    json!({
        "$schema": "../docs/manifest.schema.json",
        "id": "crm", "name": "CRM", "version": "1.2.0",
        "description": "Contacts and deals", "category": "sales",
        "author": {"name": "Tenon", "email": "crm@example.com", "url": "https://example.com"},
        "license": "Apache-2.0", "keywords": ["contacts", "deals"], "icon": "users", "homepage": "https://example.com/crm",
        "config": [
            {"key": "apiKey", "type": "string", "label": "API key", "required": true, "secret": true,
             "validation": {"minLength": 10, "maxLength": 100, "pattern": "^[a-zA-Z0-9_-]+$"}},
            {"key": "interval", "type": "number", "label": "Interval (hours)", "default": 24, "validation": {"min": 1, "max": 168}},
            {"key": "mode", "type": "select", "label": "Mode", "default": "fast",
             "options": [{"value": "fast", "label": "Fast"}, {"value": "exact", "label": "Exact"}]},
            {"key": "extra", "type": "json", "label": "Extra", "default": {"a": [1, 2.50]}}
        ],
        "permissions": [
            {"resource": "contacts", "action": "read", "description": "See contacts"},
            {"resource": "contacts", "action": "write"}
        ],
        "hooks": [{"name": "user.login", "description": "Greets"}],
        "sharedData": {
            "owns": [{"namespace": "crm.events", "readers": ["analytics", "*"], "description": "What changed last"}],
            "reads": [{"namespace": "mail.state", "description": "Shows what was sent"}]
        },
        "publishes": [
            {"name": "contact.created", "description": "With its data", "permission": "plugin.crm.contacts.read"},
            {"name": "contact.deleted"}
        ],
        "notifies": [{"kind": "new-contact", "description": "To whoever made it"}, {"kind": "gone"}],
        "outbound": [
            {"host": "api.example.com", "description": "Rates", "ports": [443, 8443], "traceContext": true},
            {"host": "*.example.net", "description": "Pictures"},
        ],
        "schedules": [
            {"name": "nightly-report", "cron": "0 3 * * *", "timeZone": "Europe/Vienna", "missed": "once", "description": "Reports"},
            {"name": "look", "cron": "*/5 * * * *"},
        ],
        "services": [{"name": "crm:contacts", "version": "1.0.0", "description": "The people"}],
        "dependencies": [
            {"service": "mail:outbox", "version": "^1.2", "reason": "Sends the greeting",
             "permissions": ["plugin.mail.letters.send"]},
            {"service": "mail:outbox", "version": "^2.0", "required": false}
        ],
        "endpoints": [
            {"method": "GET", "path": "/contacts", "function": "crm:contacts/contacts.list",
             "permissions": ["plugin.crm.contacts.read"], "rateLimit": 600, "cacheTTL": 30, "description": "All of them"},
            {"method": "POST", "path": "/contacts", "status": 201, "permissions": ["plugin.crm.contacts.write"]},
            {"method": "GET", "path": "/contacts/{id}"},
            {"method": "GET", "path": "/contacts/summary"}
        ],
        "frontend": {
            "routes": [{"path": "/contacts", "component": "Contacts", "title": "Contacts"},
                       {"path": "/contacts/{id}", "component": "Contact", "title": "Contact"}],
            "menuItems": [{"label": "Contacts", "path": "/contacts", "icon": "users", "order": 10}],
            "injectionPoints": [{"point": "Dashboard.Widgets", "component": "NewContacts", "order": -1}]
        },
        "data": {"compatibleFrom": 2}
    })
}

/// The whole manifest with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = whole();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
        Value::Array(items) if name == "-" => items.push(value),
        parent => *parent.pointer_mut(&format!("/{name}")).unwrap() = value,
    }
    document
}

fn problems(document: &Value) -> Vec<Problem> {
    match Manifest::parse(document.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.problems,
    }
}

#[track_caller]
fn assert_one(document: Value, path: &str, said: &str) {
    let problems = problems(&document);
    let [problem] = &problems[..] else { panic!("expected one problem: {problems:#?}") };
    assert_eq!(problem.path.to_string(), path);
    assert!(problem.to_string().contains(said), "{problem}");
}

#[test]
fn a_whole_manifest_is_read_and_written_back() {
    let manifest = Manifest::parse(whole().to_string().as_bytes()).unwrap();
    assert_eq!(manifest.endpoints[1].status, 201);
    assert_eq!(manifest.endpoints[0].status, 200);
    assert!(manifest.dependencies[0].required);
    assert_eq!(manifest.permissions[0].full_name(&manifest.id).as_str(), "plugin.crm.contacts.read");
    assert_eq!(manifest.dependencies[0].permissions[0].as_str(), "plugin.mail.letters.send");
    let written = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(Manifest::parse(&written).unwrap(), manifest);
}

/// What the library that reads JSON would take for a number, or for JSON in a string.
#[test]
fn a_default_is_what_the_author_wrote_under_any_name() {
    for default in [
        json!({"$serde_json::private::RawValue": "[[0]]"}),
        json!({"$serde_json::private::RawValue": 242}),
        json!({"$serde_json::private::Number": "5"}),
        json!([{"$serde_json::private::Number": 1}, 1.50, u64::MAX]),
    ] {
        let document = with("/config/3/default", default.clone());
        let manifest = Manifest::parse(document.to_string().as_bytes()).unwrap();
        assert_eq!(manifest.config[3].default, Some(default));
    }
    let none = Manifest::parse(with("/config/3/default", Value::Null).to_string().as_bytes()).unwrap();
    assert_eq!(none.config[3].default, None);
}

#[test]
fn three_fields_make_a_manifest_and_a_string_makes_an_author() {
    let manifest = Manifest::parse(br#"{"id":"a","name":"A","version":"0.1.0","author":"Jo"}"#).unwrap();
    assert_eq!(manifest.author.unwrap().name, "Jo");
    assert!(manifest.endpoints.is_empty() && manifest.frontend.is_empty());
}

#[test]
fn no_plugin_is_called_what_other_systems_are_counted_under() {
    let document = json!({"id": "external", "name": "A", "version": "0.1.0"});
    assert_one(document, "$.id", "stands for other systems");
}

#[test]
fn everything_wrong_is_reported_at_once_whichever_pass_finds_it() {
    let document = json!({
        "id": "My CRM", "version": "1.0", "nmae": "CRM", "keywords": ["a", 5, null],
        "config": [{"key": "a", "type": "number", "label": "A", "default": "x"}],
        "dependencies": [{"service": "crm.contacts", "version": "one", "pluginId": "crm", "reason": "r"}],
        "endpoints": [{"method": "FETCH", "path": "contacts", "rateLimit": 0, "cacheTTL": "60"}, []],
        "frontend": {"menuItems": [{"label": "A", "path": "/a"}]}
    });
    let paths: Vec<String> = problems(&document).iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "$.id",
            "$.version",
            "$.nmae",
            "$.keywords[1]",
            "$.keywords[2]",
            "$.dependencies[0].service",
            "$.dependencies[0].version",
            "$.dependencies[0].pluginId",
            "$.endpoints[0].method",
            "$.endpoints[0].path",
            "$.endpoints[0].rateLimit",
            "$.endpoints[0].cacheTTL",
            "$.endpoints[1]",
            "$.name",
            "$.config[0].default",
            "$.frontend.menuItems[0].path",
        ]
    );
}

#[test]
fn a_wrong_shape_says_what_was_found_expected_and_the_fix() {
    assert_one(with("/id", json!("My CRM")), "$.id", "found \"My CRM\"; expected a plugin id: 1 to 63");
    assert_one(with("/version", json!("1.0")), "$.version", "a semantic version: unexpected end");
    assert_one(with("/name", json!("")), "$.name", "a text of 0 characters; expected at least 1");
    assert_one(with("/icon", json!(7)), "$.icon", "found 7; expected a string. Fix: put it into quotes: \"7\"");
    assert_one(with("/icon", json!(null)), "$.icon", "leave the field out");
    assert_one(with("/author", json!(5)), "$.author", "expected a string or an object");
    assert_one(with("/author", json!({"name": "Jo", "mail": "a@b"})), "$.author.mail", "did you mean `email`?");
    assert_one(with("/homepage", json!("javascript:1")), "$.homepage", "a web address");
    assert_one(with("/keywords", json!("crm")), "$.keywords", "put it into brackets");
    assert_one(with("/permision", json!([])), "$.permision", "did you mean `permissions`?");
    assert_one(with("/backend", json!({})), "$.backend", "Fix: remove it");
    assert_one(with("/config/0/type", json!("Strng")), "$.config[0].type", "did you mean `string`?");
    assert_one(with("/config/0/validation/pattern", json!("(")), "$.config[0].validation.pattern", "unclosed group");
    assert_one(
        with("/config/1/validation/min", json!("1")),
        "$.config[1].validation.min",
        "write it without quotes: 1",
    );
    assert_one(with("/hooks/0/name", json!("login")), "$.hooks[0].name", "an event name");
    assert_one(with("/sharedData/owns/0/namespace", json!("crm")), "$.sharedData.owns[0].namespace", "crm.events");
    assert_one(with("/sharedData/owns/0/readers/0", json!("a b")), "$.sharedData.owns[0].readers[0]", "a reader");
    assert_one(with("/services/0/name", json!("crm.contacts")), "$.services[0].name", "write it like \"crm:contacts\"");
    assert_one(with("/endpoints/2/path", json!("/contacts/:id")), "$.endpoints[2].path", "write `{id}` for `:id`");
    assert_one(with("/endpoints/2/status", json!(404)), "$.endpoints[2].status", "found 404; expected at most 299");
    assert_one(with("/endpoints/2/status", json!(200.5)), "$.endpoints[2].status", "expected an integer");
    assert_one(with("/endpoints/2/function", json!("get")), "$.endpoints[2].function", "crm:contacts/contacts.get");
    assert_one(
        with("/frontend/injectionPoints/0/point", json!("Deal.Detail")),
        "$.frontend.injectionPoints[0].point",
        "did you mean `Deal.Details`?",
    );
    assert_one(
        with("/frontend/routes/0/component", json!("../x")),
        "$.frontend.routes[0].component",
        "a component name",
    );
    assert_one(json!([]), "$", "found an array; expected an object");
}

#[test]
fn repeated_keys_are_refused() {
    let text = br#"{"id":"a","name":"A","version":"0.1.0","id":"b"}"#;
    let errors = Manifest::parse(text).unwrap_err();
    assert_eq!(errors.problems.len(), 1);
    assert!(errors.to_string().contains("$.id: found this key a second time"), "{errors}");
}

#[test]
fn a_configuration_field_has_to_make_sense() {
    let field = |field: Value| {
        let mut whole = json!({"key": "f", "label": "F"});
        whole.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        with("/config/-", whole)
    };
    assert_one(with("/config/1/key", json!("apiKey")), "$.config[1].key", "`apiKey` again, which $.config[0] declares");
    assert_one(field(json!({"type": "select"})), "$.config[4].options", "at least one, for type `select`");
    assert_one(
        field(json!({"type": "string", "options": [{"value": "a", "label": "A"}]})),
        "$.config[4].options",
        "none, for type `string`",
    );
    assert_one(with("/config/2/options/1/value", json!("fast")), "$.config[2].options[1].value", "\"fast\" again");
    assert_one(
        field(json!({"type": "boolean", "validation": {"min": 1}})),
        "$.config[4].validation.min",
        "on type `number` only",
    );
    assert_one(
        field(json!({"type": "number", "validation": {"pattern": "a"}})),
        "$.config[4].validation.pattern",
        "on type `string` only",
    );
    assert_one(
        with("/config/1/validation/min", json!(200)),
        "$.config[1].validation.max",
        "at least `min`, which is 200",
    );
    assert_one(with("/config/0/validation/minLength", json!(200)), "$.config[0].validation.maxLength", "which is 200");
    assert_one(with("/config/1/default", json!(0)), "$.config[1].default", "must be at least 1");
    assert_one(with("/config/2/default", json!("slow")), "$.config[2].default", "must be one of `fast`, `exact`");
    assert_one(with("/config/0/default", json!("abcdefghij")), "$.config[0].default", "a default for a secret");
}

#[test]
fn parts_that_belong_together_have_to_agree() {
    assert_one(
        with("/permissions/-", json!({"resource": "contacts", "action": "read"})),
        "$.permissions[2].action",
        "`contacts.read` again",
    );
    assert_one(with("/hooks/-", json!({"name": "user.login"})), "$.hooks[1].name", "again");
    for (pointer, value, place, says) in [
        ("owns/-", json!({"namespace": "crm.events"}), "owns[1].namespace", "again"),
        ("owns/0/namespace", json!("mail.events"), "owns[0].namespace", "begins with the plugin's id, `crm.`"),
        ("owns/0/readers/-", json!("*"), "owns[0].readers[2]", "`*` again"),
        ("reads/-", json!({"namespace": "mail.state", "description": "Twice"}), "reads[1].namespace", "again"),
        ("reads/0/namespace", json!("crm.events"), "reads[0].namespace", "declare it in `$.sharedData.owns`"),
        ("reads/0/description", json!(" "), "reads[0].description", "say what `mail.state` is read for"),
    ] {
        assert_one(with(&format!("/sharedData/{pointer}"), value), &format!("$.sharedData.{place}"), says);
    }
    assert_one(
        with("/services/-", json!({"name": "crm:contacts", "version": "1.1.0"})),
        "$.services[1].name",
        "`crm:contacts` 1.1.0 again",
    );
    assert_eq!(problems(&with("/services/-", json!({"name": "crm:contacts", "version": "2.0.0"}))), []);
    assert_one(with("/dependencies/1/version", json!("^1.9")), "$.dependencies[1].service", "again");
    assert_one(with("/dependencies/0/reason", json!(" ")), "$.dependencies[0].reason", "or set \"required\": false");
    assert_one(
        with("/endpoints/3/path", json!("/contacts/{key}")),
        "$.endpoints[3].path",
        "GET /contacts/{key} again, which $.endpoints[2] declares",
    );
    assert_one(with("/endpoints/1/cacheTTL", json!(9)), "$.endpoints[1].cacheTTL", "found 9 on a POST endpoint");
    assert_one(with("/endpoints/3/path", json!("/health")), "$.endpoints[3].path", "the host does not answer itself");
    assert_one(
        with("/endpoints/1/permissions/0", json!("plugin.crm.contacts.writ")),
        "$.endpoints[1].permissions[0]",
        "did you mean `plugin.crm.contacts.write`?",
    );
    assert_one(
        with("/dependencies/0/permissions/-", json!("plugin.mail.letters.send")),
        "$.dependencies[0].permissions[1]",
        "`plugin.mail.letters.send` again",
    );
    assert_one(
        with("/frontend/menuItems/0/path", json!("/deals")),
        "$.frontend.menuItems[0].path",
        "add a route for it",
    );
    assert_eq!(problems(&with("/frontend/menuItems/0/path", json!("/contacts/7"))), []);
    assert_one(
        with("/frontend/routes/-", json!({"path": "/contacts/{x}", "component": "X", "title": "X"})),
        "$.frontend.routes[2].path",
        "again",
    );
}

#[test]
fn a_host_outside_is_a_name_with_ports_and_a_reason() {
    let host = |host: &str, ports: Value| json!({"host": host, "description": "x", "ports": ports});
    for name in ["10.0.0.1", "https://a.example", "*.com", "*", "a.example:80", "A.example", "a.example."] {
        assert_one(with("/outbound/-", host(name, json!([443]))), "$.outbound[2].host", "labels of a-z");
    }
    assert_one(with("/outbound/-", host("api.example.com", json!([80]))), "$.outbound[2].host", "again");
    assert_one(with("/outbound/-", host("a.example", json!([80, 81, 80]))), "$.outbound[2].ports[2]", "each one once");
    assert_one(with("/outbound/0/ports/0", json!(0)), "$.outbound[0].ports[0]", "at least 1");
    assert_one(with("/outbound/0/description", json!(" ")), "$.outbound[0].description", "tells operators");
}

#[test]
fn a_schedule_has_a_name_of_its_own_a_time_and_a_place() {
    let schedule = |name: &str| json!({"name": name, "cron": "* * * * *"});
    assert_one(with("/schedules/-", schedule("look")), "$.schedules[2].name", "`look` again");
    assert_one(with("/schedules/-", schedule("Look")), "$.schedules[2].name", "a schedule's name");
    assert_one(with("/schedules/0/cron", json!("0 3 * *")), "$.schedules[0].cron", "five fields");
    assert_one(with("/schedules/0/cron", json!("0 0 30 2 *")), "$.schedules[0].cron", "no such day");
    assert_one(with("/schedules/0/timeZone", json!("Vienna")), "$.schedules[0].timeZone", "Europe/Vienna");
    assert_one(with("/schedules/0/missed", json!("onse")), "$.schedules[0].missed", "did you mean `once`?");
    assert_one(with("/schedules/0/every", json!("1m")), "$.schedules[0].every", "remove it");
    let thousand: Vec<Value> = (0..1_000).map(|number| schedule(&format!("s{number}"))).collect();
    assert_one(with("/schedules", json!(thousand)), "$.schedules", "at most 50");
    let manifest = Manifest::parse(whole().to_string().as_bytes()).unwrap();
    let read: Vec<_> = manifest.schedules.iter().map(|known| (known.definition(), known.missed)).collect();
    let expected = [("0 3 * * * Europe/Vienna".to_owned(), Missed::Once), ("*/5 * * * * UTC".to_owned(), Missed::Skip)];
    assert_eq!(read, expected);
}

#[test]
fn who_sees_an_event_has_a_permission_of_the_plugins_own_and_a_kind_stands_once() {
    let place = "$.publishes[0].permission";
    assert_one(with("/publishes/0/permission", json!("plugin.crm.contacts.reed")), place, "did you mean");
    assert_one(with("/publishes/0/permission", json!("plugin.mail.letters.read")), place, "one that `$.permissions`");
    assert_one(with("/notifies/-", json!({"kind": "gone"})), "$.notifies[2].kind", "again");
    assert_one(with("/notifies/0/kind", json!("New")), "$.notifies[0].kind", "a kind of notification");
}

#[test]
fn an_unreadable_field_does_not_make_others_look_wrong() {
    assert_one(with("/permissions/0/action", json!("Read!")), "$.permissions[0].action", "a part of a permission");
    assert_one(with("/id", json!("CRM")), "$.id", "a plugin id");
    // Whole names only: what is asked for is to be read as it stands.
    let pattern = with("/dependencies/0/permissions/0", json!("plugin.mail.*"));
    assert_one(pattern, "$.dependencies[0].permissions[0]", "a permission's full name");
    assert_one(with("/dependencies/0/reason", json!(5)), "$.dependencies[0].reason", "expected a string");
}

#[test]
fn a_report_of_a_thousand_problems_is_bounded() {
    let errors = Manifest::parse(with("/keywords", json!(vec![0; 1000])).to_string().as_bytes()).unwrap_err();
    assert_eq!((errors.problems.len(), errors.unlisted), (problem::MAX_PROBLEMS, 901));
}

#[test]
fn an_import_finds_its_dependency_by_service_and_series() {
    let manifest = Manifest::parse(whole().to_string().as_bytes()).unwrap();
    let find = |interface: &str, version: &str| {
        let found = manifest.dependency(&InterfaceName::parse(interface).unwrap(), &version.parse().unwrap());
        found.map(|dependency| dependency.version.to_string())
    };
    assert_eq!(find("mail:outbox/send", "1.9.0").as_deref(), Some("^1.2"));
    assert_eq!(find("mail:outbox/read", "2.0.0").as_deref(), Some("^2.0"));
    assert_eq!(find("mail:outbox/send", "3.0.0"), None);
    assert_eq!(find("mail:inbox/send", "1.9.0"), None);
}

#[test]
fn the_schema_describes_what_the_host_accepts() {
    let schema = Manifest::schema();
    assert_eq!(schema, Manifest::schema());
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["required"], json!(["id", "name", "version"]));
    assert_eq!(schema["$defs"]["PluginId"]["pattern"], "^[a-z0-9][a-z0-9_-]{0,62}$");
    assert!(!schema.to_string().contains("null\""));
}

/// Pointers to every value within a document.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| pointers(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The types never refuse what the walk over their schema let pass.
    #[test]
    fn whatever_has_the_shape_can_be_read(at in any::<prop::sample::Index>(), value in prop_oneof![
        Just(json!(null)), Just(json!(true)), Just(json!([])), Just(json!({})), Just(json!([[1]])),
        any::<i64>().prop_map(|n| json!(n)), any::<u64>().prop_map(|n| json!(n)), any::<f64>().prop_map(|n| json!(n)),
        "\\PC{0,5}".prop_map(|text| json!(text)), "[a-z0-9:/.^~*<>=-]{0,8}".prop_map(|text| json!(text)),
    ]) {
        let mut all = Vec::new();
        pointers(&whole(), String::new(), &mut all);
        for problem in problems(&with(&all[at.index(all.len())], value)) {
            prop_assert!(!problem.found.starts_with("a value that cannot be read"), "{}", problem);
        }
    }
}
