//! Rows are counted whatever adds or removes them, and bounded.

use std::collections::HashMap;

use super::*;
use crate::usage::{OwnQuotas, Quota};

impl World {
    async fn told(&self) -> i64 {
        let told = self.database.host_query("SELECT held FROM _tenon_rows", vec![], &free(soon())).await.unwrap();
        match told.rows[0][0] {
            Value::Integer(held) => held,
            ref other => panic!("{other:?}"),
        }
    }

    /// What the host believes, which must be what there is.
    async fn held(&self) -> i64 {
        let mut there = 0;
        for table in ["contact", "deal", "n", "big"] {
            match self.one(&format!("SELECT count(*) FROM {table}")).await {
                Value::Integer(count) => there += count,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.told().await, there);
        there
    }

    fn allow(&self, rows: u64) {
        let (tenant, plugin) = ("acme".parse().unwrap(), "crm".parse().unwrap());
        let quotas = HashMap::from([((Some(plugin), Quota::Rows), rows)]);
        self.usage.set_own(OwnQuotas::from([(tenant, quotas)]));
    }
}

const MANY: &str = "INSERT INTO n (i) WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < $1) \
    SELECT x FROM c";

#[test]
fn every_way_to_add_or_remove_rows_is_counted() {
    test(async {
        let world = World::new().await;
        assert_eq!(world.held().await, 0);
        world.execute(MANY, vec![Value::Integer(100)]).await.unwrap();
        world.execute("INSERT INTO contact (id, email) VALUES (1, 'a'), (2, 'b')", vec![]).await.unwrap();
        world
            .query("INSERT INTO deal (a, b, contact) VALUES ('x', 1, 1), ('y', 2, 1) RETURNING a", vec![])
            .await
            .unwrap();
        assert_eq!(world.held().await, 104);
        // One that is there is changed, one is left alone, one is added.
        let upsert =
            "INSERT INTO contact (id, email) VALUES (1, 'c') ON CONFLICT (id) DO UPDATE SET email = excluded.email";
        world.execute(upsert, vec![]).await.unwrap();
        world
            .execute("INSERT INTO contact (id, email) VALUES (2, 'd'), (3, 'e') ON CONFLICT DO NOTHING", vec![])
            .await
            .unwrap();
        assert_eq!(world.held().await, 105);
        // Rows go with the row that they belong to; and all of a table at once.
        world.execute("DELETE FROM contact WHERE id = 1", vec![]).await.unwrap();
        assert_eq!(world.held().await, 102);
        assert_eq!(world.execute("DELETE FROM n", vec![]).await, Ok(100));
        assert_eq!(world.held().await, 2);
    });
}

#[test]
fn what_is_taken_back_does_not_count() {
    test(async {
        let world = World::new().await;
        // The second row breaks a rule, after the first was added.
        let broken = "INSERT INTO contact (id, score) VALUES (1, 1), (2, 1000)";
        world.execute(broken, vec![]).await.unwrap_err();
        assert_eq!(world.held().await, 0);
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        let (good, broken) = (world.checked("INSERT INTO n (i) VALUES (1), (2)"), world.checked(broken));
        let too_large = world.checked(&format!("{MANY} RETURNING i"));
        transaction.execute(&good, vec![], soon()).await.unwrap();
        transaction.execute(&broken, vec![], soon()).await.unwrap_err();
        transaction.query(&too_large, vec![Value::Integer(1_000_000)], soon()).await.unwrap_err();
        transaction.commit(soon()).await.unwrap();
        assert_eq!(world.held().await, 2);
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&good, vec![], soon()).await.unwrap();
        transaction.rollback().await;
        assert_eq!(world.held().await, 2);
        world.execute("INSERT INTO n (i) VALUES (3)", vec![]).await.unwrap();
        assert_eq!(world.held().await, 3);
    });
}

#[test]
fn a_quota_of_rows_holds_at_each_commit_and_can_be_changed_at_any_time() {
    test(async {
        let world = World::new().await;
        world.allow(10);
        world.execute(MANY, vec![Value::Integer(10)]).await.unwrap();
        let refused = world.execute("INSERT INTO n (i) VALUES (11)", vec![]).await.unwrap_err();
        let told =
            "rows: at most 10 in all tables of this plugin, 11 with these; delete some or ask the operator for more";
        assert_eq!(refused, SqlError::Quota(told.into()));
        assert_eq!(world.held().await, 10);
        // Within a transaction there may be more meanwhile.
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        let (add, remove) = (world.checked(MANY), world.checked("DELETE FROM n WHERE i > 5"));
        transaction.execute(&add, vec![Value::Integer(100)], soon()).await.unwrap();
        transaction.execute(&remove, vec![], soon()).await.unwrap();
        transaction.commit(soon()).await.unwrap();
        assert_eq!(world.held().await, 10);
        let mut transaction = world.database.begin(&free(soon())).await.unwrap();
        transaction.execute(&add, vec![Value::Integer(1)], soon()).await.unwrap();
        assert!(matches!(transaction.commit(soon()).await, Err(SqlError::Quota(_))));
        world.is_quiet().await;
        assert_eq!(world.held().await, 10);
        // Who has more than may be can still have less.
        world.allow(3);
        assert_eq!(world.execute("DELETE FROM n WHERE i = 1", vec![]).await, Ok(2));
        assert!(world.execute("INSERT INTO n (i) VALUES (1)", vec![]).await.is_err());
        world.allow(9);
        world.execute("INSERT INTO n (i) VALUES (1)", vec![]).await.unwrap();
        assert_eq!(world.held().await, 9);
    });
}

#[test]
fn a_database_without_the_number_is_counted_when_it_is_opened() {
    test(async {
        let world = World::new().await;
        world.execute(MANY, vec![Value::Integer(7)]).await.unwrap();
        let file = world.directory.path().join("tenants/acme/crm.sqlite");
        let World { databases, database, directory, .. } = world;
        drop((databases, database));
        rusqlite::Connection::open(&file).unwrap().execute_batch("DROP TABLE _tenon_rows").unwrap();
        assert_eq!(World::at(directory, SqlConfig::default()).await.held().await, 7);
    });
}
