//! A new provider that is none for those who depend on the old one.

use std::fs;

use serde_json::json;

use super::{NEVER, answers, asker, asker_of, explained, host_with, listed, refused, replace, thing, thing_with};
use crate::common::eventually;
use crate::files::with_section;
use crate::loader::rejected;

#[tokio::test]
async fn the_old_provider_is_kept_for_those_that_need_it_until_they_do_not() {
    let (old, new) = (thing("1.0.0", "1.0.0", 1), thing("2.0.0", "2.0.0", 2));
    let first = asker("first", "1.0.0", "1.0.0");
    let host = host_with(&[("thing.wasm", &old), ("first.wasm", &first)], NEVER).await;
    answers(&host, "/plugins/first/ask", 1).await;
    replace(&host, "thing.wasm", &new);
    answers(&host, "/plugins/thing/act", 2).await;
    // It serves whom it served, and nobody else: neither requests nor a plugin that comes later.
    answers(&host, "/plugins/first/ask", 1).await;
    replace(&host, "late.wasm", &asker("late", "1.0.0", "1.0.0"));
    eventually("the late one to be there", async || (!listed(&host, "late", "1.0.0").await.is_null()).then_some(()))
        .await;
    host.get("/plugins/late/ask").await.refusal(503, "plugin_inactive");
    replace(&host, "second.wasm", &asker("second", "1.0.0", "2.0.0"));
    answers(&host, "/plugins/second/ask", 2).await;
    let kept = listed(&host, "thing", "1.0.0").await;
    assert_eq!(json!([kept["keptFor"], kept["serving"], kept["status"]]), json!([["first"], false, "active"]));
    let told = "thing 1.0.0 is kept for first: thing.wasm holds thing 2.0.0 now\n";
    for plugin in ["thing", "first"] {
        let explained = explained(&host, plugin).await;
        assert!(explained.contains(told), "{explained}");
    }
    assert!(explained(&host, "late").await.contains("thing 1.0.0 — its file was replaced, and it is kept for others"));
    let links = host.get("/api/v1/plugins/first/links").await;
    assert_eq!(links.data(200)["kept"][0]["keptFor"], json!(["first"]));
    // It lies in no file that could be removed.
    let refused = host.delete("/api/v1/plugins/thing/versions/1.0.0").await;
    assert!(refused.message(409, "kept").contains("thing 1.0.0 is kept in memory for others"), "{refused:?}");
    // It would go with the file of the one that took its place.
    let refused = host.delete("/api/v1/plugins/thing/versions/2.0.0").await;
    let broken: Vec<&str> = refused.refusal(409, "required")["details"]["broken"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|broken| broken["plugin"].as_str())
        .collect();
    assert_eq!(broken, ["first", "second"]);
    answers(&host, "/plugins/first/ask", 1).await;

    // It stays for the next version of the same plugin, and goes when that can use the new provider.
    replace(&host, "first.wasm", &asker("first", "1.1.0", "1.0.0"));
    eventually("the next version", async || (!listed(&host, "first", "1.1.0").await.is_null()).then_some(())).await;
    answers(&host, "/plugins/first/ask", 1).await;
    replace(&host, "first.wasm", &asker("first", "2.0.0", "2.0.0"));
    answers(&host, "/plugins/first/ask", 2).await;
    assert!(listed(&host, "thing", "1.0.0").await.is_null());
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    for line in ["replaced, and kept for those that need it", "no longer kept: nobody needs it"] {
        assert!(log.contains(line), "{line} is not in the log:\n{log}");
    }
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn what_is_kept_goes_with_its_file_or_when_the_version_comes_back() {
    let (old, new) = (thing("1.0.0", "1.0.0", 1), thing("2.0.0", "2.0.0", 2));
    let files: [(&str, &[u8]); 2] = [("thing.wasm", &old), ("first.wasm", &asker("first", "1.0.0", "1.0.0"))];
    let host = host_with(&files, "loader.rescan_ms = 20").await;
    replace(&host, "thing.wasm", &new);
    answers(&host, "/plugins/thing/act", 2).await;
    replace(&host, "thing.wasm", &old);
    answers(&host, "/plugins/thing/act", 1).await;
    answers(&host, "/plugins/first/ask", 1).await;
    assert!(listed(&host, "thing", "1.0.0").await["keptFor"].is_null());
    replace(&host, "thing.wasm", &new);
    answers(&host, "/plugins/thing/act", 2).await;
    fs::remove_file(host.scratch().plugins().join("thing.wasm")).unwrap();
    eventually("the provider to be gone", async || host.get("/plugins/first/ask").await.status.eq(&503).then_some(()))
        .await;
    assert!(listed(&host, "thing", "1.0.0").await.is_null());
}

#[tokio::test]
async fn a_swap_that_takes_a_provider_away_is_refused_where_the_operator_says_so() {
    let files: [(&str, &[u8]); 2] =
        [("thing.wasm", &thing("1.0.0", "1.0.0", 1)), ("first.wasm", &asker("first", "1.0.0", "1.0.0"))];
    let host = host_with(&files, &format!("{NEVER}\nloader.dependants = \"refuse\"")).await;
    replace(&host, "thing.wasm", &thing("2.0.0", "2.0.0", 2));
    let reason = refused(&host, "thing.wasm").await;
    let expected = "thing 1.0.0 goes on, because first 1.0.0 would have no provider if thing 2.0.0 took its place and \
                    loader.dependants is `refuse`: replace those first, or put thing 2.0.0 into a file of its own";
    assert_eq!(reason, expected);
    assert!(explained(&host, "thing").await.contains(expected));
    answers(&host, "/plugins/thing/act", 1).await;
    answers(&host, "/plugins/first/ask", 1).await;
    // The dependant that can use it waits for it, and it for the dependant: both are taken in one step.
    replace(&host, "first.wasm", &asker("first", "2.0.0", "2.0.0"));
    answers(&host, "/plugins/first/ask", 2).await;
    answers(&host, "/plugins/thing/act", 2).await;
    assert_eq!(rejected(&host).await, []);
}

#[tokio::test]
async fn an_altered_build_of_the_same_version_waits_for_those_it_would_break() {
    let files: [(&str, &[u8]); 2] =
        [("thing.wasm", &thing("1.0.0", "1.0.0", 1)), ("first.wasm", &asker("first", "1.0.0", "1.0.0"))];
    let host = host_with(&files, NEVER).await;
    // In dev mode another build may follow under one version, even with other types.
    let code = r#"(func (export "act") (result i32) (i32.const 65))"#;
    replace(&host, "thing.wasm", &thing_with("1.0.0", "1.0.0", "char", code));
    let reason = refused(&host, "thing.wasm").await;
    assert!(reason.contains("it cannot be kept for them beside another of that version"), "{reason}");
    answers(&host, "/plugins/first/ask", 1).await;
    // Without those it is welcome.
    replace(&host, "first.wasm", &asker("first", "2.0.0", "2.0.0"));
    refused(&host, "first.wasm").await;
    answers(&host, "/plugins/first/ask", 1).await;
}

#[tokio::test]
async fn a_newcomer_that_would_close_a_circle_stops_nobody() {
    // second asks first, and first asks thing.
    let first = asker("first", "1.0.0", "1.0.0");
    let files: [(&str, &[u8]); 3] = [
        ("thing.wasm", &thing("1.0.0", "1.0.0", 1)),
        ("first.wasm", &first),
        ("second.wasm", &asker_of("first", ("second", "1.0.0"), "1.0.0")),
    ];
    let host = host_with(&files, NEVER).await;
    answers(&host, "/plugins/second/ask", 1).await;
    // A higher version of thing, which asks second.
    replace(&host, "thing-1-1.wasm", &thing_asking("second", "1.1.0"));
    let reason = refused(&host, "thing-1-1.wasm").await;
    assert!(reason.contains("which works: required dependencies would form a cycle: "), "{reason}");
    answers(&host, "/plugins/second/ask", 1).await;
    answers(&host, "/plugins/first/ask", 1).await;
}

#[tokio::test]
async fn what_waits_for_its_own_provider_takes_none_from_others_meanwhile() {
    let files: [(&str, &[u8]); 2] =
        [("thing.wasm", &thing("1.0.0", "1.0.0", 1)), ("first.wasm", &asker("first", "1.0.0", "1.0.0"))];
    let host = host_with(&files, NEVER).await;
    // If it took the old one's place, the next version of first would have no provider.
    replace(&host, "thing.wasm", &thing_asking("absent", "2.0.0"));
    assert!(
        refused(&host, "thing.wasm").await.contains("would not be active in its place: nothing provides demo:absent")
    );
    replace(&host, "first.wasm", &asker("first", "1.1.0", "1.0.0"));
    eventually("the next version", async || (!listed(&host, "first", "1.1.0").await.is_null()).then_some(())).await;
    answers(&host, "/plugins/first/ask", 1).await;
    assert_eq!(rejected(&host).await.len(), 1);
}

/// A `thing` that exports its service in its own version and asks this other one.
fn thing_asking(service: &str, version: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "demo:{service}/{service}@1.0.0" (instance $it (export "ask" (func (result u32)))))
            (core func $ask (canon lower (func $it "ask")))
            (core module $code
                (import "it" "ask" (func $ask (result i32)))
                (func (export "act") (result i32) (call $ask)))
            (core instance $code (instantiate $code (with "it" (instance (export "ask" (func $ask))))))
            (func $act (result u32) (canon lift (core func $code "act")))
            (instance $thing (export "act" (func $act)))
            (export "demo:thing/thing@{version}" (instance $thing)))"#
    );
    let manifest = json!({
        "id": "thing", "name": "Thing", "version": version,
        "services": [{ "name": "demo:thing", "version": version }],
        "dependencies": [{ "service": format!("demo:{service}"), "version": "^1.0.0", "reason": "To go on." }],
    });
    with_section(&wat::parse_str(text).unwrap(), "tenon:manifest", &manifest.to_string())
}

#[tokio::test]
async fn a_provider_that_is_taken_away_as_another_comes_is_one_change_for_those_that_need_it() {
    let files: [(&str, &[u8]); 2] =
        [("thing-1.wasm", &thing("1.0.0", "1.0.0", 1)), ("asker.wasm", &asker("asker", "1.0.0", "1.0.0"))];
    // Without being told, the host finds both at once; and compiling takes longer than two looks.
    let host = host_with(&files, "loader.watch = false\nloader.rescan_ms = 20").await;
    answers(&host, "/plugins/asker/ask", 1).await;
    replace(&host, "thing-2.wasm", &thing("1.1.0", "1.0.0", 2));
    fs::remove_file(host.scratch().plugins().join("thing-1.wasm")).unwrap();
    eventually("the new one answers", async || {
        let asked = host.get("/plugins/asker/ask").await;
        (*asked.data(200) == json!(2)).then_some(())
    })
    .await;
    eventually("the old one is gone", async || {
        let plugins = host.get("/api/v1/plugins").await;
        let things = plugins.rows().iter().filter(|plugin| plugin["id"] == "thing").count();
        assert_eq!(host.get("/plugins/asker/ask").await.data(200), &json!(2));
        (things == 1).then_some(())
    })
    .await;
}
