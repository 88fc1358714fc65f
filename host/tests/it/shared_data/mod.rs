//! `tenon:host/shared-data` from outside: who may read and change what, transactions, times, 32 clients at once, every limit.
//!
//! The component `sharer` does what it is asked to; its manifests are written here. `sharer-a` owns three namespaces;
//! `sharer-b` is named among the readers of two, `sharer-c` of one.

mod kept;
mod kills;
mod product;
mod watch;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, Client, Host, Scratch, ask, eventually, output};

const OPEN: &str = "sharer-a.open";
const NEWS: &str = "sharer-a.news";
const SHUT: &str = "sharer-a.shut";

/// The manifest of one sharer, whose package is `demo:` and this name.
fn manifest(id: &str, package: &str, shared_data: Value) -> Value {
    let function = |name: &str| format!("demo:{package}/sharer.{name}");
    let asked = ["set", "get", "remove", "giant", "fill", "swap", "add", "transact", "beside", "from-cursor"];
    let mut endpoints: Vec<Value> = asked
        .iter()
        .map(|name| json!({ "method": "POST", "path": format!("/{name}"), "function": function(name) }))
        .collect();
    endpoints.extend([
        json!({ "method": "GET", "path": "/look/{namespace}/{key}", "function": function("look"), "cacheTTL": 600 }),
        json!({ "method": "GET", "path": "/keys/{namespace}", "function": function("keys"), "cacheTTL": 600 }),
        json!({ "method": "GET", "path": "/heard", "function": function("heard") }),
    ]);
    json!({
        "id": id, "name": id, "version": "1.0.0", "sharedData": shared_data, "endpoints": endpoints,
    })
}

fn reads(namespaces: &[&str]) -> Value {
    let read = |namespace: &&str| json!({ "namespace": namespace, "description": "To see what is in it." });
    json!({ "reads": namespaces.iter().map(read).collect::<Vec<_>>() })
}

/// The manifest of one that hears of changes.
fn hearing(mut manifest: Value) -> Value {
    manifest["hooks"] = json!([{ "name": "shared-data.changed", "from": "sharer-a" }]);
    manifest
}

/// All three sharers, with their manifests as they are, or [`hearing`].
fn sharers(with: fn(Value) -> Value) -> Scratch {
    let scratch = Scratch::with_plugins(&[]);
    let owns = json!({ "owns": [
        { "namespace": OPEN, "readers": ["sharer-b"] }, { "namespace": NEWS, "readers": ["*"] }, { "namespace": SHUT },
    ] });
    scratch.add_plugin_as("sharer", "a", &with(manifest("sharer-a", "sharer", owns)));
    for (file, id, package) in [("b", "sharer-b", "sharez"), ("c", "sharer-c", "sharey")] {
        scratch.add_plugin_as("sharer", file, &with(manifest(id, package, reads(&[OPEN, NEWS, SHUT]))));
        scratch.rename_in_plugin(file, "demo:sharer", &format!("demo:{package}"));
    }
    scratch
}

async fn host(config: &str) -> Host {
    start(sharers(|manifest| manifest), config).await
}

async fn start(scratch: Scratch, config: &str) -> Host {
    let config = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

async fn call(client: &Client, plugin: &str, path: &str, body: Value) -> Answer {
    client.post(&format!("/plugins/sharer-{plugin}/{path}"), body).await
}

/// Sets a key of `sharer-a`, and gives its version.
async fn set(client: &Client, namespace: &str, key: &str, value: &str) -> u64 {
    let answer = call(client, "a", "set", json!({ "namespace": namespace, "key": key, "value": value })).await;
    answer.data(200).as_u64().unwrap()
}

/// What a sharer reads.
async fn get(client: &Client, plugin: &str, namespace: &str, key: &str) -> Answer {
    call(client, plugin, "get", json!({ "namespace": namespace, "key": key })).await
}

/// What the host answered the plugin.
fn refusal(answer: &Answer) -> &str {
    answer.message(400, "refused")
}

#[tokio::test]
async fn the_owner_changes_and_the_readers_it_names_read() {
    let host = host("").await;
    let first = set(&host, OPEN, "k", "one").await;
    assert!(set(&host, OPEN, "k", "two").await > first);
    set(&host, SHUT, "k", "mine").await;
    set(&host, NEWS, "k", "all").await;
    for (plugin, namespace, found) in
        [("a", OPEN, "two"), ("a", SHUT, "mine"), ("b", OPEN, "two"), ("b", NEWS, "all"), ("c", NEWS, "all")]
    {
        let seen = get(&host, plugin, namespace, "k").await;
        assert_eq!((&seen.data(200)["value"], &seen.data(200)["expiresInMs"]), (&json!(found), &Value::Null));
    }
    for (plugin, namespace, reason) in [
        ("b", SHUT, "denied: sharer-a 1.0.0 does not name sharer-b among the readers of sharer-a.shut"),
        ("c", OPEN, "denied: sharer-a 1.0.0 does not name sharer-c among the readers of sharer-a.open"),
        ("a", "sharer-b.any", "denied: the namespace \"sharer-b.any\" is not declared: add it to `sharedData.reads`"),
        ("b", "../sharer-a", "denied: the namespace \"../sharer-a\" is not declared"),
        ("b", "", "denied: the namespace \"\" is not declared"),
    ] {
        let told = get(&host, plugin, namespace, "k").await;
        assert!(refusal(&told).starts_with(reason), "{told:?}");
    }
    for (plugin, namespace, reason) in [
        ("b", OPEN, "denied: sharer-a.open is changed by the plugin that owns it, and by no other"),
        ("b", "sharer-b.own", "denied: the namespace \"sharer-b.own\" is not declared: add it to `sharedData.owns`"),
    ] {
        let body = json!({ "namespace": namespace, "key": "k", "value": "x" });
        for path in ["set", "remove", "swap", "transact"] {
            let mut body = body.clone();
            body["gone"] = json!("gone");
            body["commit"] = json!(true);
            let allowed: &[&str] = match path {
                "set" | "swap" => &["namespace", "key", "value"],
                "remove" => &["namespace", "key"],
                _ => &["namespace", "key", "value", "gone", "commit"],
            };
            body.as_object_mut().unwrap().retain(|name, _| allowed.contains(&name.as_str()));
            let told = call(&host, plugin, path, body).await;
            assert!(refusal(&told).starts_with(reason), "{path}: {told:?}");
        }
    }
    assert_eq!(get(&host, "a", OPEN, "k").await.data(200)["value"], "two");
}

#[tokio::test]
async fn tenants_are_apart_and_an_owner_that_is_switched_off_is_read_by_nobody() {
    let host = host("").await;
    let (acme, beta) = (host.tenant("acme"), host.tenant("beta"));
    set(&acme, NEWS, "k", "acme's").await;
    assert_eq!(get(&acme, "c", NEWS, "k").await.data(200)["value"], "acme's");
    for client in [&beta, &host.tenant("acm"), &*host] {
        assert_eq!(*get(client, "c", NEWS, "k").await.data(200), Value::Null);
        assert_eq!(*client.get(&format!("/plugins/sharer-c/keys/{NEWS}")).await.data(200), json!([]));
    }
    acme.post("/api/v1/plugins/sharer-a/deactivate", json!({})).await.data(200);
    let told = get(&acme, "c", NEWS, "k").await;
    assert!(
        refusal(&told).starts_with("unavailable: plugin sharer-a, which owns sharer-a.news, is not active: "),
        "{told:?}"
    );
    acme.post("/api/v1/plugins/sharer-a/activate", json!({})).await.data(200);
    assert_eq!(get(&acme, "c", NEWS, "k").await.data(200)["value"], "acme's");
}

#[tokio::test]
async fn a_reader_waits_for_the_operators_grant_and_explain_says_so() {
    let host = host("grants.automatic = \"never\"").await;
    set(&host, OPEN, "k", "one").await;
    let told = get(&host, "b", OPEN, "k").await;
    let why = "sharer-b is not granted sharer-a.open: an operator grants it with `tenon grant sharer-b --namespace sharer-a.open`";
    assert_eq!(refusal(&told), format!("denied: {why}"));
    let tenon = async |args: &[&str]| {
        let args = [args, &["--url", host.address()]].concat();
        output(host.scratch().tenon(&args)).await.success().to_owned()
    };
    let explained = tenon(&["explain", "sharer-b"]).await;
    assert!(explained.contains(&format!("reads sharer-a.open  ->  denied: {why}")), "{explained}");
    let granted = tenon(&["grant", "sharer-b", "--namespace", OPEN]).await;
    assert!(granted.contains("To see what is in it."), "{granted}");
    assert_eq!(get(&host, "b", OPEN, "k").await.data(200)["value"], "one");
    assert!(tenon(&["explain", "sharer-b"]).await.contains("reads sharer-a.open  ->  sharer-a\n"));
    tenon(&["revoke", "sharer-b", "--namespace", OPEN]).await;
    assert!(refusal(&get(&host, "b", OPEN, "k").await).starts_with("denied: "));
}

#[tokio::test]
async fn what_has_expired_is_seen_by_nobody_also_after_a_restart() {
    let mut host = host("").await;
    let body = json!({ "namespace": NEWS, "key": "short", "value": "x", "ttlMs": 1_500 });
    let version = call(&host, "a", "set", body).await.data(200).as_u64().unwrap();
    let body = json!({ "namespace": NEWS, "key": "long", "value": "x", "ttlMs": 600_000 });
    call(&host, "a", "set", body).await.data(200);
    let left = get(&host, "c", NEWS, "long").await.data(200)["expiresInMs"].as_u64().unwrap();
    assert!((500_000..=600_000).contains(&left), "{left}");
    host.restart().await;
    eventually("it expires", async || (*get(&host, "c", NEWS, "short").await.data(200) == Value::Null).then_some(()))
        .await;
    assert_eq!(*get(&host, "a", NEWS, "short").await.data(200), Value::Null);
    assert_eq!(*host.get(&format!("/plugins/sharer-a/keys/{NEWS}")).await.data(200), json!(["long"]));
    // It is not there, and its version does not come back.
    let swap = async |expected: Value| {
        let body = json!({ "namespace": NEWS, "key": "short", "expected": expected, "value": "y" });
        call(&host, "a", "swap", body).await
    };
    assert_eq!(refusal(&swap(json!(version)).await), "conflict: None");
    assert!(swap(Value::Null).await.data(200).as_u64() > Some(version));
    let never = json!({ "namespace": NEWS, "key": "k", "value": "x", "ttlMs": 0 });
    assert!(refusal(&call(&host, "a", "set", never).await).starts_with("invalid: a time of 0 milliseconds"));
    let forever = json!({ "namespace": NEWS, "key": "k", "value": "x", "ttlMs": u64::MAX });
    call(&host, "a", "set", forever).await.data(200);
}

/// Patience for many writers on a machine that does other things: what is tested is what comes of it.
const PATIENT: &str = "
limits.cpu_budget_ms = 20000
limits.sql_cpu_ms = 20000
limits.wall_deadline_ms = 28000
sql.busy_wait_ms = 20000
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_clients_lose_no_increment() {
    let host = host(PATIENT).await;
    let clients = (0..32).map(|_| async {
        let mut tries = 0;
        for _ in 0..3 {
            let added = call(&host, "a", "add", json!({ "namespace": OPEN, "key": "sum" })).await;
            tries += added.data(200).as_u64().unwrap();
        }
        tries
    });
    let tries: u64 = join_all(clients).await.into_iter().sum();
    println!("96 swaps took {tries} tries");
    assert_eq!(get(&host, "b", OPEN, "sum").await.data(200)["value"], "96");
}

#[tokio::test]
async fn a_swap_takes_place_when_the_version_is_the_expected_one_and_never_otherwise() {
    let host = host("").await;
    let swap = async |expected: Value, value: &str| {
        let body = json!({ "namespace": OPEN, "key": "k", "expected": expected, "value": value });
        call(&host, "a", "swap", body).await
    };
    assert_eq!(refusal(&swap(json!(1), "x").await), "conflict: None");
    let first = swap(Value::Null, "one").await.data(200).as_u64().unwrap();
    assert_eq!(refusal(&swap(Value::Null, "x").await), format!("conflict: Some({first})"));
    let second = swap(json!(first), "two").await.data(200).as_u64().unwrap();
    // Also when the same value was put back meanwhile.
    set(&host, OPEN, "k", "two").await;
    for expected in [json!(first), json!(second), json!(0), json!(u64::MAX)] {
        assert!(refusal(&swap(expected, "x").await).starts_with("conflict: Some("));
    }
    assert_eq!(*call(&host, "a", "remove", json!({ "namespace": OPEN, "key": "k" })).await.data(200), true);
    assert_eq!(*call(&host, "a", "remove", json!({ "namespace": OPEN, "key": "k" })).await.data(200), false);
    let third = swap(Value::Null, "three").await.data(200).as_u64().unwrap();
    assert!(third > second + 1, "{third} after {second}");
}

#[tokio::test]
async fn a_change_in_a_transaction_is_made_with_it_or_not_at_all() {
    let host = host("sql.busy_wait_ms = 100").await;
    set(&host, OPEN, "gone", "x").await;
    let transact = async |value: &str, commit: bool| {
        let body = json!({ "namespace": OPEN, "key": "k", "value": value, "gone": "gone", "commit": commit });
        call(&host, "a", "transact", body).await.data(200).clone()
    };
    let keys = async || host.get(&format!("/plugins/sharer-b/keys/{OPEN}")).await.data(200).clone();
    transact("given up", false).await;
    assert_eq!(keys().await, json!(["gone"]));
    transact("made", true).await;
    assert_eq!((keys().await, &get(&host, "b", OPEN, "k").await.data(200)["value"]), (json!(["k"]), &json!("made")));
    // Outside of the transaction that the call itself has open.
    let beside = call(&host, "a", "beside", json!({ "namespace": SHUT, "key": "k" })).await;
    assert!(
        refusal(&beside).starts_with("unavailable: busy: others write, or this call has a transaction open"),
        "{beside:?}"
    );
}

#[tokio::test]
async fn every_limit_is_told_by_its_name() {
    let config = "
        shared_data.keys = 20
        shared_data.key_bytes = 10
        shared_data.value_bytes = 1000
        shared_data.namespace_bytes = 10000
        shared_data.page_keys = 6
    ";
    let host = host(config).await;
    for (key_bytes, value_bytes, refused) in [
        (11, 1, "too large: key bytes: a key has at most 10 bytes, this one 11 (shared_data.key_bytes)"),
        (1, 1_001, "too large: value bytes: a value has at most 1000 bytes, this one 1001 (shared_data.value_bytes)"),
        (0, 1, "invalid: a key is no empty text and has no control characters"),
    ] {
        let body = json!({ "namespace": SHUT, "keyBytes": key_bytes, "valueBytes": value_bytes });
        assert_eq!(refusal(&call(&host, "a", "giant", body).await), refused);
    }
    call(&host, "a", "giant", json!({ "namespace": SHUT, "keyBytes": 10, "valueBytes": 1_000 })).await.data(200);
    let control = call(&host, "a", "set", json!({ "namespace": SHUT, "key": "a\nb", "value": "" })).await;
    assert!(refusal(&control).starts_with("invalid: a key is no empty text"), "{control:?}");

    let fill = async |prefix: &str, bytes: u32, ttl: Option<u64>| {
        let body = json!({ "namespace": SHUT, "prefix": prefix, "bytes": bytes, "ttlMs": ttl });
        call(&host, "a", "fill", body).await.data(200).as_str().unwrap().to_owned()
    };
    let filled = fill("f", 990, None).await;
    let bytes = "9: quota: namespace bytes: the keys and values of sharer-a.shut may take 10000 bytes; ";
    assert!(filled.starts_with(bytes) && filled.ends_with("(shared_data.namespace_bytes)"), "{filled}");
    let filled = fill("g", 1, Some(8_000)).await;
    assert!(filled.starts_with("10: quota: keys: at most 20 in sharer-a.shut; "), "{filled}");
    // Four pages.
    assert_eq!(host.get(&format!("/plugins/sharer-a/keys/{SHUT}")).await.rows().len(), 20);
    let cursor = json!({ "namespace": SHUT, "cursor": "1 OR 1=1" });
    assert_eq!(refusal(&call(&host, "a", "from-cursor", cursor).await), "invalid: this is no cursor of a listing");
    // Another namespace, and another tenant, have room of their own.
    set(&host, OPEN, "k", "x").await;
    set(&host.tenant("acme"), SHUT, "k", "x").await;
    // What has expired makes room.
    eventually("some expire", async || {
        let set = call(&host, "a", "set", json!({ "namespace": SHUT, "key": "more", "value": "x" })).await;
        (set.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_namespace_belongs_to_the_plugin_whose_id_it_begins_with() {
    let scratch = sharers(|manifest| manifest);
    let thief = json!({ "owns": [{ "namespace": OPEN, "readers": ["*"] }] });
    scratch.add_plugin_as("sharer", "d", &manifest("sharer-d", "sharex", thief));
    scratch.rename_in_plugin("d", "demo:sharer", "demo:sharex");
    let host = Host::start(scratch, &["--dev"]).await;
    let rejected = host.get("/api/v1/plugins").await.text;
    assert!(rejected.contains("$.sharedData.owns[0].namespace") && rejected.contains("`sharer-d.`"), "{rejected}");
    let purged = ask(host.request(Method::GET, "/plugins/sharer-d/heard")).await;
    assert_eq!(purged.status, 404);
}
