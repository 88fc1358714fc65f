//! `tenon status`: one screen about a running host.

use std::collections::BTreeSet;

use anyhow::Context;
use jiff::{Timestamp, Unit};
use reqwest::Method;
use serde_json::{Value, json};

use super::address::segment;
use super::client::Connection;
use super::output::{self, Output, text};

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
            let of = |statuses: &[&str]| -> Vec<Value> {
                let is = |plugin: &&Value| plugin["status"].as_str().is_some_and(|status| statuses.contains(&status));
                loaded.iter().filter(is).map(version).collect()
            };
            let refused: Vec<_> = rejected.as_array().into_iter().flatten().map(file).collect();
            let compiling = answer.body.more.get("compiling").cloned().unwrap_or_else(|| json!([]));
            let activating: Vec<Value> = super::plugin::activating(&answer.body.data).collect();
            json!({
                "active": of(&["active"]),
                "inactive": of(&["inactive", "activating"]),
                "error": of(&["error"]),
                "uninstalling": of(&["uninstalling"]),
                "refused": refused,
                "activating": activating,
                "compiling": compiling,
                "directoryProblem": answer.body.more.get("directoryProblem"),
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

fn version(plugin: &Value) -> Value {
    json!({
        "id": plugin["id"],
        "version": plugin["version"],
        "status": plugin["status"],
        "reason": plugin["reason"],
        "since": plugin["since"],
        "failedFor": plugin["failedFor"],
    })
}

fn file(refused: &Value) -> Value {
    json!({ "fileName": refused["fileName"], "version": refused["version"], "reason": refused["reason"] })
}

/// What the plugin asks for and does not have, if anything.
pub(super) async fn grants_waiting(connection: &Connection, plugin: &str) -> anyhow::Result<Option<Value>> {
    let asks: Vec<Value> = connection.get(&format!("/api/v1/plugins/{}/grants", segment(plugin))).await?;
    let waiting: Vec<&Value> = asks.iter().filter(|ask| ask["granted"] == false).map(|ask| &ask["value"]).collect();
    Ok((!waiting.is_empty()).then(|| json!({ "plugin": plugin, "waiting": waiting })))
}

fn screen(status: &Value) -> anyhow::Result<String> {
    let version = status["version"].as_str().context("what answers there is no Tenon host: it tells no version")?;
    let place = status["place"].as_str().unwrap_or_default();
    let mut lines = vec![format!("tenon {version} at {place}{}", uptime(&status["startedAt"]))];
    lines.push(format!("plugins    {}", counted(status)));
    let each = |name: &str| status["plugins"][name].as_array().cloned().unwrap_or_default();
    let failed = each("error");
    let ill: Vec<String> = ["unavailable", "degraded"]
        .into_iter()
        .filter_map(|name| Some((status["failing"][name].as_u64().filter(|count| *count > 0)?, name)))
        .chain(Some((failed.len() as u64, "in error")).filter(|(count, _)| *count > 0))
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    lines.push(match ill.is_empty() {
        true => "health     no plugin has failed lately".to_owned(),
        false => format!("health     {}, for some tenant: tenon explain PLUGIN --tenant TENANT", ill.join(", ")),
    });
    lines.extend(text(status, "problem").lines().map(|line| format!("  {}", line.trim_start())));
    let directory = status["plugins"]["directoryProblem"].as_str();
    lines.extend(directory.map(|problem| format!("  no change of files counts: {}", output::line(problem))));
    lines.extend(failed.iter().map(|plugin| format!("  error    {}", told(plugin, "id"))));
    // Those on their way to the tenant that is asked about are told below.
    let inactive = each("inactive").into_iter().filter(|plugin| plugin["status"] != "activating");
    lines.extend(inactive.map(|plugin| format!("  inactive {}", told(&plugin, "id"))));
    lines.extend(
        each("uninstalling")
            .iter()
            .map(|plugin| format!("  uninstalling {} {}", text(plugin, "id"), text(plugin, "version"))),
    );
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
        let tenants = super::rollout::unconfigured(rollout).chain(super::rollout::not_moved(rollout));
        lines.extend(tenants.map(|line| format!("    {line}")));
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

/// How many there are of each: by the list, or as the host counts for everybody where the list is not told.
fn counted(status: &Value) -> String {
    let counts = |name: &str| status["counts"][name].as_u64().unwrap_or_default();
    let listed = |name: &str| status["plugins"][name].as_array().map_or(0, |plugins| plugins.len() as u64);
    let (active, inactive, more) = match status["plugins"].is_null() {
        true => (counts("active"), counts("loaded").saturating_sub(counts("active")), Vec::new()),
        false => {
            let more = [("error", "in error"), ("uninstalling", "uninstalling")];
            let more = more.map(|(name, told)| (listed(name), told)).into_iter().filter(|(count, _)| *count > 0);
            (listed("active"), listed("inactive"), more.map(|(count, told)| format!(", {count} {told}")).collect())
        }
    };
    let refused = if status["plugins"].is_null() { counts("rejected") } else { listed("refused") };
    format!("{active} active, {inactive} inactive{}, {refused} refused", more.concat())
}

/// A plugin or file with the reason; for which tenants, where it failed for some.
fn told(thing: &Value, name: &str) -> String {
    let reason = text(thing, "reason");
    let version = thing["version"].as_str().filter(|_| name == "id");
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let tenants: Vec<&str> = thing["failedFor"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // One tenant is in the reason.
    let tenants = if tenants.len() > 1 { format!(" (tenants: {})", tenants.join(", ")) } else { String::new() };
    format!("{}{version}: {}{tenants}", text(thing, name), output::line(&reason))
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

    #[test]
    fn what_failed_is_told_with_whom_it_failed_for() {
        let failed = json!({"id": "crm", "version": "1.1.0", "reason": "for b and for 1 other tenant: x",
            "failedFor": ["b", "a"]});
        let status = json!({"version": "1.0.0", "place": "http://h", "failing": {"degraded": 0, "unavailable": 0},
            "counts": {"loaded": 1, "active": 0, "rejected": 0}, "rollouts": [],
            "plugins": {"active": [], "inactive": [], "error": [failed], "refused": []}});
        let shown = screen(&status).unwrap();
        for part in ["0 active, 0 inactive, 1 in error, 0 refused", "health     1 in error, ", "(tenants: b, a)"] {
            assert!(shown.contains(part), "expected {part}: {shown}");
        }
    }
}
