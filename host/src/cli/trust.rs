//! `tenon trust`.

use reqwest::Method;
use serde_json::{Value, json};

use super::address::segment;
use super::client::Connection;
use super::output::Output;
use super::sign::public_key;

/// Say whose signatures count, and for which plugins.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon trust add acme acme.key.pub --plugins crm,acme-*\n  \
    tenon trust list\n  \
    tenon trust remove acme")]
pub(super) struct Trust {
    #[command(subcommand)]
    command: TrustCommand,
}

/// What every one of the commands takes.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Subcommand)]
enum TrustCommand {
    /// Trust a key; one that is trusted already, for further plugins.
    Add {
        /// What you call it, as `acme`
        name: String,
        /// The public key, or the file that holds it
        #[arg(value_name = "KEY")]
        public_key: String,
        /// The plugins it may sign: ids, beginnings of ids as `acme-*`, or `*` for all; with commas between them
        #[arg(long, value_name = "IDS", required = true, value_delimiter = ',')]
        plugins: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show all keys that are trusted.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Trust a key no longer. What runs goes on until the host stops or its file changes.
    Remove {
        /// What you call it
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Trust {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            TrustCommand::Add { name, public_key: key, plugins, common } => {
                let key = public_key(&key)?.to_string();
                let body = json!({ "name": name, "publicKey": key, "plugins": plugins });
                let answer =
                    super::block_on(common.connection.ask(Method::POST, "/api/v1/trust", Some(body), &[]))?.body;
                let all: Vec<&str> =
                    answer.data["plugins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                common.output.told(&answer.data, &format!("{name} may sign {}", all.join(", ")))
            }
            TrustCommand::List { common } => {
                let answer = super::block_on(common.connection.ask(Method::GET, "/api/v1/trust", None, &[]))?.body;
                let columns = [("NAME", "name"), ("PLUGINS", "plugins"), ("KEY", "publicKey"), ("SINCE", "addedAt")];
                let unsigned = answer.more.get("unsigned").and_then(Value::as_str).unwrap_or_default();
                let none = match unsigned {
                    "allow" => "no key is trusted; unsigned files are taken",
                    _ => "no key is trusted, and unsigned files are refused",
                };
                common.output.list(&answer.data, &columns, none)
            }
            TrustCommand::Remove { name, common } => {
                let path = format!("/api/v1/trust/{}", segment(&name));
                let answer = super::block_on(common.connection.ask(Method::DELETE, &path, None, &[]))?.body;
                let running = answer.data["running"].as_array().map(Vec::as_slice).unwrap_or_default();
                let running: Vec<_> = running.iter().filter_map(Value::as_str).collect();
                let told = match running.as_slice() {
                    [] => format!("{name} is trusted no longer"),
                    some => format!(
                        "{name} is trusted no longer. Until the host stops these go on: {}; remove their files to stop \
                         them now",
                        some.join(", ")
                    ),
                };
                common.output.told(&answer.data, &told)
            }
        }
    }
}
