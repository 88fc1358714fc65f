//! Shared data of one database: exact counts, versions that never come back, nothing that has expired.

use super::change::Use;
use super::*;
use crate::capability::sql::{ABSENT, account::free};
use crate::config::{SharedDataConfig, SqlConfig};
use crate::usage::Usage;
use proptest::prelude::*;
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const NAMESPACE: &str = "crm.events";

struct World {
    database: Arc<TenantDatabase>,
    limits: SharedDataConfig,
    terms: Terms,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(SharedDataConfig::default())
    }

    fn with(limits: SharedDataConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sql = SqlConfig::default();
        let quotas = Usage::with(&sql).meter(&"acme".parse().unwrap(), &"crm".parse().unwrap());
        let schema = [TABLES, "CREATE TABLE IF NOT EXISTS _tenon_told (version INTEGER)"].concat();
        let file = directory.path().join("x.sqlite");
        let database = Arc::new(TenantDatabase::open(&file, sql.into(), quotas, &schema).unwrap());
        let terms = free(Instant::now() + Duration::from_secs(60));
        World { database, limits, terms, _directory: directory }
    }

    async fn share(&self, key: &str, now_ms: i64, deed: Deed, beside: Option<Beside>) -> Result<Shared, SqlError> {
        let change = SharedChange { namespace: NAMESPACE.to_owned(), key: key.to_owned(), deed, now_ms };
        let mut transaction = self.database.begin(&self.terms).await?;
        let done = transaction.share(change, beside, &self.limits, self.terms.deadline).await;
        // Also after an error: nothing of the change is left then.
        transaction.commit(self.terms.deadline).await?;
        done
    }

    async fn set(&self, key: &str, now_ms: i64, bytes: usize, ttl_ms: Option<i64>) -> Result<i64, SqlError> {
        let deed = Deed::Set { value: vec![7; bytes], expires_at_ms: ttl_ms.map(|ttl| now_ms + ttl), expected: None };
        match self.share(key, now_ms, deed, None).await? {
            Shared::Changed(version) => Ok(version),
            other => panic!("{other:?}"),
        }
    }

    async fn swap(&self, key: &str, now_ms: i64, expected: i64) -> Shared {
        let deed = Deed::Set { value: vec![1], expires_at_ms: None, expected: Some(expected) };
        self.share(key, now_ms, deed, None).await.unwrap()
    }

    async fn fetch(&self, key: &str, now_ms: i64) -> Option<SharedEntry> {
        self.database.shared_fetch(NAMESPACE, key, now_ms, &self.terms).await.unwrap()
    }

    async fn keys(&self, now_ms: i64) -> Vec<String> {
        self.database.shared_list(NAMESPACE, 0, 1_000, now_ms, &self.terms).await.unwrap().keys
    }

    /// What is written down of the use, which must be what is there.
    async fn used(&self) -> (i64, i64) {
        let read = |connection: &Connection| {
            let noted = Use::read(connection, NAMESPACE)?;
            let counted =
                "SELECT count(*), coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) FROM _tenon_shared";
            let counted: (i64, i64) = connection.query_row(counted, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(((noted.keys, noted.bytes), counted))
        };
        let (noted, counted) = self.database.look(&self.terms, read).await.unwrap();
        assert_eq!(noted, counted);
        noted
    }
}

#[tokio::test]
async fn what_has_expired_is_not_there_and_its_place_is_free() {
    let world = World::new();
    let first = world.set("ä", 1_000, 3, Some(500)).await.unwrap();
    let stays = world.set("stays", 1_000, 3, None).await.unwrap();
    let entry = world.fetch("ä", 1_499).await.unwrap();
    assert_eq!((entry.version, entry.expires_at_ms, entry.value), (first, Some(1_500), vec![7; 3]));
    assert_eq!(world.fetch("ä", 1_500).await, None);
    assert_eq!((world.keys(1_499).await.len(), world.keys(1_500).await), (2, vec!["stays".to_owned()]));
    assert_eq!(world.used().await, (2, 13));
    // As if it had never been, but for its version.
    assert_eq!(world.share("ä", 1_500, Deed::Delete, None).await.unwrap(), Shared::Unchanged);
    assert_eq!(world.swap("ä", 1_500, first).await, Shared::Lost(ABSENT));
    assert_eq!(world.swap("ä", 1_500, ABSENT).await, Shared::Changed(stays + 1));
    assert_eq!(world.keys(1_500).await, ["stays", "ä"]);
    assert_eq!(world.used().await, (2, 11));
}

#[tokio::test]
async fn each_change_removes_some_of_what_has_expired_and_a_full_namespace_all_it_needs() {
    let world = World::with(SharedDataConfig { keys: 10, swept_keys: 2, ..SharedDataConfig::default() });
    for number in 0..10 {
        world.set(&format!("{number}"), 0, 1, Some(10 + number)).await.unwrap();
    }
    let full = world.set("more", 5, 1, None).await.unwrap_err();
    let SqlError::Quota(limit) = full else { panic!("{full:?}") };
    assert!(limit.starts_with("keys: at most 10 in crm.events") && limit.ends_with("(shared_data.keys)"), "{limit}");
    // Two to make room, and two on the side.
    world.set("more", 100, 1, None).await.unwrap();
    assert_eq!(world.used().await.0, 7);
    assert_eq!(world.swap("more", 100, 0).await, Shared::Lost(11), "it took the place of others");
    world.set("more", 100, 1, None).await.unwrap();
    assert_eq!(world.used().await.0, 5);
}

#[tokio::test]
async fn what_is_written_beside_goes_with_the_change_or_neither_is_made() {
    let world = World::new();
    let beside = |statement| {
        let parameters = |version| Ok(vec![Value::Integer(version)]);
        Some(Beside { statement, parameters: Box::new(parameters), refusal: SqlError::Quota("full".into()) })
    };
    let set = || Deed::Set { value: vec![1], expires_at_ms: None, expected: None };
    let tell = "INSERT INTO _tenon_told (version) VALUES (?1)";
    world.share("k", 0, set(), beside(tell)).await.unwrap();
    let refused = world.share("k", 0, set(), beside("UPDATE _tenon_told SET version = ?1 WHERE 0")).await;
    assert_eq!(refused, Err(SqlError::Quota("full".into())));
    // What changes nothing is not told.
    assert_eq!(world.share("other", 0, Deed::Delete, beside(tell)).await, Ok(Shared::Unchanged));
    assert_eq!(world.share("k", 0, Deed::Delete, beside(tell)).await, Ok(Shared::Changed(2)));
    let told = world.database.host_query("SELECT version FROM _tenon_told", Vec::new(), &world.terms).await.unwrap();
    assert_eq!(told.rows, [[Value::Integer(1)], [Value::Integer(2)]]);
}

#[tokio::test]
async fn bytes_are_bounded_and_what_takes_no_more_is_never_refused() {
    let mut world = World::with(SharedDataConfig { namespace_bytes: 100, ..SharedDataConfig::default() });
    world.set("a", 0, 60, None).await.unwrap();
    let refused = world.set("b", 0, 39, None).await.unwrap_err();
    assert!(matches!(&refused, SqlError::Quota(limit) if limit.starts_with("namespace bytes: ")), "{refused:?}");
    world.set("b", 0, 38, None).await.unwrap();
    world.limits.namespace_bytes = 10;
    world.set("a", 0, 60, None).await.unwrap();
    world.set("a", 0, 61, None).await.unwrap_err();
    assert_eq!(world.used().await, (2, 100));
}

/// A key, milliseconds later, and how many bytes it is set to for how long; none deletes it.
type Step = (u8, i64, Option<(usize, Option<i64>)>);

/// What a test does, to four keys.
fn deeds() -> impl Strategy<Value = Vec<Step>> {
    let set = (0..40_usize, proptest::option::of(1..30_i64));
    proptest::collection::vec((0..4_u8, 0..20_i64, proptest::option::of(set)), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// A map in memory that forgets what has expired says the same, whatever is set and deleted when.
    #[test]
    fn it_is_a_map_that_forgets(deeds in deeds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::with(SharedDataConfig { swept_keys: 1, ..SharedDataConfig::default() });
            let (mut model, mut now, mut last) = (BTreeMap::<String, (usize, Option<i64>)>::new(), 0, 0);
            for (key, later, deed) in deeds {
                now += later;
                let key = format!("k{key}");
                model.retain(|_, (_, expires)| expires.is_none_or(|at| at > now));
                let version = match deed {
                    Some((bytes, ttl)) => {
                        model.insert(key.clone(), (bytes, ttl.map(|ttl| now + ttl)));
                        Some(world.set(&key, now, bytes, ttl).await.unwrap())
                    }
                    None => match (world.share(&key, now, Deed::Delete, None).await.unwrap(), model.remove(&key)) {
                        (Shared::Changed(version), Some(_)) => Some(version),
                        (Shared::Unchanged, None) => None,
                        other => panic!("{other:?}"),
                    },
                };
                if let Some(version) = version {
                    assert!(version > last, "{version} after {last}");
                    last = version;
                }
                for (key, (bytes, expires)) in &model {
                    let entry = world.fetch(key, now).await.unwrap();
                    assert_eq!((entry.value.len(), entry.expires_at_ms), (*bytes, *expires));
                }
                let mut keys = world.keys(now).await;
                keys.sort();
                assert!(keys.iter().eq(model.keys()), "{keys:?} {model:?}");
                world.used().await;
            }
        });
    }
}
