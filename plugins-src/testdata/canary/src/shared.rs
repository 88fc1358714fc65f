//! Shared data: under names that both tenants use, under names of the tenant's own, and another plugin's.

use crate::database;
use crate::run::Run;
use crate::tenon::host::shared_data::{self, Error};
use crate::tenon::host::sql::Transaction;

type Outcome = Result<(), String>;

/// Both tenants use the same keys here.
const OPEN: &str = "canary.open";
/// The keys themselves are values of the tenant here.
const NAMES: &str = "canary.names";
/// What CRM tells of its deals.
const CRM: &str = "crm.events";

fn key(run: &mut Run) -> String {
    format!("key-{}", run.below(20))
}

/// Some entries go by themselves.
fn ttl_ms(run: &mut Run) -> Option<u64> {
    (run.below(4) == 0).then_some(2_000)
}

pub fn get(run: &mut Run) -> Outcome {
    let key = key(run);
    match shared_data::get(OPEN, &key) {
        Ok(Some(entry)) => run.look_own(&String::from_utf8_lossy(&entry.value)),
        Ok(None) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

/// A key of the tenant's own is there for it alone.
pub fn list(run: &mut Run) -> Outcome {
    let number = run.below(40);
    let name = format!("{}-x{number}", run.own());
    if let Err(error) = shared_data::set(NAMES, &name, b"", None) {
        return failed(run, &error);
    }
    let mut cursor = None;
    loop {
        let page = match shared_data::list_keys(NAMES, cursor.as_deref()) {
            Ok(page) => page,
            Err(error) => return failed(run, &error),
        };
        page.keys.iter().try_for_each(|key| run.look_own(key))?;
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

pub fn set(run: &mut Run) -> Outcome {
    let (key, value, ttl_ms) = (key(run), run.value(), ttl_ms(run));
    ended(run, shared_data::set(OPEN, &key, value.as_bytes(), ttl_ms))
}

pub fn swap(run: &mut Run) -> Outcome {
    let (key, value) = (key(run), run.value());
    let found = match shared_data::get(OPEN, &key) {
        Ok(found) => found,
        Err(error) => return failed(run, &error),
    };
    match shared_data::compare_and_swap(OPEN, &key, found.map(|entry| entry.version), value.as_bytes(), None) {
        Ok(_) => {
            run.saw();
            Ok(())
        }
        // Somebody was faster, or it has expired.
        Err(Error::Conflict(_)) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

pub fn delete(run: &mut Run) -> Outcome {
    let key = key(run);
    ended(run, shared_data::delete(OPEN, &key))
}

pub fn set_in(run: &mut Run) -> Outcome {
    let (key, value, ttl_ms) = (key(run), run.value(), ttl_ms(run));
    within(run, |transaction| shared_data::set_in(transaction, OPEN, &key, value.as_bytes(), ttl_ms).map(drop))
}

pub fn delete_in(run: &mut Run) -> Outcome {
    let key = key(run);
    within(run, |transaction| shared_data::delete_in(transaction, OPEN, &key).map(drop))
}

/// Another plugin's, of this tenant. It names deals, and they are not told apart by their names.
pub fn of_crm(run: &mut Run) -> Outcome {
    match shared_data::get(CRM, "last-deal-update") {
        Ok(Some(entry)) => {
            run.saw();
            run.look(&String::from_utf8_lossy(&entry.value))
        }
        Ok(None) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

fn within(run: &mut Run, change: impl FnOnce(&Transaction) -> Result<(), Error>) -> Outcome {
    let transaction = match Transaction::begin() {
        Ok(transaction) => transaction,
        Err(error) => return database::failed(run, &error),
    };
    if let Err(error) = change(&transaction) {
        return failed(run, &error);
    }
    Transaction::commit(transaction).or_else(|error| database::failed(run, &error))
}

fn ended<T>(run: &mut Run, outcome: Result<T, Error>) -> Outcome {
    outcome.map(drop).or_else(|error| failed(run, &error))
}

fn failed(run: &mut Run, error: &Error) -> Outcome {
    run.look_error(error, matches!(error, Error::Quota(_) | Error::Unavailable(_)))
}
