//! A plugin's migrations: each runs once for each tenant, all that are due in one transaction.
//!
//! Invariant: a database has either all migrations of a version or none of those it lacked; one that was applied never
//! changes. Every statement is checked when the plugin is loaded, so a bad one never gets as far as a tenant.

use super::{
    check::{Checked, Purpose, check_script},
    database::{Lease, TenantDatabase},
    error::SqlError,
    guard::Mode,
    link::{self, Link, Role},
    value::Value,
};
use crate::config::SqlConfig;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Instant, SystemTime},
};

pub(super) type Digest = [u8; 32];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _tenon_migration \
    (name TEXT PRIMARY KEY NOT NULL, sha256 BLOB NOT NULL, applied_at INTEGER NOT NULL)";
const APPLIED: &str = "SELECT name, sha256 FROM _tenon_migration ORDER BY name";
const RECORD: &str = "INSERT INTO _tenon_migration (name, sha256, applied_at) VALUES (?1, ?2, ?3)";

/// One migration as the plugin brings it; they apply in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub name: String,
    pub sql: String,
}

/// All migrations of one version of a plugin, and its demo data, checked.
#[derive(Debug)]
pub struct Schema {
    steps: Vec<Step>,
    demo: Vec<Checked>,
    digest: Digest,
}

#[derive(Debug)]
struct Step {
    name: String,
    digest: Digest,
    statements: Vec<Checked>,
}

impl Schema {
    /// Checks every statement. Demo data may only change rows.
    pub fn new(migrations: &[Migration], demo: Option<&str>, limits: &SqlConfig) -> Result<Self, SqlError> {
        let mut whole = Sha256::new();
        let mut steps: Vec<Step> = Vec::with_capacity(migrations.len());
        for Migration { name, sql } in migrations {
            if name.is_empty() || steps.iter().any(|step| step.name == *name) {
                return Err(SqlError::invalid(format!("migration {name:?}: each needs a name of its own")));
            }
            let statements = check_script(sql, Purpose::Migration, limits)
                .map_err(|error| inside(&format!("migration {name}"), error))?;
            let digest: Digest = Sha256::digest(sql).into();
            whole.update((name.len() as u64).to_le_bytes());
            whole.update(name);
            whole.update(digest);
            steps.push(Step { name: name.clone(), digest, statements });
        }
        let demo = match demo {
            None => Vec::new(),
            Some(sql) => check_script(sql, Purpose::Plugin, limits).map_err(|error| inside("demo data", error))?,
        };
        Ok(Schema { steps, demo, digest: whole.finalize().into() })
    }

    /// The migrations' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }
}

impl TenantDatabase {
    pub(super) fn has_applied(&self, schema: &Schema) -> bool {
        self.applied.read().unwrap_or_else(PoisonError::into_inner).contains(&schema.digest)
    }
}

/// Brings a database to a schema. Does nothing if it is there already.
///
/// # Errors
/// `Unavailable` names a migration that was changed after it ran, that is missing from the list (an older version of the
/// plugin), or that stands before one that ran. `Invalid` names the statement that failed; nothing was changed then.
pub async fn migrate(database: &Arc<TenantDatabase>, schema: &Arc<Schema>, deadline: Instant) -> Result<(), SqlError> {
    let _one =
        tokio::time::timeout_at(deadline.into(), database.migrating.lock()).await.map_err(|_| SqlError::Timeout)?;
    if database.has_applied(schema) {
        return Ok(());
    }
    let lease = Lease::wait(database, Role::Writer, deadline).await?;
    let (schema_there, limits) = (schema.clone(), database.limits.clone());
    let (_lease, result) = lease
        .run(Mode::Host, deadline, move |link, busy_until| {
            let connection = link.switch(Mode::Host);
            link::patiently(busy_until, || link::command(connection, "BEGIN IMMEDIATE"))?;
            apply(link, &schema_there, &limits)?;
            link::command(link.switch(Mode::Host), "COMMIT")
        })
        .await;
    result?;
    let mut applied = database.applied.write().unwrap_or_else(PoisonError::into_inner);
    applied.push(schema.digest);
    Ok(())
}

fn apply(link: &Link, schema: &Schema, limits: &SqlConfig) -> Result<(), SqlError> {
    let connection = link.switch(Mode::Host);
    link::command(connection, TABLE)?;
    let applied = link::rows(connection, APPLIED, &[], limits)?.rows;
    let applied: HashMap<String, Value> = applied
        .into_iter()
        .filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Text(name), digest]) => Some((name, digest)),
            _ => None,
        })
        .collect();
    let due = due(schema, &applied)?;
    for step in due {
        run(link, &format!("migration {}", step.name), Mode::Migration, &step.statements)?;
        let parameters =
            [Value::Text(step.name.clone()), Value::Blob(step.digest.to_vec()), Value::Integer(unix_seconds())];
        link::change(link.switch(Mode::Host), RECORD, &parameters)?;
    }
    match applied.is_empty() && !due.is_empty() {
        true => run(link, "demo data", Mode::Plugin, &schema.demo),
        false => Ok(()),
    }
}

/// The migrations that have not run: a tail of the list.
fn due<'a>(schema: &'a Schema, applied: &HashMap<String, Value>) -> Result<&'a [Step], SqlError> {
    if let Some(unknown) = applied.keys().filter(|name| !schema.names().any(|known| known == *name)).min() {
        return Err(SqlError::unavailable(format!(
            "migration {unknown} was applied by another version of the plugin and this one lacks it; install a version \
             that has it"
        )));
    }
    for step in &schema.steps {
        let changed = applied.get(&step.name).is_some_and(|was| *was != Value::Blob(step.digest.to_vec()));
        if changed {
            return Err(SqlError::unavailable(format!(
                "migration {} has changed since it was applied; restore it and add a new one",
                step.name
            )));
        }
    }
    let (done, due) = schema.steps.split_at(applied.len());
    match done.iter().find(|step| !applied.contains_key(&step.name)) {
        None => Ok(due),
        Some(step) => Err(SqlError::unavailable(format!(
            "migration {} stands before one that was applied; add new migrations at the end",
            step.name
        ))),
    }
}

fn run(link: &Link, what: &str, mode: Mode, statements: &[Checked]) -> Result<(), SqlError> {
    let connection = link.switch(mode);
    for (index, statement) in statements.iter().enumerate() {
        step_through(connection, statement.sql())
            .map_err(|error| inside(&format!("{what}, statement {}", index + 1), error))?;
    }
    Ok(())
}

/// Runs a statement that may or may not return rows, which nobody wants.
fn step_through(connection: &Connection, sql: &str) -> Result<(), SqlError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

/// Says where a statement failed, if its error has room for that.
fn inside(place: &str, error: SqlError) -> SqlError {
    match error {
        SqlError::Denied { what, why } => SqlError::denied(format!("{place}: {what}"), why),
        SqlError::Syntax { message, line, column } => {
            SqlError::Syntax { message: format!("{place}: {message}"), line, column }
        }
        SqlError::Invalid(message) => SqlError::invalid(format!("{place}: {message}")),
        SqlError::Quota(message) => SqlError::Quota(format!("{place}: {message}")),
        broken @ SqlError::Constraint { .. } => SqlError::invalid(format!("{place}: {broken}")),
        SqlError::Busy | SqlError::Timeout | SqlError::Unavailable(_) => error,
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
