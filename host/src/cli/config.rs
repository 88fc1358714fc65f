//! `tenon config`: what a tenant sets for a plugin.

use std::io::Read;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::address::segment;
use super::client::{Answer, Connection};
use super::output::Output;

/// Show or change what a tenant has set for a plugin.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon config show crm --tenant acme\n  \
    tenon config set crm region=eu limit=50 --tenant acme\n  \
    tenon config set crm --stdin apiKey --tenant acme < key.txt     a secret, not in the shell's history\n  \
    tenon config set crm --file apiKey=key.txt --tenant acme\n  \
    tenon config unset crm limit --tenant acme")]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show every field with its value; of a secret whether there is one
    Show(Show),
    /// Give fields a value; the others stay as they are
    Set(Set),
    /// Take values away: the defaults count again. What stops without a required one is told
    Unset(Unset),
}

#[derive(clap::Args)]
struct Show {
    /// The plugin's id, as `crm`
    plugin: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Set {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Values, as `limit=50`; of several options as `tags=a,b`
    #[arg(value_name = "KEY=VALUE")]
    values: Vec<String>,
    /// Read the value of this field from standard input
    #[arg(long, value_name = "KEY")]
    stdin: Option<String>,
    /// Read the value of a field from a file
    #[arg(long, value_name = "KEY=FILE")]
    file: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Unset {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Fields that go back to their defaults
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Show(show) => super::block_on(show.run()),
            Command::Set(set) => super::block_on(set.run()),
            Command::Unset(Unset { plugin, keys, connection, output }) => {
                let gone = |_: &Answer| Ok(keys.iter().map(|key| (key.clone(), Value::Null)).collect());
                super::block_on(change(&connection, &output, &plugin, gone))
            }
        }
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<()> {
        let answer = self.connection.ask(Method::GET, &path(&self.plugin), None, &[]).await?;
        match self.output.json {
            true => self.output.told(&answer.body.data, ""),
            false => table(&self.output, &answer.body.data),
        }
    }
}

impl Set {
    async fn run(self) -> anyhow::Result<()> {
        let mut texts = Vec::new();
        for value in &self.values {
            texts.push(pair(value)?);
        }
        for named in &self.file {
            let (key, file) = pair(named)?;
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
            texts.push((key, without_line_end(text)));
        }
        if let Some(key) = self.stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            texts.push((key, without_line_end(text)));
        }
        if texts.is_empty() {
            bail!("say what to set: KEY=VALUE, --stdin KEY or --file KEY=FILE");
        }
        let given =
            |known: &Answer| texts.iter().map(|(key, text)| Ok((key.clone(), value(known, key, text)))).collect();
        change(&self.connection, &self.output, &self.plugin, given).await
    }
}

/// Reads what is set, lays the change over it and sends the whole back, unless somebody changed it meanwhile.
async fn change(
    connection: &Connection,
    output: &Output,
    plugin: &str,
    given: impl Fn(&Answer) -> anyhow::Result<Vec<(String, Value)>>,
) -> anyhow::Result<()> {
    let known = connection.ask(Method::GET, &path(plugin), None, &[]).await?;
    let mut values = Map::new();
    for field in fields(&known.body.data) {
        // Of secrets only what changes is sent: what is left out stays.
        if field["source"] == "tenant" && field["secret"] != true {
            values.insert(field["key"].as_str().unwrap_or_default().to_owned(), field["value"].clone());
        }
    }
    values.extend(given(&known)?);
    let body = Some(json!({ "values": values }));
    let answer = connection.ask(Method::PUT, &path(plugin), body, &known.precondition()).await?;
    let data = &answer.body.data;
    let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    let missing: Vec<&str> = data["missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut sentence = format!("{} of {} is set", text("plugin"), text("tenant"));
    if !missing.is_empty() {
        sentence.push_str(&format!("; it still needs {}", missing.join(", ")));
    }
    if let Some(effect) = data["effect"].as_str() {
        sentence.push_str(&format!("\n{effect}"));
    }
    output.told(data, &sentence)
}

fn table(output: &Output, config: &Value) -> anyhow::Result<()> {
    let rows = fields(config).iter().map(|field| {
        let value = match (field["secret"] == true, field["value"]["set"].as_bool()) {
            (true, Some(true)) => json!("(set)"),
            (true, _) => json!("(not set)"),
            (false, _) => field["value"].clone(),
        };
        let mut row = field.clone();
        row["value"] = value;
        row
    });
    let columns = [
        ("FIELD", "key"),
        ("TYPE", "type"),
        ("VALUE", "value"),
        ("FROM", "source"),
        ("REQUIRED", "required"),
        ("LABEL", "label"),
        ("PROBLEM", "problem"),
    ];
    output.list(&Value::Array(rows.collect()), &columns, "the plugin has no configuration")
}

fn fields(config: &Value) -> &[Value] {
    config["fields"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text as the field's type has it. What does not fit is sent as it stands: the host says what is wrong with it.
fn value(known: &Answer, key: &str, text: &str) -> Value {
    let field = fields(&known.body.data).iter().find(|field| field["key"] == key);
    let kind = field.and_then(|field| field["type"].as_str()).unwrap_or("string");
    let parsed = || crate::json::read(text.as_bytes()).unwrap_or_else(|_| json!(text));
    match kind {
        "number" | "boolean" | "json" => parsed(),
        "multiselect" if text.trim_start().starts_with('[') => parsed(),
        "multiselect" => text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Value::from).collect(),
        _ => json!(text),
    }
}

fn pair(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        // Whatever it is: it might be a secret, so it is not repeated.
        _ => bail!("write KEY=VALUE: one of the arguments has no `=` behind a key"),
    }
}

/// Editors and `echo` end a file with a line end that is no part of the value.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

fn path(plugin: &str) -> String {
    format!("/api/v1/plugins/{}/config", segment(plugin))
}
