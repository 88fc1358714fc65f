//! `tenon events`.

use reqwest::Method;

use super::address::{Paging, with_query};
use super::client::Connection;
use super::output::Output;

/// Show what happened, and look after what could not be delivered.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon events list --tenant acme --type deal.won\n  \
    tenon events dead list --tenant acme --subscriber analytics\n  \
    tenon events dead show 12\n  \
    tenon events dead replay 12\n  \
    tenon events dead drop 12")]
pub(super) struct Events {
    #[command(subcommand)]
    command: EventsCommand,
}

/// What every one of the commands takes.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Subcommand)]
enum EventsCommand {
    /// Show events, the newest first.
    List {
        /// Only of these types, as `deal.won` or `deal.*`
        #[arg(long = "type", value_name = "TYPE")]
        topic: Option<String>,
        /// Only from this source, as `/plugins/crm`
        #[arg(long)]
        source: Option<String>,
        /// Only what happened to this
        #[arg(long)]
        subject: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        common: Common,
    },
    /// Look after events that could not be delivered.
    Dead(Dead),
}

/// Look after events that could not be delivered.
#[derive(clap::Args)]
struct Dead {
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(clap::Subcommand)]
enum DeadCommand {
    /// Show them, the newest first.
    List {
        /// Only those of this plugin
        #[arg(long, value_name = "PLUGIN")]
        subscriber: Option<String>,
        /// Only of these types, as `deal.won` or `deal.*`
        #[arg(long = "type", value_name = "TYPE")]
        topic: Option<String>,
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        common: Common,
    },
    /// Show one of them with its event.
    Show {
        /// Its number in the list
        letter: u64,
        #[command(flatten)]
        common: Common,
    },
    /// Deliver one of them again.
    Replay {
        /// Its number in the list
        letter: u64,
        #[command(flatten)]
        common: Common,
    },
    /// Give one of them up for good.
    Drop {
        /// Its number in the list
        letter: u64,
        #[command(flatten)]
        common: Common,
    },
}

impl Events {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            EventsCommand::List { topic, source, subject, paging, common } => {
                let filters = [("type", topic), ("source", source), ("subject", subject)];
                let columns = [
                    ("TIME", "time"),
                    ("TENANT", "tenant"),
                    ("TYPE", "type"),
                    ("SUBJECT", "subject"),
                    ("SOURCE", "source"),
                    ("ID", "id"),
                    ("CORRELATION", "correlationid"),
                ];
                common.list("/api/v1/events", paging, filters, &columns, "nothing has happened lately")
            }
            EventsCommand::Dead(Dead { command }) => command.run(),
        }
    }
}

impl DeadCommand {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { subscriber, topic, paging, common } => {
                let filters = [("subscriber", subscriber), ("type", topic)];
                let columns = [
                    ("LETTER", "letter"),
                    ("DIED", "diedAt"),
                    ("TENANT", "event.tenant"),
                    ("SUBSCRIBER", "subscriber"),
                    ("TYPE", "event.type"),
                    ("ATTEMPTS", "attempts"),
                    ("ERROR", "error"),
                ];
                common.list("/api/v1/events/dead", paging, filters, &columns, "everything was delivered")
            }
            Self::Show { letter, common } => {
                let path = format!("/api/v1/events/dead/{letter}");
                let answer = super::block_on(common.connection.ask(Method::GET, &path, None, &[]))?.body;
                super::output::print(&serde_json::to_string_pretty(&answer.data)?)
            }
            Self::Replay { letter, common } => {
                let path = format!("/api/v1/events/dead/{letter}/replay");
                let answer = super::block_on(common.connection.ask(Method::POST, &path, None, &[]))?.body;
                common.output.told(&answer.data, &format!("dead letter {letter} is delivered again"))
            }
            Self::Drop { letter, common } => {
                let path = format!("/api/v1/events/dead/{letter}");
                let answer = super::block_on(common.connection.ask(Method::DELETE, &path, None, &[]))?.body;
                common.output.told(&answer.data, &format!("dead letter {letter} is given up"))
            }
        }
    }
}

impl Common {
    fn list<const N: usize>(
        &self,
        path: &str,
        paging: Paging,
        filters: [(&'static str, Option<String>); N],
        columns: &[super::output::Column],
        none: &str,
    ) -> anyhow::Result<()> {
        let path = with_query(path, filters.into_iter().chain(paging.values()));
        let answer = super::block_on(self.connection.ask(Method::GET, &path, None, &[]))?.body;
        self.output.list(&answer.data, columns, none)?;
        self.output.more(answer.next_cursor.as_deref(), "--cursor")
    }
}
