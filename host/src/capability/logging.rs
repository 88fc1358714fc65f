//! `wasi:logging/logging`: a plugin's messages, each one line of the log with its level.
//!
//! They share the bounds of what the call prints ([`super::console`]): bytes and lines of a call, and the rate of its
//! tenant. A message that is cut off or dropped is no error for the plugin, as nothing it could do about it.

use wasmtime::component::{HasData, Linker};

use super::console::Console;
use crate::bindings::wasi::logging::logging as wit;
use crate::fault;
use crate::log::said::Level;

/// The capability's view of a store.
pub struct LoggingView<'a> {
    pub console: &'a Console,
}

impl wit::Host for LoggingView<'_> {
    fn log(&mut self, level: wit::Level, context: String, message: String) -> wasmtime::Result<()> {
        fault::point("wasi:logging/logging.log");
        let level = match level {
            wit::Level::Trace => Level::Trace,
            wit::Level::Debug => Level::Debug,
            wit::Level::Info => Level::Info,
            wit::Level::Warn => Level::Warn,
            wit::Level::Error => Level::Error,
            wit::Level::Critical => Level::Critical,
        };
        self.console.log(level, &context, &message);
        Ok(())
    }
}

/// Adds the interface to a linker whose stores can give a [`LoggingView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> LoggingView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasLogging>(linker, view)
}

struct HasLogging;

impl HasData for HasLogging {
    type Data<'a> = LoggingView<'a>;
}
