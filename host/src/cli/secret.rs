//! `tenon secret`: the keys that seal what tenants set in secret.

use reqwest::Method;

use super::client::Connection;
use super::output::{Output, visible};

/// Keep the keys that tenants' secrets are sealed with.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tenon secret new > key.txt      a key for TENON_SECRET_KEY\n  \
    tenon secret rotate             seal every secret with the key in use; a new one, where it is the host's own file")]
pub(super) struct Secret {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print a new key for TENON_SECRET_KEY
    New,
    /// Seal every secret anew and forget keys that are needed no longer
    Rotate(Rotate),
}

#[derive(clap::Args)]
struct Rotate {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

impl Secret {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Rotate { connection, output } = match self.command {
            Command::New => return super::output::print(&crate::seal::fresh()),
            Command::Rotate(rotate) => rotate,
        };
        let ask = connection.ask(Method::POST, "/api/v1/secrets/rotate", None, &[]);
        let answer = super::block_on(super::progress::during("sealing secrets", ask))?;
        let data = &answer.body.data;
        let count = |key: &str| data[key].as_u64().unwrap_or_default();
        let mut sentence = match count("resealed") {
            1 => "1 secret is".to_owned(),
            many => format!("{many} secrets are"),
        };
        sentence.push_str(&format!(" sealed anew with key {}", data["key"].as_str().unwrap_or("?")));
        if count("unreadable") > 0 {
            sentence.push_str(&format!(
                "; {} cannot be read, so every earlier key is kept: name a missing key in TENON_SECRET_KEY_PREVIOUS, or \
                 have their tenants set them again",
                count("unreadable")
            ));
            for lost in data["unreadableFields"].as_array().into_iter().flatten() {
                let text = |key: &str| lost[key].as_str().map_or_else(|| "all".to_owned(), visible);
                let (tenant, plugin, field) = (text("tenant"), text("plugin"), text("field"));
                sentence.push_str(&format!("\n  tenant {tenant}, plugin {plugin}, field {field}: {}", text("problem")));
            }
        } else if data["source"] == "TENON_SECRET_KEY" {
            sentence.push_str("; TENON_SECRET_KEY_PREVIOUS is needed no longer");
        } else {
            sentence.push_str("; the key before stays in the file until the next rotation");
        }
        output.told(data, &sentence)
    }
}
