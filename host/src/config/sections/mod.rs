//! The sections of the configuration, one file a topic: every limit with its unit in its name.

mod auth;
mod calls;
mod data;
mod events;
mod http;
mod lifecycle;
mod links;
mod loader;
mod log;
mod outbound;
mod quotas;
mod roles;
mod schedules;
mod stream;
mod trust;

pub use self::auth::{AuthConfig, JwtAlgorithm, JwtConfig};
pub use self::calls::{LimitsConfig, PoolConfig, TenantConfig};
pub use self::data::{DbConfig, KeyvalueConfig, SharedDataConfig, SqlConfig};
pub use self::events::EventsConfig;
pub use self::http::HttpConfig;
pub use self::lifecycle::{GrantsConfig, LifecycleConfig};
pub use self::links::{BreakerConfig, CacheConfig};
pub use self::loader::{BreakingChanges, Dependants, LoaderConfig};
pub use self::log::{LogConfig, LogFormat};
pub use self::outbound::{Opening, OutboundConfig};
pub use self::quotas::QuotasConfig;
pub use self::roles::RolesConfig;
pub use self::schedules::SchedulesConfig;
pub use self::stream::{NotificationsConfig, StreamConfig};
pub use self::trust::{Leave, TrustConfig};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: u64 = 1 << 30;
