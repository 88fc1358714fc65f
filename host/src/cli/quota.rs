//! `tenon usage` and `tenon quota`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::address::{segment, with_query};
use super::client::Connection;
use super::output::{Output, visible};

/// See what tenants use of plugins, and how much they may.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tenon usage\n  tenon usage --tenant acme --json")]
pub(super) struct Usage {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Set how much a tenant may use of plugins.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tenon quota set calls 50000 --tenant acme\n  \
    tenon quota set cpu 1200000 --plugin crm --tenant acme\n  tenon quota unset calls --tenant acme\n  \
    tenon quota list --tenant acme\n\nQuotas are calls, cpu (in ms), events, notifications and outbound for an hour; storage (in bytes), rows and keys at any time. What a tenant has none for is the \
    default of the configuration.")]
pub(super) struct Quota {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Set a quota; for operators
    Set {
        /// calls, cpu, events, notifications, outbound, storage, rows or keys
        quota: String,
        /// In calls, ms, events, notifications, requests, bytes, rows or keys
        amount: u64,
        /// Of this plugin alone
        #[arg(long)]
        plugin: Option<String>,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// Go back to the default; for operators
    Unset {
        /// calls, cpu, events, notifications, outbound, storage, rows or keys
        quota: String,
        /// Of this plugin alone
        #[arg(long)]
        plugin: Option<String>,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// List the quotas that were set for the tenant
    List {
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
}

impl Usage {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = super::block_on(self.connection.ask(Method::GET, "/api/v1/usage", None, &[]))?;
        if self.output.json {
            return self.output.list(&answer.body.data, &[], "");
        }
        let columns = [
            ("TENANT", "tenant"),
            ("PLUGIN", "plugin"),
            ("QUOTA", "quota"),
            ("USED", "used"),
            ("LIMIT", "limit"),
            ("UNIT", "unit"),
            ("RESETS", "resetsAt"),
        ];
        self.output.list(&each_quota(&answer.body.data), &columns, "no plugin was used")
    }
}

/// A row for each quota.
fn each_quota(plugins: &Value) -> Value {
    let of = |plugin: &Value| {
        let quotas = plugin["quotas"].as_array().cloned().unwrap_or_default();
        let plugin = plugin.clone();
        quotas.into_iter().map(move |mut quota| {
            for field in ["tenant", "plugin"] {
                quota[field] = plugin[field].clone();
            }
            quota
        })
    };
    plugins.as_array().into_iter().flatten().flat_map(of).collect()
}

impl Quota {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Set { quota, amount, plugin, connection, output } => {
                let body = json!({ "amount": amount });
                let path = path(connection.named_tenant()?, Some(&quota), plugin.as_deref());
                let answer = super::block_on(connection.ask(Method::PUT, &path, Some(body), &[]))?;
                let of = of(plugin.as_deref());
                let each = if answer.body.data["hourly"] == true { " an hour" } else { "" };
                let unit = answer.body.data["unit"].as_str().unwrap_or_default();
                let warning = answer.body.data["warning"].as_str();
                let warning = warning.map_or_else(String::new, |warning| format!("\nwarning: {}", visible(warning)));
                output.told(
                    &answer.body.data,
                    &format!("tenant {} may use {amount} {unit}{of}{each}{warning}", connection.named_tenant()?),
                )
            }
            Action::Unset { quota, plugin, connection, output } => {
                let path = path(connection.named_tenant()?, Some(&quota), plugin.as_deref());
                let answer = super::block_on(connection.ask(Method::DELETE, &path, None, &[]))?;
                let of = of(plugin.as_deref());
                output.told(
                    &answer.body.data,
                    &format!("the quota {quota}{of} of tenant {} is the default again", connection.named_tenant()?),
                )
            }
            Action::List { connection, output } => {
                let path = path(connection.named_tenant()?, None, None);
                let answer = super::block_on(connection.ask(Method::GET, &path, None, &[]))?;
                let columns = [
                    ("QUOTA", "quota"),
                    ("PLUGIN", "plugin"),
                    ("AMOUNT", "amount"),
                    ("UNIT", "unit"),
                    ("SET BY", "setBy"),
                    ("SET", "setAt"),
                ];
                output.list(&answer.body.data, &columns, "no quota was set for it: the defaults hold")
            }
        }
    }
}

fn of(plugin: Option<&str>) -> String {
    plugin.map_or_else(String::new, |plugin| format!(" of plugin {plugin}"))
}

fn path(tenant: &str, quota: Option<&str>, plugin: Option<&str>) -> String {
    let mut path = format!("/api/v1/tenants/{}/quotas", segment(tenant));
    if let Some(quota) = quota {
        path += &format!("/{}", segment(quota));
    }
    with_query(&path, [("plugin", plugin.map(str::to_owned))])
}
