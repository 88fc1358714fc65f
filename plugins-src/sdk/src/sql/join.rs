//! One-to-many joins, read as the one with its many.

use super::{FromRow, Result, Row};

/// What the rows of a join are about: one `T` for all the rows, next to each other, that hold the same integer in the
/// column `key`. Its first row is read as a `T`; then `add` is given each of its rows, that one included, and takes
/// over what differs from row to row.
///
/// Where the join is a `LEFT JOIN`, a `T` without any such part has one row, in which the part's columns are NULL.
///
/// ```ignore
/// let rows = sql::query("SELECT id, name, tag FROM note LEFT JOIN note_tag ON note_id = id ORDER BY id", &[])?;
/// let notes: Vec<Note> = sql::join(rows, "id", |note: &mut Note, row| {
///     note.tags.extend(row.get::<Option<String>>("tag")?);
///     Ok(())
/// })?;
/// ```
pub fn join<T: FromRow>(
    rows: impl Iterator<Item = Row>,
    key: &str,
    mut add: impl FnMut(&mut T, &mut Row) -> Result<()>,
) -> Result<Vec<T>> {
    let mut found: Vec<T> = Vec::new();
    let mut last = None;
    for mut row in rows {
        let this = Some(row.integer(key)?);
        if last != this {
            found.push(T::from_row(&mut row)?);
            last = this;
        }
        if let Some(one) = found.last_mut() {
            add(one, &mut row)?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::tenon::host::sql::RowSet;
    use crate::sql::{Rows, Value};

    struct Note {
        id: i64,
        tags: Vec<String>,
    }

    impl FromRow for Note {
        fn from_row(row: &mut Row) -> Result<Self> {
            Ok(Self { id: row.get("id")?, tags: Vec::new() })
        }
    }

    fn notes(rows: Vec<Vec<Value>>) -> Result<Vec<Note>> {
        let rows = Rows::from(RowSet { columns: vec!["id".to_owned(), "tag".to_owned()], rows });
        join(rows, "id", |note: &mut Note, row| {
            note.tags.extend(row.get::<Option<String>>("tag")?);
            Ok(())
        })
    }

    #[test]
    fn every_part_comes_to_its_whole() {
        let row = |id: i64, tag: Option<&str>| vec![Value::from(id), Value::from(tag)];
        let notes = notes(vec![row(1, Some("a")), row(1, Some("b")), row(2, None), row(3, Some("a"))]).unwrap();
        let parts: Vec<_> = notes.iter().map(|note| (note.id, note.tags.join(" "))).collect();
        assert_eq!(parts, [(1, "a b".to_owned()), (2, String::new()), (3, "a".to_owned())]);
    }

    #[test]
    fn a_key_must_be_an_integer() {
        let error = notes(vec![vec![Value::Null, Value::Null]]).err().expect("an error");
        assert_eq!(error.to_string(), "column `id` should hold an integer, but holds NULL");
    }
}
