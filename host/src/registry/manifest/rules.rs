//! The second pass: what the shape cannot say, about fields that have to agree with each other.
//!
//! A rule runs only where the fields it reads are well formed; so a permission with a typing error
//! does not make every endpoint that asks for it look wrong too.

use super::config_rules::check_config;
use super::model::{Endpoint, Hook, Manifest, Method, Notified, Published};
use super::problem::{JsonPath, Problems, quoted_list};
use super::schedule::Schedule;
use super::shape::nearest;
use super::shared;
use super::text::{HOST_TOPICS, PermissionName};
use crate::id::PluginId;

type Rule = fn(&Manifest, &mut Problems);

/// Each rule with the fields of the manifest that it reads.
const RULES: [(&[&str], Rule); 16] = [
    (&["id"], the_id_is_a_plugins),
    (&["config"], |manifest, problems| check_config(&manifest.config, problems)),
    (&["permissions"], permissions_are_distinct),
    (&["hooks"], hooks_are_distinct),
    (&["publishes"], published_events_are_distinct_and_its_own),
    (&["schedules"], schedules_are_distinct),
    (&["id", "sharedData"], shared::namespaces_are_distinct_and_its_own),
    (&["id", "sharedData"], shared::namespaces_read_are_distinct_and_of_others),
    (&["notifies"], notifications_are_distinct),
    (&["services"], services_are_distinct),
    (&["dependencies"], dependencies_are_distinct_and_explained),
    (&["outbound"], hosts_outside_are_distinct_and_explained),
    (&["endpoints"], endpoints_are_distinct_and_sound),
    (&["id", "permissions", "endpoints"], endpoint_permissions_are_declared),
    (&["id", "permissions", "publishes"], permissions_to_see_are_declared),
    (&["frontend"], frontend_is_consistent),
];

/// Paths below a plugin's that the host answers itself.
const HOST_PATHS: [&str; 2] = ["/health", "/info"];

/// Runs the rules that read none of the malformed fields.
pub(super) fn check(manifest: &Manifest, malformed: &[String], problems: &mut Problems) {
    for (fields, rule) in RULES {
        if !fields.iter().any(|field| malformed.iter().any(|name| name == field)) {
            rule(manifest, problems);
        }
    }
}

/// Reports each item that is the `same` as an earlier one, at its field `member`.
pub(super) fn distinct<T>(
    list: &JsonPath,
    member: &str,
    items: &[T],
    same: impl Fn(&T, &T) -> bool,
    name: impl Fn(&T) -> String,
    problems: &mut Problems,
) {
    for (index, item) in items.iter().enumerate() {
        if let Some(first) = items[..index].iter().position(|earlier| same(earlier, item)) {
            let found = format!("{} again, which {} declares", name(item), list.item(first));
            let fix = "remove one of the two, or change it";
            problems.add(&list.item(index).field(member), found, "each one once", fix);
        }
    }
}

fn the_id_is_a_plugins(manifest: &Manifest, problems: &mut Problems) {
    if manifest.id == PluginId::external() {
        let (found, expected) =
            (format!("`{}`, which stands for other systems", manifest.id), "an id of the plugin's own");
        problems.add(&JsonPath::root().field("id"), found, expected, "choose another word");
    }
}

fn permissions_are_distinct(manifest: &Manifest, problems: &mut Problems) {
    distinct(
        &JsonPath::root().field("permissions"),
        "action",
        &manifest.permissions,
        |a, b| (&a.resource, &a.action) == (&b.resource, &b.action),
        |permission| format!("`{}.{}`", permission.resource, permission.action),
        problems,
    );
}

fn hooks_are_distinct(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("hooks");
    let same = |a: &Hook, b: &Hook| (&a.name, &a.from) == (&b.name, &b.from);
    distinct(&list, "name", &manifest.hooks, same, |hook| format!("`{}`", hook.ask()), problems);
}

fn published_events_are_distinct_and_its_own(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("publishes");
    let same = |a: &Published, b: &Published| a.name == b.name;
    distinct(&list, "name", &manifest.publishes, same, |published| format!("`{}`", published.name), problems);
    for (index, published) in manifest.publishes.iter().enumerate() {
        if published.name.is_of_the_host() {
            let expected = format!("a topic that does not begin with {}", quoted_list(HOST_TOPICS));
            let found = format!("`{}`, which the host alone publishes", published.name);
            problems.add(&list.item(index).field("name"), found, expected, "begin it with a word of the plugin's own");
        }
    }
}

fn schedules_are_distinct(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("schedules");
    let same = |a: &Schedule, b: &Schedule| a.name == b.name;
    distinct(&list, "name", &manifest.schedules, same, |schedule| format!("`{}`", schedule.name), problems);
}

fn notifications_are_distinct(manifest: &Manifest, problems: &mut Problems) {
    let (list, same) = (JsonPath::root().field("notifies"), |a: &Notified, b: &Notified| a.kind == b.kind);
    distinct(&list, "kind", &manifest.notifies, same, |notified| format!("`{}`", notified.kind), problems);
}

/// One service may be offered under several major versions, but only once under each.
fn services_are_distinct(manifest: &Manifest, problems: &mut Problems) {
    let major = |version: &semver::Version| (version.major, if version.major == 0 { version.minor } else { 0 });
    distinct(
        &JsonPath::root().field("services"),
        "name",
        &manifest.services,
        |a, b| a.name == b.name && major(&a.version) == major(&b.version),
        |service| format!("`{}` {}", service.name, service.version),
        problems,
    );
}

fn dependencies_are_distinct_and_explained(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("dependencies");
    distinct(
        &list,
        "service",
        &manifest.dependencies,
        |a, b| {
            let (of_a, of_b) = (a.series(), b.series());
            a.service == b.service && (of_a == of_b || of_a.is_none() || of_b.is_none())
        },
        |dependency| format!("`{}` {}", dependency.service, dependency.version),
        problems,
    );
    for (index, dependency) in manifest.dependencies.iter().enumerate() {
        permissions_are_named_once(&dependency.permissions, &list.item(index), problems);
        if dependency.required && dependency.reason.trim().is_empty() {
            problems.add(
                &list.item(index).field("reason"),
                "no reason for a required dependency",
                "a sentence that tells operators what it is needed for",
                format!("say what `{}` is needed for, or set \"required\": false", dependency.service),
            );
        }
    }
}

fn hosts_outside_are_distinct_and_explained(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("outbound");
    distinct(&list, "host", &manifest.outbound, |a, b| a.host == b.host, |asked| format!("`{}`", asked.host), problems);
    for (index, asked) in manifest.outbound.iter().enumerate() {
        if asked.description.trim().is_empty() {
            problems.add(
                &list.item(index).field("description"),
                "no description of a host outside",
                "a sentence that tells operators what the plugin asks it for",
                format!("say what `{}` is asked for", asked.host),
            );
        }
        for (at, port) in asked.ports.iter().enumerate() {
            if asked.ports[..at].contains(port) {
                let place = list.item(index).field("ports").item(at);
                problems.add(&place, format!("{port} again"), "each one once", "remove it");
            }
        }
    }
}

fn endpoints_are_distinct_and_sound(manifest: &Manifest, problems: &mut Problems) {
    let list = JsonPath::root().field("endpoints");
    distinct(
        &list,
        "path",
        &manifest.endpoints,
        |a, b| a.method == b.method && a.path.same_shape(&b.path),
        |endpoint| format!("{} {}", endpoint.method.as_str(), endpoint.path),
        problems,
    );
    for (index, endpoint) in manifest.endpoints.iter().enumerate() {
        check_endpoint(endpoint, &list.item(index), problems);
        check_kept(index, endpoint, &manifest.endpoints, problems);
    }
}

fn check_endpoint(endpoint: &Endpoint, at: &JsonPath, problems: &mut Problems) {
    if let Some(seconds) = endpoint.cache_ttl.filter(|_| endpoint.method != Method::Get) {
        let found = format!("{seconds} on a {} endpoint", endpoint.method.as_str());
        problems.add(&at.field("cacheTTL"), found, "it on GET endpoints only", "remove it");
    }
    let path = endpoint.path.to_string();
    if HOST_PATHS.contains(&path.as_str()) {
        let expected = "a path that the host does not answer itself";
        let fix = "choose another path; for health, export tenon:plugin/health";
        problems.add(&at.field("path"), format!("{path:?}"), expected, fix);
    }
    permissions_are_named_once(&endpoint.permissions, at, problems);
}

/// An answer can be kept only where whoever calls the function reads, and where there is a function.
fn check_kept(index: usize, endpoint: &Endpoint, all: &[Endpoint], problems: &mut Problems) {
    let Some(seconds) = endpoint.cache_ttl.filter(|_| endpoint.method == Method::Get) else { return };
    let list = JsonPath::root().field("endpoints");
    let place = list.item(index).field("cacheTTL");
    let Some(function) = &endpoint.function else {
        let found = format!("{seconds} on an endpoint without `function`");
        let expected = "it on endpoints that name a function: what the plugin's own handler answers is not kept";
        problems.add(&place, found, expected, "remove it, or name the function that answers");
        return;
    };
    let other = all.iter().position(|other| other.function.as_ref() == Some(function) && other.cache_ttl.is_none());
    if let Some(other) = other {
        let found = format!("{seconds}, and none at {}, which names the same function", list.item(other));
        let expected = "a cacheTTL on all endpoints that name a function, or on none";
        problems.add(&place, found, expected, "add it there, or remove it here: a function that writes has none");
    }
}

fn permissions_are_named_once(permissions: &[PermissionName], at: &JsonPath, problems: &mut Problems) {
    for (index, permission) in permissions.iter().enumerate() {
        if permissions[..index].contains(permission) {
            let place = at.field("permissions").item(index);
            problems.add(&place, format!("`{permission}` again"), "each one once", "remove it");
        }
    }
}

fn endpoint_permissions_are_declared(manifest: &Manifest, problems: &mut Problems) {
    let declared = declared(manifest);
    for (at, endpoint) in manifest.endpoints.iter().enumerate() {
        let list = JsonPath::root().field("endpoints").item(at).field("permissions");
        for (index, permission) in endpoint.permissions.iter().enumerate() {
            is_declared(permission, &declared, &list.item(index), problems);
        }
    }
}

fn permissions_to_see_are_declared(manifest: &Manifest, problems: &mut Problems) {
    let declared = declared(manifest);
    for (at, published) in manifest.publishes.iter().enumerate() {
        let place = JsonPath::root().field("publishes").item(at).field("permission");
        published.permission.iter().for_each(|permission| is_declared(permission, &declared, &place, problems));
    }
}

fn declared(manifest: &Manifest) -> Vec<PermissionName> {
    manifest.permissions.iter().map(|permission| permission.full_name(&manifest.id)).collect()
}

fn is_declared(permission: &PermissionName, declared: &[PermissionName], place: &JsonPath, problems: &mut Problems) {
    if declared.contains(permission) {
        return;
    }
    let expected = match declared.is_empty() {
        true => "a permission that `$.permissions` declares, which declares none".to_owned(),
        false => format!("one that `$.permissions` declares: {}", quoted_list(declared)),
    };
    let fix = match nearest(permission.as_str(), declared.iter().map(PermissionName::as_str)) {
        Some(meant) => format!("did you mean `{meant}`? Otherwise declare it"),
        None => "declare its resource and action in `$.permissions`".to_owned(),
    };
    problems.add(place, format!("`{permission}`"), expected, fix);
}

fn frontend_is_consistent(manifest: &Manifest, problems: &mut Problems) {
    let at = JsonPath::root().field("frontend");
    let frontend = &manifest.frontend;
    distinct(
        &at.field("routes"),
        "path",
        &frontend.routes,
        |a, b| a.path.same_shape(&b.path),
        |route| format!("`{}`", route.path),
        problems,
    );
    for (index, item) in frontend.menu_items.iter().enumerate() {
        let path = item.path.to_string();
        let leads_somewhere = frontend.routes.iter().any(|route| route.path.matches(&path).is_some());
        if !leads_somewhere || item.path.parameters().next().is_some() {
            let expected = "the path of one of `$.frontend.routes`, with its parameters filled in";
            let fix = "add a route for it, or change the path";
            problems.add(&at.field("menuItems").item(index).field("path"), format!("{path:?}"), expected, fix);
        }
    }
    distinct(
        &at.field("injectionPoints"),
        "component",
        &frontend.injection_points,
        |a, b| a.point == b.point && a.component == b.component,
        |injection| format!("`{}` at the same point", injection.component),
        problems,
    );
}
