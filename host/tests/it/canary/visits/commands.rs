//! Every command that asks a running host, as the binary itself lists them.

use futures::{StreamExt, stream};

use super::tenants::{Installation, Kind, Tenant};
use super::watch::Watch;
use crate::common::output;

/// Runs all of them with an owner's key, with their names wherever a name is taken, for the own tenant and for theirs.
pub async fn visit(installation: &Installation, own: &Tenant, theirs: &Tenant, watch: &Watch) -> usize {
    let page = output(installation.host.scratch().tenon(&["help-page"])).await.success();
    let commands: Vec<Vec<String>> = page.split("\n##").filter_map(|section| command(section, theirs)).collect();
    assert!(commands.len() > 25, "{commands:?}");
    let own_args = commands.iter().cloned();
    let their_args = commands.iter().map(|args| [args.clone(), vec!["--tenant".into(), theirs.id.clone()]].concat());
    let all: Vec<_> = own_args.chain(their_args).collect();
    stream::iter(&all)
        .for_each_concurrent(4, async |args| {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let mut command = installation.host.scratch().tenon(&args);
            command.args(["--url", installation.host.address()]).env("TENON_KEY", &own.key);
            let told = output(command).await;
            let said = args.join(" ");
            watch.keep(&said);
            watch.look("a command", &said, &said, format!("{}{}", told.stdout, told.stderr).as_bytes());
        })
        .await;
    all.len()
}

/// A command of the page, with something for each argument that it must have. None if it asks no host.
fn command(section: &str, theirs: &Tenant) -> Option<Vec<String>> {
    section.contains("It asks a running host").then_some(())?;
    let usage = section.split("```text\n").nth(1)?.lines().next()?;
    let mut args: Vec<String> = Vec::new();
    for word in usage.split(' ').skip(1) {
        match word.strip_prefix('<').and_then(|rest| rest.trim_end_matches("...").strip_suffix('>')) {
            Some(name) => args.push(argument(&args, name, theirs)),
            // What can be left out.
            None if word.starts_with('[') => {}
            None => args.push(word.to_owned()),
        }
    }
    if args[0] == "stream" {
        // It would go on. So it tells all that there ever was, and ends.
        args.extend(["--from", "0-0", "--missed"].map(str::to_owned));
    }
    Some(args)
}

/// # Panics
///
/// For an argument that is new. Say here what of a tenant's it names.
fn argument(before: &[String], name: &str, theirs: &Tenant) -> String {
    let first = |kind| theirs.ids(kind).remove(0);
    match (before[0].as_str(), name) {
        ("schedule", "PLUGIN") => "timer".to_owned(),
        ("schedule", "SCHEDULE") => "note".to_owned(),
        (_, "PLUGIN") => "phases".to_owned(),
        ("key", "ID") => first(Kind::Key),
        ("snapshot", "ID") => first(Kind::Snapshot),
        ("tenant", "ID") | ("trust", _) => theirs.id.clone(),
        ("config", "KEY") => "note".to_owned(),
        ("notifications", "NOTIFICATION") => first(Kind::Notification),
        ("quota", "QUOTA") => "calls".to_owned(),
        ("quota", "AMOUNT") => "1".to_owned(),
        ("key", "ROLE") => "guest".to_owned(),
        // Numbers of events are counted over all tenants.
        ("events", "LETTER") => "1".to_owned(),
        ("plugin", "--claims|--promises|--highest-version") => "--claims".to_owned(),
        (_, "FILE") => "phases.built".to_owned(),
        (_, "VERSION" | "VERSIONS") => "1.0.0".to_owned(),
        _ => panic!("<{name}> of {before:?} is new: say here what of a tenant's it names"),
    }
}
