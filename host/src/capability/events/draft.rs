//! An event as its publisher gives it, and what it has to be.

use serde::de::IgnoredAny;

use crate::config::EventsConfig;
use crate::id::excerpt;

/// What a publisher says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub topic: String,
    pub key: Option<String>,
    pub subject: Option<String>,
    /// JSON.
    pub data: String,
}

/// How large its parts may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub data_bytes: usize,
    pub key_bytes: usize,
}

/// A part of an event that is not what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Wrong {
    pub field: &'static str,
    pub problem: String,
}

impl Limits {
    pub fn of(config: &EventsConfig) -> Self {
        Self { data_bytes: config.data_bytes, key_bytes: config.key_bytes }
    }
}

impl Wrong {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    pub(super) fn id(found: &str) -> Self {
        Self::new("event-id", format!("{:?} is not the id of an event", excerpt(found)))
    }
}

impl Draft {
    /// # Errors
    ///
    /// The first part that is not what it has to be.
    pub fn check(&self, limits: &Limits) -> Result<(), Wrong> {
        name("key", self.key.as_deref(), limits.key_bytes)?;
        name("subject", self.subject.as_deref(), limits.key_bytes)?;
        let (found, most) = (self.data.len(), limits.data_bytes);
        if found > most {
            let fix = "publish what has changed, and let subscribers ask for the rest";
            return Err(Wrong::new("data", format!("{found} bytes, at most {most} (events.data_bytes); {fix}")));
        }
        let json = serde_json::from_str::<IgnoredAny>(&self.data);
        json.map(drop).map_err(|error| Wrong::new("data", format!("is not one JSON value: {error}")))
    }
}

fn name(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Wrong> {
    let Some(text) = text else { return Ok(()) };
    if text.is_empty() || text.len() > most {
        let found = text.len();
        return Err(Wrong::new(field, format!("{found} bytes, 1 to {most} are allowed (events.key_bytes)")));
    }
    match text.chars().any(char::is_control) {
        true => Err(Wrong::new(field, "has control characters")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_bounded_and_data_is_one_json_value() {
        let limits = Limits { data_bytes: 20, key_bytes: 4 };
        let good = Draft { topic: "deal.won".into(), key: None, subject: None, data: "{\"a\": [1, null]}".into() };
        assert_eq!(good.check(&limits), Ok(()));
        let check = |draft: Draft| draft.check(&limits).unwrap_err();
        for data in ["", "{", "{} {}", "undefined", "'a'", "[1,]"] {
            assert_eq!(check(Draft { data: data.into(), ..good.clone() }).field, "data", "{data}");
        }
        assert!(check(Draft { data: "1".repeat(21), ..good.clone() }).problem.starts_with("21 bytes"));
        for text in ["", "12345", "a\nb", "\u{85}"] {
            assert_eq!(check(Draft { key: Some(text.into()), ..good.clone() }).field, "key", "{text:?}");
            assert_eq!(check(Draft { subject: Some(text.into()), ..good.clone() }).field, "subject", "{text:?}");
        }
        let deep = Draft { data: "[".repeat(100_000), ..good };
        assert_eq!(deep.check(&Limits { data_bytes: 1 << 20, key_bytes: 4 }).unwrap_err().field, "data");
    }
}
