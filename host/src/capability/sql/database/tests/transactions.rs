//! Changes that take effect together, and callers that go away.

use super::*;

#[test]
fn a_change_whose_result_is_too_large_is_taken_back() {
    test(async {
        let world = World::with(SqlConfig { result_rows: 3, ..SqlConfig::default() }).await;
        let four = "INSERT INTO n (i) VALUES (1), (2), (3), (4) RETURNING i";
        assert!(matches!(world.query(four, vec![]).await, Err(SqlError::Quota(_))));
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&world.checked("INSERT INTO n (i) VALUES (9)"), vec![], soon()).await.unwrap();
        let refused = transaction.query(&world.checked(four), vec![], soon()).await;
        assert!(matches!(refused, Err(SqlError::Quota(_))));
        transaction.commit(soon()).await.unwrap();
        assert_eq!(world.query("SELECT i FROM n", vec![]).await.unwrap().rows, [[Value::Integer(9)]]);
    });
}

#[test]
fn a_transaction_sees_its_own_changes_and_others_only_see_them_after_commit() {
    test(async {
        let world = World::new().await;
        let count = world.checked("SELECT count(*) FROM n");
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction
            .execute(&world.checked("INSERT INTO n (i) VALUES ($1)"), vec![Value::Integer(1)], soon())
            .await
            .unwrap();
        let returned =
            transaction.query(&world.checked("INSERT INTO n (i) VALUES (2) RETURNING i"), vec![], soon()).await;
        assert_eq!(returned.unwrap().rows, [[Value::Integer(2)]]);
        transaction
            .host_execute(
                "INSERT INTO _tenon_outbox (topic) VALUES (?1)",
                vec![Value::Text("n.created".into())],
                soon(),
            )
            .await
            .unwrap();
        assert_eq!(transaction.query(&count, vec![], soon()).await.unwrap().rows, [[Value::Integer(2)]]);
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
        transaction.commit(soon()).await.unwrap();
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(2));
        let topics = world.database.host_query("SELECT topic FROM _tenon_outbox", vec![], &free(soon())).await.unwrap();
        assert_eq!(topics.rows, [[Value::Text("n.created".into())]]);
        let transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.rollback().await;
        world.is_quiet().await;
    });
}

#[test]
fn a_dropped_transaction_rolls_back_even_while_its_statement_runs() {
    test(async {
        let world = World::new().await;
        let insert = world.checked("INSERT INTO n (i) VALUES (1)");
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&insert, vec![], soon()).await.unwrap();
        drop(transaction);
        world.is_quiet().await;

        let endless = world.checked(&format!("INSERT INTO n (i) {ENDLESS}"));
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&insert, vec![], soon()).await.unwrap();
        let cut = tokio::time::timeout(Duration::from_millis(30), transaction.execute(&endless, vec![], soon())).await;
        assert!(cut.is_err());
        let after = transaction.execute(&insert, vec![], soon()).await;
        assert!(matches!(after, Err(SqlError::Invalid(message)) if message.contains("begin a new one")));
        drop(transaction);
        world.is_quiet().await;
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
    });
}

#[test]
fn nothing_runs_after_sqlite_has_rolled_a_transaction_back() {
    test(async {
        let world = World::new().await;
        let insert = world.checked("INSERT INTO n (i) VALUES (1)");
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&insert, vec![], soon()).await.unwrap();
        let endless = world.checked(&format!("INSERT INTO n (i) {ENDLESS}"));
        assert_eq!(transaction.execute(&endless, vec![], within(50)).await, Err(SqlError::Timeout));
        let count = world.checked("SELECT count(*) FROM n");
        for _ in 0..2 {
            assert!(matches!(transaction.execute(&insert, vec![], soon()).await, Err(SqlError::Invalid(_))));
            assert!(matches!(transaction.query(&count, vec![], soon()).await, Err(SqlError::Invalid(_))));
        }
        assert!(matches!(transaction.commit(soon()).await, Err(SqlError::Invalid(_))));
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));

        // A read that runs into its deadline costs nothing, and a broken rule only its own statement.
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&insert, vec![], soon()).await.unwrap();
        assert_eq!(transaction.query(&world.checked(ENDLESS), vec![], within(50)).await, Err(SqlError::Timeout));
        let null = world.checked("INSERT INTO n (i) VALUES (2), (NULL)");
        assert!(matches!(transaction.execute(&null, vec![], soon()).await, Err(SqlError::Constraint { .. })));
        transaction.commit(soon()).await.unwrap();
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(1));
    });
}

#[test]
fn a_cancelled_call_leaves_nothing_behind() {
    test(async {
        let world = World::new().await;
        let endless = [world.checked(ENDLESS), world.checked(&format!("INSERT INTO n (i) {ENDLESS} RETURNING i"))];
        let write = world.checked(&format!("INSERT INTO n (i) {ENDLESS}"));
        for round in 0..30 {
            let short = Duration::from_micros(200 * round);
            for statement in &endless {
                let _ = tokio::time::timeout(short, world.database.query(statement, vec![], &free(soon()))).await;
            }
            let _ = tokio::time::timeout(short, world.database.execute(&write, vec![], &free(soon()))).await;
            let _ = tokio::time::timeout(short, world.database.begin(&free(soon()))).await;
        }
        world.is_quiet().await;
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
    });
}

#[test]
fn the_second_writer_waits_and_gives_up_in_time() {
    test(async {
        let world = World::with(SqlConfig { busy_wait_ms: 200, ..SqlConfig::default() }).await;
        let insert = world.checked("INSERT INTO n (i) VALUES (1)");
        let first = world.database.begin(&free(soon())).await.unwrap();
        assert_eq!(world.database.begin(&free(soon())).await.err(), Some(SqlError::Busy));
        assert_eq!(world.database.execute(&insert, vec![], &free(soon())).await, Err(SqlError::Busy));
        assert_eq!(world.database.execute(&insert, vec![], &free(within(10))).await, Err(SqlError::Timeout));
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
        let terms = free(soon());
        let waiting = world.database.execute(&insert, vec![], &terms);
        let (written, ()) = tokio::join!(waiting, first.rollback());
        assert_eq!(written, Ok(1));
        // A writer of another process.
        let other = world.database.connect(Role::Writer, soon()).unwrap();
        let connection = other.start(Mode::Host, Stop::at(soon())).unwrap();
        link::command(connection, "BEGIN IMMEDIATE").unwrap();
        assert_eq!(world.database.execute(&insert, vec![], &free(soon())).await, Err(SqlError::Busy));
        assert_eq!(world.database.begin(&free(soon())).await.err(), Some(SqlError::Busy));
        assert!(other.clean());
        assert_eq!(world.database.execute(&insert, vec![], &free(soon())).await, Ok(1));
    });
}

#[test]
fn readers_and_writers_together_lose_nothing() {
    test(async {
        let world = Arc::new(World::new().await);
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let world = world.clone();
                tokio::spawn(async move {
                    for round in 0..20 {
                        let value = vec![Value::Integer(task * 100 + round)];
                        world.execute("INSERT INTO n (i) VALUES ($1)", value).await.unwrap();
                        assert!(matches!(world.one("SELECT count(*) FROM n").await, Value::Integer(1..)));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(world.one("SELECT count(DISTINCT i) FROM n").await, Value::Integer(320));
        world.is_quiet().await;
    });
}
