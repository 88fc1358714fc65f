//! The log: one event, one line, and no tenant's lines in place of another's.
//!
//! Plugins and clients put text of their own into events. Whatever it is, [`line`] keeps the event on one line
//! and its text readable, and [`tenants`] bounds how much of it there is for each tenant. Text that is not the
//! host's own stands in a field, where it is quoted, and never in the message. What plugins say comes through
//! [`said`], and its last lines are [`kept`] for `tenon logs`.

pub mod kept;
mod line;
pub mod said;
mod tenants;

use std::io::{IsTerminal, stderr};

use self::line::{OneLine, Style};
pub use self::line::{json_line, visible, written_bytes};
pub use self::tenants::TenantLog;
use crate::config::{LogConfig, LogFormat};

/// An error with all that it comes from, the outermost first, for one field of an event or for an operator.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

/// Sends events, and what a panic says, to standard error from now on.
///
/// # Errors
///
/// When the filter is none.
pub fn start(config: &LogConfig) -> Result<(), tracing_subscriber::filter::ParseError> {
    // What plugins do wrong with `wasi:http` it says each time, and at no tenant's rate. They are told themselves.
    let filter =
        tracing_subscriber::EnvFilter::try_new(&config.filter)?.add_directive("wasmtime_wasi_http=off".parse()?);
    // https://no-color.org
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = !plain && stderr().is_terminal();
    let style = match config.format {
        LogFormat::Text => Style::Text { colours },
        LogFormat::Json => Style::Json,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || OneLine::new(stderr(), style));
    match config.format {
        LogFormat::Text => log.with_target(false).with_ansi(colours).init(),
        LogFormat::Json => log.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, said = panic.payload_as_str(), "a part of the host panicked");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn an_error_is_told_with_all_that_it_comes_from() {
        let disk = Layer("the disk is full", None);
        assert_eq!(chain(&disk), "the disk is full");
        let file = Layer("cannot write", Some(Box::new(disk)));
        assert_eq!(chain(&Layer("no entry", Some(Box::new(file)))), "no entry: cannot write: the disk is full");
    }
}
