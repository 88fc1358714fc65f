//! `wasi:keyvalue`: keys and values that last, for the tenant of the call.
//!
//! They lie in the database of the plugin and the tenant, which follows from the store alone, so no name that a plugin
//! gives reaches another's. A bucket is a part of every key's name and nothing besides: it is there when it is opened,
//! and takes nothing while it has no keys. An acknowledged change is on disk. A call shares its database with
//! `tenon:host/sql`, but no change here is part of a transaction there, and one that the call has open holds the
//! writer that a change here waits for.
//!
//! Bounds: [`KeyvalueConfig`] for keys, values, batches and pages; what statements compute is charged as for sql.

mod drafts;
mod error;

use std::ops::RangeInclusive;

use wasmtime::component::{Resource, ResourceTable};

pub use self::drafts::add_to_linker;
pub use self::error::{KeyvalueError, KeyvalueFault, SwapFault};
use super::sql::{ABSENT, Page, SqlContext, Swap, batch_too_large};
use crate::config::KeyvalueConfig;
use crate::fault;

/// The capability's view of a store.
pub struct KeyvalueView<'a> {
    pub sql: &'a mut SqlContext,
    pub limits: &'a KeyvalueConfig,
    pub table: &'a mut ResourceTable,
}

/// A bucket in a store's resource table.
pub struct Bucket {
    name: String,
}

/// A key as it was when this was made.
pub struct Cas {
    bucket: String,
    key: String,
    version: i64,
}

/// What a bucket's name may have: 1 to 64 of these characters.
const BUCKET_NAME: RangeInclusive<usize> = 1..=64;

fn is_bucket_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    BUCKET_NAME.contains(&name.len()) && name.bytes().all(fits)
}

type Fallible<T> = Result<T, KeyvalueFault>;

impl KeyvalueView<'_> {
    fn open(&mut self, name: String) -> Fallible<Resource<Bucket>> {
        fault::point("wasi:keyvalue/store.open");
        if !is_bucket_name(&name) {
            return Err(KeyvalueError::NoSuchStore.into());
        }
        Ok(self.table.push(Bucket { name })?)
    }

    async fn fetch(&mut self, bucket: Resource<Bucket>, key: String) -> Fallible<Option<Vec<u8>>> {
        fault::point("wasi:keyvalue/store.[method]bucket.get");
        let bucket = self.named(&bucket)?;
        self.key_fits(&key)?;
        let database = self.sql.database().await?;
        Ok(database.entry_fetch(&bucket, &key, self.sql.terms()).await?)
    }

    async fn put(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Fallible<()> {
        fault::point("wasi:keyvalue/store.[method]bucket.set");
        let bucket = self.named(&bucket)?;
        self.entry_fits(&key, &value)?;
        let database = self.sql.database().await?;
        Ok(database.entry_set(&bucket, vec![(key, value)], self.limits, self.sql.terms()).await?)
    }

    async fn remove(&mut self, bucket: Resource<Bucket>, key: String) -> Fallible<()> {
        fault::point("wasi:keyvalue/store.[method]bucket.delete");
        let bucket = self.named(&bucket)?;
        self.key_fits(&key)?;
        let database = self.sql.database().await?;
        Ok(database.entry_delete(&bucket, vec![key], self.sql.terms()).await?)
    }

    async fn is_there(&mut self, bucket: Resource<Bucket>, key: String) -> Fallible<bool> {
        fault::point("wasi:keyvalue/store.[method]bucket.exists");
        let bucket = self.named(&bucket)?;
        self.key_fits(&key)?;
        let database = self.sql.database().await?;
        Ok(database.entry_version(&bucket, &key, self.sql.terms()).await? != ABSENT)
    }

    /// The keys after this number.
    async fn list(&mut self, bucket: Resource<Bucket>, after: i64) -> Fallible<Page> {
        fault::point("wasi:keyvalue/store.[method]bucket.list-keys");
        let bucket = self.named(&bucket)?;
        let database = self.sql.database().await?;
        Ok(database.entry_list(&bucket, after, self.limits, self.sql.terms()).await?)
    }

    fn close(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        fault::point("wasi:keyvalue/store.[resource-drop]bucket");
        self.table.delete(bucket)?;
        Ok(())
    }

    async fn add(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Fallible<i128> {
        fault::point("wasi:keyvalue/atomics.increment");
        let bucket = self.named(&bucket)?;
        self.key_fits(&key)?;
        let database = self.sql.database().await?;
        Ok(database.entry_add(&bucket, &key, delta, range, self.limits, self.sql.terms()).await?)
    }

    async fn remember(&mut self, bucket: Resource<Bucket>, key: String) -> Fallible<Resource<Cas>> {
        fault::point("wasi:keyvalue/atomics.[static]cas.new");
        let bucket = self.named(&bucket)?;
        self.key_fits(&key)?;
        let database = self.sql.database().await?;
        let version = database.entry_version(&bucket, &key, self.sql.terms()).await?;
        Ok(self.table.push(Cas { bucket, key, version })?)
    }

    /// The value as it is now. If that is not the one the handle was made of, a swap will fail: so nobody replaces
    /// what they have not seen, and the host keeps no values.
    async fn current(&mut self, cas: Resource<Cas>) -> Fallible<Option<Vec<u8>>> {
        fault::point("wasi:keyvalue/atomics.[method]cas.current");
        let database = self.sql.database().await?;
        let Cas { bucket, key, .. } = self.table.get(&cas)?;
        Ok(database.entry_fetch(bucket, key, self.sql.terms()).await?)
    }

    async fn replace(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Result<(), SwapFault> {
        fault::point("wasi:keyvalue/atomics.swap");
        let Cas { bucket, key, version } = self.table.delete(cas).map_err(KeyvalueFault::from)?;
        self.entry_fits(&key, &value)?;
        let database = self.sql.database().await.map_err(KeyvalueFault::from)?;
        let swap = database.entry_swap(&bucket, &key, version, value, self.limits, self.sql.terms()).await;
        match swap.map_err(KeyvalueFault::from)? {
            Swap::Done => Ok(()),
            Swap::Lost(version) => {
                let anew = self.table.push(Cas { bucket, key, version }).map_err(KeyvalueFault::from)?;
                Err(SwapFault::Lost(anew))
            }
        }
    }

    fn forget(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        fault::point("wasi:keyvalue/atomics.[resource-drop]cas");
        // Absent when it was swapped through its own handle.
        let _ = self.table.delete(cas);
        Ok(())
    }

    async fn fetch_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Fallible<Vec<Option<(String, Vec<u8>)>>> {
        fault::point("wasi:keyvalue/batch.get-many");
        let bucket = self.named(&bucket)?;
        self.keys_fit(&keys)?;
        let database = self.sql.database().await?;
        let values = database.entry_fetch_all(&bucket, keys.clone(), self.limits, self.sql.terms()).await?;
        Ok(keys.into_iter().zip(values).map(|(key, value)| value.map(|value| (key, value))).collect())
    }

    async fn put_many(&mut self, bucket: Resource<Bucket>, entries: Vec<(String, Vec<u8>)>) -> Fallible<()> {
        fault::point("wasi:keyvalue/batch.set-many");
        let bucket = self.named(&bucket)?;
        self.count_fits(entries.len())?;
        let mut bytes = 0;
        for (key, value) in &entries {
            self.entry_fits(key, value)?;
            bytes += key.len() + value.len();
        }
        if bytes > self.limits.batch_bytes {
            return Err(batch_too_large(self.limits.batch_bytes).into());
        }
        let database = self.sql.database().await?;
        Ok(database.entry_set(&bucket, entries, self.limits, self.sql.terms()).await?)
    }

    async fn remove_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Fallible<()> {
        fault::point("wasi:keyvalue/batch.delete-many");
        let bucket = self.named(&bucket)?;
        self.keys_fit(&keys)?;
        let database = self.sql.database().await?;
        Ok(database.entry_delete(&bucket, keys, self.sql.terms()).await?)
    }

    fn named(&self, bucket: &Resource<Bucket>) -> Fallible<String> {
        Ok(self.table.get(bucket)?.name.clone())
    }

    fn key_fits(&self, key: &str) -> Fallible<()> {
        let most = self.limits.key_bytes;
        match key.len() <= most {
            true => Ok(()),
            false => Err(KeyvalueError::quota(format_args!(
                "key bytes: a key has at most {most} bytes, this one {} (keyvalue.key_bytes)",
                key.len()
            ))
            .into()),
        }
    }

    fn entry_fits(&self, key: &str, value: &[u8]) -> Fallible<()> {
        self.key_fits(key)?;
        let most = self.limits.value_bytes;
        match value.len() <= most {
            true => Ok(()),
            false => Err(KeyvalueError::quota(format_args!(
                "value bytes: a value has at most {most} bytes, this one {} (keyvalue.value_bytes)",
                value.len()
            ))
            .into()),
        }
    }

    fn keys_fit(&self, keys: &[String]) -> Fallible<()> {
        self.count_fits(keys.len())?;
        keys.iter().try_for_each(|key| self.key_fits(key))
    }

    fn count_fits(&self, keys: usize) -> Fallible<()> {
        let most = self.limits.batch_keys;
        match keys <= most {
            true => Ok(()),
            false => Err(KeyvalueError::quota(format_args!(
                "batch keys: a batch has at most {most} keys, this one {keys} (keyvalue.batch_keys)"
            ))
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_short_and_plain() {
        for name in ["default", "a", "Sessions.2026_x-1", &"x".repeat(64)] {
            assert!(is_bucket_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a\0", "a\n", &"x".repeat(65)] {
            assert!(!is_bucket_name(name), "{name:?}");
        }
    }
}
