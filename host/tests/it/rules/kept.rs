//! Answers that are given again, and those that are not.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::{keeping, looked, with, write};
use crate::common::Host;
#[tokio::test]
async fn an_answer_is_given_again_until_something_is_written() {
    let host = keeping("").await;
    let (told, first) = looked(&host, "/keeper/look/a").await;
    assert_eq!((told.as_str(), first.header("age")), ("miss", ""));
    let (told, again) = looked(&host, "/keeper/look/a").await;
    assert_eq!((told.as_str(), again.text.as_str()), ("hit", first.text.as_str()));
    assert!(again.header("age").parse::<u64>().is_ok(), "{again:?}");
    assert_eq!(looked(&host, "/keeper/look/b").await.0, "miss", "another argument");
    write(&host, "a", "new").await;
    let (told, after) = looked(&host, "/keeper/look/a").await;
    assert_eq!((told.as_str(), &after.data(200)["value"]), ("miss", &json!("new")));
    assert_eq!(looked(&host, "/keeper/look/b").await.0, "miss", "whatever was written may concern it");
    // An endpoint without the rule says nothing of it.
    assert_eq!(looked(&host, "/caller/ask/a").await.0, "");
}

#[tokio::test]
async fn a_function_that_only_looks_like_reading_drops_answers_when_it_writes() {
    let host = keeping("").await;
    looked(&host, "/keeper/look/a").await;
    host.get("/plugins/keeper/sneak/a/sly").await.data(200);
    let (told, after) = looked(&host, "/keeper/look/a").await;
    assert_eq!((told.as_str(), &after.data(200)["value"]), ("miss", &json!("sly")));
    assert_eq!(looked(&host, "/keeper/look/a").await.0, "hit", "what only reads drops nothing");
}

#[tokio::test]
async fn an_answer_falls_with_what_it_was_made_from() {
    let host = keeping("").await;
    let report = async || {
        let (told, answer) = looked(&host, "/caller/report/a").await;
        (told, answer.data(200).clone())
    };
    assert_eq!(report().await.0, "miss");
    let (told, before) = report().await;
    assert_eq!((told.as_str(), &before["value"]), ("hit", &Value::Null));
    // By HTTP, to the plugin that the report asks.
    write(&host, "a", "one").await;
    let (told, after) = report().await;
    assert_eq!((told.as_str(), &after["value"]), ("miss", &json!("one")));
    assert_eq!(report().await.0, "hit");
    // By a call of another plugin.
    host.post("/plugins/caller/write", json!({"name": "a", "value": "two"})).await.data(200);
    let (told, after) = report().await;
    assert_eq!((told.as_str(), &after["value"]), ("miss", &json!("two")));
    // What was kept below is used by the report above, and the report falls with that too.
    assert_eq!(host.get("/plugins/caller/ask/a").await.data(200)["drawn"], after["drawn"]);
}

#[tokio::test]
async fn another_configuration_is_another_answer() {
    let host = keeping("").await;
    let (acme, other) = (host.tenant("acme"), host.tenant("other"));
    for tenant in [&acme, &other] {
        looked(tenant, "/keeper/look/a").await;
        assert_eq!(looked(tenant, "/keeper/look/a").await.0, "hit");
    }
    acme.put("/api/v1/plugins/keeper/config", json!({"values": {"colour": "red"}})).await.data(200);
    assert_eq!(looked(&acme, "/keeper/look/a").await.0, "miss");
    assert_eq!(looked(&other, "/keeper/look/a").await.0, "hit", "what one tenant sets is nothing to another");
}

/// Every answer says for whom it was made; whoever asks first and whoever asks again get their own, however alike they
/// are otherwise.
#[tokio::test]
async fn nobody_is_given_what_was_made_for_another() {
    let host = keeping("roles.clerk = [\"plugin.keeper.a.b\"]\nroles.guest = []\n").await;
    let mut drawn: BTreeMap<u64, String> = BTreeMap::new();
    for round in ["miss", "hit", "hit"] {
        for tenant in ["acme", "acme2"] {
            for user in [None, Some("ada"), Some("ada2")] {
                for workspace in [None, Some("main")] {
                    for roles in ["clerk", "guest", "clerk,guest", ""] {
                        let client = host.tenant(tenant).roles(roles);
                        let mut headers: Vec<_> = user.map(|user| ("X-User-ID", user)).into_iter().collect();
                        headers.extend(workspace.map(|workspace| ("X-Workspace-ID", workspace)));
                        let answer = with(&client, Method::GET, "/keeper/look/a", &headers).await;
                        let who = format!("{tenant} {user:?} {workspace:?} {roles:?}");
                        let seen = answer.data(200);
                        assert_eq!(answer.header("x-cache"), round, "{who}");
                        let told: Vec<&str> =
                            seen["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
                        assert_eq!(
                            (seen["tenant"].as_str(), seen["user"].as_str(), told.join(",")),
                            (Some(tenant), user, roles.to_owned()),
                            "{who}"
                        );
                        let maker = drawn.entry(seen["drawn"].as_u64().unwrap()).or_insert_with(|| who.clone());
                        assert_eq!(*maker, who, "an answer was given to another");
                    }
                }
            }
        }
    }
    // The same function, called by a plugin: it sees its caller, so that is another answer.
    let called = host.get("/plugins/caller/ask/a").await.data(200).clone();
    assert_eq!(called["callingPlugin"], "caller");
    assert_eq!(looked(&host, "/keeper/look/a").await.1.data(200)["callingPlugin"], Value::Null);
    assert_eq!(host.get("/plugins/caller/ask/a").await.data(200)["drawn"], called["drawn"], "kept for the caller too");
}

#[tokio::test]
async fn a_call_that_fails_is_never_kept() {
    let host = keeping("").await;
    for _ in 0..3 {
        let missing = host.get("/plugins/keeper/slow/missing/0").await;
        missing.refusal(404, "not_found");
        let trapped = host.get("/plugins/keeper/slow/trap/0").await;
        trapped.refusal(502, "plugin_trapped");
        assert_eq!((missing.header("x-cache"), trapped.header("x-cache")), ("", ""));
    }
    // An answer that would take more than may be kept is made anew each time.
    for _ in 0..2 {
        assert_eq!(looked(&host, "/keeper/large/1/300000").await.0, "miss");
    }
    looked(&host, "/keeper/large/1/200000").await;
    assert_eq!(looked(&host, "/keeper/large/1/200000").await.0, "hit");
}

#[tokio::test]
async fn a_client_has_it_made_anew_where_its_rate_is_limited() {
    let host = keeping("").await;
    let fresh = [("Cache-Control", "no-cache")];
    looked(&host, "/keeper/again/a").await;
    let bypassed = with(&host, Method::GET, "/keeper/again/a", &fresh).await;
    assert_eq!(bypassed.header("x-cache"), "bypass");
    let (told, kept) = looked(&host, "/keeper/again/a").await;
    assert_eq!((told.as_str(), kept.text.as_str()), ("hit", bypassed.text.as_str()), "it took the old one's place");
    looked(&host, "/keeper/look/a").await;
    assert_eq!(with(&host, Method::GET, "/keeper/look/a", &fresh).await.header("x-cache"), "hit");
}

#[tokio::test]
async fn a_flood_of_distinct_answers_pushes_out_and_never_adds_up() {
    let host = keeping("cache.bytes = 1048576").await;
    let before = resident_kib(host.id());
    for number in 0..800 {
        host.get(&format!("/plugins/keeper/large/{number}/200000")).await.data(200);
    }
    let grown = resident_kib(host.id()).saturating_sub(before);
    // Kept, they would be 160 MB. What the allocator and the pool take meanwhile is far less.
    assert!(grown < 80 << 10, "{grown} KiB more");
    looked(&host, "/keeper/look/a").await;
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The example of docs/guides/endpoint-rules.md.
#[tokio::test]
async fn the_guides_example_keeps_its_list_until_somebody_writes() {
    let host = Host::with_plugins(&["example-endpoint-rules"]).await;
    for told in ["miss", "hit"] {
        let answer = host.get("/plugins/stock/items").await;
        assert_eq!((answer.total(), answer.header("x-cache")), (0, told));
        assert_eq!(answer.header("ratelimit-policy"), "\"endpoint\";q=600;w=60");
        assert!(answer.header("ratelimit").starts_with("\"endpoint\";r=59"), "{answer:?}");
    }
    let put = host.put("/plugins/stock/items/screws", json!({"pieces": 2})).await;
    assert_eq!(*put.data(200), json!({"name": "screws", "pieces": 2}));
    let answer = host.get("/plugins/stock/items").await;
    assert_eq!((answer.total(), answer.header("x-cache")), (1, "miss"));
    host.get("/plugins/stock/items/nails").await.refusal(404, "not_found");
}
