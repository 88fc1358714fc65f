//! A plugin's migrations: each runs once for each tenant, all that are due in one transaction.
//!
//! Invariant: a database has either all migrations of a version or none of those it lacked; one that was applied never
//! changes. Nobody else works with the database meanwhile: who migrates holds [`Sole`]. Where there was data before, a
//! snapshot of it is on the disk before the transaction commits; a migration that fails leaves none. Every statement is
//! checked when the plugin is loaded, so a bad one never gets as far as a tenant.

use super::{
    account::Terms,
    check::{Checked, Purpose, check_script},
    database::{Lease, TenantDatabase},
    error::SqlError,
    guard::{Mode, Stop},
    history::{self, History, Plan},
    link::{self, Link, Role},
    registry::Sole,
    rows,
    snapshots::{SnapshotId, Snapshots},
};
use crate::{config::SqlConfig, fault};
use rusqlite::Connection;
use semver::Version;
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::SystemTime};

pub(super) type Digest = [u8; 32];

/// One migration as the plugin brings it; they apply in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub name: String,
    pub sql: String,
}

/// All migrations of one version of a plugin, and its demo data, checked.
#[derive(Debug)]
pub struct Schema {
    pub(super) steps: Vec<Step>,
    demo: Vec<Checked>,
    pub(super) version: Version,
    compatible_from: Option<u32>,
    pub(super) digest: Digest,
}

#[derive(Debug)]
pub(super) struct Step {
    pub name: String,
    pub digest: Digest,
    statements: Vec<Checked>,
}

impl Schema {
    /// Checks every statement. Demo data may only change rows.
    pub fn new(migrations: &[Migration], demo: Option<&str>, limits: &SqlConfig) -> Result<Self, SqlError> {
        let mut steps: Vec<Step> = Vec::with_capacity(migrations.len());
        for Migration { name, sql } in migrations {
            if name.is_empty() || steps.iter().any(|step| step.name == *name) {
                return Err(SqlError::invalid(format!("migration {name:?}: each needs a name of its own")));
            }
            let statements = check_script(sql, Purpose::Migration, limits)
                .map_err(|error| inside(&format!("migration {name}"), error))?;
            steps.push(Step { name: name.clone(), digest: Sha256::digest(sql).into(), statements });
        }
        let demo = match demo {
            None => Vec::new(),
            Some(sql) => check_script(sql, Purpose::Plugin, limits).map_err(|error| inside("demo data", error))?,
        };
        let schema = Schema { steps, demo, version: Version::new(0, 0, 0), compatible_from: None, digest: [0; 32] };
        Ok(schema.digested())
    }

    /// Says which version of the plugin it is of, and from which data version on others can work with what it leaves.
    pub fn of(self, version: Version, compatible_from: Option<u32>) -> Self {
        Schema { version, compatible_from, ..self }.digested()
    }

    fn digested(mut self) -> Self {
        let mut whole = Sha256::new();
        whole.update(format!("{} {:?}", self.version, self.compatible_from));
        for step in &self.steps {
            whole.update((step.name.len() as u64).to_le_bytes());
            whole.update(&step.name);
            whole.update(step.digest);
        }
        self.digest = whole.finalize().into();
        self
    }

    /// The migrations' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }

    /// The data version it leaves.
    pub fn data_version(&self) -> u32 {
        history::count(self.steps.len())
    }

    /// The least data version that another version must know to work with what this one leaves.
    pub fn compatible_from(&self) -> u32 {
        self.compatible_from.unwrap_or(u32::MAX).min(self.data_version())
    }
}

/// What was done to a tenant's data when a version came to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// The data version before; 0 when there was no data.
    pub from: u32,
    /// The data version now.
    pub to: u32,
    /// The migrations that ran, in order.
    pub applied: Vec<String>,
    /// The snapshot of the data before, if there was data and a migration ran.
    pub snapshot: Option<SnapshotId>,
}

/// Brings a database to a schema. Does nothing if it is there already.
///
/// # Errors
/// `Unavailable` when the version cannot work with the data ([`Unreadable`](super::history::Unreadable)), or when no
/// snapshot of it could be kept. `Invalid` names the statement that failed. Nothing was changed then.
pub(super) async fn migrate(
    database: &Arc<TenantDatabase>,
    schema: &Arc<Schema>,
    snapshots: Snapshots,
    sole: Sole,
    terms: &Terms,
) -> Result<(Sole, Moved), SqlError> {
    let (deadline, terms) = (terms.deadline, terms.for_set_up());
    let lease = Lease::wait(database, Role::Writer, &terms).await?;
    let (schema, database) = (schema.clone(), database.clone());
    let work = move |link: &Link, busy_until| {
        let connection = link.switch(Mode::Host);
        link.patiently(busy_until, || link.begin())?;
        let before = History::read(connection)?;
        let plan = before.plan(&schema)?;
        let mut moved = Moved { from: before.version(), to: before.version(), ..Moved::default() };
        if plan.is_empty() {
            link::command(connection, "ROLLBACK")?;
            database.known.fit(&schema);
            return Ok((sole, moved));
        }
        let after = apply(link, &schema, plan, before.version() == 0)?;
        moved.to = after.version();
        moved.applied = plan.due.iter().map(|step| step.name.clone()).collect();
        if before.version() > 0 && !plan.due.is_empty() {
            // Other connections still see the data as it was.
            let source = database.connect(Role::Reader, busy_until)?;
            source.start(Mode::Host, Stop::at(deadline))?;
            let taken = snapshots.take(&source, &before, || link.must_stop());
            moved.snapshot = Some(taken.map_err(no_snapshot)?);
        }
        fault::moment("migrate: before the commit");
        if let Err(error) = rows::count(link.switch(Mode::Host)).and_then(|()| link::command(connection, "COMMIT")) {
            moved.snapshot.iter().for_each(|id| drop(snapshots.delete(*id)));
            return Err(error);
        }
        fault::moment("migrate: after the commit");
        database.known.changed(after, &schema);
        snapshots.prune();
        // Given back, so that nobody else comes in when whoever waits for this has gone.
        Ok((sole, moved))
    };
    lease.run(Mode::Host, deadline, work).await.1
}

fn no_snapshot(error: SqlError) -> SqlError {
    match error {
        SqlError::Unavailable(why) => {
            SqlError::unavailable(format!("it was not migrated, because no snapshot could be kept before: {why}"))
        }
        other => other,
    }
}

/// Runs what is due within the transaction, and tells what the history is then.
fn apply(link: &Link, schema: &Schema, plan: Plan<'_>, is_new: bool) -> Result<History, SqlError> {
    history::prepare(link.switch(Mode::Host))?;
    for step in plan.due {
        run(link, &format!("migration {}", step.name), Mode::Migration, &step.statements)?;
        history::record(link.switch(Mode::Host), step, unix_seconds())?;
    }
    if is_new && !plan.due.is_empty() {
        run(link, "demo data", Mode::Plugin, &schema.demo)?;
    }
    let connection = link.switch(Mode::Host);
    history::state(connection, schema)?;
    History::read(connection)
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
        SqlError::Busy | SqlError::Timeout | SqlError::Unavailable(_) | SqlError::Full | SqlError::NoMemory => error,
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
