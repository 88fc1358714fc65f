//! What stands behind the checker: SQLite's authorizer and the handler that stops a running statement.
//!
//! Invariant: were the checker wrong, a plugin's statement could still reach only ordinary tables of its own file and
//! the functions on the list, and would still end at its deadline and with its processor time, or soon after.
//!
//! How soon: SQLite looks at the meter where its machine jumps back or out, mostly from one row to the next, and at
//! least [`METER_STEPS`] after the last time. A step takes at most time in proportion to `sql.value_bytes`, some 10 ms
//! for the 4 MiB there are by default: what would take more is not on the checker's list, or made anew so that it asks
//! the meter on its way ([`super::functions`]). And of steps that take so long only some dozens lie between two looks,
//! because the checker prints jumps among more of them (`calculation` of its printer). So that is a second at the
//! worst; what took too much by then is refused in the end.

use super::{
    account::{Run, Spent},
    check::{SQLITE_FUNCTIONS, is_reserved},
};
use crate::config::SqlConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// Whose statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    Plugin,
    Migration,
    Host,
}

/// The mode of one connection, which its authorizer reads.
#[derive(Debug, Clone)]
pub(super) struct ModeSwitch(Arc<AtomicU8>);

impl ModeSwitch {
    pub fn new() -> Self {
        ModeSwitch(Arc::new(AtomicU8::new(Mode::Plugin as u8)))
    }

    pub fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Ordering::Relaxed);
    }

    pub fn get(&self) -> Mode {
        match self.0.load(Ordering::Relaxed) {
            mode if mode == Mode::Host as u8 => Mode::Host,
            mode if mode == Mode::Migration as u8 => Mode::Migration,
            _ => Mode::Plugin,
        }
    }

    /// SQLite's authorizer callback. It runs when a statement is prepared, and again when the schema has changed.
    pub fn authorize(&self, context: AuthContext<'_>) -> Authorization {
        let mode = self.get();
        // For a changed table SQLite names the database elsewhere, and here a column that is dropped.
        let database = match context.action {
            AuthAction::AlterTable { database_name, .. } => Some(database_name),
            _ => context.database_name,
        };
        let in_main = database.is_none_or(|name| name.eq_ignore_ascii_case("main"));
        let allowed = match mode {
            Mode::Migration if !in_main => renaming_may(context.action),
            _ if !in_main => false,
            Mode::Plugin => plugin_may(context.action),
            Mode::Migration => migration_may(context.action),
            Mode::Host => host_may(context.action),
        };
        match (allowed, context.action) {
            // A table that is emptied loses each of its rows, as any other way, instead of all at once: they are
            // counted.
            (true, AuthAction::Delete { .. }) if mode == Mode::Plugin => Authorization::Ignore,
            (true, _) => Authorization::Allow,
            (false, _) => Authorization::Deny,
        }
    }
}

fn plugin_may(action: AuthAction<'_>) -> bool {
    match action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => !is_reserved(table_name),
        AuthAction::Function { function_name } => is_listed(function_name),
        _ => false,
    }
}

/// A migration's statements come from the checker, which knows no reserved name; SQLite itself reads and writes its
/// schema table while it carries them out, and calls functions of its own.
fn migration_may(action: AuthAction<'_>) -> bool {
    let own = |name: &str| !starts(name, "_tenon");
    match action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Reindex { .. } => true,
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. } => own(table_name),
        AuthAction::CreateIndex { index_name, table_name } | AuthAction::DropIndex { index_name, table_name } => {
            own(index_name) && own(table_name)
        }
        AuthAction::Function { function_name } => {
            is_listed(function_name) || starts(function_name, "sqlite_") || function_name == "printf"
        }
        _ => false,
    }
}

/// When a migration renames a table or column, or drops one, SQLite looks through the temporary views and triggers too.
/// There never are any, and a migration cannot name this table.
fn renaming_may(action: AuthAction<'_>) -> bool {
    match action {
        AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => {
            ["sqlite_master", "sqlite_temp_master"].iter().any(|name| table_name.eq_ignore_ascii_case(name))
        }
        _ => false,
    }
}

fn host_may(action: AuthAction<'_>) -> bool {
    match action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::CreateVtable { .. } => false,
        AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
        _ => true,
    }
}

fn is_listed(function: &str) -> bool {
    SQLITE_FUNCTIONS.iter().any(|listed| listed.eq_ignore_ascii_case(function))
}

fn starts(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Steps of SQLite's machine between two looks at the clock, or more up to its next jump: mostly 1 to 2 µs, of which
/// the look is a twentieth. They are so few because each may be a function over a text of `sql.value_bytes`.
pub(super) const METER_STEPS: i32 = 100;

/// How long a read may hold the calling thread, whatever its steps take: ten times what they mostly do.
const INLINE: Duration = Duration::from_millis(20);

/// When the statement of one connection has to stop.
#[derive(Debug, Default)]
pub(super) struct Stop {
    deadline: Option<Instant>,
    cancel: Option<Arc<AtomicBool>>,
    /// Looks at the meter that are left. Mostly they and not the time decide, so that a thread that was not scheduled
    /// loses little.
    looks: Option<u32>,
    /// Who pays, on a thread of its own.
    run: Option<Box<dyn Run>>,
    spent: Option<Spent>,
}

impl Stop {
    pub fn never() -> Self {
        Self::default()
    }

    pub fn at(deadline: Instant) -> Self {
        Stop { deadline: Some(deadline), ..Self::default() }
    }

    /// Also when the flag is set.
    pub fn or(self, cancel: Arc<AtomicBool>) -> Self {
        Stop { cancel: Some(cancel), ..self }
    }

    /// Also when no processor time is left. The run ends when the meter is armed anew.
    pub fn paid_by(self, run: Box<dyn Run>) -> Self {
        Stop { run: Some(run), ..self }
    }

    /// Also after as many steps as a read may take on the calling thread.
    pub fn inline(deadline: Instant, limits: &SqlConfig) -> Self {
        let looks = limits.inline_read_steps / METER_STEPS.unsigned_abs();
        Stop { looks: Some(looks), ..Self::at(deadline.min(Instant::now() + INLINE)) }
    }

    /// Lets others go first, if that is to be. False when the statement has to stop.
    pub fn goes_on(&mut self) -> bool {
        let Stop { deadline, cancel, run, spent, .. } = self;
        let due = || is_due(cancel.as_deref(), *deadline);
        if let Some(Err(none_left)) = run.as_mut().map(|run| run.go_on(&due)) {
            *spent = Some(none_left);
        }
        spent.is_none() && !due()
    }
}

fn is_due(cancel: Option<&AtomicBool>, deadline: Option<Instant>) -> bool {
    cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
        || deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Mutex<Stop>>);

impl Meter {
    pub fn new() -> Self {
        Meter(Arc::default())
    }

    pub fn arm(&self, stop: Stop) {
        let before = std::mem::replace(&mut *self.stop(), stop);
        drop(before);
    }

    /// Ends the run, and says whether its processor time was used up.
    pub fn end(&self) -> Option<Spent> {
        let ended = std::mem::take(&mut *self.stop());
        let Stop { run, spent, .. } = ended;
        spent.or_else(|| run?.pay().err())
    }

    /// Pays for what was computed up to here.
    ///
    /// # Errors
    /// When it was more than may be.
    pub fn pay(&self) -> Result<(), Spent> {
        match &mut self.stop().run {
            Some(run) => run.pay(),
            None => Ok(()),
        }
    }

    /// The thread waits for the disk.
    pub fn waits(&self) {
        if let Some(run) = &mut self.stop().run {
            run.waits();
        }
    }

    fn stop(&self) -> MutexGuard<'_, Stop> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SQLite's progress callback, every [`METER_STEPS`]: true stops the statement.
    pub fn is_over(&self) -> bool {
        let mut stop = self.stop();
        if let Some(looks) = &mut stop.looks {
            match looks.checked_sub(1) {
                Some(left) => *looks = left,
                None => return true,
            }
        }
        !stop.goes_on()
    }
}

/// Tells a thread to stop when the future that waits for it is dropped.
#[derive(Debug, Default)]
pub(super) struct CancelOnDrop(pub Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
