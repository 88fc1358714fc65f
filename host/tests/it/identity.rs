//! Who may come in, and what they may do: keys, tokens, and every route as every role.

mod bootstrap;
pub mod issuer;
mod keys;
mod matrix;
mod throttle;
mod tokens;

use serde_json::Value;

use crate::common::{Client, Host, Output, Scratch, output};

/// A host that asks for credentials, with these plugins of `plugins-dist/` and these settings.
pub async fn host(plugins: &[&str], config: &str) -> Host {
    let scratch = Scratch::with_plugins(plugins);
    let file =
        scratch.file("tenon.toml", &format!("trust.unsigned = \"allow\"\ngrants.automatic = \"always\"\n{config}"));
    Host::start(scratch, &["--config", file.to_str().unwrap()]).await
}

/// A command on the host's own machine, which asks over its socket.
async fn local(host: &Host, args: &[&str]) -> Output {
    let mut command = host.scratch().tenon(args);
    command.arg("--data").arg(host.scratch().data());
    output(command).await
}

pub async fn tenant(host: &Host, id: &str) {
    assert_eq!(local(host, &["tenant", "create", id]).await.success(), format!("tenant {id} made\n"));
}

/// A new key, with its id.
pub async fn new_key(host: &Host, args: &[&str]) -> (String, String) {
    let args: Vec<&str> = ["key", "create", "--json"].iter().chain(args).copied().collect();
    let made: Value = serde_json::from_str(&local(host, &args).await.success()).unwrap();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// A client with a new key of this tenant and role.
async fn client(host: &Host, tenant: &str, role: &str) -> Client {
    host.key(&new_key(host, &["--tenant", tenant, "--role", role]).await.1)
}

pub async fn operator(host: &Host) -> Client {
    host.key(&new_key(host, &["--role", "operator"]).await.1)
}
