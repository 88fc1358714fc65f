//! Messages with a level, for whoever runs the host and for the tenant's administrators (`tenon logs`).
//!
//! ```ignore
//! const LOG: Log = Log::of("import");
//!
//! LOG.info(format_args!("{} rows", rows.len()));
//! log::warn("the address book is nearly full");
//! ```
//!
//! The host adds plugin, version, tenant and correlation id to each. What one call may say is bounded, together with
//! what it prints; what goes beyond is dropped. Whether a level is shown is the operator's choice.

use std::fmt::Display;

use crate::bindings::wasi::logging::logging::{self as host, Level};

/// Messages of one part of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    context: &'static str,
}

impl Log {
    /// The log of a part of the plugin, which stands with each message as its context.
    pub const fn of(context: &'static str) -> Self {
        Self { context }
    }

    pub fn trace(self, message: impl Display) {
        self.say(Level::Trace, message);
    }

    pub fn debug(self, message: impl Display) {
        self.say(Level::Debug, message);
    }

    pub fn info(self, message: impl Display) {
        self.say(Level::Info, message);
    }

    pub fn warn(self, message: impl Display) {
        self.say(Level::Warn, message);
    }

    pub fn error(self, message: impl Display) {
        self.say(Level::Error, message);
    }

    pub fn critical(self, message: impl Display) {
        self.say(Level::Critical, message);
    }

    fn say(self, level: Level, message: impl Display) {
        host::log(level, self.context, &message.to_string());
    }
}

const PLAIN: Log = Log::of("");

pub fn debug(message: impl Display) {
    PLAIN.debug(message);
}

pub fn info(message: impl Display) {
    PLAIN.info(message);
}

pub fn warn(message: impl Display) {
    PLAIN.warn(message);
}

pub fn error(message: impl Display) {
    PLAIN.error(message);
}
