//! Entries of one database: exact counts, versions that never come back, listings that miss nothing.

use super::*;
use crate::capability::sql::account::free;
use crate::config::SqlConfig;
use crate::usage::{OwnQuotas, Quota, Usage};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

struct World {
    database: Arc<TenantDatabase>,
    usage: Arc<Usage>,
    limits: KeyvalueConfig,
    terms: Terms,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(KeyvalueConfig::default())
    }

    fn with(limits: KeyvalueConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let usage = Usage::with(&SqlConfig::default());
        let database = open(&directory.path().join("x.sqlite"), SqlConfig::default(), TABLES, &usage);
        let terms = free(Instant::now() + Duration::from_secs(60));
        World { database, usage, limits, terms, _directory: directory }
    }

    fn allow(&self, keys: u64) {
        let quotas = HashMap::from([((None, Quota::Keys), keys)]);
        self.usage.set_own(OwnQuotas::from([("acme".parse().unwrap(), quotas)]));
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), SqlError> {
        self.set_in("b", key, value).await
    }

    async fn set_in(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), SqlError> {
        self.database.entry_set(bucket, vec![(key.into(), value.into())], &self.limits, &self.terms).await
    }

    async fn fetch(&self, key: &str) -> Option<Vec<u8>> {
        self.database.entry_fetch("b", key, &self.terms).await.unwrap()
    }

    async fn delete(&self, keys: &[&str]) {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.database.entry_delete("b", keys, &self.terms).await.unwrap();
    }

    async fn version(&self, key: &str) -> i64 {
        self.database.entry_version("b", key, &self.terms).await.unwrap()
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i128, SqlError> {
        let range = i64::MIN.into()..=i64::MAX.into();
        self.database.entry_add("b", key, delta.into(), range, &self.limits, &self.terms).await
    }

    async fn swap(&self, key: &str, version: i64, value: &[u8]) -> Result<Swap, SqlError> {
        self.database.entry_swap("b", key, version, value.into(), &self.limits, &self.terms).await
    }

    /// What is written down of the use, which must be what is there.
    async fn used(&self) -> (i64, i64) {
        let read = |connection: &Connection| {
            let noted = Use::read(connection)?;
            let counted = "SELECT count(*), \
                coalesce(sum(length(CAST(bucket AS BLOB)) + length(CAST(key AS BLOB)) + length(value)), 0) FROM _tenon_kv";
            let counted: (i64, i64) = connection.query_row(counted, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(((noted.keys, noted.bytes), counted))
        };
        let (noted, counted) = self.database.look(&self.terms, read).await.unwrap();
        assert_eq!(noted, counted);
        assert_eq!(self.database.entry_count(&self.terms).await, Ok(noted.0 as u64));
        noted
    }
}

fn open(file: &Path, limits: SqlConfig, host_schema: &str, usage: &Usage) -> Arc<TenantDatabase> {
    let quotas = usage.meter(&"acme".parse().unwrap(), &"crm".parse().unwrap());
    Arc::new(TenantDatabase::open(file, limits.into(), quotas, host_schema).unwrap())
}

fn quota(result: Result<(), SqlError>) -> String {
    match result {
        Err(SqlError::Quota(text)) => text,
        other => panic!("expected a quota: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_set_is_there_until_it_is_replaced_or_deleted() {
    let world = World::new();
    for (key, value) in [("a", &b"1"[..]), ("", b""), ("ä\0\n", &[0, 255]), ("a", b"2")] {
        world.set(key, value).await.unwrap();
        assert_eq!(world.fetch(key).await.as_deref(), Some(value), "{key:?}");
    }
    world.set_in("other", "a", b"3").await.unwrap();
    assert_eq!((world.fetch("a").await, world.fetch("A").await), (Some(b"2".to_vec()), None));
    assert_eq!(world.used().await, (4, 3 + 1 + 7 + 7));
    world.delete(&["a", "not there", "a", ""]).await;
    assert_eq!((world.fetch("a").await, world.version("a").await), (None, ABSENT));
    assert_eq!(world.used().await.0, 2);
    let keys = vec!["ä\0\n".to_owned(), "a".to_owned()];
    let found = world.database.entry_fetch_all("b", keys, &world.limits, &world.terms).await.unwrap();
    assert_eq!(found, [Some(vec![0, 255]), None]);
}

#[tokio::test]
async fn a_version_never_comes_back_so_no_swap_is_misled() {
    let world = World::new();
    assert_eq!(world.swap("a", ABSENT, b"1").await.unwrap(), Swap::Done);
    let first = world.version("a").await;
    world.delete(&["a"]).await;
    world.set("a", b"1").await.unwrap();
    let second = world.version("a").await;
    assert!(second > first);
    assert_eq!(world.swap("a", first, b"2").await.unwrap(), Swap::Lost(second));
    assert_eq!(world.swap("a", ABSENT, b"2").await.unwrap(), Swap::Lost(second));
    assert_eq!(world.swap("a", second, b"2").await.unwrap(), Swap::Done);
    assert_eq!(world.fetch("a").await.unwrap(), b"2");
    world.delete(&["a"]).await;
    assert_eq!(world.swap("a", second, b"3").await.unwrap(), Swap::Lost(ABSENT));
    assert_eq!(world.used().await, (0, 0));
}

#[tokio::test]
async fn numbers_are_decimal_text_within_their_type() {
    let world = World::new();
    assert_eq!(world.add("n", 5).await.unwrap(), 5);
    assert_eq!(world.add("n", -12).await.unwrap(), -7);
    assert_eq!(world.fetch("n").await.unwrap(), b"-7");
    world.set("n", i64::MAX.to_string().as_bytes()).await.unwrap();
    assert!(matches!(world.add("n", 1).await, Err(SqlError::Invalid(_))));
    assert_eq!(world.add("n", -1).await.unwrap(), i128::from(i64::MAX) - 1);
    for wrong in [&b"x"[..], b"1.5", b"", b"\xff", b"9999999999999999999999999999999999999999999999"] {
        world.set("n", wrong).await.unwrap();
        assert!(matches!(world.add("n", 1).await, Err(SqlError::Invalid(_))), "{wrong:?}");
        assert_eq!(world.fetch("n").await.unwrap(), wrong);
    }
}

#[tokio::test]
async fn the_last_key_and_the_last_byte_fit_and_no_more() {
    let limits = KeyvalueConfig { storage_bytes: 20, batch_bytes: 9, ..KeyvalueConfig::default() };
    let world = World::with(limits);
    world.allow(3);
    for key in ["a", "b", "c"] {
        world.set(key, b"1234").await.unwrap();
    }
    assert!(quota(world.set("d", b"").await).starts_with("keys: at most 3 "));
    let two = vec![("c".to_owned(), b"".to_vec()), ("d".to_owned(), b"".to_vec())];
    let batch = world.database.entry_set("b", two, &world.limits, &world.terms).await;
    assert!(quota(batch).starts_with("keys: "));
    assert_eq!(world.fetch("c").await.unwrap(), b"1234", "a batch is set whole or not at all");
    // 3 × (1 + 1 + 4) are taken.
    world.set("a", b"123456").await.unwrap();
    assert!(quota(world.set("a", b"1234567").await).starts_with("storage: "));
    assert!(matches!(world.swap("b", world.version("b").await, b"12345").await, Err(SqlError::Quota(_))));
    assert_eq!(world.used().await, (3, 20));
    let keys = vec!["b".to_owned(), "c".to_owned()];
    let found = world.database.entry_fetch_all("b", keys, &world.limits, &world.terms).await;
    assert!(matches!(found, Err(SqlError::Quota(text)) if text.starts_with("batch bytes: ")));
    // A limit that was lowered lets what is there shrink.
    let limits = KeyvalueConfig { storage_bytes: 5, ..KeyvalueConfig::default() };
    let world = World { limits, ..world };
    world.allow(1);
    world.set("a", b"12345").await.unwrap();
    assert!(quota(world.set("b", b"12345").await).starts_with("storage: "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_writers_at_once_as_many_keys_are_made_as_may_be() {
    let world = Arc::new(World::new());
    world.allow(100);
    let writers = (0..32).map(|writer| {
        let world = world.clone();
        tokio::spawn(async move {
            let mut made = 0;
            for key in 0..5 {
                made += u64::from(world.set(&format!("{writer}.{key}"), b"x").await.is_ok());
            }
            made
        })
    });
    let mut made = 0;
    for writer in writers.collect::<Vec<_>>() {
        made += writer.await.unwrap();
    }
    assert_eq!((made, world.used().await.0), (100, 100));
}

#[tokio::test]
async fn a_listing_has_what_is_there_all_the_while_exactly_once() {
    let limits = KeyvalueConfig { page_keys: 7, page_bytes: 20, ..KeyvalueConfig::default() };
    let world = World::with(limits);
    for number in 0..100 {
        world.set(&format!("key-{number:02}"), b"x").await.unwrap();
        world.set_in("other", &format!("key-{number:02}"), b"x").await.unwrap();
    }
    let (mut after, mut seen) = (0, Vec::new());
    for round in 0.. {
        let page = world.database.entry_list("b", after, &world.limits, &world.terms).await.unwrap();
        assert!((1..=3).contains(&page.keys.len()), "{page:?}");
        seen.extend(page.keys);
        // Meanwhile some are overwritten, some go, some come and some come back.
        world.set(&format!("key-{:02}", round * 7 % 100), b"anew").await.unwrap();
        world.delete(&[&format!("key-{:02}", 99 - round), &format!("new-{round}")]).await;
        world.set(&format!("new-{}", round + 1), b"x").await.unwrap();
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let (old, new): (Vec<_>, Vec<_>) = seen.iter().partition(|key| key.starts_with("key-"));
    let mut once = old.clone();
    once.sort_unstable();
    once.dedup();
    assert!(old.len() == once.len() && old.len() > 60 && !new.is_empty(), "{seen:?}");
    for number in 0..50 {
        assert!(once.contains(&&format!("key-{number:02}")), "{number} is missing");
    }
    // A key that is longer than a page is one of its own.
    let world = World::with(KeyvalueConfig { page_bytes: 1, ..KeyvalueConfig::default() });
    world.set("long", b"").await.unwrap();
    world.set("longer", b"").await.unwrap();
    let page = world.database.entry_list("b", 0, &world.limits, &world.terms).await.unwrap();
    assert_eq!((page.keys.len(), page.next.is_some()), (1, true));
    let empty = world.database.entry_list("none", 0, &world.limits, &world.terms).await.unwrap();
    assert_eq!(empty, Page::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_swaps_and_sums_lose_nothing() {
    let world = Arc::new(World::new());
    let each = (0..8).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                world.add("sum", 1).await.unwrap();
                loop {
                    let version = world.version("swapped").await;
                    let value = world.fetch("swapped").await.unwrap_or_default();
                    let next = [&value[..], b"x"].concat();
                    if world.swap("swapped", version, &next).await.unwrap() == Swap::Done {
                        break;
                    }
                }
            }
        })
    });
    for writer in each.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(world.fetch("sum").await.unwrap(), b"160");
    assert_eq!(world.fetch("swapped").await.unwrap().len(), 160);
    world.used().await;
}

#[tokio::test]
async fn a_database_that_was_full_before_there_were_entries_can_still_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.sqlite");
    let open = |limits: SqlConfig, schema| open(&file, limits.clone(), schema, &Usage::with(&limits));
    drop(open(SqlConfig::default(), "CREATE TABLE _tenon_old (a INTEGER)"));
    let database = open(SqlConfig { storage_bytes: 4096, ..SqlConfig::default() }, TABLES);
    let terms = free(Instant::now() + Duration::from_secs(60));
    database.host_query("SELECT a FROM _tenon_old", Vec::new(), &terms).await.unwrap();
    assert!(database.entry_fetch("b", "a", &terms).await.is_err());
    assert_eq!(database.entry_count(&terms).await, Ok(0));
}
