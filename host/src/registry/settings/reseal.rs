//! Sealing every secret anew, with the key in use.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::stored::{Kept, Stored};
use crate::db::{ConfigRow, ControlPlane, DbError};
use crate::seal::{KeyError, Place, Seals, key_of};

/// How often what others changed meanwhile is read again.
const ROUNDS: usize = 16;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Secrets that are sealed with the key in use now and were not before.
    pub resealed: usize,
    /// How many of them are each tenant's.
    pub tenants: BTreeMap<String, usize>,
    /// What does not open or cannot be read. It stays as it is.
    pub unreadable: Vec<Unreadable>,
    /// Whether nothing that opens is sealed with an earlier key any more.
    pub complete: bool,
    /// The names of the keys that something was sealed with when it began.
    pub keys: BTreeSet<String>,
}

/// Something that a tenant has set and nobody can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    pub tenant: String,
    pub plugin: String,
    /// None for all that the tenant has set for the plugin.
    pub field: Option<String>,
    pub problem: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    #[error(transparent)]
    Control(#[from] DbError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Goes through all rows, and again through those that somebody changed meanwhile. Each row gets a new revision: who
/// has read the old one would write secrets back as they were sealed before.
///
/// # Errors
///
/// When the control plane fails. What was done stays done, and earlier keys are still needed.
pub async fn reseal(control: &dyn ControlPlane, seals: &Seals) -> Result<Resealed, ResealError> {
    let mut done = Resealed::default();
    for round in 0..ROUNDS {
        let mut left = false;
        done.unreadable.clear();
        for row in control.config_list().await? {
            let stored = Stored::read(&row, seals);
            done.unreadable.extend(Unreadable::of(&row, stored.as_ref()));
            let Some(mut stored) = stored else { continue };
            if round == 0 {
                done.keys.extend(sealed_with(&stored).map(str::to_owned));
            }
            let anew = each(&row, &mut stored, seals)?;
            if anew == 0 {
                continue;
            }
            let next = ConfigRow { entries: stored.text(), updated_at: Timestamp::now(), ..row };
            if !stored.is_kept_by(&next, seals) {
                done.unreadable.push(Unreadable::all(&next, "it cannot be sealed anew so that it opens".to_owned()));
                continue;
            }
            let tenant = next.tenant.clone();
            match control.config_put(next).await? {
                Ok(_) => {
                    done.resealed += anew;
                    *done.tenants.entry(tenant).or_default() += anew;
                }
                Err(_stale) => left = true,
            }
        }
        if !left {
            done.complete = true;
            break;
        }
    }
    Ok(done)
}

/// Seals the secrets of one row anew where that is due; how many.
fn each(row: &ConfigRow, stored: &mut Stored, seals: &Seals) -> Result<usize, KeyError> {
    let mut anew = 0;
    for (field, kept) in &mut stored.entries {
        let Kept::Sealed { sealed, opened: Ok(secret) } = kept else { continue };
        if !seals.is_current(sealed) {
            *sealed = seals.seal(Place { tenant: &row.tenant, plugin: &row.plugin, field }, secret)?;
            anew += 1;
        }
    }
    Ok(anew)
}

/// The names of the keys.
fn sealed_with(stored: &Stored) -> impl Iterator<Item = &str> {
    stored.entries.values().filter_map(|kept| match kept {
        Kept::Sealed { sealed, .. } => key_of(sealed),
        _ => None,
    })
}

/// Everything in these rows that nobody can read.
pub fn unreadable(rows: &[ConfigRow], seals: &Seals) -> Vec<Unreadable> {
    rows.iter().flat_map(|row| Unreadable::of(row, Stored::read(row, seals).as_ref())).collect()
}

impl Unreadable {
    fn of(row: &ConfigRow, stored: Option<&Stored>) -> Vec<Self> {
        let one = |(field, problem): (&str, String)| Self { field: Some(field.to_owned()), ..Self::all(row, problem) };
        match stored {
            Some(stored) => stored.unreadable().map(one).collect(),
            None => vec![Self::all(row, "it is no JSON object".to_owned())],
        }
    }

    fn all(row: &ConfigRow, problem: String) -> Self {
        Self { tenant: row.tenant.clone(), plugin: row.plugin.clone(), field: None, problem }
    }
}
