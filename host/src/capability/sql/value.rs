//! Values on their way into a statement and out of a result.
//!
//! Invariant: a result never grows past `result_rows` and `result_bytes`; what would is refused, not cut off.

use super::error::SqlError;
use crate::config::SqlConfig;
use rusqlite::{
    CachedStatement, Row, Statement, ToSql,
    types::{ToSqlOutput, ValueRef},
};

/// A value of a column or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowSet {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Integer((*value).into()),
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

/// Binds `$1…$n`.
///
/// SQLite would store NaN as NULL without a word, so NaN is refused.
pub(super) fn bind(statement: &mut CachedStatement<'_>, parameters: &[Value]) -> Result<(), SqlError> {
    for (index, value) in parameters.iter().enumerate() {
        if matches!(value, Value::Real(real) if real.is_nan()) {
            return Err(SqlError::invalid(format!("parameter ${} is not a number; pass null instead", index + 1)));
        }
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

/// Steps a bound statement to its end.
pub(super) fn collect(statement: &mut CachedStatement<'_>, limits: &SqlConfig) -> Result<RowSet, SqlError> {
    let mut rows = statement.raw_query();
    let Some(first) = rows.next()? else {
        drop(rows);
        return Ok(RowSet { columns: Shape::of(statement).columns, rows: Vec::new() });
    };
    // Only after the first step: SQLite may prepare anew there, when the schema has changed.
    let mut shape = Shape::of(first.as_ref());
    let mut found = vec![shape.row(first, limits)?];
    while let Some(row) = rows.next()? {
        if found.len() >= limits.result_rows {
            return Err(SqlError::Quota(format!(
                "result rows: at most {}; page with LIMIT and OFFSET",
                limits.result_rows
            )));
        }
        found.push(shape.row(row, limits)?);
    }
    Ok(RowSet { columns: shape.columns, rows: found })
}

/// The columns of a result, and what is known about them beyond SQLite's storage classes.
struct Shape {
    columns: Vec<String>,
    boolean: Vec<bool>,
    bytes: usize,
}

impl Shape {
    fn of(statement: &Statement<'_>) -> Self {
        let described = statement.columns();
        Shape {
            columns: described.iter().map(|column| column.name().to_owned()).collect(),
            boolean: described
                .iter()
                .map(|column| column.decl_type().is_some_and(|name| name.eq_ignore_ascii_case("boolean")))
                .collect(),
            bytes: 0,
        }
    }

    fn row(&mut self, row: &Row<'_>, limits: &SqlConfig) -> Result<Vec<Value>, SqlError> {
        let mut values = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let value = row.get_ref(index)?;
            self.bytes += 16
                + match value {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                    ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
                };
            if self.bytes > limits.result_bytes {
                return Err(SqlError::Quota(format!(
                    "result bytes: at most {}; ask for fewer rows or columns",
                    limits.result_bytes
                )));
            }
            values.push(self.value(index, value)?);
        }
        Ok(values)
    }

    fn value(&self, index: usize, value: ValueRef<'_>) -> Result<Value, SqlError> {
        Ok(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(flag @ (0 | 1)) if self.boolean[index] => Value::Boolean(flag == 1),
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Blob(value) => Value::Blob(value.to_vec()),
            ValueRef::Text(value) => Value::Text(str::from_utf8(value).map(str::to_owned).map_err(|_| {
                SqlError::invalid(format!(
                    "column {} holds text that is not UTF-8; select it with CAST(… AS BLOB)",
                    self.columns[index]
                ))
            })?),
        })
    }
}
