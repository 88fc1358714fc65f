//! The command line: what people type, and what they read back.

mod address;
mod audit;
mod check;
mod client;
mod completions;
mod config;
pub mod deferred;
mod doctor;
mod events;
mod examples;
mod explain;
mod forget;
mod grant;
mod install;
mod key;
mod logs;
mod notifications;
mod output;
mod plugin;
mod progress;
mod quota;
mod reference;
mod rollout;
mod schedule;
mod secret;
mod serve;
mod settings;
mod shared_data;
mod sign;
mod signals;
mod snapshot;
mod status;
mod stream;
mod tenant;
mod trust;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::registry::compile;

/// A plugin host for multi-tenant business software.
#[derive(Parser)]
#[command(
    name = "tenon",
    version,
    after_help = "Examples:\n  \
        tenon serve --dev                    serve ./plugins-dist on 127.0.0.1:4000 with the demo tenant\n  \
        tenon explain analytics              who provides what analytics imports, and who was passed over\n  \
        tenon check crm.wasm                 whether the host would load it\n  \
        tenon tenant create acme             on the machine of a running host, without a key\n  \
        tenon key create --tenant acme --role member\n\n\
        `tenon COMMAND --help` has more for each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Tenant(tenant::Tenant),
    Usage(quota::Usage),
    Quota(quota::Quota),
    Key(key::Key),
    Plugin(plugin::Plugin),
    Config(config::Config),
    Catalogue(install::Catalogue),
    Secret(secret::Secret),
    Rollout(rollout::Rollout),
    Rollback(rollout::Rollback),
    Rollouts(rollout::Rollouts),
    Snapshot(snapshot::Snapshot),
    SharedData(shared_data::SharedData),
    Grant(grant::Grant),
    Revoke(grant::Revoke),
    Audit(audit::Audit),
    Events(events::Events),
    Schedules(schedule::Schedules),
    Schedule(schedule::Schedule),
    Logs(logs::Logs),
    Notifications(notifications::Notifications),
    Stream(stream::Stream),
    Check(check::Check),
    Sign(sign::Sign),
    Trust(trust::Trust),
    Deferred(deferred::Deferred),
    Schema(Schema),
    Completions(completions::Completions),
    #[command(hide = true)]
    HelpPage(reference::HelpPage),
    /// The compiling process. The host starts it by itself.
    #[command(name = compile::SUBCOMMAND, hide = true)]
    Compile(compile::Task),
}

/// Print the JSON Schema of a plugin's manifest.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon schema > manifest.schema.json")]
struct Schema;

/// A command line that is wrong in a way that the parser cannot tell. It ends the process with 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// What was asked for is decided, and has not come to all that it is for: what was printed says to whom. It ends the
/// process with 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Partly(String);

/// Every command, as it is parsed, helped with and described.
fn command() -> clap::Command {
    examples::handed_down(Cli::command())
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match completions::answered(command) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => error.exit(),
    }
    let parsed = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    let result = match parsed.command {
        Command::Serve(serve) => serve.run(),
        Command::Status(status) => status.run(),
        Command::Doctor(doctor) => match doctor.run() {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Explain(explain) => explain.run(),
        Command::Tenant(tenant) => tenant.run(),
        Command::Usage(usage) => usage.run(),
        Command::Quota(quota) => quota.run(),
        Command::Key(key) => key.run(),
        Command::Plugin(plugin) => plugin.run(),
        Command::Config(config) => config.run(),
        Command::Catalogue(catalogue) => catalogue.run(),
        Command::Secret(secret) => secret.run(),
        Command::Rollout(rollout) => rollout.run(),
        Command::Rollback(rollback) => rollback.run(),
        Command::Rollouts(rollouts) => rollouts.run(),
        Command::Snapshot(snapshot) => snapshot.run(),
        Command::SharedData(shared_data) => shared_data.run(),
        Command::Grant(grant) => grant.run(),
        Command::Revoke(revoke) => revoke.run(),
        Command::Audit(audit) => audit.run(),
        Command::Events(events) => events.run(),
        Command::Schedules(schedules) => schedules.run(),
        Command::Schedule(schedule) => schedule.run(),
        Command::Logs(logs) => logs.run(),
        Command::Notifications(notifications) => notifications.run(),
        Command::Stream(stream) => stream.run(),
        Command::Check(check) => match check.run() {
            // The report has said why.
            Ok(good) => return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE },
            Err(error) => Err(error),
        },
        Command::Sign(sign) => sign.run(),
        Command::Trust(trust) => trust.run(),
        Command::Deferred(deferred) => deferred.run(),
        Command::Schema(Schema) => print_schema(),
        Command::Completions(completions) => completions.run(),
        Command::HelpPage(page) => page.run(),
        Command::Compile(task) => return compile::compile_in_this_process(&task),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; then the exit code alone says it.
            _ = writeln!(std::io::stderr(), "tenon: {error:#}");
            match error {
                error if error.is::<Usage>() => ExitCode::from(2),
                error if error.is::<Partly>() => ExitCode::from(3),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn print_schema() -> anyhow::Result<()> {
    output::print(&serde_json::to_string_pretty(&crate::registry::manifest::Manifest::schema())?)
}

/// A runtime for commands that only wait for a server.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests;
