//! Rows as they are written: which columns, and what to put there.

use std::fmt::Write;

use super::Value;

/// Names of columns, each with the value to write there, for [`insert`](super::Executor::insert) and
/// [`update`](super::Executor::update). Each name stands beside its value, so there is nothing to number.
///
/// Only the names, given in the program, become part of the statement; values are always parameters.
///
/// ```ignore
/// let columns = Columns::new().set("name", &customer.name).set("phone", &customer.phone);
/// db.update("customer", number, columns)?;
/// ```
#[derive(Default)]
pub struct Columns {
    names: Vec<&'static str>,
    values: Vec<Value>,
}

impl Columns {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column.
    pub fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.names.push(name);
        self.values.push(value.into());
        self
    }

    /// The statement that adds a row with these columns, and its parameters.
    pub(super) fn insertion(self, table: &str) -> (String, Vec<Value>) {
        (insertion(table, &self.names, 1), self.values)
    }

    /// The statement that changes these columns of the row of this id, and its parameters.
    pub(super) fn change(mut self, table: &str, id: Value) -> (String, Vec<Value>) {
        let mut statement = format!("UPDATE {table} SET ");
        for (i, name) in self.names.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(statement, "{}{name} = ${}", separator(i), i + 1);
        }
        self.values.push(id);
        let _ = write!(statement, " WHERE id = ${}", self.values.len());
        (statement, self.values)
    }
}

/// The statement that adds so many rows with these columns. Parameters are numbered row by row.
pub(super) fn insertion(table: &str, names: &[&str], rows: usize) -> String {
    let mut statement = format!("INSERT INTO {table} ({}) VALUES ", names.join(", "));
    for row in 0..rows {
        statement.push_str(separator(row));
        for column in 0..names.len() {
            let opening = if column == 0 { "(" } else { ", " };
            let _ = write!(statement, "{opening}${}", row * names.len() + column + 1);
        }
        statement.push(')');
    }
    statement
}

/// What stands before the item of this position in a list.
fn separator(position: usize) -> &'static str {
    if position == 0 { "" } else { ", " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_the_parameter_of_its_column() {
        let note = || Columns::new().set("text", "Water the plants").set("colour", None::<String>);
        let (statement, parameters) = note().insertion("note");
        assert_eq!(statement, "INSERT INTO note (text, colour) VALUES ($1, $2)");
        assert!(matches!(parameters.as_slice(), [Value::Text(_), Value::Null]));

        let (statement, parameters) = note().change("note", Value::from(7));
        assert_eq!(statement, "UPDATE note SET text = $1, colour = $2 WHERE id = $3");
        assert!(matches!(parameters.as_slice(), [Value::Text(_), Value::Null, Value::Integer(7)]));
    }

    #[test]
    fn several_rows_are_one_statement() {
        let statement = insertion("tag", &["note", "text"], 3);
        assert_eq!(statement, "INSERT INTO tag (note, text) VALUES ($1, $2), ($3, $4), ($5, $6)");
    }
}
