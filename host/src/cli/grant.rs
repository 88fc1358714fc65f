//! `tenon grant` and `tenon revoke`.

use reqwest::Method;
use serde_json::{Value, json};

use super::address::segment;
use super::client::Connection;
use super::output::Output;

/// Show what a plugin asks for, and grant it.
///
/// Without options it shows what is asked for. What was granted goes on in the plugin's next version; what only that
/// one asks for waits.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon grant analytics\n  \
    tenon grant analytics --all\n  \
    tenon grant analytics --service crm:deals --permission plugin.crm.deals.read\n  \
    tenon grant mailer --host api.example.com")]
pub(super) struct Grant {
    /// The plugin's id, as `analytics`
    plugin: String,
    /// Grant everything that it asks for
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Take back what a plugin was granted.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon revoke analytics --permission plugin.crm.deals.read")]
pub(super) struct Revoke {
    /// The plugin's id, as `analytics`
    plugin: String,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Named {
    /// To call this service of others
    #[arg(long, value_name = "SERVICE")]
    service: Vec<String>,
    /// To do there, for its users, what needs this permission
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// To hear of this event
    #[arg(long, value_name = "EVENT")]
    event: Vec<String>,
    /// To make requests to this host outside, as `api.example.com`, `*.example.com` or `api.example.com:8443`
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// To tell this host outside which request they belong to
    #[arg(long, value_name = "HOST")]
    trace: Vec<String>,
    /// To read this namespace of another plugin's shared data, as `crm.events`
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
}

impl Named {
    fn each(&self) -> Vec<(&'static str, &str)> {
        let services = self.service.iter().map(|value| ("service", value.as_str()));
        let permissions = self.permission.iter().map(|value| ("permission", value.as_str()));
        let events = self.event.iter().map(|value| ("event", value.as_str()));
        let hosts = self.host.iter().map(|value| ("host", value.as_str()));
        let traced = self.trace.iter().map(|value| ("trace", value.as_str()));
        let namespaces = self.namespace.iter().map(|value| ("namespace", value.as_str()));
        services.chain(permissions).chain(events).chain(hosts).chain(traced).chain(namespaces).collect()
    }
}

impl Grant {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/plugins/{}/grants", segment(&self.plugin));
        let named: Vec<Value> =
            self.named.each().into_iter().map(|(kind, value)| json!({ "kind": kind, "value": value })).collect();
        let (method, body) = match (self.all, named.is_empty()) {
            (false, true) => (Method::GET, None),
            (true, _) => (Method::POST, Some(json!({ "all": true }))),
            (false, false) => (Method::POST, Some(json!({ "grants": named }))),
        };
        let answer = super::block_on(self.connection.ask(method, &path, body, &[]))?;
        show(&self.output, &self.plugin, &answer.body.data)
    }
}

impl Revoke {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let named = self.named.each();
        if named.is_empty() {
            let what =
                "say what is taken back: --service, --permission, --event, --host, --trace or --namespace".to_owned();
            return Err(super::Usage(what).into());
        }
        super::block_on(async {
            let mut left = Value::Null;
            for (kind, value) in named {
                let path = format!("/api/v1/plugins/{}/grants/{kind}/{}", segment(&self.plugin), segment(value));
                left = self.connection.ask(Method::DELETE, &path, None, &[]).await?.body.data;
            }
            show(&self.output, &self.plugin, &left)
        })
    }
}

fn show(output: &Output, plugin: &str, asks: &Value) -> anyhow::Result<()> {
    let columns =
        [("KIND", "kind"), ("WHAT", "value"), ("GRANTED", "granted"), ("VERSIONS", "versions"), ("FOR", "reason")];
    output.list(asks, &columns, &format!("{plugin} asks for nothing"))
}
