//! The command line: what people type, and what they read back.

mod client;
pub mod deferred;
mod explain;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::registry::compile;

/// A plugin host for multi-tenant business software.
#[derive(Parser)]
#[command(
    name = "tenon",
    version,
    after_help = "Examples:\n  \
        tenon serve --dev                    serve ./plugins-dist on 127.0.0.1:4000 with the demo tenant\n  \
        tenon explain analytics              who provides what analytics imports, and who was passed over\n\n\
        `tenon COMMAND --help` has more for each command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Explain(explain::Explain),
    Deferred(deferred::Deferred),
    Schema(Schema),
    /// The compiling process. The host starts it by itself.
    #[command(name = compile::SUBCOMMAND, hide = true)]
    Compile {
        memory_bytes: u64,
        cpu_s: u64,
    },
}

/// Print the JSON Schema of a plugin's manifest.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  tenon schema > manifest.schema.json")]
struct Schema;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Explain(explain) => explain.run(),
        Command::Deferred(deferred) => deferred.run(),
        Command::Schema(Schema) => print_schema(),
        Command::Compile { memory_bytes, cpu_s } => {
            return match compile::compile_in_this_process(memory_bytes, cpu_s) {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    eprintln!("{message}");
                    ExitCode::FAILURE
                }
            };
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_schema() -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&crate::registry::manifest::Manifest::schema())?);
    Ok(())
}

/// A runtime for commands that only wait for a server.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
