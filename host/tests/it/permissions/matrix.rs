//! User × caller × callee, over every endpoint and every function of plugins whose manifests are written here.

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{A, B, V, names, test_roles, users};
use crate::common::{Client, Host, Scratch};

/// The functions of the vault and what each needs. No endpoint names the last one.
const DOORS: [(&str, u8); 6] =
    [("open", 0), ("open-a", A), ("open-b", B), ("open-both", A | B), ("open-twice", A | B), ("open-unnamed", 0)];

/// The endpoints of the vault. Two of them name the same function.
const ENDPOINTS: [(&str, &str, u8); 6] = [
    ("/open", "open", 0),
    ("/open-a", "open-a", A),
    ("/open-b", "open-b", B),
    ("/open-both", "open-both", A | B),
    ("/twice/a", "open-twice", A),
    ("/twice/b", "open-twice", B),
];

/// What each relay asks for: at the visitor, and at the vault, which is of no use to the visitor.
const RELAYS: [(&str, u8, u8); 4] =
    [("relay-0", 0, 0), ("relay-v", V, 0), ("relay-d", 0, A | B), ("relay-w", V, A | B)];

fn vault() -> Value {
    let endpoint = |(path, function, needs): (&str, &str, u8)| json!({"method": "GET", "path": path, "function": format!("demo:vault/vault.{function}"), "permissions": names(needs)});
    json!({
        "id": "vault", "name": "Vault", "version": "1.0.0",
        "services": [{"name": "demo:vault", "version": "1.0.0"}],
        "permissions": [{"resource": "doors", "action": "a"}, {"resource": "doors", "action": "b"}],
        "endpoints": ENDPOINTS.map(endpoint),
    })
}

fn endpoint(service: &str, name: &str, needs: u8) -> Value {
    let function = format!("demo:{service}.{name}");
    json!({"method": "GET", "path": format!("/{name}"), "function": function, "permissions": names(needs)})
}

/// The visitor, which asks for this at the vault.
fn visitor(at_vault: u8) -> Value {
    json!({
        "id": "visitor", "name": "Visitor", "version": "1.0.0",
        "services": [{"name": "demo:visitor", "version": "1.0.0"}],
        "dependencies": [
            {"service": "demo:vault", "version": "^1.0.0", "reason": "It has the doors.", "permissions": names(at_vault)},
        ],
        "permissions": [{"resource": "visits", "action": "make"}],
        "endpoints": [endpoint("visitor/visitor", "visit", 0), endpoint("visitor/visitor", "visit-guarded", V)],
    })
}

/// A relay, which asks for this at the visitor and at the vault.
fn relay(id: &str, at_visitor: u8, at_vault: u8) -> Value {
    let endpoints = ["relay", "relay-guarded", "relay-deferred", "try-itself"];
    json!({
        "id": id, "name": id, "version": "1.0.0",
        "services": [{"name": format!("demo:{id}"), "version": "1.0.0"}],
        "dependencies": [
            {"service": "demo:vault", "version": "^1.0.0", "reason": "It has the doors.", "permissions": names(at_vault)},
            {"service": "demo:visitor", "version": "^1.0.0", "reason": "It goes.", "permissions": names(at_visitor)},
        ],
        "endpoints": endpoints.map(|name| endpoint(&format!("{id}/relay"), name, 0)),
    })
}

/// A host whose visitor was granted this of the vault.
async fn host(granted: u8) -> Host {
    let scratch = Scratch::with_plugins(&[]);
    scratch.add_plugin_as("vault", "vault", &vault());
    scratch.add_plugin_as("visitor", "visitor", &visitor(granted));
    for (id, at_visitor, at_vault) in RELAYS {
        scratch.add_plugin_as("relay", id, &relay(id, at_visitor, at_vault));
        // A service belongs to one plugin, so each has a package of its own, whose name is as long as the built one's.
        scratch.rename_in_plugin(id, "demo:relay-x/", &format!("demo:{id}/"));
    }
    // A dozen calls, in a debug build.
    let limits = "limits.cpu_budget_ms = 2000\nlimits.wall_deadline_ms = 30000\n";
    let config = scratch.file("tenon.toml", &format!("{}{limits}", test_roles()));
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

/// The refusal of a call that needs `needs`, of a user who may `user`, by a caller who was granted `granted`: who lacks
/// what. None when it is allowed.
fn refusal(needs: u8, user: u8, granted: u8) -> Option<(&'static str, Vec<&'static str>)> {
    let allowed = needs & !(user & granted) == 0;
    let plugin = ("the calling plugin was not granted", needs & !granted);
    let person = ("the user lacks the permission", needs & !user);
    let (side, missing) = if plugin.1 != 0 { plugin } else { person };
    (!allowed).then(|| (side, names(missing)))
}

/// That `told` is what the matrix says of this call.
#[track_caller]
fn assert_told(told: &str, caller: &str, call: (u8, u8, u8), what: &str) {
    match refusal(call.0, call.1, call.2) {
        None => assert_eq!(told, "open", "{what}"),
        Some((side, missing)) => {
            let begins = format!("denied: plugin {caller} may not call `");
            assert!(told.starts_with(&begins) && told.contains(side), "{what}: {told}");
            assert!(missing.iter().any(|name| told.contains(&format!("`{name}`"))), "{what}: {told}");
        }
    }
}

/// Checks each door that was tried by a visitor who was granted this; how many calls that were.
fn assert_doors(answer: &Value, user: u8, granted: u8, what: &str) -> usize {
    let tried = answer.as_array().unwrap_or_else(|| panic!("{what}: {answer}"));
    let expected = ["plain", "deferred"].into_iter().flat_map(|how| DOORS.map(|(door, needs)| (door, how, needs)));
    let expected: Vec<_> = expected.collect();
    assert_eq!(tried.len(), expected.len(), "{what}");
    for (outcome, (door, how, needs)) in tried.iter().zip(expected) {
        assert_eq!(outcome["door"], format!("{door} {how}"), "{what}");
        assert_told(
            outcome["told"].as_str().unwrap(),
            "visitor",
            (needs, user, granted),
            &format!("{what}, {door} {how}"),
        );
    }
    tried.len()
}

/// Every call of one user on a host whose visitor was granted this; how many.
async fn calls_of(client: Client, roles: String, user: u8, granted: u8) -> usize {
    let mut calls = 0;
    let what = |path: &str| format!("roles [{roles}], visitor granted {:?}: {path}", names(granted));
    for (path, _, needs) in ENDPOINTS {
        let answer = client.get(&format!("/plugins/vault{path}")).await;
        if needs & !user == 0 {
            assert_eq!(*answer.data(200), "open", "{}", what(path));
        } else {
            let told = answer.message(403, "denied");
            let missing = names(needs & !user);
            assert!(missing.iter().any(|name| told.contains(&format!("`{name}`"))), "{}: {told}", what(path));
        }
        calls += 1;
    }
    for (path, needs) in [("/plugins/visitor/visit", 0), ("/plugins/visitor/visit-guarded", V)] {
        let answer = client.get(path).await;
        calls += 1;
        if needs & !user == 0 {
            calls += assert_doors(answer.data(200), user, granted, &what(path));
        } else {
            assert!(
                answer.message(403, "denied").contains("`plugin.visitor.visits.make`"),
                "{}: {answer:?}",
                what(path)
            );
        }
    }
    for (relay, at_visitor, at_vault) in RELAYS {
        for (path, needs) in [("relay", 0), ("relay-guarded", V), ("relay-deferred", V)] {
            let path = format!("/plugins/{relay}/{path}");
            let answer = client.get(&path).await;
            calls += 1;
            match refusal(needs, user, at_visitor) {
                // What the relay was granted at the vault is nothing to the visitor, who makes that call.
                None => calls += assert_doors(answer.data(200), user, granted, &what(&path)),
                Some(_) => {
                    let told = format!("denied: {}", answer.message(403, "denied"));
                    assert_told(&told, relay, (needs, user, at_visitor), &what(&path));
                }
            }
        }
        let path = format!("/plugins/{relay}/try-itself");
        let answer = client.get(&path).await;
        calls += 1;
        let told = match answer.status {
            200 => answer.data(200).as_str().unwrap().to_owned(),
            _ => format!("denied: {}", answer.message(403, "denied")),
        };
        assert_told(&told, relay, (A | B, user, at_vault), &what(&path));
    }
    calls
}

#[tokio::test]
async fn a_call_is_allowed_by_user_and_calling_plugin_together_or_not_at_all() {
    let hosts = futures::future::join_all([0, A, B, A | B].map(async |granted| (granted, host(granted).await))).await;
    let mut all = Vec::new();
    for (granted, host) in &hosts {
        all.extend(users().into_iter().map(|(roles, may)| calls_of(host.roles(&roles), roles, may, *granted)));
    }
    let combinations = all.len();
    let calls: usize = stream::iter(all).buffer_unordered(4).collect::<Vec<_>>().await.into_iter().sum();
    println!("{combinations} users and grants, {calls} calls checked");
    // So that none is lost unseen when something here changes.
    assert_eq!((combinations, calls), (23 * 4, 9_520 + 23 * 4 * 4));
}

#[tokio::test]
async fn explain_says_which_calls_no_user_could_make() {
    let host = host(A).await;
    let links = host.get("/api/v1/plugins/visitor/links").await.data(200).clone();
    let told = links["text"].as_str().unwrap();
    for (function, missing) in [("open-b", "doors.b"), ("open-both", "doors.b"), ("open-twice", "doors.b")] {
        let line = format!("      denied: {function} — not granted plugin.vault.{missing}\n");
        assert!(told.contains(&line), "{told}");
    }
    assert!(!told.contains("denied: open —") && !told.contains("denied: open-a —"), "{told}");
    let denied = &links["versions"][0]["links"][0]["denied"];
    assert_eq!(denied[0], json!({"function": "open-b", "missing": ["plugin.vault.doors.b"]}), "{links:#}");
}
