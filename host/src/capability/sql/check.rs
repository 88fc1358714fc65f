//! Reads a plugin's statement, allows what it understands, and prints it anew.
//!
//! Invariant: what reaches SQLite was printed by this module's walk, never copied from the plugin. The walk names every
//! variant it allows and takes every struct apart field by field, without `..`: a clause it does not know cannot be
//! printed, and a clause that a newer sqlparser adds does not compile. What is not allowed is refused by name.
//!
//! The language is the common part of SQLite and PostgreSQL 15, with PostgreSQL's meaning where the two differ and
//! SQLite can be made to follow: names without quotes are folded to lower case, LIKE minds case and escapes with a
//! backslash, ILIKE exists, primary keys are not null, BOOLEAN and VARCHAR(n) columns are checked. Not there, because
//! it is not common or not deterministic: the time, randomness, JSON, date types, NUMERIC, row ids, collations, views,
//! triggers.

mod cache;
mod change;
mod column;
mod expr;
mod from;
mod function;
mod names;
mod parse;
mod printer;
mod query;
mod schema;

pub(super) use names::{SQLITE_FUNCTIONS, is_reserved};

use super::error::SqlError;
use crate::config::SqlConfig;
pub use cache::Checker;
use printer::Printer;
use std::{collections::BTreeSet, sync::atomic::AtomicU8};

/// What a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A call of a plugin: reads and writes rows.
    Plugin,
    /// A migration: changes the schema too.
    Migration,
}

/// A statement that may run: printed from its tree, and what is known about it.
#[derive(Debug)]
pub struct Checked {
    sql: Box<str>,
    purpose: Purpose,
    read_only: bool,
    returns_rows: bool,
    parameters: usize,
    tables: BTreeSet<String>,
    inline: bool,
    /// Calls that still keep away from the calling thread because one there took too long.
    pub(super) patience: AtomicU8,
}

impl Checked {
    /// The statement in SQLite's words, parameters as `?n`.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// True for SELECT, VALUES and anything with RETURNING.
    pub fn returns_rows(&self) -> bool {
        self.returns_rows
    }

    /// The highest `$n`; exactly so many values must be given.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The tables it names, folded to lower case, without its common table expressions.
    pub fn tables(&self) -> &BTreeSet<String> {
        &self.tables
    }

    /// Whether it holds no operation that can take long between two looks at the clock.
    pub(super) fn may_run_inline(&self) -> bool {
        self.inline
    }
}

/// Checks one statement, with default limits and no cache; see [`Checker`].
pub fn check(sql: &str, purpose: Purpose) -> Result<Checked, SqlError> {
    check_with(sql, purpose, &SqlConfig::default())
}

pub(super) fn check_with(sql: &str, purpose: Purpose, limits: &SqlConfig) -> Result<Checked, SqlError> {
    if sql.len() > limits.statement_bytes {
        return Err(SqlError::Quota(format!(
            "statement bytes: at most {}, this one has {}; pass values as parameters",
            limits.statement_bytes,
            sql.len()
        )));
    }
    parse::on_own_stack(|| {
        let mut statements = parse::statements(sql, purpose)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => print(&statement, purpose, limits),
            (Some(_), false) => Err(SqlError::denied("a second statement", "one statement at a time")),
            (None, _) => Err(SqlError::invalid("the statement is empty")),
        }
    })
}

/// Checks the statements of a migration or of demo data, in order.
///
/// # Errors
/// The first statement's error, with its number in the script where the error has a message to hold it.
pub fn check_script(sql: &str, purpose: Purpose, limits: &SqlConfig) -> Result<Vec<Checked>, SqlError> {
    if sql.len() > limits.script_bytes {
        return Err(SqlError::Quota(format!("script bytes: at most {}; split it", limits.script_bytes)));
    }
    parse::on_own_stack(|| {
        let statements = parse::statements(sql, purpose)?;
        let checked = statements.iter().enumerate().map(|(index, statement)| {
            let checked = print(statement, purpose, limits).map_err(|error| numbered(error, index + 1))?;
            match checked.parameters {
                0 => Ok(checked),
                _ => Err(SqlError::invalid(format!(
                    "statement {}: a script has no parameters; write the value itself",
                    index + 1
                ))),
            }
        });
        checked.collect()
    })
}

fn numbered(error: SqlError, number: usize) -> SqlError {
    match error {
        SqlError::Denied { what, why } => SqlError::denied(format!("statement {number}: {what}"), why),
        SqlError::Invalid(message) => SqlError::invalid(format!("statement {number}: {message}")),
        other => other,
    }
}

fn print(parsed: &parse::Parsed, purpose: Purpose, limits: &SqlConfig) -> Result<Checked, SqlError> {
    let mut printer = Printer::new(purpose, '?', limits.parameters);
    printer.statement(&parsed.statement)?;
    parsed.nothing_lost(&printer.out)?;
    Ok(Checked {
        sql: printer.out.into(),
        purpose,
        read_only: !printer.writes,
        returns_rows: printer.returns_rows,
        parameters: printer.parameters,
        tables: printer.tables,
        inline: printer.inline && !printer.writes,
        patience: AtomicU8::new(0),
    })
}

#[cfg(test)]
mod tests;
