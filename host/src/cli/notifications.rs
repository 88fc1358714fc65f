//! `tenon notifications`.

use reqwest::Method;

use super::address::{Paging, segment, switch, with_query};
use super::client::Connection;
use super::output::Output;

/// Show what plugins told whoever asks, first what was not read.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    tenon notifications --tenant acme\n  \
    tenon notifications --unread --limit 10\n  \
    tenon notifications read 0198f1c2-7a54-7c1e-9d55-3d1c2b6a9f10")]
pub(super) struct Notifications {
    #[command(subcommand)]
    command: Option<NotificationsCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Subcommand)]
enum NotificationsCommand {
    /// Note that one of them was read.
    Read(Read),
}

#[derive(clap::Args)]
struct List {
    /// Only those that were not read
    #[arg(long)]
    unread: bool,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
struct Read {
    /// Its id in the list
    notification: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Notifications {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => self.list.run(),
            Some(NotificationsCommand::Read(read)) => read.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let values = [("unread", switch(self.unread))].into_iter().chain(self.paging.values());
        let path = with_query("/api/v1/notifications", values);
        let answer = super::block_on(self.connection.ask(Method::GET, &path, None, &[]))?.body;
        let columns = [
            ("TIME", "time"),
            ("READ", "readAt"),
            ("TO", "to"),
            ("PLUGIN", "plugin"),
            ("KIND", "kind"),
            ("TITLE", "title"),
            ("LINK", "link"),
            ("ID", "id"),
        ];
        self.output.list(&answer.data, &columns, "there are no notifications")?;
        self.output.more(answer.next_cursor.as_deref(), "--cursor")
    }
}

impl Read {
    fn run(self) -> anyhow::Result<()> {
        let path = format!("/api/v1/notifications/{}/read", segment(&self.notification));
        let answer = super::block_on(self.connection.ask(Method::POST, &path, None, &[]))?.body;
        self.output.told(&answer.data, &format!("notification {} is read", self.notification))
    }
}
