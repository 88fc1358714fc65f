//! How often an endpoint may be called.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{caller, host, keeper, with};
use crate::common::{Answer, Host, Scratch};

/// So few a minute that none comes back while a test runs.
const FEW: u32 = 3;

/// A host whose keeper may be asked [`FEW`] times; its second function more often, by two endpoints.
async fn limited() -> Host {
    let mut manifest = keeper(|path| match path {
        "/look/{name}" => json!({"rateLimit": FEW}),
        "/again/{name}" => json!({"rateLimit": 9}),
        _ => json!({}),
    });
    let also = json!({"method": "GET", "path": "/also/{name}", "function": "demo:keeper/keeper.look-again",
        "rateLimit": FEW});
    manifest["endpoints"].as_array_mut().unwrap().push(also);
    host(manifest, caller(json!({})), "").await
}

fn passed<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> usize {
    let check = |answer: &&Answer| match answer.status {
        429 => {
            answer.refusal(429, "rate_limited");
            false
        }
        _ => answer.data(200).is_object(),
    };
    answers.into_iter().filter(check).count()
}

#[tokio::test]
async fn of_many_at_once_exactly_as_many_pass_as_may_and_each_tenant_has_its_own() {
    let host = limited().await;
    let (acme, other) = (host.tenant("acme"), host.tenant("other"));
    let answers = join_all((0..40).map(|number| {
        let client = if number % 2 == 0 { &acme } else { &other };
        let path = format!("/plugins/keeper/look/{number}");
        async move { client.get(&path).await }
    }))
    .await;
    assert_eq!(passed(answers.iter().step_by(2)), FEW as usize);
    assert_eq!(passed(answers.iter().skip(1).step_by(2)), FEW as usize);
    let refused = acme.get("/plugins/keeper/look/x").await;
    let message = refused.message(429, "rate_limited");
    let expected = "GET /plugins/keeper/look/{name} may be called 3 times a minute by tenant acme";
    assert!(message.starts_with(expected), "{message}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{refused:?}");
    assert_eq!(refused.header("ratelimit-policy"), "\"endpoint\";q=3;w=60");
    assert_eq!(refused.header("ratelimit"), format!("\"endpoint\";r=0;t={wait}"));
}

#[tokio::test]
async fn what_is_left_is_told_with_every_answer() {
    let host = limited().await;
    for left in (0..FEW).rev() {
        let answer = host.get("/plugins/keeper/look/a").await;
        answer.data(200);
        let told = answer.header("ratelimit");
        assert!(told.starts_with(&format!("\"endpoint\";r={left};t=")), "{told}");
        assert_eq!(answer.header("ratelimit-policy"), "\"endpoint\";q=3;w=60");
    }
    let free = host.post("/plugins/keeper/write", json!({"name": "a", "value": "b", "waitMs": 0})).await;
    assert_eq!((free.status, free.header("ratelimit")), (200, ""));
}

#[tokio::test]
async fn endpoints_of_one_function_and_calls_by_plugins_share_what_the_strictest_says() {
    let host = limited().await;
    let mut answers = Vec::new();
    for path in ["/again/a", "/also/a"].iter().cycle().take(8) {
        answers.push(host.get(&format!("/plugins/keeper{path}")).await);
    }
    assert_eq!(passed(&answers), FEW as usize);

    // A plugin asks ten times, and is told as it is told of every provider that does not answer.
    let answer = host.get("/plugins/caller/often/a/10").await;
    let told = answer.data(200).as_array().unwrap();
    assert_eq!(told[0], FEW);
    let reason = told[1].as_str().unwrap();
    assert!(reason.starts_with("unavailable: GET /plugins/keeper/look/{name} may be called 3 times"), "{reason}");
    host.get("/plugins/keeper/look/a").await.refusal(429, "rate_limited");
    // A refusal says nothing of the provider.
    assert_eq!(host.get("/plugins/keeper/health").await.data(200)["status"], "HEALTHY");
}

#[tokio::test]
async fn who_may_not_ask_uses_up_nothing() {
    let mut manifest = keeper(|path| match path {
        "/look/{name}" => json!({"rateLimit": FEW, "permissions": ["plugin.keeper.names.read"]}),
        _ => json!({}),
    });
    manifest["permissions"] = json!([{"resource": "names", "action": "read"}]);
    let host = host(manifest, caller(json!({})), "").await;
    for _ in 0..10 {
        host.roles("").get("/plugins/keeper/look/a").await.refusal(403, "denied");
        // A caller that was not granted it either.
        host.get("/plugins/caller/ask/a").await.data(200);
    }
    let answers = [0; 5].map(|_| host.get("/plugins/keeper/look/a"));
    assert_eq!(passed(&join_all(answers).await), FEW as usize);
}

/// Ways of writing `/limited`, of which a plugin's own handler might take any for it.
const WRITTEN: [(&str, &str); 9] = [
    ("GET", "/headers"),
    ("HEAD", "/headers"),
    ("GET", "//headers"),
    ("GET", "/headers/"),
    ("GET", "/%68eaders"),
    ("GET", "/HEADERS"),
    ("GET", "/headers?x=1"),
    ("OPTIONS", "/headers"),
    ("GET", "/x%2F..%2Fheaders"),
];

#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_its_rate() {
    let scratch = Scratch::with_plugins(&[]);
    let manifest = json!({
        "id": "hello", "name": "Hello", "version": "1.0.0",
        "endpoints": [
            {"method": "GET", "path": "/headers", "rateLimit": FEW}, {"method": "GET", "path": "/"},
        ],
    });
    scratch.add_plugin_as("hello", "hello", &manifest);
    let host = Host::start(scratch, &["--dev"]).await;
    for (number, (method, path)) in WRITTEN.into_iter().enumerate() {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let client = host.tenant(&format!("tenant-{number}"));
        let mut statuses = Vec::new();
        for _ in 0..2 * FEW {
            statuses.push(with(&client, method.clone(), &format!("/hello{path}"), &[]).await.status);
        }
        // Either the host takes it from nobody, or it counts.
        let refused = statuses.iter().all(|status| *status == 400);
        let counted = statuses[FEW as usize..].iter().all(|status| *status == 429) && statuses[0] != 429;
        assert!(refused || counted, "{method} {path}: {statuses:?}");
    }
    for _ in 0..2 * FEW {
        assert_eq!(host.get("/plugins/hello/").await.status, 200, "what is not limited");
    }
}

#[tokio::test]
async fn every_request_over_many_connections_and_versions_of_http_counts() {
    let host = limited().await;
    let (one, two) = (host.tenant("acme"), host.http2().tenant("acme"));
    let paths: [(&str, Method); 4] = [
        ("/keeper/look/a", Method::GET),
        ("/keeper/look/a?x=y", Method::GET),
        ("/keeper/look/%61", Method::GET),
        ("/keeper/look/a", Method::HEAD),
    ];
    let mut passed = 0;
    for number in 0..12 {
        let (path, method) = paths[number % paths.len()].clone();
        let answer = with(if number % 3 == 0 { &one } else { &two }, method, path, &[]).await;
        passed += u32::from(answer.status != 429);
        assert!([200, 400, 422, 429].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(passed, FEW);
}

#[tokio::test]
async fn a_rule_that_cannot_hold_is_refused_with_its_place() {
    for (endpoint, member, place, told) in [
        (0, json!({"cacheTTL": 5}), "$.endpoints[0].cacheTTL", "none at $.endpoints[6]"),
        (6, json!({"cacheTTL": 5}), "$.endpoints[6].cacheTTL", "POST"),
    ] {
        let mut manifest = keeper(|_| json!({}));
        let second = json!({"method": "POST", "path": "/look", "function": "demo:keeper/keeper.look"});
        let endpoints = manifest["endpoints"].as_array_mut().unwrap();
        endpoints.push(second);
        endpoints[endpoint].as_object_mut().unwrap().extend(member.as_object().cloned().unwrap());
        let scratch = Scratch::with_plugins(&[]);
        scratch.add_plugin_as("keeper", "keeper", &manifest);
        let host = Host::start(scratch, &["--dev"]).await;
        let listed = host.get("/api/v1/plugins").await;
        let reason = listed.json["rejected"][0]["reason"].as_str().unwrap_or_else(|| panic!("{listed:?}"));
        assert!(reason.contains(place) && reason.contains(told), "{reason}");
    }
}
