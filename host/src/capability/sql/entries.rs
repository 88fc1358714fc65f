//! Keys and values, in tables of the host's own in a plugin's database.
//!
//! Invariants: every change is one transaction, so it is made whole or not at all, and it is on disk when it is
//! acknowledged; `_tenon_kv_use` says what the entries take, exactly; an entry's version is greater than that of every
//! change before it, so whoever compares versions is not misled by a value that went and came back. An entry keeps its
//! number (`id`) until it is deleted: a listing goes by it, so what is there all the while is listed exactly once.

mod read;
mod used;

use self::read::{fetch, list, number, state};
use self::used::{Most, Use};
use super::{
    account::Terms,
    database::{Lease, TenantDatabase},
    error::SqlError,
    guard::Mode,
    link::Role,
};
use crate::config::KeyvalueConfig;
use rusqlite::Connection;
use std::{ops::RangeInclusive, sync::Arc};

/// The value stands last, so that a listing reads no further than the key.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _tenon_kv (id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,
        version INTEGER NOT NULL, value BLOB NOT NULL, UNIQUE (bucket, key));
    CREATE INDEX IF NOT EXISTS _tenon_kv_bucket ON _tenon_kv (bucket);
    CREATE TABLE IF NOT EXISTS _tenon_kv_use (one INTEGER PRIMARY KEY CHECK (one = 1), keys INTEGER NOT NULL,
        bytes INTEGER NOT NULL, version INTEGER NOT NULL);";

/// Of an entry that is not there.
pub const ABSENT: i64 = 0;

/// A page of keys, and the number of its last if there are more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub keys: Vec<String>,
    pub next: Option<i64>,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    Done,
    /// The version was another by then: this one.
    Lost(i64),
}

impl TenantDatabase {
    pub async fn entry_fetch(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
        terms: &Terms,
    ) -> Result<Option<Vec<u8>>, SqlError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.look(terms, move |connection| fetch(connection, &bucket, &key)).await
    }

    /// The version of an entry, or [`ABSENT`].
    pub async fn entry_version(self: &Arc<Self>, bucket: &str, key: &str, terms: &Terms) -> Result<i64, SqlError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.look(terms, move |connection| Ok(state(connection, &bucket, &key)?.map_or(ABSENT, |entry| entry.version)))
            .await
    }

    /// The values of several keys, in their order.
    ///
    /// # Errors
    /// `Quota` when they are more than `batch_bytes` together.
    pub async fn entry_fetch_all(
        self: &Arc<Self>,
        bucket: &str,
        keys: Vec<String>,
        limits: &KeyvalueConfig,
        terms: &Terms,
    ) -> Result<Vec<Option<Vec<u8>>>, SqlError> {
        let (bucket, batch_bytes) = (bucket.to_owned(), limits.batch_bytes);
        self.look(terms, move |connection| {
            let mut left = batch_bytes;
            let each = keys.iter().map(|key| {
                let value = fetch(connection, &bucket, key)?;
                let taken = value.as_ref().map_or(0, |value| value.len() + key.len());
                left = left.checked_sub(taken).ok_or_else(|| batch_too_large(batch_bytes))?;
                Ok(value)
            });
            each.collect()
        })
        .await
    }

    /// The keys of a bucket whose numbers are greater, in the order of their numbers.
    pub async fn entry_list(
        self: &Arc<Self>,
        bucket: &str,
        after: i64,
        limits: &KeyvalueConfig,
        terms: &Terms,
    ) -> Result<Page, SqlError> {
        let (bucket, most, bytes) = (bucket.to_owned(), limits.page_keys, limits.page_bytes);
        self.look(terms, move |connection| list(connection, &bucket, after, most, bytes)).await
    }

    /// Sets all of them, or none.
    ///
    /// # Errors
    /// `Quota` with the limit that is in the way.
    pub async fn entry_set(
        self: &Arc<Self>,
        bucket: &str,
        entries: Vec<(String, Vec<u8>)>,
        limits: &KeyvalueConfig,
        terms: &Terms,
    ) -> Result<(), SqlError> {
        let (bucket, most) = (bucket.to_owned(), self.most(limits));
        self.change(terms, move |connection| {
            let mut used = Use::read(connection)?;
            for (key, value) in &entries {
                let found = state(connection, &bucket, key)?;
                used.set(connection, &bucket, key, value, found, &most)?;
            }
            used.write(connection)
        })
        .await
    }

    /// Removes those that are there.
    pub async fn entry_delete(
        self: &Arc<Self>,
        bucket: &str,
        keys: Vec<String>,
        terms: &Terms,
    ) -> Result<(), SqlError> {
        let bucket = bucket.to_owned();
        self.change(terms, move |connection| {
            let mut used = Use::read(connection)?;
            for key in &keys {
                let Some(entry) = state(connection, &bucket, key)? else { continue };
                used.remove(connection, &bucket, key, &entry)?;
            }
            used.write(connection)
        })
        .await
    }

    /// Adds to the number of an entry, which is decimal text and 0 where there is none.
    ///
    /// # Errors
    /// `Invalid` when the value is no number, or the sum is outside the range.
    pub async fn entry_add(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
        delta: i128,
        range: RangeInclusive<i128>,
        limits: &KeyvalueConfig,
        terms: &Terms,
    ) -> Result<i128, SqlError> {
        let (bucket, key, most) = (bucket.to_owned(), key.to_owned(), self.most(limits));
        self.change(terms, move |connection| {
            let mut used = Use::read(connection)?;
            let found = state(connection, &bucket, &key)?;
            let sum = match fetch(connection, &bucket, &key)? {
                Some(value) => number(&value)?.saturating_add(delta),
                None => delta,
            };
            if !range.contains(&sum) {
                return Err(SqlError::invalid(format!("the sum would be {sum}, which is no number of this type")));
            }
            used.set(connection, &bucket, &key, sum.to_string().as_bytes(), found, &most)?;
            used.write(connection)?;
            Ok(sum)
        })
        .await
    }

    /// Sets an entry if its version is still this one.
    ///
    /// # Errors
    /// `Quota` with the limit that is in the way.
    pub async fn entry_swap(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
        version: i64,
        value: Vec<u8>,
        limits: &KeyvalueConfig,
        terms: &Terms,
    ) -> Result<Swap, SqlError> {
        let (bucket, key, most) = (bucket.to_owned(), key.to_owned(), self.most(limits));
        self.change(terms, move |connection| {
            let found = state(connection, &bucket, &key)?;
            let now = found.as_ref().map_or(ABSENT, |entry| entry.version);
            if now != version {
                return Ok(Swap::Lost(now));
            }
            let mut used = Use::read(connection)?;
            used.set(connection, &bucket, &key, &value, found, &most)?;
            used.write(connection)?;
            Ok(Swap::Done)
        })
        .await
    }

    /// How many keys there are in all buckets.
    pub async fn entry_count(self: &Arc<Self>, terms: &Terms) -> Result<u64, SqlError> {
        self.look(terms, used::keys).await
    }

    fn most(&self, limits: &KeyvalueConfig) -> Most {
        Most { room: self.room.clone(), bytes: limits.storage_bytes }
    }

    /// Reads on the calling thread, or if that takes long on one of its own, where it begins anew.
    pub(super) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        terms: &Terms,
        work: impl Fn(&Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let here =
            Lease::idle(self, Role::Reader, terms).and_then(|lease| lease.inline(Mode::Host, terms.deadline, &work));
        if let Some(result) = here {
            return result;
        }
        let lease = Lease::wait(self, Role::Reader, terms).await?;
        lease
            .run(Mode::Host, terms.deadline, move |link, busy_until| {
                let connection = link.switch(Mode::Host);
                link.patiently(busy_until, || work(connection))
            })
            .await
            .1
    }

    /// Changes entries in one transaction. On an error the lease takes it back.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        terms: &Terms,
        work: impl FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let lease = Lease::wait(self, Role::Writer, terms).await?;
        lease
            .run(Mode::Host, terms.deadline, move |link, busy_until| {
                link.patiently(busy_until, || link.begin())?;
                let done = work(link.switch(Mode::Host))?;
                link.commit()?;
                Ok(done)
            })
            .await
            .1
    }
}

/// The refusal of a batch that is too large.
pub fn batch_too_large(most: usize) -> SqlError {
    SqlError::Quota(format!(
        "batch bytes: keys and values of one batch are at most {most} bytes together (keyvalue.batch_bytes); take fewer \
         at a time"
    ))
}

#[cfg(test)]
mod tests;
