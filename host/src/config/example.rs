//! The example file, made from the settings themselves so that it can lack none of them.

use std::fmt::Write;

use toml::Value;

use super::section::Field;
use super::{Config, DbConfig, HttpConfig, LimitsConfig, LoaderConfig, LogConfig, PoolConfig, SqlConfig};

const SECTIONS: &[(&str, &[Field])] = &[
    ("log", LogConfig::FIELDS),
    ("http", HttpConfig::FIELDS),
    ("limits", LimitsConfig::FIELDS),
    ("pool", PoolConfig::FIELDS),
    ("loader", LoaderConfig::FIELDS),
    ("sql", SqlConfig::FIELDS),
    ("db", DbConfig::FIELDS),
];

/// Plain settings first, as TOML wants it, then the sections in their order.
pub(super) fn render() -> String {
    let mut text = String::from(
        "# Every setting of Tenon with its default. A flag wins over a TENON_... variable, that over this file.\n",
    );
    let defaults = Value::try_from(Config::default()).unwrap_or_else(|_| Value::Table(Default::default()));
    for field in Config::FIELDS {
        match (defaults.get(field.name), SECTIONS.iter().find(|(name, _)| *name == field.name)) {
            (Some(section @ Value::Table(_)), Some((name, fields))) => {
                let _ = write!(text, "\n\n{}[{name}]\n", comment(field));
                for field in *fields {
                    setting(&mut text, field, section.get(field.name));
                }
            }
            (value, _) => setting(&mut text, field, value),
        }
    }
    text
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
