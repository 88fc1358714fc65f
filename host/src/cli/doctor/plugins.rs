//! What a host says of its plugins: the one that runs, or the one on trial.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use semver::{Version, VersionReq};
use serde_json::Value;

use super::finding::{Findings, Level};
use super::hints;
use crate::cli::address::segment;
use crate::cli::client::Connection;
use crate::cli::{output, status};
use crate::db::{ControlPlane, TenantPlugin};

/// Asks the host at the other end. `control` is a copy of what it has written down, where that could be read.
pub(super) async fn look(
    connection: &Connection,
    findings: &mut Findings,
    control: Option<&dyn ControlPlane>,
) -> anyhow::Result<()> {
    if let Err(error) = connection.get::<Value>("/health").await {
        findings.fix("host", format!("{error:#}"), None);
        return Ok(());
    }
    let answer = match connection.ask(Method::GET, "/api/v1/plugins", None, &[]).await {
        Ok(answer) => answer,
        Err(error) => {
            let told = format!("{error:#}");
            let told = told.lines().map(str::trim).collect::<Vec<_>>().join("; ");
            findings.fix("host", format!("it does not tell which plugins there are: {told}"), None);
            return Ok(());
        }
    };
    let before = findings.count(Level::Hint);
    let loaded = answer.body.data.as_array().cloned().unwrap_or_default();
    let rejected = answer.body.more.get("rejected").and_then(Value::as_array).cloned().unwrap_or_default();
    for file in &rejected {
        let what = format!("{} is not loaded: {}", line(file, "fileName"), line(file, "reason"));
        findings.fix("plugins", what, Some(hints::refused(file)));
    }
    for versions in by_id(&loaded).values() {
        one(connection, versions, findings).await?;
    }
    rollouts(connection, findings).await;
    if let Some(control) = control {
        pins(&control.tenant_plugin_list().await?, &loaded, findings);
    }
    if findings.count(Level::Hint) == before {
        findings.ok("plugins", format!("{} loaded, all active and granted what they ask for", loaded.len()));
    }
    Ok(())
}

fn by_id(loaded: &[Value]) -> BTreeMap<&str, Vec<&Value>> {
    let mut plugins: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for plugin in loaded {
        plugins.entry(plugin["id"].as_str().unwrap_or_default()).or_default().push(plugin);
    }
    plugins
}

/// One plugin with all its versions.
async fn one(connection: &Connection, versions: &[&Value], findings: &mut Findings) -> anyhow::Result<()> {
    let id = versions.first().map(|version| line(version, "id")).unwrap_or_default();
    let waiting = status::grants_waiting(connection, &id).await?;
    let is_active = |version: &&&Value| version["status"] == "active";
    let links: Value = match versions.iter().all(|version| is_active(&version)) {
        true => Value::Null,
        false => connection.get(&format!("/api/v1/plugins/{}/links", segment(&id))).await?,
    };
    for version in versions.iter().filter(|version| !is_active(version)) {
        let what = format!("{id} {} is not active: {}", line(version, "version"), line(version, "reason"));
        let reason = reason(version, &links);
        // That nobody is given it is what an operator decided.
        let is_meant = reason["kind"] == "rolledOut" && version["status"] != "error";
        let fix = fix(&id, version, reason);
        match is_meant || versions.iter().any(|version| is_active(&version)) {
            true => findings.hint("plugins", what, Some(fix)),
            false => findings.fix("plugins", what, Some(fix)),
        }
    }
    if let Some(waiting) = waiting.filter(|_| versions.iter().all(|version| is_active(&version))) {
        let asks: Vec<&str> = waiting["waiting"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let what = format!("{id} is not granted {}, which it asks for", asks.join(", "));
        findings.hint("grants", what, Some(format!("see `tenon grant {id}`")));
    }
    Ok(())
}

/// Why a version is not active, as its links have it for programs.
fn reason<'a>(version: &Value, links: &'a Value) -> &'a Value {
    let mut resolved = links["versions"].as_array().into_iter().flatten();
    let resolved = resolved.find(|resolved| resolved["version"] == version["version"]);
    resolved.map_or(&Value::Null, |resolved| &resolved["reason"])
}

/// What is to be done, by that reason.
fn fix(id: &str, version: &Value, reason: &Value) -> String {
    if version["status"] == "error" {
        return format!("`tenon plugin errors {id}` shows how it failed");
    }
    hints::inactive(id, &line(version, "version"), reason)
}

async fn rollouts(connection: &Connection, findings: &mut Findings) {
    let rollouts = match connection.get::<Vec<Value>>("/api/v1/rollouts").await {
        Ok(rollouts) => rollouts,
        Err(error) => return findings.hint("rollouts", format!("not looked at: {error:#}"), None),
    };
    for rollout in rollouts.iter().filter(|rollout| rollout["loaded"] == false) {
        let (plugin, version) = (line(rollout, "plugin"), line(rollout, "version"));
        let previous = rollout["previous"].as_str().filter(|previous| *previous != version);
        let previous = previous.map(|version| format!(" or {version}")).unwrap_or_default();
        let what = format!(
            "{plugin} {version}{previous} is rolled out and not loaded: its tenants have what they had before it, if \
             that is loaded"
        );
        let fix = format!("put the file back, or end the rollout with `tenon rollout {plugin} --end`");
        findings.fix("rollouts", what, Some(fix));
    }
}

fn pins(decisions: &[TenantPlugin], loaded: &[Value], findings: &mut Findings) {
    let versions: BTreeSet<(&str, Version)> = loaded
        .iter()
        .filter_map(|plugin| Some((plugin["id"].as_str()?, plugin["version"].as_str()?.parse().ok()?)))
        .collect();
    for TenantPlugin { tenant, plugin, pin, .. } in decisions {
        let Some(pin) = pin else { continue };
        let Ok(wanted) = pin.parse::<VersionReq>() else { continue };
        if versions.iter().any(|(id, version)| id == plugin && wanted.matches(version)) {
            continue;
        }
        let what = format!("{tenant} wants {plugin} {pin} alone, and no loaded version is that: it has none");
        let fix = format!("put such a file back, or `tenon plugin unpin {plugin} --tenant {tenant}`");
        findings.fix("pins", what, Some(fix));
    }
}

/// Reasons have several lines; a finding has one.
fn line(thing: &Value, name: &str) -> String {
    output::text(thing, name)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
        .trim_end_matches('.')
        .to_owned()
}
