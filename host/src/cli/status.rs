//! `tenon status`: one screen about a running host.

use std::collections::BTreeSet;

use anyhow::Context;
use jiff::{Timestamp, Unit};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Connection;
use super::output::{self, Output};

/// Show whether the host is up, what runs in it, and what waits for an operator.
///
/// It fails when no host answers.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon status\n  \
    tenon status --url https://plugins.example.com --key \"$KEY\"\n  \
    tenon status --json | jq .plugins.inactive")]
pub(super) struct Status {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let status = super::block_on(read(&self.connection))?;
        let screen = screen(&status)?;
        self.output.told(&status, &screen)
    }
}

/// All of it, for programs. What the caller may not see is null.
async fn read(connection: &Connection) -> anyhow::Result<Value> {
    let health: Value = connection.get("/health").await?;
    let list = connection.ask(Method::GET, "/api/v1/plugins", None, &[]).await;
    let rollouts = connection.get::<Value>("/api/v1/rollouts").await.ok();
    let (mut waiting, mut problem) = (Vec::new(), Value::Null);
    let plugins = match list {
        Ok(answer) => {
            let rejected = answer.body.more.get("rejected").cloned().unwrap_or_else(|| json!([]));
            let loaded = answer.body.data.as_array().cloned().unwrap_or_default();
            let ids: BTreeSet<&str> = loaded.iter().filter_map(|plugin| plugin["id"].as_str()).collect();
            for id in ids {
                waiting.extend(grants_waiting(connection, id).await?);
            }
            let of = |status| -> Vec<Value> {
                loaded.iter().filter(|plugin| plugin["status"] == status).map(|plugin| short(plugin, "id")).collect()
            };
            let refused: Vec<_> =
                rejected.as_array().into_iter().flatten().map(|file| short(file, "fileName")).collect();
            let compiling = answer.body.more.get("compiling").cloned().unwrap_or_else(|| json!([]));
            let activating: Vec<Value> = super::plugin::activating(&answer.body.data).collect();
            json!({
                "active": of("active"),
                "inactive": of("inactive"),
                "refused": refused,
                "activating": activating,
                "compiling": compiling,
            })
        }
        Err(error) => {
            problem = Value::String(format!("{error:#}"));
            Value::Null
        }
    };
    Ok(json!({
        "place": connection.place(),
        "status": health["status"],
        "version": health["version"],
        "startedAt": health["startedAt"],
        "counts": health["plugins"],
        "failing": health["failing"],
        "plugins": plugins,
        // Why they are not told.
        "problem": problem,
        "rollouts": rollouts,
        "grantsWaiting": waiting,
    }))
}

fn short(thing: &Value, name: &str) -> Value {
    json!({ name: thing[name], "version": thing["version"], "reason": thing["reason"] })
}

/// What the plugin asks for and does not have, if anything.
pub(super) async fn grants_waiting(connection: &Connection, plugin: &str) -> anyhow::Result<Option<Value>> {
    let asks: Vec<Value> = connection.get(&format!("/api/v1/plugins/{plugin}/grants")).await?;
    let waiting: Vec<&Value> = asks.iter().filter(|ask| ask["granted"] == false).map(|ask| &ask["value"]).collect();
    Ok((!waiting.is_empty()).then(|| json!({ "plugin": plugin, "waiting": waiting })))
}

fn screen(status: &Value) -> anyhow::Result<String> {
    let version = status["version"].as_str().context("what answers there is no Tenon host: it tells no version")?;
    let place = status["place"].as_str().unwrap_or_default();
    let mut lines = vec![format!("tenon {version} at {place}{}", uptime(&status["startedAt"]))];
    let counts = |name: &str| status["counts"][name].as_u64().unwrap_or_default();
    lines.push(format!(
        "plugins    {} active, {} inactive, {} refused",
        counts("active"),
        counts("loaded").saturating_sub(counts("active")),
        counts("rejected")
    ));
    let ill: Vec<String> = ["unavailable", "degraded"]
        .into_iter()
        .filter_map(|name| Some((status["failing"][name].as_u64().filter(|count| *count > 0)?, name)))
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    lines.push(match ill.is_empty() {
        true => "health     no plugin has failed lately".to_owned(),
        false => format!("health     {}, for some tenant: tenon explain PLUGIN --tenant TENANT", ill.join(", ")),
    });
    let each = |name: &str| status["plugins"][name].as_array().cloned().unwrap_or_default();
    lines.extend(text(status, "problem").lines().map(|line| format!("  {}", line.trim_start())));
    lines.extend(each("inactive").iter().map(|plugin| format!("  inactive {}", told(plugin, "id"))));
    lines.extend(each("refused").iter().map(|file| format!("  refused  {}", told(file, "fileName"))));
    lines.extend(each("compiling").iter().map(|file| {
        let (name, status, since) = (text(file, "fileName"), text(file, "status"), since(&file["since"]));
        format!("  {} {name}{since}", if status == "waiting" { "waits to be compiled:" } else { "compiling" })
    }));
    lines.extend(each("activating").iter().map(|one| {
        let (id, version, moved) = (text(one, "id"), text(one, "version"), &one["move"]);
        let (step, tenant, since) = (text(moved, "step"), text(moved, "tenant"), since(&moved["since"]));
        format!("  activating {id} {version} for {tenant}: {step}{since}")
    }));
    let rollouts = status["rollouts"].as_array().cloned().unwrap_or_default();
    lines.push(match (status["rollouts"].is_null(), rollouts.len()) {
        (true, _) => "rollouts   only operators can see them".to_owned(),
        (_, 0) => "rollouts   none".to_owned(),
        (_, number) => format!("rollouts   {number}"),
    });
    for rollout in &rollouts {
        lines.push(format!("  {}", super::rollout::told(rollout)));
        lines.extend(super::rollout::unconfigured(rollout).map(|line| format!("    {line}")));
    }
    let waiting = status["grantsWaiting"].as_array().cloned().unwrap_or_default();
    let grants = match (status["plugins"].is_null(), waiting.is_empty()) {
        (true, _) => "grants     not told either",
        (_, true) => "grants     none waiting",
        (_, false) => "grants     waiting:",
    };
    lines.push(grants.to_owned());
    lines.extend(waiting.iter().map(|asks| {
        let (plugin, number) = (text(asks, "plugin"), asks["waiting"].as_array().map_or(0, Vec::len));
        format!("  {plugin} asks for {number} more: tenon grant {plugin}")
    }));
    Ok(lines.iter().map(|line| output::visible(line)).collect::<Vec<_>>().join("\n"))
}

/// A plugin or file with the first sentence of the reason.
fn told(thing: &Value, name: &str) -> String {
    let reason = text(thing, "reason");
    let version = thing["version"].as_str().filter(|_| name == "id");
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    format!("{}{version}: {}", text(thing, name), output::brief(&reason))
}

fn text(thing: &Value, name: &str) -> String {
    thing[name].as_str().unwrap_or_default().to_owned()
}

fn since(moment: &Value) -> String {
    let moment = moment.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    moment
        .map(|moment| format!(", since {} s", Timestamp::now().duration_since(moment).as_secs().max(0)))
        .unwrap_or_default()
}

fn uptime(started: &Value) -> String {
    let Some(started) = started.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { return String::new() };
    let up = Timestamp::now().duration_since(started).as_secs().max(0);
    let told = match up {
        0..120 => format!("{up} s"),
        120..7_200 => format!("{} min", up / 60),
        7_200..172_800 => format!("{} h", up / 3_600),
        _ => format!("{} days", up / 86_400),
    };
    let whole = started.round(Unit::Second).unwrap_or(started);
    format!(", up for {told} (since {whole})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_seen_is_not_counted_as_none() {
        let status =
            json!({"version": "1.0.0", "place": "http://h", "counts": {"loaded": 3, "active": 1, "rejected": 0}});
        let shown = screen(&status).unwrap();
        assert!(shown.contains("1 active, 2 inactive") && shown.contains("only operators"), "{shown}");
        assert!(screen(&json!({"status": "ok"})).is_err());
    }
}
