//! `tenon tenant`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::address::with_query;
use super::client::Connection;
use super::output::Output;

/// Make tenants, and see which there are.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  tenon tenant create acme\n  tenon tenant list --json")]
pub(super) struct Tenant {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a tenant; for operators
    Create {
        /// 1 to 63 of a-z, 0-9, _ and -; it becomes the name of a directory
        id: String,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
    /// List the tenants, by id
    List {
        /// How many at most, up to 200
        #[arg(long, default_value_t = 200)]
        limit: u32,
        /// Only those whose ids come after this one
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        #[command(flatten)]
        connection: Connection,
        #[command(flatten)]
        output: Output,
    },
}

impl Tenant {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Create { id, connection, output } => {
                let asked = connection.ask(Method::POST, "/api/v1/tenants", Some(json!({ "id": id })), &[]);
                let answer = super::block_on(asked)?;
                output.told(&answer.body.data, &format!("tenant {id} made"))
            }
            Action::List { limit, after, connection, output } => {
                let path = with_query("/api/v1/tenants", [("limit", Some(limit.to_string())), ("cursor", after)]);
                let answer = super::block_on(connection.ask(Method::GET, &path, None, &[]))?;
                let columns = [("TENANT", "id"), ("ORIGIN", "origin"), ("MADE", "createdAt")];
                output.list(&answer.body.data, &columns, "there are no tenants: tenon tenant create ID makes one")?;
                output.more(answer.body.next_cursor.as_deref(), "--after")
            }
        }
    }
}
