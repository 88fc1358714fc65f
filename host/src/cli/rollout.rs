//! `tenon rollout`, `tenon rollback` and `tenon rollouts`.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::address::{segment, switch, with_query};
use super::client::{Answer, Connection, Refused};
use super::output::Output;
use crate::registry::lifecycle;

/// Give a version of a plugin to some tenants, to more of them, to all.
///
/// It gives and takes nothing away: who takes part at 10 percent still does at 20, tenants that are named come to those
/// named before, and all others keep what they have. `tenon rollback` takes a version back.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon rollout crm 1.1.0 --tenants acme,beta\n  \
    tenon rollout crm 1.1.0 --percent 10\n  \
    tenon rollout crm 1.1.0 --percent 100\n  \
    tenon rollout crm --end             every tenant gets the highest version again")]
pub(super) struct Rollout {
    /// The plugin's id, as `crm`
    plugin: String,
    /// The version, which must be loaded
    #[arg(required_unless_present = "end")]
    version: Option<String>,
    /// Tenants that get it whatever the percentage
    #[arg(long, value_delimiter = ',', value_name = "TENANTS")]
    tenants: Option<Vec<String>>,
    /// How many of all tenants get it, by a hash of their names
    #[arg(long, value_name = "0-100", value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// End the rollout: files in the plugins directory decide again
    #[arg(long, conflicts_with_all = ["version", "tenants", "percent"])]
    end: bool,
    /// Also where it cannot come to some: those whose data is in the way keep the version and the data they have, those
    /// for whom it cannot work have none
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Give every tenant the version of a plugin that it had before.
///
/// It takes back the last rollout, or its end; said again, the one before that. Where nothing was decided, or nothing is
/// left of it, every tenant gets the next lower version that is loaded. In scripts name the version: with `--to` it is
/// the same however often it is said.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon rollback crm\n  \
    tenon rollback crm --to 1.0.0       nobody has anything above 1.0.0 then")]
pub(super) struct Rollback {
    /// The plugin's id, as `crm`
    plugin: String,
    /// Take back all that is above this version, which must be loaded
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Also if the data of some tenants is in the way: the others go back, those keep the version and the data they have,
    /// and nothing is lost
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// Show which tenants get which version of a plugin, where that was decided.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon rollouts --json")]
pub(super) struct Rollouts {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Rollout {
    pub(super) fn run(self) -> anyhow::Result<()> {
        super::block_on(self.ask())
    }

    async fn ask(self) -> anyhow::Result<()> {
        if !self.end && self.tenants.is_none() && self.percent.is_none() {
            return Err(super::Usage("say who gets it: --tenants a,b or --percent 10".to_owned()).into());
        }
        let path = format!("/api/v1/rollouts/{}", segment(&self.plugin));
        let known = match self.connection.ask(Method::GET, &path, None, &[]).await {
            Ok(answer) => Some(answer),
            // Without one there is nothing that somebody else could have changed.
            Err(error) if is_missing(&error) => None,
            // Not known is not the same as not there.
            Err(error) => return Err(error),
        };
        let precondition = known.as_ref().map(Answer::precondition).unwrap_or_default();
        if self.end {
            let path = with_query(&path, [("force", switch(self.force))]);
            let answer = self.connection.ask(Method::DELETE, &path, None, &precondition).await?;
            let ended = &answer.body.data;
            let version = ended["version"].as_str().unwrap_or("no version").to_owned();
            let sentence = format!("{} is no longer rolled out by hand; tenants get {version}", self.plugin);
            self.output.told(ended, &format!("{sentence}{}", outcomes(ended)))?;
            return whole(ended);
        }
        let mut wanted = json!({ "version": self.version });
        if let Some(tenants) = self.tenants {
            wanted["tenants"] = json!(tenants);
        }
        if let Some(percent) = self.percent {
            wanted["percent"] = json!(percent);
        }
        let path = with_query(&path, [("force", switch(self.force))]);
        let answer = self.connection.ask(Method::PUT, &path, Some(wanted), &precondition).await?;
        let rollout = &answer.body.data;
        self.output.told(rollout, &format!("{}{}{}", told(rollout), already(rollout), outcomes(rollout)))?;
        whole(rollout)
    }
}

impl Rollback {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/rollouts/{}/rollback", segment(&self.plugin));
        let path = with_query(&path, [("force", switch(self.force)), ("to", self.to)]);
        let answer = super::block_on(self.connection.ask(Method::POST, &path, None, &[]))?;
        let rollout = &answer.body.data;
        let what = match rollout["takenBack"].as_str() {
            Some(version) => format!("{} {version} is taken back", self.plugin),
            None => "nothing changes".to_owned(),
        };
        self.output.told(rollout, &format!("{what}: {}{}", told(rollout), outcomes(rollout)))?;
        whole(rollout)
    }
}

impl Rollouts {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut list = super::block_on(self.connection.ask(Method::GET, "/api/v1/rollouts", None, &[]))?.body.data;
        if !self.output.json {
            list.as_array_mut().into_iter().flatten().for_each(|row| {
                row["others"] = json!(others(row));
                row["without"] = json!(without(row));
            });
        }
        let columns = [
            ("PLUGIN", "plugin"),
            ("VERSION", "version"),
            ("PERCENT", "percent"),
            ("TENANTS", "tenants"),
            ("OTHERS HAVE", "others"),
            ("NOT MOVED", "without"),
            ("BACK TO", "backTo"),
            ("LOADED", "loaded"),
        ];
        self.output.list(&list, &columns, "nothing is rolled out by hand: tenants get the highest versions")
    }
}

/// Those that do not have what they are given, each once.
fn without(rollout: &Value) -> Vec<&str> {
    let each = ["notMoved", "unconfigured"].into_iter().flat_map(|key| rollout[key].as_array().into_iter().flatten());
    let each: BTreeSet<&str> = each.filter_map(|outcome| outcome["tenant"].as_str()).collect();
    each.into_iter().collect()
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == StatusCode::NOT_FOUND)
}

/// A line for each of the first tenants that have another version than they are given, and one where there are more. Those
/// who lack a setting are told of as [`unconfigured`].
pub(super) fn not_moved(rollout: &Value) -> impl Iterator<Item = String> {
    const SHOWN: usize = 5;

    let list = |key: &str| rollout[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let unconfigured: Vec<&Value> = list("unconfigured").iter().map(|outcome| &outcome["tenant"]).collect();
    let left = list("notMoved").iter().filter(|outcome| !unconfigured.contains(&&outcome["tenant"]));
    let mut lines: Vec<String> = left.take(SHOWN + 1).map(has_not_moved).collect();
    if let Some(one_too_many) = lines.get_mut(SHOWN) {
        "and others: tenon rollouts".clone_into(one_too_many);
    }
    lines.into_iter()
}

/// What an outcome says of a tenant.
fn has_not_moved(outcome: &Value) -> String {
    let [tenant, version, reason] =
        ["tenant", "version", "reason"].map(|key| outcome[key].as_str().unwrap_or("no version"));
    format!("{tenant} was not moved and has {version}: {reason}")
}

/// A line for each tenant that takes part and lacks a setting.
pub(super) fn unconfigured(rollout: &Value) -> impl Iterator<Item = String> {
    rollout["unconfigured"].as_array().into_iter().flatten().map(|outcome| {
        let text = |key: &str| outcome[key].as_str().unwrap_or("no version").to_owned();
        format!("{} has {} until it is configured: {}", text("tenant"), text("version"), text("reason"))
    })
}

/// What to do where the others have the version all the same.
fn already(rollout: &Value) -> String {
    let is_same = rollout["previous"] == rollout["version"] && rollout["below"].is_null();
    let hint = |plugin| format!("\nthe others had it before; to give them an earlier version: tenon rollback {plugin}");
    rollout["plugin"].as_str().filter(|_| is_same).map(hint).unwrap_or_default()
}

/// A line for each tenant that is told of and was not moved, one for those that were not reached, and one that says how
/// those are moved whose data is in the way.
fn outcomes(rollout: &Value) -> String {
    let text = |outcome: &Value, key: &str| outcome[key].as_str().unwrap_or("no version").to_owned();
    let line = |outcome: &Value| format!("\n{}", has_not_moved(outcome));
    let plugin = text(rollout, "plugin");
    let in_the_way = unmoved(rollout).any(|outcome| text(outcome, "reason").starts_with(lifecycle::MIGRATIONS));
    let way = in_the_way.then(|| {
        format!(
            "\nwhose data is in the way keeps it as it is; to move one of them too, restore a snapshot from before, which \
             loses what was written since: tenon snapshot list {plugin} --tenant T"
        )
    });
    let named: Vec<&Value> = unmoved(rollout).map(|outcome| &outcome["tenant"]).collect();
    let others = rollout["unconfigured"].as_array().into_iter().flatten();
    let others = others.filter(|outcome| !named.contains(&&outcome["tenant"]));
    unmoved(rollout).chain(others).map(line).chain(not_reached(rollout)).chain(way).collect()
}

/// Those that were named and not moved, then the others that it failed for.
fn unmoved(rollout: &Value) -> impl Iterator<Item = &Value> {
    let each = ["outcomes", "notMoved"].into_iter().flat_map(|key| rollout[key].as_array().into_iter().flatten());
    each.filter(|outcome| outcome["moved"] == false)
}

fn not_reached(rollout: &Value) -> Option<String> {
    let tenants = texts(&rollout["notReached"]);
    let told = || {
        format!("\nnot reached yet, so they come in the background or at their next request: {}", tenants.join(", "))
    };
    (!tenants.is_empty()).then(told)
}

/// An error if not all that are told of have what they are to have.
fn whole(rollout: &Value) -> anyhow::Result<()> {
    let without = unmoved(rollout).count() + texts(&rollout["notReached"]).len();
    let moved = rollout["outcomes"].as_array().into_iter().flatten().filter(|outcome| outcome["moved"] == true).count();
    let beside = rollout["notMoved"].as_array().is_some_and(|others| !others.is_empty());
    let told = match (without, moved) {
        (0, _) => return Ok(()),
        // Of how many is not known, as those that were moved are not told of.
        (1, _) if beside => "it is decided, and 1 tenant has it not yet".to_owned(),
        (without, _) if beside => format!("it is decided, and {without} tenants have it not yet"),
        (_, 0) => "it is decided, and none of those that it names has it yet".to_owned(),
        (1, moved) => format!("it is decided, and 1 of {} tenants has it not yet", moved + 1),
        (without, moved) => format!("it is decided, and {without} of {} tenants have it not yet", without + moved),
    };
    Err(super::Partly(told).into())
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What those have that take no part in the last step; nothing where there are none.
fn others(rollout: &Value) -> Option<String> {
    let step = |step: &Value| {
        let share = step["percent"].as_u64().filter(|percent| *percent > 0);
        let share = share.map(|percent| format!("{percent} percent"));
        let whose = texts(&step["tenants"]).into_iter().map(str::to_owned).chain(share).collect::<Vec<_>>();
        format!("{} ({})", step["version"].as_str().unwrap_or_default(), whose.join(", "))
    };
    let previous = rollout["previous"].as_str()?.to_owned();
    let below = rollout["below"].as_array().into_iter().flatten().map(step);
    Some(below.chain([previous]).collect::<Vec<_>>().join(", "))
}

pub(super) fn told(rollout: &Value) -> String {
    let text = |key: &str| rollout[key].as_str().unwrap_or_default().to_owned();
    let (what, others) = (format!("{} {}", text("plugin"), text("version")), others(rollout).unwrap_or_default());
    let percent = rollout["percent"].as_u64().unwrap_or_default();
    let tenants = texts(&rollout["tenants"]);
    let named = tenants.join(", ");
    match (percent, tenants.as_slice()) {
        (100, _) => format!("every tenant gets {what}"),
        (0, []) => format!("no tenant gets {what} yet; all keep {others}"),
        (0, [_]) => format!("{named} gets {what}; the others keep {others}"),
        (0, _) => format!("{named} get {what}; the others keep {others}"),
        (_, []) => format!("{percent} percent of the tenants get {what}; the others keep {others}"),
        (_, _) => format!("{named} and {percent} percent of the tenants get {what}; the others keep {others}"),
    }
}
