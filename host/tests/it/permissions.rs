//! Who may do what: at the door of each endpoint, and on each call between plugins.
//!
//! What is expected is computed here, as the intersection of what the user may, what the calling plugin was granted
//! and what the callee needs; nothing of it is asked of the host.

mod handler;
mod matrix;
mod product;

use std::collections::BTreeMap;

use crate::common::Host;

/// Permissions of a test, as bits: so that what is covered is computed with `&` and `!`.
const A: u8 = 1;
const B: u8 = 2;
const V: u8 = 4;

/// The roles of these tests, besides the default ones: name, patterns, and what they cover of [`NAMES`].
const ROLES: [(&str, &[&str], u8); 11] = [
    ("a", &["plugin.vault.doors.a"], A),
    ("b", &["plugin.vault.doors.b"], B),
    ("v", &["plugin.visitor.visits.make"], V),
    ("doorkeeper", &["plugin.vault.*"], A | B),
    ("any-a", &["plugin.*.*.a"], A),
    ("any-doors", &["plugin.*.doors.*", "plugin.vault.visits.make"], A | B),
    ("near-misses", &["plugin.vault", "plugin.vaul.*", "plugin.vault.doors", "plugin:*", "plugin.vault.doors.a.*"], 0),
    ("nothing", &[], 0),
    // These are the host's own.
    ("owner", &["*"], A | B | V),
    ("admin", &["plugin.*"], A | B | V),
    ("member", &["plugin.*.*.read"], 0),
];

const NAMES: [(u8, &str); 3] =
    [(A, "plugin.vault.doors.a"), (B, "plugin.vault.doors.b"), (V, "plugin.visitor.visits.make")];

/// The names of these permissions.
fn names(bits: u8) -> Vec<&'static str> {
    NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
}

/// A configuration with these roles.
fn config<'a>(roles: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> String {
    let roles: BTreeMap<&str, Vec<&str>> = roles.into_iter().collect();
    roles.iter().map(|(role, patterns)| format!("roles.{role} = {patterns:?}\n")).collect()
}

fn test_roles() -> String {
    config(ROLES[..8].iter().map(|(role, patterns, _)| (*role, patterns.to_vec())))
}

/// Users by their roles, each with what it may: every subset of the three permissions, every role alone, and several
/// together, of which some are no roles at all.
fn users() -> Vec<(String, u8)> {
    let single = |bit: u8| ROLES.iter().find(|(_, patterns, bits)| *bits == bit && patterns.len() == 1);
    let subset = |bits: u8| [A, B, V].into_iter().filter(move |bit| bits & bit != 0);
    let subsets =
        (0..8).map(|bits| (subset(bits).map(|bit| single(bit).unwrap().0).collect::<Vec<_>>().join(","), bits));
    let alone = ROLES.iter().map(|(role, _, bits)| ((*role).to_owned(), *bits));
    let mixed = [("stranger", 0), ("stranger,b", B), ("member,any-a,v", A | V), ("nothing,owner", A | B | V)];
    subsets.chain(alone).chain(mixed.map(|(roles, bits)| (roles.to_owned(), bits))).collect()
}

#[tokio::test]
async fn a_list_of_roles_that_cannot_be_read_is_refused() {
    let host = Host::with_plugins(&["crm"]).await;
    for roles in ["Owner", "*", "member;owner", "a b", "owner,../x", &"x".repeat(64)] {
        let answer = host.roles(roles).get("/plugins/crm/contacts").await;
        assert_eq!(answer.refusal(400, "bad_header")["fields"][0]["field"], "x-user-roles", "{roles}");
    }
    assert_eq!(host.roles("member").get("/plugins/crm/contacts").await.total(), 4);
}

#[tokio::test]
async fn a_plugin_sees_the_roles_it_acts_for() {
    let host = Host::with_plugins(&["probe"]).await;
    for (sent, seen) in [("member, owner", &["member", "owner"][..]), ("stranger", &["stranger"]), ("", &[])] {
        assert_eq!(host.roles(sent).get("/plugins/probe/context").await.data(200)["roles"], serde_json::json!(seen));
    }
    assert_eq!(host.get("/plugins/probe/context").await.data(200)["roles"], serde_json::json!(["operator", "owner"]));
}
