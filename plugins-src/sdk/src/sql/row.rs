//! What a query found.

use std::rc::Rc;
use std::vec;

use super::error::{ColumnError, ColumnProblem, Error, Result};
use super::value::{FromValue, kind};
use crate::bindings::tenon::host::sql::{RowSet, Value};

/// A type that one row can be read as.
pub trait FromRow: Sized {
    /// Reads the columns it needs, by name.
    fn from_row(row: &mut Row) -> Result<Self>;
}

/// A single value is the first column of its row, whatever that is called: the result of a `count(*)`.
impl<T: FromValue> FromRow for T {
    fn from_row(row: &mut Row) -> Result<Self> {
        row.read(0, "1")
    }
}

/// The rows of one query, in its order.
pub struct Rows {
    columns: Rc<[String]>,
    rows: vec::IntoIter<Vec<Value>>,
}

impl From<RowSet> for Rows {
    fn from(found: RowSet) -> Self {
        Self { columns: found.columns.into(), rows: found.rows.into_iter() }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let values = self.rows.next()?;
        let values = values.into_iter().map(Some).collect();
        Some(Row { columns: Rc::clone(&self.columns), values, next: 0 })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl ExactSizeIterator for Rows {}

/// Every row as a `T`.
pub(super) fn read_all<T: FromRow>(rows: impl ExactSizeIterator<Item = Row>) -> Result<Vec<T>> {
    // Collecting into a `Result` would not know how many there are, and move them again and again.
    let mut all = Vec::with_capacity(rows.len());
    for mut row in rows {
        all.push(T::from_row(&mut row)?);
    }
    Ok(all)
}

/// One row. It owns its values, and reading a column hands the value over instead of copying it.
pub struct Row {
    columns: Rc<[String]>,
    values: Vec<Option<Value>>,
    /// Where the next column is looked for first: programs mostly read columns in the order they selected them.
    next: usize,
}

impl Row {
    /// Takes the value of this column out of the row; `Option<T>` where it may be NULL.
    ///
    /// Fails with [`Error::Column`] when there is no such column, when its value is of another type or out of
    /// the type's range, or when it was read before.
    pub fn get<T: FromValue>(&mut self, column: &str) -> Result<T> {
        let position = self.position(column)?;
        self.next = position + 1;
        self.read(position, column)
    }

    /// The integer in this column, which stays in the row.
    pub(super) fn integer(&self, column: &str) -> Result<i64> {
        match self.values.get(self.position(column)?) {
            Some(Some(Value::Integer(integer))) => Ok(*integer),
            Some(Some(value)) => Err(type_error::<i64>(column, value)),
            Some(None) => Err(column_error(column, ColumnProblem::AlreadyRead)),
            None => Err(column_error(column, ColumnProblem::Missing)),
        }
    }

    fn position(&self, column: &str) -> Result<usize> {
        let count = self.columns.len();
        let mut positions = (self.next..count).chain(0..self.next.min(count));
        positions.find(|&i| self.columns[i] == column).ok_or_else(|| column_error(column, ColumnProblem::Missing))
    }

    fn read<T: FromValue>(&mut self, position: usize, column: &str) -> Result<T> {
        let Some(slot) = self.values.get_mut(position) else {
            return Err(column_error(column, ColumnProblem::Missing));
        };
        let Some(value) = slot.take() else {
            return Err(column_error(column, ColumnProblem::AlreadyRead));
        };
        T::from_value(value).map_err(|value| type_error::<T>(column, &value))
    }
}

#[cold]
fn type_error<T: FromValue>(column: &str, value: &Value) -> Error {
    column_error(column, ColumnProblem::Type { expected: T::EXPECTED, found: kind(value) })
}

#[cold]
fn column_error(column: &str, problem: ColumnProblem) -> Error {
    Error::Column(ColumnError { column: column.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let columns = ["id", "name", "phone"].map(str::to_owned).to_vec();
        let values = vec![Value::Integer(300), Value::Text("Ada".into()), Value::Null];
        Rows::from(RowSet { columns, rows: vec![values] }).next().expect("the one row")
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().expect("an error").to_string()
    }

    #[test]
    fn columns_are_read_by_name_in_any_order() {
        let mut row = row();
        assert_eq!(row.get::<Option<String>>("phone").unwrap(), None);
        assert_eq!(row.get::<i64>("id").unwrap(), 300);
        assert_eq!(row.get::<Option<String>>("name").unwrap().as_deref(), Some("Ada"));
    }

    #[test]
    fn a_wrong_type_names_the_column_and_both_types() {
        assert_eq!(message(row().get::<i64>("name")), "column `name` should hold an integer, but holds a text");
        assert_eq!(message(row().get::<String>("phone")), "column `phone` should hold a text, but holds NULL");
        let text = message(row().get::<u8>("id"));
        assert_eq!(text, "column `id` should hold an integer of 0 to 255, but holds an integer");
    }

    #[test]
    fn a_column_is_there_once() {
        let mut row = row();
        row.get::<i64>("id").unwrap();
        assert!(message(row.get::<i64>("id")).contains("was read before"));
        assert!(message(row.get::<i64>("age")).contains("`age` is not among the columns"));
    }

    #[test]
    fn a_single_value_is_the_first_column() {
        assert_eq!(i64::from_row(&mut row()).unwrap(), 300);
    }
}
