//! What the operator may set, and the bound on everything a plugin or a client can take.
//!
//! A flag wins over a `TENON_…` variable, that over the TOML file, that over the default. Nothing outside
//! this module has a limit of its own: each has a name with its unit, a default and a rule here, and
//! [`Config::load`] gives only values that keep the rules.

mod check;
mod error;
mod example;
mod section;
mod sections;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::error::{Broken, ConfigError};
pub use self::sections::{
    AuthConfig, BreakerConfig, BreakingChanges, CacheConfig, DbConfig, Dependants, EventsConfig, GrantsConfig,
    HttpConfig, JwtAlgorithm, JwtConfig, KeyvalueConfig, Leave, LifecycleConfig, LimitsConfig, LoaderConfig, LogConfig,
    LogFormat, NotificationsConfig, Opening, OutboundConfig, PoolConfig, QuotasConfig, RolesConfig, SchedulesConfig,
    SharedDataConfig, SqlConfig, StreamConfig, TenantConfig, TrustConfig,
};

/// The tenant of dev mode: of requests that name none, and of the plugins' demo data.
pub const DEMO_TENANT: &str = "demo";

section::section! {
    /// Settings of the host. Relative paths start at the directory the host is run in.
    pub struct Config {
        /// Address and port to listen on. Port 0 takes any that is free.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 4000)),
        /// Development mode: makes the demo tenant and believes X-Tenant-ID, X-User-ID and X-User-Roles as they
        /// come. Only on a loopback address.
        dev: bool = false,
        /// The directory plugins are dropped into.
        plugins: PathBuf = PathBuf::from("plugins-dist"),
        /// The directory of plugins that operators can install by name. It need not exist.
        catalogue: PathBuf = PathBuf::from("catalogue"),
        /// The directory of everything the host keeps.
        data: PathBuf = PathBuf::from("data"),
        /// What is logged, and how.
        log: LogConfig = LogConfig::default(),
        /// What each role may do, as patterns of permissions: `*` stands for one segment, at the end for all that
        /// follow. Further roles can be added; one that is not here may do nothing.
        roles: RolesConfig = RolesConfig::default(),
        /// What plugins are granted of what their manifests ask for.
        grants: GrantsConfig = GrantsConfig::default(),
        /// Who may come in: API keys and tokens.
        auth: AuthConfig = AuthConfig::default(),
        /// What a client can take.
        http: HttpConfig = HttpConfig::default(),
        /// What one call of a plugin can take.
        limits: LimitsConfig = LimitsConfig::default(),
        /// What one tenant can take with all its requests together.
        tenant: TenantConfig = TenantConfig::default(),
        /// What one tenant can use of each plugin in an hour.
        quotas: QuotasConfig = QuotasConfig::default(),
        /// Answers of endpoints with a `cacheTTL`, kept to be given again.
        cache: CacheConfig = CacheConfig::default(),
        /// When a plugin that fails is not called by another for a while, for the tenant for which it failed.
        breaker: BreakerConfig = BreakerConfig::default(),
        /// The memory set aside for running plugins, all calls together.
        pool: PoolConfig = PoolConfig::default(),
        /// What a file in the plugins directory can take before it runs.
        loader: LoaderConfig = LoaderConfig::default(),
        /// Whose plugins are taken. The keys themselves are added with `tenon trust`.
        trust: TrustConfig = TrustConfig::default(),
        /// What happens when a version of a plugin comes to a tenant, and when it goes.
        lifecycle: LifecycleConfig = LifecycleConfig::default(),
        /// Events: what plugins tell each other.
        events: EventsConfig = EventsConfig::default(),
        /// Schedules: what plugins do by the clock.
        schedules: SchedulesConfig = SchedulesConfig::default(),
        /// What plugins tell people.
        notifications: NotificationsConfig = NotificationsConfig::default(),
        /// Streams of notifications and events (`GET /api/v1/stream`).
        stream: StreamConfig = StreamConfig::default(),
        /// What a plugin can take through its own tables, for each tenant.
        sql: SqlConfig = SqlConfig::default(),
        /// Requests that plugins make to hosts outside. Which hosts those are, operators decide (`tenon grant`).
        outbound: OutboundConfig = OutboundConfig::default(),
        /// What a plugin can take through keys and values, for each tenant.
        keyvalue: KeyvalueConfig = KeyvalueConfig::default(),
        /// What a plugin can take through shared data, for each tenant.
        shared_data: SharedDataConfig = SharedDataConfig::default(),
        /// The host's own database.
        db: DbConfig = DbConfig::default(),
    }
}

/// What flags and `TENON_…` variables say. None leaves the file's word or the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `--listen`, `TENON_LISTEN`.
    pub listen: Option<SocketAddr>,
    /// `--dev`, `TENON_DEV`.
    pub dev: Option<bool>,
    /// `--plugins`, `TENON_PLUGINS`.
    pub plugins: Option<PathBuf>,
    /// `--data`, `TENON_DATA`.
    pub data: Option<PathBuf>,
    /// `--allow-downgrade`, `TENON_ALLOW_DOWNGRADE`: `trust.downgrade` is `allow`, or `refuse`.
    pub allow_downgrade: Option<bool>,
}

/// A configuration with all that is wrong with it.
pub struct Survey {
    /// As far as it is understood.
    pub config: Config,
    pub problems: Vec<ConfigError>,
    /// Whether what is understood keeps the rules, so that a host could run with it.
    pub is_settled: bool,
}

impl Config {
    /// Reads the file, where one is named, lays the overrides over it and checks the whole.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML, has a key that does not exist, or a value breaks a rule:
    /// the error names file, key, what was found, what is expected and the fix.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let mut config = match file {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
                error::parse(file, &text)?
            }
            None => Self::default(),
        };
        config.lay_over(overrides);
        match check::check(&config) {
            Ok(()) => Ok(config),
            Err(broken) => Err(ConfigError::Broken { file: file.map(Path::to_owned), broken: Box::new(broken) }),
        }
    }

    /// Reads the same and stops at nothing: every problem, and the settings with what does not fit left out.
    pub fn survey(file: Option<&Path>, overrides: Overrides) -> Survey {
        let (mut config, mut problems) = match file.map(|file| (file, std::fs::read_to_string(file))) {
            None => (Self::default(), Vec::new()),
            Some((file, Ok(text))) => error::survey(file, &text),
            Some((file, Err(source))) => {
                (Self::default(), vec![ConfigError::Unreadable { file: file.to_owned(), source }])
            }
        };
        config.lay_over(overrides);
        let broken = check::all(&config);
        let is_settled = broken.is_empty();
        let told = |broken| ConfigError::Broken { file: file.map(Path::to_owned), broken: Box::new(broken) };
        problems.extend(broken.into_iter().map(told));
        Survey { config, problems, is_settled }
    }

    /// The whole configuration as a TOML file that says nothing but the defaults, each with its meaning.
    pub fn example_toml() -> String {
        example::render()
    }

    fn lay_over(&mut self, overrides: Overrides) {
        let Overrides { listen, dev, plugins, data, allow_downgrade } = overrides;
        set(&mut self.listen, listen);
        set(&mut self.dev, dev);
        set(&mut self.plugins, plugins);
        set(&mut self.data, data);
        let downgrade = allow_downgrade.map(|allow| if allow { Leave::Allow } else { Leave::Refuse });
        set(&mut self.trust.downgrade, downgrade);
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

#[cfg(test)]
mod tests;
