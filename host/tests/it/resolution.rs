//! Which provider serves whom, and what is said of those that do not.

use serde_json::{Value, json};

use crate::common::{Host, Scratch, output};

/// The one import of a plugin that has one version and one import.
async fn link(host: &Host, plugin: &str) -> Value {
    let answer = host.get(&format!("/api/v1/plugins/{plugin}/links")).await;
    answer.data(200)["versions"][0]["links"][0].clone()
}

/// Each candidate that a link passed over, as `id version: reason`.
fn passed_over(link: &Value) -> Vec<String> {
    let refusals = link["passedOver"].as_array().unwrap_or_else(|| panic!("no list of those passed over: {link:#}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = |refusal: &Value| {
        let Value::Object(provider) = &refusal["provider"] else { panic!("no provider: {refusal:#}") };
        format!("{} {}: {}", text(&provider["id"]), text(&provider["version"]), text(&refusal["message"]))
    };
    refusals.iter().map(told).collect()
}

async fn asked(host: &Host, plugin: &str) -> Value {
    host.get(&format!("/plugins/{plugin}/ask/Ada")).await.data(200).clone()
}

const ALTERED: &str = "greeter 1.2.0: types differ: demo:greeter/greeter.greet: result: ok: \
                       field \"email\": option<string>, expected string";

#[tokio::test]
async fn the_highest_compatible_version_serves_and_the_other_keeps_its_reason() {
    let host = Host::with_plugins(&["caller", "greeter-1-0", "greeter-1-1"]).await;
    assert_eq!(asked(&host, "caller").await, "1.1.0 greets Ada");
    let link = link(&host, "caller").await;
    let provider = json!({ "id": "greeter", "version": "1.1.0", "export": "1.1.0" });
    assert_eq!(link["outcome"], json!({ "kind": "linked", "provider": provider }));
    assert_eq!(passed_over(&link), ["greeter 1.0.0: a higher version is available"]);
}

#[tokio::test]
async fn several_versions_of_a_plugin_are_loaded_side_by_side_and_the_highest_answers() {
    let host = Host::with_plugins(&["greeter-1-0", "greeter-1-1"]).await;
    let greeters = host.get("/api/v1/plugins/greeter").await.data(200)["versions"].clone();
    let told: Vec<_> =
        greeters.as_array().unwrap().iter().map(|g| [&g["version"], &g["status"], &g["serving"]]).collect();
    assert_eq!(json!(told), json!([["1.0.0", "active", false], ["1.1.0", "active", true]]));
    assert_eq!(host.get("/plugins/greeter/greetings/Ada").await.data(200)["text"], "1.1.0 greets Ada");
}

#[tokio::test]
async fn explain_prints_the_link_and_each_that_was_passed_over() {
    let host = Host::with_plugins(&["caller", "greeter-1-0", "greeter-1-1", "greeter-altered"]).await;
    let explain = host.scratch().tenon(&["explain", "caller", "--tenant", "acme", "--url", host.address()]);
    assert_eq!(
        output(explain).await.success(),
        "For tenant acme:\n\ncaller 1.0.0 — active\n  \
           demo:greeter/greeter ^1.0.0  ->  greeter 1.1.0 (exports 1.1.0)\n      \
               passed over: greeter 1.2.0 — types differ: demo:greeter/greeter.greet: result: ok: field \
               \"email\": option<string>, expected string\n      \
               passed over: greeter 1.0.0 — a higher version is available\n"
    );
}

#[tokio::test]
async fn a_range_that_excludes_every_version_leaves_the_plugin_inactive() {
    let host = Host::with_plugins(&["caller-strict", "greeter-1-0", "greeter-1-1"]).await;
    let why = "nothing provides demo:greeter/greeter >=1.5.0, <2.0.0, needed for: The greeting is the greeter's.";
    let refused = host.get("/plugins/caller-strict/ask/Ada").await;
    assert_eq!(refused.message(503, "plugin_inactive"), format!("plugin caller-strict 1.0.0 is not active: {why}"));
    let listed = host.get("/api/v1/plugins/caller-strict").await.data(200)["versions"][0].clone();
    assert_eq!(json!([listed["status"], listed["reason"], listed["serving"]]), json!(["inactive", why, false]));

    let link = link(&host, "caller-strict").await;
    assert_eq!(link["outcome"], json!({ "kind": "missing", "required": true }));
    assert_eq!(
        passed_over(&link),
        [
            "greeter 1.1.0: exports 1.1.0, which is outside >=1.5.0, <2.0.0",
            "greeter 1.0.0: exports 1.0.0, which is outside >=1.5.0, <2.0.0",
        ]
    );
}

#[tokio::test]
async fn without_a_provider_a_required_import_stops_its_plugin() {
    let host = Host::with_plugins(&["caller"]).await;
    let refused = host.get("/plugins/caller/ask/Ada").await;
    let message = refused.message(503, "plugin_inactive");
    assert!(message.contains("nothing provides demo:greeter/greeter ^1.0.0"), "{message}");
    assert_eq!(passed_over(&link(&host, "caller").await), [""; 0]);
}

#[tokio::test]
async fn without_a_provider_an_optional_import_answers_unavailable() {
    let host = Host::with_plugins(&["caller-optional"]).await;
    let told = asked(&host, "caller-optional").await;
    assert_eq!(told, "nobody to ask: no loaded plugin provides demo:greeter/greeter for this tenant");
    let link = link(&host, "caller-optional").await;
    assert_eq!(link["outcome"], json!({ "kind": "missing", "required": false }));

    let host = Host::with_plugins(&["caller-optional", "greeter-1-0"]).await;
    assert_eq!(asked(&host, "caller-optional").await, "1.0.0 greets Ada");
}

#[tokio::test]
async fn a_provider_whose_types_differ_is_passed_over_for_an_older_one() {
    let host = Host::with_plugins(&["caller", "greeter-1-0", "greeter-altered"]).await;
    assert_eq!(asked(&host, "caller").await, "1.0.0 greets Ada");
    assert_eq!(passed_over(&link(&host, "caller").await), [ALTERED]);
}

#[tokio::test]
async fn a_provider_whose_types_differ_does_not_serve_for_want_of_another() {
    let host = Host::with_plugins(&["caller", "greeter-altered"]).await;
    host.get("/plugins/caller/ask/Ada").await.refusal(503, "plugin_inactive");
    assert_eq!(passed_over(&link(&host, "caller").await), [ALTERED]);
    // It works for those who take it as it is.
    let greeting = host.get("/plugins/greeter/greetings/Ada").await;
    assert_eq!(greeting.data(200)["text"], "1.2.0 greets Ada");
}

#[tokio::test]
async fn a_cycle_of_required_imports_is_refused_on_both_sides_and_named() {
    let host = Host::with_plugins(&["ring-a", "ring-b", "greeter-1-0"]).await;
    let plugins = host.get("/api/v1/plugins").await;
    let told: Vec<_> = plugins.rows().iter().map(|p| json!([p["id"], p["status"], p["reason"]])).collect();
    let cycle = |way: &str| format!("required dependencies form a cycle: {way}");
    assert_eq!(
        told,
        [
            json!(["greeter", "active", null]),
            json!(["ring-a", "inactive", cycle("ring-a -> ring-b -> ring-a")]),
            json!(["ring-b", "inactive", cycle("ring-b -> ring-a -> ring-b")]),
        ]
    );
    let refused = host.get("/plugins/ring-a/turn").await;
    assert!(refused.message(503, "plugin_inactive").contains("ring-a -> ring-b -> ring-a"));
}

#[tokio::test]
async fn a_ring_of_optional_imports_is_no_cycle() {
    let host = Host::with_plugins(&["ping", "pong"]).await;
    assert_eq!(*host.get("/plugins/ping/ping/2").await.data(200), 2);
}

#[tokio::test]
async fn the_same_version_in_a_second_file_is_refused_and_the_first_named() {
    let scratch = Scratch::with_plugins(&["caller", "greeter-1-0"]);
    let plugins = scratch.plugins();
    std::fs::copy(plugins.join("greeter-1-0.wasm"), plugins.join("zz.wasm")).unwrap();
    let host = Host::start(scratch, &["--dev"]).await;
    let listed = host.get("/api/v1/plugins").await;
    let rejected: Vec<_> = listed.json["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| json!([file["fileName"], file["reason"]]))
        .collect();
    let reason =
        "greeter 1.0.0 is already loaded from greeter-1-0.wasm; give one of the two another version, or remove it";
    assert_eq!(rejected, [json!(["zz.wasm", reason])]);
    assert_eq!(asked(&host, "caller").await, "1.0.0 greets Ada");
}
