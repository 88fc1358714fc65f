//! What one tenant has set for one plugin, as it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::db;
use crate::json::{self, Json};
use crate::seal::{KeyError, OpenError, Place, Seals, Secret};

/// One tenant's values for one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    pub entries: BTreeMap<String, Kept>,
    /// 0 when nothing was ever set.
    pub revision: i64,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Plain(Value),
    /// A secret as it is written down, and the JSON text that it is, if it opens.
    Sealed {
        sealed: String,
        opened: Result<Secret, OpenError>,
    },
    /// What is written down and is neither, as it is: one field costs no other.
    Unreadable(String),
}

/// The form of the control plane.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Entry {
    Plain(Json),
    Sealed(String),
}

impl Kept {
    /// Seals a secret.
    ///
    /// # Errors
    ///
    /// Those of [`Seals::seal`].
    pub fn seal(seals: &Seals, place: Place<'_>, value: &Value) -> Result<Self, KeyError> {
        let secret = Secret::new(value.to_string());
        Ok(Self::Sealed { sealed: seals.seal(place, &secret)?, opened: Ok(secret) })
    }

    /// The value; none for a secret that does not open.
    pub fn value(&self) -> Option<Value> {
        match self {
            Self::Plain(value) => Some(value.clone()),
            Self::Sealed { opened, .. } => json::read(opened.as_ref().ok()?.expose().as_bytes()).ok(),
            Self::Unreadable(_) => None,
        }
    }

    /// Why there is no value although something was set.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Sealed { opened, .. } => opened.as_ref().err().map(ToString::to_string),
            Self::Unreadable(_) => Some("what is written down of it cannot be read".to_owned()),
        }
    }

    fn read(place: Place<'_>, entry: &RawValue, seals: &Seals) -> Self {
        let kept = match serde_json::from_str(entry.get()) {
            Ok(Entry::Plain(Json(value))) => Self::Plain(value),
            Ok(Entry::Sealed(sealed)) => {
                let opened = seals.unseal(place, &sealed);
                Self::Sealed { sealed, opened }
            }
            Err(_) => Self::Unreadable(entry.get().to_owned()),
        };
        if let Some(problem) = kept.problem() {
            let Place { tenant, plugin, field } = place;
            tracing::error!(tenant, plugin, field, problem, "what a tenant has set does not count");
        }
        kept
    }

    fn text(&self) -> Option<Box<RawValue>> {
        match self {
            Self::Plain(value) => serde_json::value::to_raw_value(&Entry::Plain(Json(value.clone()))).ok(),
            Self::Sealed { sealed, .. } => serde_json::value::to_raw_value(&Entry::Sealed(sealed.clone())).ok(),
            Self::Unreadable(text) => RawValue::from_string(text.clone()).ok(),
        }
    }
}

impl Stored {
    /// What cannot be read is told, without its content, and kept as it is. None when the row is no object.
    pub(super) fn read(row: &db::ConfigRow, seals: &Seals) -> Option<Self> {
        // Entry by entry: what is nested too deep in one of them is no matter of the others.
        let entries: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&row.entries).ok()?;
        let entries = entries.into_iter().map(|(field, entry)| {
            let kept = Kept::read(Place { tenant: &row.tenant, plugin: &row.plugin, field: &field }, &entry, seals);
            (field, kept)
        });
        Some(Self { entries: entries.collect(), revision: row.revision })
    }

    /// As the control plane keeps it.
    pub fn text(&self) -> String {
        let entries = self.entries.iter().filter_map(|(field, kept)| Some((field, kept.text()?)));
        serde_json::to_string(&entries.collect::<BTreeMap<_, _>>()).unwrap_or_default()
    }

    /// Whether this row, once it is written down, is read as this again.
    pub fn is_kept_by(&self, row: &db::ConfigRow, seals: &Seals) -> bool {
        Self::read(row, seals).is_some_and(|read| read.entries == self.entries)
    }

    /// What does not open or cannot be read, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, String)> {
        self.entries.iter().filter_map(|(field, kept)| Some((field.as_str(), kept.problem()?)))
    }
}
