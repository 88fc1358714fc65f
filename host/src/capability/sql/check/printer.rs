//! What the walk carries: the text so far, and what it learnt on the way.
//!
//! Every name is printed in double quotes, so no name can be taken for a keyword, and every compound operand in
//! parentheses, so that SQLite's precedence does not matter.

use super::{Purpose, SqlError, names};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Statement};
use std::{collections::BTreeSet, fmt::Write};

/// Deepest tree. SQLite's compiler recurses on it, on the caller's stack.
const DEPTH: usize = 150;
/// Calculations of one statement before looks are printed among them, and then between two looks.
const CALCULATIONS: (usize, usize) = (16, 8);
/// PostgreSQL cuts longer names.
const NAME_BYTES: usize = 63;

pub(super) type Printed = Result<(), SqlError>;

pub(super) struct Printer {
    pub out: String,
    pub purpose: Purpose,
    pub writes: bool,
    pub returns_rows: bool,
    pub inline: bool,
    pub parameters: usize,
    pub tables: BTreeSet<String>,
    /// Common table expressions in scope, innermost last.
    pub ctes: Vec<String>,
    /// Another query reads the one that is printed: SQLite may put its columns wherever that one names them.
    pub is_read: bool,
    /// Looks are to be printed around what is calculated: a column of such a query.
    pub looks: bool,
    /// One has just been printed.
    pub looked: bool,
    calculations: usize,
    placeholder: char,
    parameters_max: usize,
    depth: usize,
}

impl Printer {
    pub fn new(purpose: Purpose, placeholder: char, parameters_max: usize) -> Self {
        Printer {
            out: String::with_capacity(256),
            purpose,
            writes: false,
            returns_rows: false,
            inline: true,
            parameters: 0,
            tables: BTreeSet::new(),
            ctes: Vec::new(),
            is_read: false,
            looks: false,
            looked: false,
            calculations: 0,
            placeholder,
            parameters_max,
            depth: 0,
        }
    }

    pub fn statement(&mut self, statement: &Statement) -> Printed {
        match statement {
            Statement::Query(query) => {
                self.returns_rows = true;
                self.top_query(query)
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            other if self.purpose == Purpose::Migration => self.schema(other),
            other => refused(other, "the statements are SELECT, INSERT, UPDATE and DELETE"),
        }
    }

    pub fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// `items` with commas between them.
    pub fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T) -> Printed) -> Printed {
        for (index, value) in items.iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            item(self, value)?;
        }
        Ok(())
    }

    pub fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Printed) -> Printed {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(SqlError::denied(
                "nesting",
                format!("the statement's tree is deeper than {DEPTH}; use IN (…) or split it"),
            ));
        }
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// What may take long over a long text: a function, or an operator that makes a number or a text.
    ///
    /// SQLite asks whether to go on only where its machine jumps, mostly from one row to the next, so thousands of
    /// these for one row would be one piece. A CASE whose only branch is always taken says the same and ends in a
    /// jump. Few calculations need none, so that they look as they do in indexes, unless other queries can multiply
    /// them.
    pub fn calculation(&mut self, inside: impl FnOnce(&mut Self) -> Printed) -> Printed {
        self.calculations += 1;
        let many = self.calculations > CALCULATIONS.0 && self.calculations.is_multiple_of(CALCULATIONS.1);
        if std::mem::take(&mut self.looked) || !many && !self.looks {
            return inside(self);
        }
        self.look(inside)
    }

    pub fn look(&mut self, inside: impl FnOnce(&mut Self) -> Printed) -> Printed {
        let looks = std::mem::take(&mut self.looks);
        self.push("CASE WHEN 1 THEN ");
        inside(self)?;
        self.push(" END");
        self.looks = looks;
        Ok(())
    }

    /// A query that another one reads.
    pub fn read(&mut self, inside: impl FnOnce(&mut Self) -> Printed) -> Printed {
        let outer = std::mem::replace(&mut self.is_read, true);
        inside(self)?;
        self.is_read = outer;
        Ok(())
    }

    pub fn text(&mut self, text: &str) {
        self.push("'");
        self.out.push_str(&text.replace('\'', "''"));
        self.push("'");
    }

    pub fn parameter(&mut self, placeholder: &str) -> Printed {
        let number = placeholder
            .strip_prefix('$')
            .filter(|digits| !digits.starts_with(['0', '+']))
            .and_then(|digits| digits.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number >= 1) else {
            return Err(SqlError::denied(format!("placeholder {placeholder}"), "write parameters as $1, $2, …"));
        };
        if number > self.parameters_max {
            return Err(SqlError::Quota(format!(
                "parameters: at most {}, the statement names ${number}",
                self.parameters_max
            )));
        }
        self.parameters = self.parameters.max(number);
        write!(self.out, "{}{number}", self.placeholder).map_err(|_| SqlError::unavailable("out of memory"))
    }

    /// Any name: folded to lower case unless quoted.
    pub fn ident(&mut self, ident: &Ident) -> Printed {
        let name = fold(ident)?;
        self.push("\"");
        self.out.push_str(&name.replace('"', "\"\""));
        self.push("\"");
        Ok(())
    }

    pub fn column(&mut self, ident: &Ident) -> Printed {
        if names::is_hidden_column(&ident.value) {
            return Err(SqlError::denied(
                format!("column {}", ident.value),
                "it is the row's place in the file; give the table a key of its own",
            ));
        }
        self.ident(ident)
    }

    /// A column where the grammar would also take a dotted name.
    pub fn plain_column(&mut self, name: &ObjectName) -> Printed {
        let ident = single(name, "column")?;
        self.column(ident)
    }

    /// A name that a table, an alias or a common table expression may bear.
    pub fn table_name(&mut self, ident: &Ident) -> Result<String, SqlError> {
        let name = fold(ident)?;
        if names::is_reserved(&name) {
            return Err(SqlError::denied(
                format!("table {name}"),
                "names beginning with sqlite_, pragma_, pg_ and _tenon belong to the host",
            ));
        }
        self.ident(ident)?;
        Ok(name)
    }

    /// A table that is read or written.
    pub fn table(&mut self, name: &ObjectName) -> Printed {
        let ident = single(name, "table")?;
        let name = self.table_name(ident)?.to_ascii_lowercase();
        if !self.ctes.contains(&name) {
            self.tables.insert(name);
        }
        Ok(())
    }

    /// The name of an index or a constraint.
    pub fn object(&mut self, name: &ObjectName, kind: &str) -> Printed {
        let ident = single(name, kind)?;
        self.table_name(ident).map(drop)
    }
}

fn single<'a>(name: &'a ObjectName, kind: &str) -> Result<&'a Ident, SqlError> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(ident),
        _ => Err(SqlError::denied(
            format!("{kind} {name}"),
            "a name has one part: each plugin has a database of its own",
        )),
    }
}

/// The name as the database will know it.
pub(super) fn fold(ident: &Ident) -> Result<String, SqlError> {
    let name = match ident.quote_style {
        None => ident.value.to_ascii_lowercase(),
        Some('"') => ident.value.clone(),
        Some(_) => {
            return Err(SqlError::denied(format!("name {ident}"), "quote names with double quotes"));
        }
    };
    if name.is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
        return Err(SqlError::denied(
            "a name",
            format!("names have 1 to {NAME_BYTES} bytes and no control characters"),
        ));
    }
    Ok(name)
}

/// Refuses a part of the tree, quoting its beginning.
pub(super) fn refused<T>(part: &dyn std::fmt::Display, why: &str) -> Result<T, SqlError> {
    let mut what = part.to_string();
    if what.len() > 80 {
        what.truncate(what.floor_char_boundary(80));
        what.push('…');
    }
    Err(SqlError::denied(what, why))
}

/// Refuses a clause that is there.
pub(super) fn without(present: bool, clause: &str) -> Printed {
    match present {
        true => Err(SqlError::denied(clause, "it is not part of the SQL that plugins use")),
        false => Ok(()),
    }
}
