//! What a plugin's versions do to one database.

use super::super::{account::free, check::Checker, registry::Databases, value::Value};
use super::*;
use crate::usage::Usage;
use std::time::{Duration, Instant};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

struct World {
    _directory: tempfile::TempDir,
    databases: Databases,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let databases =
            Databases::new(directory.path(), Arc::default(), "", Usage::with(&SqlConfig::default())).unwrap();
        World { _directory: directory, databases }
    }

    async fn apply(&self, migrations: &[(&str, &str)], demo: Option<&str>) -> Result<(), SqlError> {
        let schema = Arc::new(schema(migrations, demo)?);
        self.databases.get("acme", "crm", &schema, &free(soon())).await.map(drop)
    }

    async fn count(&self, sql: &str) -> Value {
        let database = self.databases.get("acme", "crm", &Arc::new(schema(V1, None).unwrap()), &free(soon())).await;
        let database = match database {
            Ok(database) => database,
            Err(_) => {
                self.databases.get("acme", "crm", &Arc::new(schema(V2, None).unwrap()), &free(soon())).await.unwrap()
            }
        };
        let checked = Checker::new(Arc::default()).check(sql).unwrap();
        database.query(&checked, vec![], &free(soon())).await.unwrap().rows[0][0].clone()
    }
}

fn schema(migrations: &[(&str, &str)], demo: Option<&str>) -> Result<Schema, SqlError> {
    let migrations: Vec<_> =
        migrations.iter().map(|(name, sql)| Migration { name: (*name).into(), sql: (*sql).into() }).collect();
    Schema::new(&migrations, demo, &SqlConfig::default())
}

const V1: &[(&str, &str)] = &[("0001_t", "CREATE TABLE t (a INTEGER); INSERT INTO t (a) VALUES (1);")];
const V2: &[(&str, &str)] = &[V1[0], ("0002_u", "ALTER TABLE t ADD COLUMN b TEXT; CREATE INDEX t_b ON t (b)")];
const DEMO: Option<&str> = Some("INSERT INTO t (a) VALUES (10), (11)");

#[tokio::test]
async fn each_migration_runs_once_and_demo_data_only_at_the_beginning() {
    let world = World::new();
    world.apply(V1, DEMO).await.unwrap();
    world.apply(V1, DEMO).await.unwrap();
    world.apply(V2, DEMO).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM t WHERE b IS NULL").await, Value::Integer(3));
}

#[tokio::test]
async fn a_failing_statement_leaves_the_database_as_it_was() {
    let world = World::new();
    world.apply(V1, None).await.unwrap();
    let bad =
        [V1[0], ("0002", "CREATE TABLE u (a INTEGER)"), ("0003", "DROP TABLE u; INSERT INTO nowhere (a) VALUES (1)")];
    let error = world.apply(&bad, None).await.unwrap_err();
    assert!(matches!(&error, SqlError::Invalid(message) if message.contains("nowhere")), "{error}");
    assert_eq!(world.count("SELECT count(*) FROM t").await, Value::Integer(1));
    world.apply(&[V1[0], ("0002", "CREATE TABLE u (a INTEGER)")], None).await.unwrap();
    let first = World::new();
    let error =
        first.apply(V1, Some("INSERT INTO t (a) VALUES ('x'); INSERT INTO t (c) VALUES (1)")).await.unwrap_err();
    assert!(error.to_string().contains("demo data, statement 2"), "{error}");
    first.apply(V1, DEMO).await.unwrap();
    assert_eq!(first.count("SELECT count(*) FROM t").await, Value::Integer(3));
}

#[tokio::test]
async fn history_cannot_be_rewritten() {
    let named = |result: Result<(), SqlError>, parts: &[&str]| match result {
        Err(SqlError::Unavailable(message)) => {
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        other => panic!("{other:?}"),
    };
    let world = World::new();
    world.apply(V2, None).await.unwrap();
    named(world.apply(&[("0001_t", "CREATE TABLE t (a TEXT)"), V2[1]], None).await, &["0001_t", "changed"]);
    named(world.apply(V1, None).await, &["version 2", "knows 1", "snapshot"]);
    named(world.apply(&[V1[0], ("0002_other", "CREATE TABLE x (a TEXT)")], None).await, &["0002_u", "another version"]);
    let between = [V2[0], ("0001_x", "CREATE TABLE x (a TEXT)"), V2[1]];
    named(world.apply(&between, None).await, &["0001_x", "before"]);
    world.apply(V2, None).await.unwrap();
}

#[tokio::test]
async fn every_change_of_a_table_that_the_checker_lets_through_can_be_made() {
    let world = World::new();
    let changes = [
        "ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'x'",
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t ADD COLUMN d INTEGER",
        "ALTER TABLE t DROP COLUMN d",
        "ALTER TABLE t RENAME TO u",
        "CREATE UNIQUE INDEX u_c ON u (c); DROP INDEX u_c",
        "CREATE TABLE v (a INTEGER); DROP TABLE v",
    ];
    let names: Vec<String> = (2..).map(|number| format!("{number:04}")).take(changes.len()).collect();
    let mut migrations = vec![V1[0]];
    for (name, sql) in names.iter().zip(changes) {
        migrations.push((name, sql));
        world.apply(&migrations, None).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let schema = Arc::new(schema(&migrations, None).unwrap());
    let database = world.databases.get("acme", "crm", &schema, &free(soon())).await.unwrap();
    let checked = Checker::new(Arc::default()).check("SELECT c FROM u").unwrap();
    let rows = database.query(&checked, vec![], &free(soon())).await.unwrap().rows;
    assert_eq!(rows, [[Value::Text("x".into())]]);
}

#[test]
fn a_bad_schema_is_refused_when_it_is_loaded() {
    let refused = |migrations: &[(&str, &str)], demo: Option<&str>| schema(migrations, demo).unwrap_err().to_string();
    assert!(refused(&[("7", "PRAGMA x")], None).contains("migration 7"));
    assert!(refused(&[("7", "CREATE TABLE a (b TEXT); CREATE VIEW v AS SELECT 1")], None).contains("statement 2"));
    assert!(refused(&[("7", "CREATE TABLE a (b TEXT"),], None).contains("migration 7"));
    assert!(refused(&[V1[0], V1[0]], None).contains("name"));
    assert!(refused(V1, Some("DROP TABLE t")).contains("demo data"));
}
