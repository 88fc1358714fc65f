//! What lies beside the database file, and what happens when there is no room.

use super::*;
use std::fs;

const WIDE: &str = "SELECT a.i AS x, b.i AS y, c.i AS z FROM n AS a, n AS b, n AS c";

async fn with_numbers(limits: SqlConfig) -> World {
    let world = World::with(limits).await;
    let numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) \
                   INSERT INTO n (i) SELECT x FROM c";
    world.execute(numbers, vec![]).await.unwrap();
    world
}

fn log_bytes_now(world: &World) -> u64 {
    super::super::log_bytes(&world.database.file)
}

#[test]
fn sorting_and_other_work_on_the_side_ends_at_its_limit() {
    test(async {
        let limits = SqlConfig { temporary_bytes: 4 << 20, ..SqlConfig::default() };
        let world = with_numbers(limits).await;
        for sql in [
            format!("SELECT count(*) FROM (SELECT sum(y) OVER (ORDER BY x % 7, z, y) AS s FROM ({WIDE}) AS w) AS v"),
            format!("SELECT count(*) FROM (SELECT DISTINCT x, y, z FROM ({WIDE}) AS w) AS v"),
            format!("SELECT count(*) FROM ({WIDE} UNION {WIDE}) AS v"),
            format!("SELECT x, y, z FROM ({WIDE}) AS w GROUP BY z, y, x ORDER BY count(*) LIMIT 1"),
            format!("SELECT count(*) FROM n WHERE i IN (SELECT x * 90000 + y * 300 + z FROM ({WIDE}) AS w)"),
            format!("WITH c AS ({WIDE} LIMIT 20000000) SELECT count(*) FROM c AS p, c AS q WHERE p.x + q.y < 0"),
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x + 1 FROM c) SELECT count(*) FROM c".to_owned(),
        ] {
            let error = world.query(&sql, vec![]).await.expect_err(&sql);
            let told = matches!(&error, SqlError::Quota(why) if why.starts_with("temporary bytes: at most 4194304"));
            assert!(told, "{sql}: {error}");
            assert_eq!(world.database.room.temporary_now(), 0, "{sql}");
        }
        let sorted = "SELECT max(s) FROM (SELECT sum(a.i) OVER (ORDER BY b.i, a.i) AS s FROM n AS a, n AS b) AS v";
        assert_eq!(world.one(sorted).await, Value::Integer(13_545_000));
        world.is_quiet().await;
    });
}

#[test]
fn a_transaction_larger_than_the_log_is_refused_and_leaves_nothing() {
    test(async {
        let limits = SqlConfig { log_bytes: 1 << 20, ..SqlConfig::default() };
        let world = World::with(limits).await;
        let body = || vec![Value::Blob(vec![7; 100_000])];
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        let insert = world.checked("INSERT INTO big (body) VALUES ($1)");
        let mut error = None;
        for _ in 0..60 {
            if let Err(refused) = transaction.execute(&insert, body(), soon()).await {
                error = Some(refused);
                break;
            }
        }
        match error {
            None => error = transaction.commit(soon()).await.err(),
            Some(_) => transaction.rollback().await,
        }
        assert!(matches!(&error, Some(SqlError::Quota(why)) if why.starts_with("transaction bytes")), "{error:?}");
        assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(0));
        for _ in 0..60 {
            world.execute("INSERT INTO big (body) VALUES ($1)", body()).await.unwrap();
            assert!(log_bytes_now(&world) <= 1 << 20);
        }
        assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(60));
        world.is_quiet().await;
    });
}

#[test]
fn readers_that_never_stop_do_not_make_the_log_grow() {
    test(async {
        let limits = SqlConfig { log_bytes: 2 << 20, readers: 2, busy_wait_ms: 20_000, ..SqlConfig::default() };
        let world = Arc::new(with_numbers(limits).await);
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        // Each reads for a while; together somebody always does.
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (world, stop) = (world.clone(), stop.clone());
                tokio::spawn(async move {
                    let long = world.checked(LONG_JOIN);
                    let mut reads = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let read = world.database.query(&long, vec![], &free(within(70))).await;
                        assert_eq!(read, Err(SqlError::Timeout));
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        for _ in 0..100 {
            world.execute("INSERT INTO big (body) VALUES ($1)", vec![Value::Blob(vec![7; 60_000])]).await.unwrap();
            assert!(log_bytes_now(&world) <= 2 << 20);
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
        assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(100));
        let bytes = fs::metadata(&world.database.file).unwrap().len();
        assert!(bytes > 3 << 20, "the log was never written back: {bytes}");
        world.is_quiet().await;
    });
}

#[test]
fn somebody_who_reads_for_long_holds_up_nobody_who_writes_little() {
    test(async {
        let limits = SqlConfig { log_bytes: 2 << 20, readers: 2, busy_wait_ms: 50, ..SqlConfig::default() };
        let world = Arc::new(World::with(limits).await);
        let long = {
            let world = world.clone();
            tokio::spawn(async move { world.query(ENDLESS, vec![]).await })
        };
        while world.database.readers.permits.available_permits() == 2 {
            tokio::task::yield_now().await;
        }
        let insert = "INSERT INTO big (body) VALUES ($1)";
        let body = || vec![Value::Blob(vec![7; 60_000])];
        let mut written = 0;
        while log_bytes_now(&world) < 900 << 10 {
            assert_eq!(world.execute(insert, body()).await, Ok(1), "after {written}");
            written += 1;
            assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(written));
            let transaction = world.database.begin(&free(soon())).await.unwrap();
            transaction.commit(soon()).await.unwrap();
        }
        assert!(written > 5, "{written}");
        // It ends where one transaction would no longer find room.
        let full = loop {
            match world.execute(insert, body()).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full, SqlError::Busy);
        assert!(((1 << 20)..(2 << 20)).contains(&log_bytes_now(&world)), "{}", log_bytes_now(&world));
        long.abort();
        assert!(long.await.is_err());
        world.is_quiet().await;
        assert!(log_bytes_now(&world) < 128 << 10, "it was not written back: {}", log_bytes_now(&world));
        assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(written));
    });
}

#[test]
fn each_connection_has_a_page_cache_of_its_own() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut options = connection.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> = options.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(options.iter().any(|option| option == "ENABLE_API_ARMOR"), "{options:?}");
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "build with .cargo/config.toml");
}
