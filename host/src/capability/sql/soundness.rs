//! What the checker promises, as one function, for fuzzing and for tests. No part of the host calls it.
//!
//! The promise: what the checker lets through, SQLite reads as exactly one statement, of the kind the checker says it
//! is, over the tables the checker says it names and the functions on the list, and nothing else. It is asked of SQLite
//! itself: an authorizer that allows everything writes down what the statement wants.

use super::{
    check::{Checked, Purpose, SQLITE_FUNCTIONS, check, check_script, is_reserved},
    error::SqlError,
    guard::{Mode, ModeSwitch},
};
use crate::config::SqlConfig;
use rusqlite::{
    Connection, Error,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
};
use std::sync::{Arc, Mutex, PoisonError};

/// What SQLite would hold beside the plugin's tables.
const FOREIGN: &str = "
    CREATE TABLE _tenon_migration (name TEXT, sha256 BLOB, applied_at INTEGER);
    CREATE TABLE _tenon_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT);
";
/// Columns that the corpus and the generators like to name, so that a statement gets past its names.
const COLUMNS: &[&str] = &[
    "a", "b", "c", "d", "e", "i", "x", "y", "z", "id", "name", "text", "done", "email", "body", "sql", "type", "topic",
];

/// Checks a text as a plugin's statement and as a migration. `Ok` when it was refused, or let through rightly.
///
/// # Errors
///
/// What is wrong with what was let through.
pub fn soundness(text: &str) -> Result<(), String> {
    match check(text, Purpose::Plugin) {
        Ok(checked) => one(&checked).map_err(|why| format!("{text:?} was printed as {:?}: {why}", checked.sql()))?,
        Err(error) => refused_without_harm(&error)?,
    }
    match check_script(text, Purpose::Migration, &SqlConfig::default()) {
        Ok(script) => migration(&script).map_err(|why| format!("{text:?} as a migration: {why}")),
        Err(error) => refused_without_harm(&error),
    }
}

/// A refusal is typed. `Unavailable` would mean that the checker itself broke, by a panic or a print nobody can read.
fn refused_without_harm(error: &SqlError) -> Result<(), String> {
    match error {
        SqlError::Denied { .. } | SqlError::Syntax { .. } | SqlError::Quota(_) | SqlError::Invalid(_) => Ok(()),
        other => Err(format!("the checker broke: {other}")),
    }
}

fn one(checked: &Checked) -> Result<(), String> {
    let connection = world(checked)?;
    let wanted = Arc::new(Mutex::new(Vec::new()));
    let log = wanted.clone();
    let own = checked.tables().clone();
    connection
        .authorizer(Some(move |context: AuthContext<'_>| {
            if let Some(forbidden) = forbidden(&context, |table| own.contains(&table.to_ascii_lowercase())) {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(forbidden);
            }
            Authorization::Allow
        }))
        .map_err(|error| error.to_string())?;
    let first = match connection.prepare(checked.sql()) {
        Ok(statement) => Some((statement.readonly(), statement.column_count(), statement.parameter_count())),
        // An unknown column, a wrong number of them: known before anything runs.
        Err(error) => meaning(&error).map(|()| None)?,
    };
    if let Some(forbidden) = wanted.lock().unwrap_or_else(PoisonError::into_inner).first() {
        return Err(format!("it wants {forbidden}"));
    }
    let Some((read_only, columns, parameters)) = first else { return Ok(()) };
    let same = |what, checker: usize, sqlite: usize| match checker == sqlite {
        true => Ok(()),
        false => Err(format!("{what}: {checker} for the checker, {sqlite} for SQLite")),
    };
    same("read only", checked.is_read_only().into(), read_only.into())?;
    same("returns rows", checked.returns_rows().into(), (columns > 0).into())?;
    same("parameters", checked.parameters(), parameters)
}

/// Every statement of a script is one statement, and the authorizer of the running host lets it be prepared.
fn migration(script: &[Checked]) -> Result<(), String> {
    let connection = Connection::open_in_memory().map_err(|error| error.to_string())?;
    connection.execute_batch(FOREIGN).map_err(|error| error.to_string())?;
    hardened(&connection)?;
    let mode = ModeSwitch::new();
    mode.set(Mode::Migration);
    let denied = Arc::new(Mutex::new(false));
    let noted = denied.clone();
    connection
        .authorizer(Some(move |context: AuthContext<'_>| {
            let answer = mode.authorize(context);
            *noted.lock().unwrap_or_else(PoisonError::into_inner) |= matches!(answer, Authorization::Deny);
            answer
        }))
        .map_err(|error| error.to_string())?;
    for checked in script {
        if let Some(table) = checked.tables().iter().find(|table| is_reserved(table)) {
            return Err(format!("{:?} names {table}", checked.sql()));
        }
        if let Err(error) = connection.prepare(checked.sql()) {
            meaning(&error).map_err(|why| format!("{:?}: {why}", checked.sql()))?;
        }
        if *denied.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(format!("{:?} wants more than a migration may", checked.sql()));
        }
        // The next statement may speak of what this one makes. There are no rows, so it takes no time, and that it
        // fails is no matter here. Statements that would make rows are not run.
        if ["CREATE ", "ALTER ", "DROP "].iter().any(|verb| checked.sql().starts_with(verb)) {
            let _ = connection.execute_batch(checked.sql());
        }
    }
    Ok(())
}

/// An empty database with the tables that the statement names, and the host's own beside them.
fn world(checked: &Checked) -> Result<Connection, String> {
    let connection = Connection::open_in_memory().map_err(|error| error.to_string())?;
    connection.execute_batch(FOREIGN).map_err(|error| error.to_string())?;
    for table in checked.tables() {
        if is_reserved(table) {
            return Err(format!("it names {table}"));
        }
        let columns = COLUMNS.join(", ");
        let create = format!("CREATE TABLE \"{}\" ({columns}, UNIQUE (a), UNIQUE (id))", table.replace('"', "\"\""));
        connection.execute_batch(&create).map_err(|error| format!("its table {table:?}: {error}"))?;
    }
    hardened(&connection)?;
    Ok(connection)
}

/// As [`Link`](super::link::Link) does: text in double quotes is a name.
fn hardened(connection: &Connection) -> Result<(), String> {
    for config in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
        connection.set_db_config(config, false).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What the context asks for, if it is more than a plugin's statement may have.
fn forbidden(context: &AuthContext<'_>, own: impl Fn(&str) -> bool) -> Option<String> {
    let foreign = context.database_name.is_some_and(|name| name != "main");
    let allowed = match context.action {
        AuthAction::Select | AuthAction::Recursive => true,
        // Of a common table expression nobody reads a column of, SQLite asks by its name.
        AuthAction::Read { table_name, column_name: "" } => own(table_name) || !is_reserved(table_name),
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => own(table_name),
        AuthAction::Function { function_name } => {
            SQLITE_FUNCTIONS.iter().any(|listed| listed.eq_ignore_ascii_case(function_name))
        }
        _ => false,
    };
    (foreign || !allowed).then(|| format!("{:?} of {:?}", context.action, context.database_name))
}

/// Errors about what a statement means are the plugin's; errors about how it is written are the printer's.
fn meaning(error: &Error) -> Result<(), String> {
    if matches!(error, Error::MultipleStatement) {
        return Err("SQLite finds something after the first statement".to_owned());
    }
    let error = error.to_string();
    // What follows is a name of the plugin's, which may hold any word.
    if ["no such ", "ambiguous column name: ", "duplicate column name: ", "table "]
        .iter()
        .any(|sign| error.starts_with(sign))
    {
        return Ok(());
    }
    let ours = ["syntax error", "unrecognized token", "incomplete input", "not authorized", "prohibited"];
    match ours.iter().any(|sign| error.contains(sign)) {
        true => Err(format!("SQLite says: {error}")),
        false => Ok(()),
    }
}
