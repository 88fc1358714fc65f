use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::db::contract::contract;
use crate::db::{Plugins, TenantOrigin, Tenants};

async fn open(dir: &Path) -> SqliteControlPlane {
    SqliteControlPlane::open(&dir.join("data").join(CONTROL_PLANE_FILE), &DbConfig::default()).await.unwrap()
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract(&open(dir.path()).await).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let written = db.tenant_ensure("demo", TenantOrigin::Demo).await.unwrap();
    db.close().await;
    assert!(db.ping().await.is_err());
    assert_eq!(open(dir.path()).await.tenant_fetch("demo").await.unwrap(), Some(written));
}

#[tokio::test]
async fn writes_are_durable_and_references_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    for pool in [&db.writer, &db.readers] {
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
        let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(pool).await.unwrap();
        assert_eq!((journal.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
    }
    let refused = sqlx::query(sql::TENANT_INSERT).bind("x").bind("dev").bind(0).execute(&db.readers).await;
    assert!(refused.is_err(), "a reading connection must not write");
}

#[tokio::test]
async fn a_replacement_ends_even_when_its_caller_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(open(dir.path()).await);
    let snapshot = crate::db::contract::snapshot(&[("crm", "1.0.0")]);
    {
        let mut write = Box::pin(db.registry_replace(snapshot));
        let first_poll = std::future::poll_fn(|cx| std::task::Poll::Ready(write.as_mut().poll(cx))).await;
        assert!(first_poll.is_pending());
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while db.plugin_list().await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the write never took effect");
        tokio::task::yield_now().await;
    }
}

/// What begins a transaction here runs to its end. Were a connection to go back to its pool inside one, what is written
/// on it afterwards would be acknowledged and never committed.
#[tokio::test]
async fn a_caller_that_goes_away_at_any_point_leaves_no_connection_inside_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (db, other) = (open(dir.path()).await, open(dir.path()).await);
    for polls in 1..15 {
        let snapshot = crate::db::contract::snapshot(&[("crm", "1.0.0")]);
        drop_after(polls, db.registry_replace(snapshot)).await;
        drop_after(polls, db.service_list()).await;
        let tenant = format!("t{polls}");
        db.tenant_ensure(&tenant, TenantOrigin::Dev).await.unwrap();
        let seen = other.tenant_fetch(&tenant).await.unwrap();
        assert!(seen.is_some(), "dropped after {polls} polls, a later write was acknowledged and not committed");
    }
    let services = db.service_list().await.unwrap().len();
    assert_eq!(services, other.service_list().await.unwrap().len());
}

/// Polls so often, a little apart, and drops what is left.
async fn drop_after<T>(polls: u32, future: impl Future<Output = T>) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await;
        if poll.is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(50)).await;
    }
}

/// After a full disk sqlx believes that its connection is still within the transaction, so no other may begin on it.
#[tokio::test]
async fn a_transaction_that_finds_no_room_closes_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&db.writer).await.unwrap();
    // A setting of this one connection.
    let full = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(sqlx::AssertSqlSafe(full)).execute(&db.writer).await.unwrap();
    let mut snapshot = crate::db::contract::snapshot(&[("crm", "1.0.0")]);
    snapshot.plugins[0].plugin.manifest = "x".repeat(1 << 20);
    let refused = db.registry_replace(snapshot.clone()).await;
    assert!(matches!(refused, Err(DbError::DiskFull { .. })), "{refused:?}");
    assert_eq!(db.plugin_list().await.unwrap(), []);
    db.registry_replace(snapshot).await.unwrap();
    assert_eq!(db.plugin_list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_waits_too_long_is_told_from_what_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(CONTROL_PLANE_FILE);
    let config = DbConfig { acquire_timeout_ms: 50, busy_wait_ms: 50, ..DbConfig::default() };
    let (db, other) = (SqliteControlPlane::open(&file, &config).await.unwrap(), open(dir.path()).await);
    let taken = db.writer.acquire().await.unwrap();
    let late = db.tenant_ensure("demo", TenantOrigin::Demo).await;
    assert!(matches!(late, Err(DbError::Busy { source: sqlx::Error::PoolTimedOut, .. })), "no connection: {late:?}");
    drop(taken);

    let other_process = SqliteControlPlane::open(&file, &config).await.unwrap();
    let mut holding = other_process.writer.acquire().await.unwrap();
    let lock = holding.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let late = db.tenant_ensure("demo", TenantOrigin::Demo).await;
    assert!(matches!(late, Err(DbError::Busy { .. })), "no lock: {late:?}");
    lock.rollback().await.unwrap();
    db.tenant_ensure("demo", TenantOrigin::Demo).await.unwrap();

    other.close().await;
    let closed = other.tenant_ensure("demo", TenantOrigin::Demo).await;
    assert!(matches!(closed, Err(DbError::Query { .. })), "{closed:?}");
}

#[tokio::test]
async fn open_errors_name_the_file_and_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let not_a_database = dir.path().join("notes.db");
    std::fs::write(&not_a_database, "x".repeat(4096)).unwrap();
    let error = message(&not_a_database).await;
    assert!(error.contains("notes.db: it is not an SQLite database; move it away"), "{error}");

    let error = message(dir.path()).await;
    assert!(error.contains("the system refuses to open it; give this user"), "{error}");

    let error = message(&not_a_database.join("below").join("control.db")).await;
    assert!(error.contains("cannot create the data directory") && error.contains("--data"), "{error}");
}

#[tokio::test]
async fn a_file_changed_by_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&db.writer)
    .await
    .unwrap();
    db.close().await;
    let error = message(&dir.path().join("data").join(CONTROL_PLANE_FILE)).await;
    assert!(error.contains("a newer tenon has changed them; run that version"), "{error}");
}

async fn message(file: &Path) -> String {
    match SqliteControlPlane::open(file, &DbConfig::default()).await {
        Ok(_) => panic!("{} should not open", file.display()),
        Err(error) => error.to_string(),
    }
}
