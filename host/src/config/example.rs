//! The example file, made from the settings themselves so that it can lack none of them.

use std::fmt::Write;

use toml::Value;

use super::section::Field;
use super::{
    AuthConfig, BreakerConfig, CacheConfig, Config, DbConfig, EventsConfig, GrantsConfig, HttpConfig, JwtConfig,
    KeyvalueConfig, LifecycleConfig, LimitsConfig, LoaderConfig, LogConfig, NotificationsConfig, OutboundConfig,
    PoolConfig, QuotasConfig, RolesConfig, SchedulesConfig, SharedDataConfig, SqlConfig, StreamConfig, TenantConfig,
    TrustConfig,
};

const SECTIONS: &[(&str, &[Field])] = &[
    ("log", LogConfig::FIELDS),
    ("roles", RolesConfig::FIELDS),
    ("grants", GrantsConfig::FIELDS),
    ("auth", AuthConfig::FIELDS),
    ("auth.jwt", JwtConfig::FIELDS),
    ("http", HttpConfig::FIELDS),
    ("limits", LimitsConfig::FIELDS),
    ("tenant", TenantConfig::FIELDS),
    ("quotas", QuotasConfig::FIELDS),
    ("cache", CacheConfig::FIELDS),
    ("breaker", BreakerConfig::FIELDS),
    ("pool", PoolConfig::FIELDS),
    ("loader", LoaderConfig::FIELDS),
    ("trust", TrustConfig::FIELDS),
    ("lifecycle", LifecycleConfig::FIELDS),
    ("events", EventsConfig::FIELDS),
    ("schedules", SchedulesConfig::FIELDS),
    ("notifications", NotificationsConfig::FIELDS),
    ("stream", StreamConfig::FIELDS),
    ("sql", SqlConfig::FIELDS),
    ("outbound", OutboundConfig::FIELDS),
    ("keyvalue", KeyvalueConfig::FIELDS),
    ("shared_data", SharedDataConfig::FIELDS),
    ("db", DbConfig::FIELDS),
];

/// Plain settings first, as TOML wants it, then the sections in their order.
pub(super) fn render() -> String {
    let mut text = String::from(
        "# Every setting of Tenon with its default. A flag wins over a TENON_... variable, that over this file.\n",
    );
    let defaults = Value::try_from(Config::default()).unwrap_or_else(|_| Value::Table(Default::default()));
    settings(&mut text, "", Config::FIELDS, &defaults);
    text
}

/// The settings of a section, then the sections in it.
fn settings(text: &mut String, of: &str, fields: &[Field], values: &Value) {
    let mut within = Vec::new();
    for field in fields {
        let name = if of.is_empty() { field.name.to_owned() } else { format!("{of}.{}", field.name) };
        match (values.get(field.name), SECTIONS.iter().find(|(section, _)| *section == name)) {
            (Some(section @ Value::Table(_)), Some((_, fields))) => within.push((name, field, *fields, section)),
            (value, _) => setting(text, field, value),
        }
    }
    for (name, field, fields, section) in within {
        let _ = write!(text, "\n\n{}[{name}]\n", comment(field));
        settings(text, &name, fields, section);
    }
}

fn setting(text: &mut String, field: &Field, value: Option<&Value>) {
    let Some(value) = value else { return };
    let _ = write!(text, "\n{}{} = {value}", comment(field), field.name);
    if let Some(size) = value.as_integer().filter(|_| field.name.ends_with("_bytes")) {
        let _ = write!(text, " # {}", readable(size));
    }
    text.push('\n');
}

fn comment(field: &Field) -> String {
    field.docs.iter().map(|line| format!("#{line}\n")).collect()
}

fn readable(bytes: i64) -> String {
    [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        .into_iter()
        .find(|(_, shift)| bytes >> shift > 0 && bytes % (1 << shift) == 0)
        .map_or_else(|| format!("{bytes} bytes"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}
