//! Hostile files: in the plugins directory, to the compiler, as somebody else, half written.

pub mod bomb;
mod first;
mod follow;
mod hostile;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Client, Host, Scratch, rounds, within};
use crate::loader::{component, rejected};

/// Compiling yields to everything else on the machine: to the other tests, too.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A file with one more custom section at its end, so that it says the same in other bytes.
pub fn with_section(bytes: &[u8], name: &str, data: &str) -> Vec<u8> {
    // A component of nothing but the section, without its header.
    [bytes, &component(&[(name, data)])[8..]].concat()
}

/// Puts a file in its place at once, as a careful installer does.
pub fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

/// A host in dev mode that looks at its directory this often.
async fn looking_every(milliseconds: u32, plugins: &[&str]) -> Host {
    Host::with_config(plugins, &format!("loader.rescan_ms = {milliseconds}")).await
}

/// Waits until these are the refused files, by name, and gives their reasons.
pub async fn refused_become(client: &Client, names: &[&str]) -> Vec<String> {
    within(PATIENCE, &format!("{names:?} to be refused"), async || {
        let files = rejected(client).await;
        (files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>() == names)
            .then(|| files.into_iter().map(|(_, reason)| reason).collect())
    })
    .await
}

/// Each loaded plugin, as `id version`.
pub async fn loaded(client: &Client) -> Vec<String> {
    let answer = client.get("/api/v1/plugins").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer.rows().iter().map(|plugin| format!("{} {}", text(&plugin["id"]), text(&plugin["version"]))).collect()
}

pub async fn loaded_become(client: &Client, expected: &[&str]) {
    let look = async || (loaded(client).await == expected).then_some(());
    within(PATIENCE, &format!("{expected:?} to be loaded"), look).await;
}

/// A plugin with the service `demo:thing`, whose one function takes parameters of these core types.
pub fn thing(id: &str, version: &str, parameters: &[&str]) -> Vec<u8> {
    let core: String = parameters.iter().map(|_| "(param i32)").collect();
    let typed: String = parameters.iter().enumerate().map(|(at, kind)| format!(r#"(param "p{at}" {kind})"#)).collect();
    let text = format!(
        r#"(component
            (core module $code (func (export "act") {core}))
            (core instance $code (instantiate $code))
            (func $act {typed} (canon lift (core func $code "act")))
            (instance $thing (export "act" (func $act)))
            (export "demo:thing/thing@1.0.0" (instance $thing)))"#
    );
    let manifest = json!({
        "id": id, "name": "Thing", "version": version, "services": [{ "name": "demo:thing", "version": "1.0.0" }],
    });
    with_section(&wat::parse_str(text).unwrap(), "tenon:manifest", &manifest.to_string())
}

/// The host as an operator runs it, without dev mode. Whose a file is, is tested in [`crate::trust`].
fn serve(scratch: &Scratch, settings: &str) -> Command {
    let config = scratch.file("tenon.toml", &format!("trust.unsigned = \"allow\"\n{settings}"));
    let mut command = scratch.serve();
    command.arg("--config").arg(config);
    command
}
