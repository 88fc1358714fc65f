//! A host whose plugin asks hosts outside, and the name server that the host asks for them.

use serde_json::{Value, json};

use super::names::NameServer;
use crate::common::{Answer, Client, Host, Scratch};

pub struct World {
    pub host: Host,
    pub names: NameServer,
}

/// The plugin `fetcher`, which asks for every host below `outbound.test` at these ports.
pub fn manifest(ports: &[u16]) -> Value {
    let endpoint = |name: &str| {
        let function = format!("demo:fetcher/fetcher.{name}");
        json!({ "method": "POST", "path": format!("/{name}"), "function": function })
    };
    let endpoints = ["ask", "raw", "each", "follow", "hold"].map(endpoint);
    json!({
        "id": "fetcher",
        "name": "Fetcher",
        "version": "1.0.0",
        "services": [{ "name": "demo:fetcher", "version": "1.0.0" }],
        "outbound": [{ "host": "*.outbound.test", "ports": ports, "description": "Whatever the test says." }],
        "endpoints": endpoints,
    })
}

impl World {
    /// With this plugin and these settings. Of the addresses that are not on the internet those in `open` may be reached.
    pub async fn start(manifest: Value, open: &[String], config: &str) -> Self {
        let names = NameServer::start().await;
        let config = format!("outbound.resolver = \"{}\"\n{config}", names.address);
        Self { host: start(manifest, open, &config).await, names }
    }

    /// One request by the SDK.
    pub async fn ask(&self, url: &str) -> Value {
        ask(&self.host, url).await
    }

    /// One request by the standard's interface.
    pub async fn raw(&self, method: &str, url: &str, headers: &[&str], body_bytes: u64) -> Value {
        let body = json!({ "method": method, "url": url, "headers": headers, "bodyBytes": body_bytes });
        self.call("raw", body).await.data(200).clone()
    }

    pub async fn call(&self, function: &str, body: Value) -> Answer {
        self.host.post(&format!("/plugins/fetcher/{function}"), body).await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.host.scratch().log()).unwrap()
    }
}

/// A host that looks names up as this machine does, unless the settings name a server.
pub async fn start(manifest: Value, open: &[String], config: &str) -> Host {
    let scratch = Scratch::with_plugins(&[]);
    scratch.add_plugin_as("fetcher", "fetcher", &manifest);
    let ca = scratch.file("ca.pem", include_str!("tls/ca.pem"));
    let config = format!("outbound.allow_private_networks = {open:?}\noutbound.ca_file = {ca:?}\n{config}");
    let file = scratch.file("tenon.toml", &config);
    Host::start(scratch, &["--dev", "--config", file.to_str().unwrap()]).await
}

pub async fn ask(client: &Client, url: &str) -> Value {
    client.post("/plugins/fetcher/ask", json!({ "url": url })).await.data(200).clone()
}

/// Asserts that there is no answer, for this reason.
#[track_caller]
pub fn assert_error(outcome: &Value, reason: &str) {
    let error = outcome["error"].as_str().unwrap_or_default();
    assert!(error.contains(reason), "expected {reason}: {outcome}");
}
