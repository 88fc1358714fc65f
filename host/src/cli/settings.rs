//! Which settings a host has: the options that stand before variables and the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Config, ConfigError, Overrides, Survey};

/// The options of a host, for all commands that start one or look at its directories.
#[derive(clap::Args)]
pub(super) struct Settings {
    /// Serve the demo tenant without credentials; only on a loopback address.
    #[arg(
        long,
        env = "TENON_DEV",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    dev: Option<bool>,
    /// Address and port to listen on; port 0 takes any free one [default: 127.0.0.1:4000]
    #[arg(long, env = "TENON_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Directory of the plugins' .wasm files [default: plugins-dist]
    #[arg(long, env = "TENON_PLUGINS", value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Directory of databases, compiled code and keys [default: data]
    #[arg(long, env = "TENON_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Take versions below the highest one that ever ran, also when they were not there before
    #[arg(
        long,
        env = "TENON_ALLOW_DOWNGRADE",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    allow_downgrade: Option<bool>,
    /// Configuration file in TOML
    #[arg(long, env = "TENON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Settings {
    /// The configuration as a host reads it.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), self.overrides())
    }

    /// Everything that is wrong with the configuration, and what of it is understood.
    pub(super) fn survey(&self) -> Survey {
        Config::survey(self.config.as_deref(), self.overrides())
    }

    /// The configuration file, if one is named.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    fn overrides(&self) -> Overrides {
        let Self { dev, listen, plugins, data, allow_downgrade, config: _ } = self;
        let (plugins, data) = (plugins.clone(), data.clone());
        Overrides { dev: *dev, listen: *listen, plugins, data, allow_downgrade: *allow_downgrade }
    }
}
