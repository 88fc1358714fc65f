//! The plugin's own table: rows, errors, transactions, and the caches between them and this plugin.

use crate::run::Run;
use crate::tenon::host::sql::{self, Error, RowSet, Transaction, Value};

/// Rows beyond this are taken out again.
const ROWS_MAX: u64 = 400;

type Outcome = Result<(), String>;

pub fn newest(run: &mut Run) -> Outcome {
    look(run, sql::query("SELECT id, text, number, parent FROM item ORDER BY id DESC LIMIT 20", &[]))
}

pub fn by_id(run: &mut Run) -> Outcome {
    let id = Value::Integer(run.below(2 * ROWS_MAX) as i64);
    look(run, sql::query("SELECT id, text FROM item WHERE id = $1", &[id]))
}

pub fn foreign(run: &mut Run) -> Outcome {
    let own = Value::Text(format!("{}%", run.own()));
    match sql::query("SELECT text FROM item WHERE text NOT LIKE $1 LIMIT 3", &[own]) {
        Ok(found) if found.rows.is_empty() => Ok(()),
        other => look(run, other),
    }
}

pub fn aggregate(run: &mut Run) -> Outcome {
    let statement = "SELECT max(text), min(text), string_agg(text, ',') FROM item WHERE id > $1";
    look(run, sql::query(statement, &[Value::Integer(ROWS_MAX as i64 / 2)]))
}

/// A statement that is prepared once is run with the values of this call.
pub fn parameter(run: &mut Run) -> Outcome {
    let value = run.value();
    let statement = "SELECT CASE WHEN text = $1 THEN text ELSE $1 END FROM item ORDER BY id LIMIT 2";
    let found = sql::query(statement, &[Value::Text(value.clone())]);
    only(run, found, &value)
}

/// A statement that was checked and is remembered is the one that was given.
pub fn literal(run: &mut Run) -> Outcome {
    // Few enough that the same text comes again, and many enough that others are forgotten.
    let number = run.below(50);
    let value = format!("{}-x{number}", run.own());
    let found = sql::query(&format!("SELECT '{value}' FROM item LIMIT 2"), &[]);
    only(run, found, &value)
}

pub fn large(run: &mut Run) -> Outcome {
    let value = run.value().repeat(1_000);
    let found = sql::query("SELECT $1 || '' FROM item LIMIT 1", &[Value::Text(value.clone())]);
    only(run, found, &value)
}

pub fn insert(run: &mut Run) -> Outcome {
    let row = [Value::Text(run.value()), Value::Integer(run.below(100) as i64)];
    let returned = sql::query("INSERT INTO item (text, number) VALUES ($1, $2) RETURNING id, text", &row);
    look(run, returned)
}

pub fn update(run: &mut Run) -> Outcome {
    let parameters = [Value::Text(run.value()), Value::Integer(run.below(ROWS_MAX) as i64)];
    failure(run, sql::execute("UPDATE item SET text = $1 WHERE id = $2", &parameters))
}

pub fn trim(run: &mut Run) -> Outcome {
    let statement = "DELETE FROM item WHERE parent IS NULL AND id <= (SELECT max(id) FROM item) - $1";
    failure(run, sql::execute(statement, &[Value::Integer(ROWS_MAX as i64)]))
}

/// The errors name rules of the schema, not rows.
pub fn constraint(run: &mut Run) -> Outcome {
    let value = Value::Text(run.value());
    let (statement, parameters) = match run.below(4) {
        0 => ("INSERT INTO item (text) SELECT text FROM item ORDER BY id LIMIT 1", vec![]),
        1 => ("INSERT INTO item (text, number) VALUES ($1, -1)", vec![value]),
        2 => ("INSERT INTO item (text, parent) VALUES ($1, 1000000000)", vec![value]),
        _ => ("UPDATE item SET text = NULL WHERE text <> $1", vec![value]),
    };
    match sql::execute(statement, &parameters) {
        // The table may be empty.
        Ok(_) => Ok(()),
        Err(error) => {
            run.saw();
            run.look(&format!("{error:?}"))
        }
    }
}

/// What cannot be run is told by name; the name is this tenant's.
pub fn refused(run: &mut Run) -> Outcome {
    let value = run.value();
    let name = value.replace('-', "_");
    let statement = match run.below(7) {
        0 => format!("SELECT '{value}' FROM"),
        1 => format!("SELECT text FROM {name}"),
        2 => format!("SELECT {name} FROM item"),
        3 => format!("ATTACH '{value}' AS other"),
        4 => format!("SELECT {name}(1)"),
        5 => format!("INSERT INTO item (text) VALUES ('{value}', $1)"),
        _ => format!("SELECT 1; SELECT '{value}'"),
    };
    match sql::query(&statement, &[]) {
        Ok(found) => Err(format!("{statement} was run: {found:?}")),
        Err(error) => run.look(&format!("{error:?}")),
    }
}

pub fn committed(run: &mut Run) -> Outcome {
    within(run, Transaction::commit)
}

pub fn rolled_back(run: &mut Run) -> Outcome {
    within(run, |transaction| {
        Transaction::rollback(transaction);
        Ok(())
    })
}

/// A transaction that nobody ends.
pub fn dropped(run: &mut Run) -> Outcome {
    within(run, |transaction| {
        drop(transaction);
        Ok(())
    })
}

fn within(run: &mut Run, end: fn(Transaction) -> Result<(), Error>) -> Outcome {
    let transaction = match Transaction::begin() {
        Ok(transaction) => transaction,
        Err(error) => return failed(run, &error),
    };
    let row = [Value::Text(run.value())];
    if let Err(error) = transaction.execute("INSERT INTO item (text) VALUES ($1)", &row) {
        failed(run, &error)?;
    }
    look(run, transaction.query("SELECT id, text FROM item ORDER BY id DESC LIMIT 5", &[]))?;
    failure(run, end(transaction))
}

/// What the handler and the runs by the clock have written down.
pub fn heard(run: &mut Run) -> Outcome {
    look(run, sql::query("SELECT text FROM heard WHERE id > 0 ORDER BY id DESC LIMIT 20", &[]))
}

/// That every text is this tenant's. The table holds no others.
fn look(run: &mut Run, found: Result<RowSet, Error>) -> Outcome {
    let found = match found {
        Ok(found) => found,
        Err(error) => return failed(run, &error),
    };
    found.columns.iter().try_for_each(|name| run.look(name))?;
    found.rows.iter().flatten().try_for_each(|value| match value {
        Value::Text(text) => run.look_own(text),
        _ => Ok(()),
    })
}

/// That every value is just this one.
fn only(run: &mut Run, found: Result<RowSet, Error>, expected: &str) -> Outcome {
    let found = match found {
        Ok(found) => found,
        Err(error) => return failed(run, &error),
    };
    match found.rows.iter().flatten().find(|value| !matches!(value, Value::Text(text) if text == expected)) {
        Some(other) => Err(format!("{other:?} for {expected:?}")),
        None if found.rows.is_empty() => Ok(()),
        None => {
            run.saw();
            Ok(())
        }
    }
}

fn failure<T>(run: &mut Run, outcome: Result<T, Error>) -> Outcome {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

pub fn failed(run: &mut Run, error: &Error) -> Outcome {
    run.look_error(error, matches!(error, Error::Busy | Error::Timeout | Error::Quota(_) | Error::Unavailable(_)))
}
