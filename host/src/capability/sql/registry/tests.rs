//! Opening, sharing and closing.

use super::super::{account::free, migrate::Migration, value::Value};
use super::*;
use crate::usage::Usage;
use std::time::{Duration, Instant};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn open_count(databases: &Databases) -> usize {
    databases.open.lock().unwrap().count
}

fn schema(sql: &str) -> Arc<Schema> {
    let migration = Migration { name: "1".into(), sql: sql.into() };
    Arc::new(Schema::new(&[migration], None, &SqlConfig::default()).unwrap())
}

#[tokio::test]
async fn concurrent_callers_share_one_database_and_one_set_up() {
    let directory = tempfile::tempdir().unwrap();
    let databases =
        Arc::new(Databases::new(directory.path(), Arc::default(), "", Usage::with(&SqlConfig::default())).unwrap());
    let schema = schema("CREATE TABLE t (a INTEGER)");
    let gets = (0..20).map(|_| {
        let (databases, schema) = (databases.clone(), schema.clone());
        tokio::spawn(async move { databases.get("acme", "crm", &schema, &free(soon())).await.unwrap() })
    });
    let mut found = Vec::new();
    for get in gets.collect::<Vec<_>>() {
        found.push(get.await.unwrap());
    }
    assert!(found.iter().all(|database| Arc::ptr_eq(database, &found[0])));
}

#[tokio::test]
async fn first_calls_wait_for_the_set_up_and_not_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let databases = Databases::new(directory.path(), Arc::default(), "", Usage::with(&SqlConfig::default())).unwrap();
    let schema = schema("CREATE TABLE t (a INTEGER)");
    // None of these calls ends before all have begun.
    let terms = free(soon());
    let calls = (0..20).map(|_| databases.enter("acme", "crm", &schema, &terms));
    let calls = futures::future::join_all(calls).await;
    assert!(calls.iter().all(Result::is_ok), "{calls:?}");
}

#[tokio::test]
async fn a_failed_set_up_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let databases = Databases::new(directory.path(), Arc::default(), "", Usage::with(&SqlConfig::default())).unwrap();
    let blocked = directory.path().join("tenants");
    std::fs::write(&blocked, "").unwrap();
    let schema = schema("CREATE TABLE t (a INTEGER)");
    let error = databases.get("acme", "crm", &schema, &free(soon())).await.unwrap_err();
    assert!(matches!(&error, SqlError::Unavailable(message) if !message.contains("acme")), "{error}");
    std::fs::remove_file(&blocked).unwrap();
    databases.get("acme", "crm", &schema, &free(soon())).await.unwrap();
}

#[tokio::test]
async fn the_least_recently_used_idle_database_closes_first() {
    let directory = tempfile::tempdir().unwrap();
    let limits = SqlConfig { open_databases: 3, ..SqlConfig::default() };
    let databases = Databases::new(directory.path(), Arc::new(limits), "", Usage::with(&SqlConfig::default())).unwrap();
    let schema = schema("CREATE TABLE t (a INTEGER)");
    let held = databases.get("t0", "crm", &schema, &free(soon())).await.unwrap();
    for tenant in ["t1", "t2", "t1", "t3"] {
        databases.get(tenant, "crm", &schema, &free(soon())).await.unwrap();
    }
    assert_eq!(open_count(&databases), 3);
    let open: Vec<_> = databases.open.lock().unwrap().tenants.keys().cloned().collect();
    assert!(["t0", "t1", "t3"].iter().all(|tenant| open.iter().any(|there| &**there == *tenant)), "{open:?}");
    for n in 0..20 {
        databases.get(&format!("n{n}"), "crm", &schema, &free(soon())).await.unwrap();
        assert!(open_count(&databases) <= 3);
    }
    assert!(Arc::ptr_eq(&held, &databases.get("t0", "crm", &schema, &free(soon())).await.unwrap()));
    // What was closed opens again with what it held.
    let again = databases.get("t2", "crm", &schema, &free(soon())).await.unwrap();
    let rows = again.host_query("SELECT count(*) FROM _tenon_migration", vec![], &free(soon())).await.unwrap();
    assert_eq!(rows.rows, [[Value::Integer(1)]]);
}

#[tokio::test]
async fn ids_never_become_paths() {
    let directory = tempfile::tempdir().unwrap();
    let databases = Databases::new(directory.path(), Arc::default(), "", Usage::with(&SqlConfig::default())).unwrap();
    let schema = schema("CREATE TABLE t (a INTEGER)");
    for id in ["", ".", "..", "../x", "a/b", "a\\b", "A", "a b", "a\0", "ä", "file:x", "a?mode=memory", &"x".repeat(65)]
    {
        assert!(databases.get(id, "crm", &schema, &free(soon())).await.is_err(), "{id}");
        assert!(databases.get("acme", id, &schema, &free(soon())).await.is_err(), "{id}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
