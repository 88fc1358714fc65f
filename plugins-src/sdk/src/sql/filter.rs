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

    /// Adds a condition on what was asked for, as [`and`](Self::and) does; nothing where nothing was. The values are an
    /// `Option`, or a list that names none where all are wanted.
    pub fn and_given<V: Into<Value>>(&mut self, condition: &str, values: impl IntoIterator<Item = V>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.and(condition, values);
        }
    }

    /// Adds the condition that the column, filled with [`search_text`], holds this text somewhere, whatever its case;
    /// nothing where there is no text.
    pub fn and_search(&mut self, column: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.and(&format!(r"{column} LIKE {{}} ESCAPE '\'"), [contains_pattern(&text.to_lowercase())]);
        }
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

/// What a column is filled with that [`Filter::and_search`] looks through: the texts in lower case, a line each, so
/// that nothing is found across two of them. The case is made here, because databases differ in which letters
/// they know the case of.
pub fn search_text<const N: usize>(texts: [&str; N]) -> String {
    texts.join("\n").to_lowercase()
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
    fn what_was_not_asked_for_is_no_condition() {
        let mut filter = Filter::new();
        filter.and_given("a = {}", None::<i64>);
        filter.and_given("b IN ({})", Vec::<String>::new());
        filter.and_given("c = {}", Some(1));
        filter.and_given("d IN ({})", ["x", "y"]);
        assert_eq!(filter.clause(), "WHERE c = $1 AND d IN ($2, $3)");
    }

    #[test]
    fn a_search_minds_neither_case_nor_alphabet() {
        assert_eq!(search_text(["Ärger", "Ολυ"]), "ärger\nολυ");
        let mut filter = Filter::new();
        filter.and_search("search_text", None);
        filter.and_search("search_text", Some("ÄRG_"));
        assert_eq!(filter.clause(), r"WHERE search_text LIKE $1 ESCAPE '\'");
        assert!(matches!(filter.parameters(), [Value::Text(pattern)] if pattern == r"%ärg\_%"));
    }

    #[test]
    fn wildcards_in_a_searched_text_stand_for_themselves() {
        assert_eq!(contains_pattern(r"50%_\"), r"%50\%\_\\%");
    }
}
