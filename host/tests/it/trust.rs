//! Signatures, trusted keys and old versions, from the command line to what runs.

mod files;
mod keys;
mod signing;
mod versions;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::{Client, Host, Scratch, output, within};
use crate::files::PATIENCE;
use crate::loader::rejected;

/// A host in dev mode, so that it can be asked, that takes only what an operator's host would.
async fn strict() -> Host {
    let config = "loader.rescan_ms = 20\ntrust.unsigned = \"refuse\"\ntrust.downgrade = \"refuse\"\ntrust.keys = 2\n";
    Host::with_config(&[], config).await
}

/// What a command prints that succeeds.
async fn tenon(scratch: &Scratch, args: &[&str]) -> String {
    output(scratch.tenon(args)).await.success()
}

/// Makes a key; its public half lies beside it, as `<name>.pub`.
async fn key(scratch: &Scratch, name: &str) -> PathBuf {
    let file = scratch.path(name);
    tenon(scratch, &["sign", "keygen", file.to_str().unwrap()]).await;
    file
}

async fn trust(host: &Host, name: &str, key: &str, plugins: &str) {
    let public = format!("{key}.pub");
    let args = ["trust", "add", name, &public, "--plugins", plugins, "--url", host.address()];
    tenon(host.scratch(), &args).await;
}

/// These bytes with a signature at their end.
async fn signed(scratch: &Scratch, bytes: &[u8], key: &str) -> Vec<u8> {
    let file = scratch.path("to-be-signed.wasm");
    fs::write(&file, bytes).unwrap();
    tenon(scratch, &["sign", file.to_str().unwrap(), "--key", key]).await;
    fs::read(file).unwrap()
}

/// The signature of these bytes, as a file beside them.
async fn signature(scratch: &Scratch, bytes: &[u8], key: &str) -> Vec<u8> {
    let file = scratch.path("to-be-signed.wasm");
    fs::write(&file, bytes).unwrap();
    tenon(scratch, &["sign", file.to_str().unwrap(), "--key", key, "--detached"]).await;
    let beside = scratch.path("to-be-signed.wasm.sig");
    let signature = fs::read(&beside).unwrap();
    fs::remove_file(beside).unwrap();
    signature
}

/// Who vouches for each loaded version, as `id version name`.
async fn vouched(client: &Client) -> Vec<String> {
    let answer = client.get("/api/v1/plugins").await;
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let row = |plugin: &Value| {
        format!("{} {} {}", text(&plugin["id"]), text(&plugin["version"]), text(&plugin["signedBy"]["name"]))
    };
    answer.rows().iter().map(row).collect()
}

async fn vouched_become(client: &Client, expected: &[&str]) {
    let look = async || (vouched(client).await == expected).then_some(());
    within(PATIENCE, &format!("{expected:?} to be loaded"), look).await;
}

/// Waits until this file is refused and gives the reason.
async fn refused(client: &Client, file: &str) -> String {
    within(PATIENCE, &format!("{file} to be refused"), async || {
        rejected(client).await.into_iter().find(|(name, _)| name == file).map(|(_, reason)| reason)
    })
    .await
}
