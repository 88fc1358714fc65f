//! What a plugin does by the clock: cron patterns and time zones.
//!
//! Invariants: a pattern that was parsed comes again and again, whatever the year; a time zone that was parsed has its
//! rules with it. Both are read with what this binary brings, never with what a machine has: so every process that looks
//! at the same manifest finds the same ticks.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{InvalidText, text_type};

text_type! {
    /// The name of a schedule within its plugin.
    ScheduleName {
        what: "a schedule's name",
        allowed: "1 to 64 characters of a-z, 0-9 and -, beginning with a letter",
        example: "nightly-report",
        pattern: "^[a-z][a-z0-9-]{0,63}$",
        max_length: 64,
        accepts: |text| {
            let rest = text.strip_prefix(|c: char| c.is_ascii_lowercase());
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            rest.is_some_and(|rest| rest.len() < 64 && rest.chars().all(fits))
        },
    }
}

/// What a plugin does at certain times. Its component exports tenon:plugin/scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// Given to the plugin with each tick.
    pub name: ScheduleName,
    pub cron: CronPattern,
    /// Whose clock the pattern means; UTC if it is left out.
    #[serde(default, skip_serializing_if = "ZoneName::is_utc")]
    pub time_zone: ZoneName,
    /// What becomes of ticks that could not run at their time: because the host was down, or because an earlier run
    /// still went on.
    #[serde(default, skip_serializing_if = "Missed::is_skip")]
    pub missed: Missed,
    /// What the plugin does then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2000))]
    pub description: String,
}

impl Schedule {
    /// What its ticks depend on, as one text.
    pub fn definition(&self) -> String {
        format!("{} {}", self.cron.as_str(), self.time_zone.as_str())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// They do not run. The next tick does.
    #[default]
    Skip,
    /// One run is made up for all of them.
    Once,
}

impl Missed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like that")]
    fn is_skip(&self) -> bool {
        *self == Self::Skip
    }
}

/// A cron pattern of five fields: minute, hour, day of the month, month and day of the week.
#[derive(Clone)]
pub struct CronPattern(Arc<(String, Cron)>);

impl CronPattern {
    const WHAT: &str = "a cron pattern";
    const ALLOWED: &str = "five fields: minute, hour, day of the month, month, day of the week";
    const EXAMPLE: &str = "0 3 * * 1-5";
    const MAX_LENGTH: usize = 100;
    /// So many years hold every day there is, each as every day of the week.
    const YEARS: i16 = 40;

    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let wrong = |why: String| InvalidText::new(Self::WHAT, text, why, Self::EXAMPLE);
        if text.len() > Self::MAX_LENGTH {
            return Err(wrong(format!("at most {} characters", Self::MAX_LENGTH)));
        }
        // Anything else would be told of in the words of patterns with seconds and years.
        if !text.trim().starts_with('@') && text.split_whitespace().count() != 5 {
            return Err(wrong(Self::ALLOWED.to_owned()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| wrong(format!("{} ({error})", Self::ALLOWED)))?;
        let pattern = Self(Arc::new((text.to_owned(), cron)));
        // The search ends at a year that no host will see: so it is short for a day that never comes.
        let late = i16::try_from(croner::YEAR_UPPER_LIMIT).unwrap_or(i16::MAX) - Self::YEARS - 1;
        match pattern.after(date(late, 1, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(pattern),
            None => Err(wrong("a time that comes: there is no such day".to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// The first time on a wall clock after this one that it means.
    pub fn after(&self, time: DateTime) -> Option<DateTime> {
        self.0.1.find_next_occurrence(&time, false).ok()
    }
}

/// A time zone with its rules, by its name in the IANA database.
#[derive(Clone)]
pub struct ZoneName(Arc<(String, TimeZone)>);

impl ZoneName {
    const WHAT: &str = "a time zone";
    const ALLOWED: &str = "a name of the IANA time zone database, or UTC";
    const EXAMPLE: &str = "Europe/Vienna";

    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
        let known = ZONES.get(text).ok().filter(|zone| zone.iana_name() == Some(text) && !zone.is_unknown());
        match known {
            Some(zone) => Ok(Self(Arc::new((text.to_owned(), zone)))),
            None => Err(InvalidText::new(Self::WHAT, text, Self::ALLOWED, Self::EXAMPLE)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    pub fn zone(&self) -> &TimeZone {
        &self.0.1
    }

    fn is_utc(&self) -> bool {
        self.as_str() == "UTC"
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self(Arc::new(("UTC".to_owned(), TimeZone::UTC)))
    }
}

/// What a parsed text has in common with its text.
macro_rules! as_text {
    ($name:ident, $schema:expr) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

as_text! {
    CronPattern,
    json_schema!({
        "type": "string",
        "description": "A cron pattern of five fields: minute, hour, day of the month, month, day of the week; or @hourly, \
            @daily, @weekly, @monthly, @yearly.",
        "maxLength": Self::MAX_LENGTH,
        "examples": [Self::EXAMPLE],
    })
}

as_text! {
    ZoneName,
    json_schema!({
        "type": "string",
        "description": "The name of a time zone in the IANA database, as it is written there.",
        "examples": [Self::EXAMPLE],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_means_times_on_a_wall_clock() {
        let after = |pattern: &str, time: &str| {
            let next = CronPattern::parse(pattern).unwrap().after(time.parse().unwrap());
            next.map(|next| next.strftime("%F %R").to_string()).unwrap_or_default()
        };
        assert_eq!(after("*/15 * * * *", "2026-11-22T10:15:00"), "2026-11-22 10:30");
        assert_eq!(after("0 3 * * 1-5", "2026-11-20T03:00:00"), "2026-11-23 03:00", "a Friday");
        assert_eq!(after("0 0 L * *", "2026-02-01T00:00:00"), "2026-02-28 00:00");
        assert_eq!(after("30 6 * * MON#2", "2026-11-01T00:00:00"), "2026-11-09 06:30");
        assert_eq!(after("0 0 13 * FRI", "2026-11-01T00:00:00"), "2026-11-06 00:00", "either of the two days");
        assert_eq!(after("@daily", "2026-11-22T00:00:00"), "2026-11-23 00:00");
        assert_eq!(after("0 0 29 2 *", "2026-11-22T00:00:00"), "2028-02-29 00:00");
    }

    #[test]
    fn what_is_no_pattern_says_what_is_wrong() {
        for (text, said) in [
            ("", "five fields"),
            ("* * * *", "five fields"),
            ("0 * * * * *", "five fields"),
            ("0 0 0 1 1 * 2030", "five fields"),
            ("60 * * * *", "five fields"),
            ("* * * * noday", "five fields"),
            ("@reboot", "five fields"),
            ("5/5 * * * *", "five fields"),
            ("0 0 30 2 *", "no such day"),
            ("0 0 31 4,6,9,11 *", "no such day"),
        ] {
            let error = CronPattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("0 3 * * 1-5"), "{text}: {error}");
        }
        assert!(CronPattern::parse(&format!("{} * * * *", ["1"; 60].join(","))).is_err(), "too long");
    }

    #[test]
    fn time_zones_are_those_of_the_database_as_it_writes_them() {
        for name in ["UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Australia/Lord_Howe"] {
            assert_eq!(ZoneName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "Europe/Wien", "europe/vienna", "../../etc/passwd", "/etc/localtime", "CET-1CEST", "+02:00"] {
            let error = ZoneName::parse(name).unwrap_err().to_string();
            assert!(error.contains("a name of the IANA time zone database"), "{name}: {error}");
        }
        assert!(ZoneName::default().is_utc() && ZoneName::default() == ZoneName::parse("UTC").unwrap());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_read(text in "[-0-9*/,LW#?+@ A-Z]{0,24}|\\PC{0,20}") {
            if let Ok(pattern) = CronPattern::parse(&text) {
                prop_assert!(pattern.after(date(2026, 11, 22).at(0, 0, 0, 0)).is_some());
            }
            let _ = ZoneName::parse(&text);
        }
    }
}
