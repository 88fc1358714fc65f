//! What operators and tenants manage: configuration, installation, the catalogue, pages.

mod catalogue;
mod config;
mod depth;
mod forget;
mod install;
mod purge;
mod rotation;
mod values;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Host, Scratch};
use crate::loader::component;

/// A plugin that does nothing, with this manifest beside id, name and version.
fn plugin(id: &str, version: &str, more: Value) -> Vec<u8> {
    let mut manifest = json!({"id": id, "name": id, "version": version});
    manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    component(&[("tenon:manifest", &manifest.to_string())])
}

/// A host in dev mode with these files in its plugins directory.
async fn host(files: &[(&str, Vec<u8>)]) -> Host {
    Host::start(scratch(files), &["--dev"]).await
}

fn scratch(files: &[(&str, Vec<u8>)]) -> Scratch {
    let scratch = Scratch::with_plugins(&[]);
    for (name, bytes) in files {
        std::fs::write(scratch.plugins().join(name), bytes).unwrap();
    }
    scratch
}

/// Runs a command against the host and gives what it printed: on standard output if it succeeded.
fn tenon(host: &Host, args: &[&str]) -> Result<String, String> {
    tenon_with(host, args, "")
}

/// The same with a text on its standard input.
fn tenon_with(host: &Host, args: &[&str], input: &str) -> Result<String, String> {
    let mut command = host.scratch().tenon(args);
    command.args(["--url", host.address()]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Every entry of a directory, hidden ones too.
fn entries(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
