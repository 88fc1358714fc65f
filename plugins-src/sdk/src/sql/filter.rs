//! Conditions that depend on what was asked for.

use std::fmt::Write;

use super::Value;

/// Builds the WHERE clause of a statement, with its parameters, from the conditions that apply.
///
/// Only the texts given in the program become part of the statement; values are always parameters.
///
/// ```
/// use tenon_plugin::sql::Filter;
///
/// let mut filter = Filter::new();
/// filter.and("stage IN ({})", ["won", "lost"]);
/// let limit = filter.bind(10);
/// let statement = format!("SELECT id FROM deal {} LIMIT {limit}", filter.clause());
/// assert_eq!(statement, "SELECT id FROM deal WHERE stage IN ($1, $2) LIMIT $3");
/// assert_eq!(filter.parameters().len(), 3);
/// ```
#[derive(Default)]
pub struct Filter {
    clause: String,
    parameters: Vec<Value>,
}

impl Filter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition that must hold too. `{}` in it stands for the placeholders of the values, separated by
    /// commas; it may stand there once.
    pub fn and<V: Into<Value>>(&mut self, condition: &str, values: impl IntoIterator<Item = V>) {
        self.clause.push_str(if self.clause.is_empty() { "WHERE " } else { " AND " });
        let (before, after) = condition.split_once("{}").unwrap_or((condition, ""));
        self.clause.push_str(before);
        for (i, value) in values.into_iter().enumerate() {
            self.parameters.push(value.into());
            let separator = if i == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(self.clause, "{separator}${}", self.parameters.len());
        }
        self.clause.push_str(after);
    }

    /// Adds a parameter that is used outside the clause, and returns its placeholder.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("${}", self.parameters.len())
    }

    /// The clause with its keyword, or nothing when there are no conditions. It may be used more than once in
    /// a statement.
    pub fn clause(&self) -> &str {
        &self.clause
    }

    pub fn parameters(&self) -> &[Value] {
        &self.parameters
    }
}

/// A pattern for `LIKE … ESCAPE '\'` that finds this text anywhere, whatever characters it holds.
pub fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_joined_and_numbered() {
        let mut filter = Filter::new();
        assert_eq!(filter.clause(), "");
        filter.and("a = {}", [1]);
        filter.and("b IN (SELECT c FROM d WHERE e IN ({}))", ["x", "y"]);
        assert_eq!(filter.clause(), "WHERE a = $1 AND b IN (SELECT c FROM d WHERE e IN ($2, $3))");
        assert_eq!(filter.bind("z"), "$4");
        assert_eq!(filter.parameters().len(), 4);
    }

    #[test]
    fn wildcards_in_a_searched_text_stand_for_themselves() {
        assert_eq!(contains_pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
