//! The rules of endpoints: how often they may be called, and which answers are given again, over HTTP and between
//! plugins.
//!
//! The component `keeper` reads and writes under names and draws a number in every call, so that a test sees whether it
//! ran; `keeper-caller` calls it. Their manifests are written here.

mod kept;
mod rates;
mod together;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, Client, Host, Scratch, ask};

/// The keeper's endpoints, with `rules` for those that the test is about.
fn keeper(rules: impl Fn(&str) -> Value) -> Value {
    let endpoint = |(method, path, function): (&str, &str, &str)| {
        let mut endpoint =
            json!({"method": method, "path": path, "function": format!("demo:keeper/keeper.{function}")});
        let members = rules(path).as_object().cloned().unwrap_or_default();
        endpoint.as_object_mut().unwrap().extend(members);
        endpoint
    };
    let endpoints = [
        ("GET", "/look/{name}", "look"),
        ("GET", "/again/{name}", "look-again"),
        ("POST", "/write", "write"),
        ("GET", "/sneak/{name}/{value}", "sneak"),
        ("GET", "/slow/{name}/{waitMs}", "slow"),
        ("GET", "/large/{number}/{bytes}", "large"),
    ];
    json!({
        "id": "keeper", "name": "Keeper", "version": "1.0.0",
        "config": [{"key": "colour", "type": "string", "label": "Colour"}],
        "services": [{"name": "demo:keeper", "version": "1.0.0"}],
        "endpoints": endpoints.map(endpoint),
    })
}

fn caller(report: Value) -> Value {
    let endpoint = |method: &str, path: &str, function: &str| json!({"method": method, "path": path, "function": format!("demo:keeper-caller/caller.{function}")});
    let mut kept = endpoint("GET", "/report/{name}", "report");
    kept.as_object_mut().unwrap().extend(report.as_object().cloned().unwrap_or_default());
    json!({
        "id": "caller", "name": "Caller", "version": "1.0.0",
        "services": [{"name": "demo:keeper-caller", "version": "1.0.0"}],
        "dependencies": [{"service": "demo:keeper", "version": "^1.0.0", "reason": "to be told"}],
        "endpoints": [
            endpoint("GET", "/ask/{name}", "ask"), kept, endpoint("POST", "/write", "write"),
            endpoint("GET", "/often/{name}/{times}", "ask-often"), endpoint("GET", "/slow/{name}/{waitMs}", "slow"),
        ],
    })
}

/// A host with both, and this configuration.
async fn host(keeper: Value, caller: Value, config: &str) -> Host {
    let scratch = Scratch::with_plugins(&[]);
    scratch.add_plugin_as("keeper", "keeper", &keeper);
    scratch.add_plugin_as("keeper-caller", "caller", &caller);
    let config = scratch.file("tenon.toml", config);
    Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await
}

/// A host whose keeper's and caller's answers are kept where they can be.
async fn keeping(config: &str) -> Host {
    let kept = |path: &str| match path {
        "/look/{name}" | "/slow/{name}/{waitMs}" | "/large/{number}/{bytes}" => json!({"cacheTTL": 600}),
        "/again/{name}" => json!({"cacheTTL": 600, "rateLimit": 1000}),
        _ => json!({}),
    };
    host(keeper(kept), caller(json!({"cacheTTL": 600})), config).await
}

async fn write(client: &Client, name: &str, value: &str) {
    let body = json!({"name": name, "value": value, "waitMs": 0});
    client.post("/plugins/keeper/write", body).await.data(200);
}

/// Asks, and says whether the answer was kept.
async fn looked(client: &Client, path: &str) -> (String, Answer) {
    let answer = client.get(&format!("/plugins{path}")).await;
    answer.data(200);
    (answer.header("x-cache").to_owned(), answer)
}

/// A request with further headers.
async fn with(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(method, &format!("/plugins{path}"));
    ask(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}
