//! What a database does not let happen.

use super::*;

/// The second line: SQLite itself, were the checker to let something through.
#[test]
fn sqlite_refuses_what_the_checker_would_have() {
    test(async {
        let world = World::new().await;
        for sql in [
            "ATTACH '/tmp/tenon-stolen.sqlite' AS x",
            "ATTACH ':memory:' AS x",
            "DETACH main",
            "PRAGMA user_version = 1",
            "PRAGMA writable_schema = ON",
            "PRAGMA journal_mode = DELETE",
            "SELECT * FROM pragma_table_info('n')",
            "SELECT * FROM sqlite_master",
            "SELECT * FROM sqlite_schema",
            "UPDATE sqlite_master SET sql = ''",
            "DELETE FROM sqlite_master",
            "SELECT * FROM sqlite_sequence",
            "SELECT * FROM _tenon_migration",
            "SELECT name FROM main.\"_Tenon_Migration\"",
            "INSERT INTO _tenon_outbox (topic) VALUES ('x')",
            "DELETE FROM _tenon_migration",
            "WITH x AS (SELECT * FROM _tenon_outbox) SELECT * FROM x",
            "CREATE TABLE x (a)",
            "CREATE TEMP TABLE x (a)",
            "CREATE TEMP VIEW v AS SELECT 1",
            "CREATE VIEW v AS SELECT * FROM _tenon_outbox",
            "CREATE TRIGGER r AFTER INSERT ON n BEGIN DELETE FROM n; END",
            "CREATE VIRTUAL TABLE x USING fts5(a)",
            "CREATE VIRTUAL TABLE x USING dbstat",
            "SELECT * FROM dbstat",
            "SELECT * FROM json_each('[1]')",
            "SELECT * FROM sqlite_dbpage",
            "DROP TABLE n",
            "ALTER TABLE n RENAME TO m",
            "REINDEX",
            "ANALYZE",
            "VACUUM",
            "VACUUM INTO '/tmp/tenon-stolen.sqlite'",
            "BEGIN",
            "COMMIT",
            "SAVEPOINT x",
            "SELECT load_extension('x')",
            "SELECT random()",
            "SELECT randomblob(10)",
            "SELECT zeroblob(2000000000)",
            "SELECT printf('%1000000000d', 1)",
            "SELECT hex('a')",
            "SELECT fts3_tokenizer('simple')",
            "SELECT sqlite_version()",
            "SELECT sqlite_compileoption_get(1)",
            "SELECT json('1')",
            "SELECT 'a' GLOB 'b'",
            "SELECT 1; SELECT 2",
            "SELECT \"no such column\"",
            "SELECT 1 WHERE 'a' MATCH 'b'",
        ] {
            for role in [Role::Reader, Role::Writer] {
                let link = world.database.connect(role, soon()).unwrap();
                let result =
                    link::rows(link.start(Mode::Plugin, Stop::at(soon())).unwrap(), sql, &[], &world.database.limits);
                let error = result.expect_err(sql);
                let text = error.to_string();
                assert!(!text.contains(world.directory.path().to_str().unwrap()), "{text}");
            }
        }
        // A reader cannot write, whatever is asked of it.
        let reader = world.database.connect(Role::Reader, soon()).unwrap();
        assert!(link::change(reader.start(Mode::Plugin, Stop::at(soon())).unwrap(), "DELETE FROM n", &[]).is_err());
        assert!(!Path::new("/tmp/tenon-stolen.sqlite").exists());
    });
}

#[test]
fn endless_and_oversized_statements_end() {
    test(async {
        let world = World::new().await;
        let numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) \
                       INSERT INTO n (i) SELECT x FROM c";
        assert_eq!(world.execute(numbers, vec![]).await.unwrap(), 300);
        for sql in [ENDLESS, LONG_JOIN] {
            let started = Instant::now();
            assert_eq!(
                world.database.query(&world.checked(sql), vec![], &free(within(100))).await,
                Err(SqlError::Timeout)
            );
            assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
        }
        let write = "INSERT INTO n (i) SELECT a.i FROM n AS a, n AS b, n AS c, n AS d";
        assert_eq!(
            world.database.execute(&world.checked(write), vec![], &free(within(100))).await,
            Err(SqlError::Timeout)
        );
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(300));
        let growing = "SELECT length(replace($1, 'a', 'aaaaaaaaaaaaaaaaaaaa'))";
        let long = vec![Value::Text("a".repeat(1 << 20))];
        assert!(matches!(world.query(growing, long).await, Err(SqlError::Quota(_))));
        let pattern = vec![Value::Text("%a".repeat(200))];
        assert!(matches!(world.query("SELECT 'x' LIKE $1", pattern).await, Err(SqlError::Quota(_))));
        let blob = vec![Value::Blob(vec![0; 5 << 20])];
        assert!(matches!(world.execute("INSERT INTO big (body) VALUES ($1)", blob).await, Err(SqlError::Quota(_))));
        let rows = world.query("SELECT a.i FROM n AS a, n AS b", vec![]).await;
        assert_eq!(rows, Err(SqlError::Quota("result rows: at most 10000; page with LIMIT and OFFSET".into())));
        let wide = world.query("SELECT $1 FROM n", vec![Value::Text("x".repeat(100_000))]).await;
        assert!(matches!(wide, Err(SqlError::Quota(message)) if message.starts_with("result bytes")));
        let compound = format!("SELECT 1{}", " UNION SELECT 1".repeat(120));
        assert!(matches!(world.query(&compound, vec![]).await, Err(SqlError::Quota(_))));
        world.is_quiet().await;
    });
}

#[test]
fn a_long_read_does_not_hold_the_executor() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) \
                       INSERT INTO n (i) SELECT x FROM c";
        world.execute(numbers, vec![]).await.unwrap();
        world.one("SELECT 1").await;
        let long = world.checked(LONG_JOIN);
        let terms = free(within(300));
        let read = world.database.query(&long, vec![], &terms);
        let ticks = async {
            let (mut last, mut worst) = (Instant::now(), Duration::ZERO);
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                worst = worst.max(last.elapsed());
                last = Instant::now();
            }
            worst
        };
        let (result, worst) = tokio::join!(read, ticks);
        assert_eq!(result, Err(SqlError::Timeout));
        assert!(worst < Duration::from_millis(100), "the executor stood still for {worst:?}");
        assert!(long.patience.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_full_database_says_so_and_stays_whole() {
    test(async {
        let world = World::with(SqlConfig { storage_bytes: 1 << 20, ..SqlConfig::default() }).await;
        let insert = "INSERT INTO big (body) VALUES ($1)";
        let body = || vec![Value::Blob(vec![7; 10_000])];
        let mut stored = 0;
        let full = loop {
            match world.execute(insert, body()).await {
                Ok(1) => stored += 1,
                other => break other,
            }
        };
        assert!(matches!(full, Err(SqlError::Quota(message)) if message.starts_with("storage")));
        // 256 pages; 10,000 bytes take two of them and share a third.
        assert!((90..=104).contains(&stored), "{stored} rows");
        assert!(world.database.file.metadata().unwrap().len() <= 1 << 20);
        assert_eq!(world.one("SELECT count(*) FROM big").await, Value::Integer(stored));
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        let insert = world.checked(insert);
        assert!(matches!(transaction.execute(&insert, body(), soon()).await, Err(SqlError::Quota(_))));
        assert!(transaction.commit(soon()).await.is_err());
        assert_eq!(world.execute("DELETE FROM big", vec![]).await, Ok(stored as u64));
        assert_eq!(world.database.execute(&insert, body(), &free(soon())).await, Ok(1));
        let health = world.database.host_query("PRAGMA integrity_check", vec![], &free(soon())).await.unwrap();
        assert_eq!(health.rows, [[Value::Text("ok".into())]]);
    });
}

#[test]
#[cfg(unix)]
fn files_are_the_hosts_own() {
    use std::os::unix::fs::PermissionsExt;
    test(async {
        let world = World::new().await;
        world.execute("INSERT INTO n (i) VALUES (1)", vec![]).await.unwrap();
        let directory = world.directory.path().join("tenants/acme");
        assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let mut files = 0;
        for entry in fs::read_dir(&directory).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
            files += 1;
        }
        assert_eq!(files, 3);
        // Another tenant of the same plugin begins empty.
        let other = world.databases.get("globex", "crm", &world.schema, &free(soon())).await.unwrap();
        let count = world.checked("SELECT count(*) FROM n");
        assert_eq!(other.query(&count, vec![], &free(soon())).await.unwrap().rows, [[Value::Integer(0)]]);
    });
}
