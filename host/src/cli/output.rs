//! What commands print: tables for people, JSON for programs.

use std::io::{IsTerminal, Write, stdout};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use jiff::{RoundMode, Timestamp, Unit};
use rustix::termios::tcgetwinsize;
use serde_json::Value;

/// How the answer is printed.
#[derive(clap::Args)]
pub(super) struct Output {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

/// A column: its heading, and the field it shows; a path goes down by dots.
pub(super) type Column = (&'static str, &'static str);

/// Headings of columns whose texts can be longer than a line. On a terminal they are wrapped within their column; they
/// are never cut, as what to do about it often stands at the end.
const LONG: [&str; 2] = ["REASON", "ERROR"];

/// The least width of such a column, in characters, however narrow the terminal is.
const LONG_CHARS_MIN: u16 = 30;

impl Output {
    /// Prints a list, one row for each entry.
    pub(super) fn list(&self, entries: &Value, columns: &[Column], none: &str) -> anyhow::Result<()> {
        if self.json {
            return print(&serde_json::to_string_pretty(entries)?);
        }
        let rows = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() {
            return print(none);
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|(heading, _)| *heading));
        for row in rows {
            table.add_row(columns.iter().map(|column| cell(row, *column)));
        }
        if let Some(width) = terminal_width() {
            wrap(&mut table, columns, width);
        }
        // The first column begins where the line does.
        let lines = table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
        print(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// Tells people that there is more, and how to go on. Programs find the cursor in the API's answer.
    pub(super) fn more(&self, cursor: Option<&str>, flag: &str) -> anyhow::Result<()> {
        match cursor {
            Some(cursor) if !self.json => print(&format!("there is more: {flag} {cursor}")),
            _ => Ok(()),
        }
    }

    /// Prints one thing: a sentence for people, all of it for programs.
    pub(super) fn told(&self, thing: &Value, sentence: &str) -> anyhow::Result<()> {
        if self.json { print(&serde_json::to_string_pretty(thing)?) } else { print(sentence) }
    }
}

/// A value as people read it in a table; nothing for what is absent.
fn cell(row: &Value, (heading, path): Column) -> String {
    let value = path.split('.').try_fold(row, |value, key| value.get(key));
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if LONG.contains(&heading) => visible(&line(text)),
        Some(Value::String(text)) => moment(text).unwrap_or_else(|| visible(text)),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let items: Vec<String> = items.iter().filter_map(Value::as_str).map(visible).collect();
            if items.is_empty() { "-".to_owned() } else { items.join(", ") }
        }
        Some(other) => visible(&other.to_string()),
    }
}

/// How many characters a line has where the answer is printed; none where that is no terminal.
fn terminal_width() -> Option<u16> {
    let out = stdout();
    let size = out.is_terminal().then(|| tcgetwinsize(&out).ok())??;
    Some(size.ws_col).filter(|width| *width > 0)
}

/// Fits a table to a terminal, by the columns whose texts can be long alone.
fn wrap(table: &mut Table, columns: &[Column], width: u16) {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for (index, (heading, _)) in columns.iter().enumerate() {
        let constraint = match LONG.contains(heading) {
            true => ColumnConstraint::LowerBoundary(Width::Fixed(LONG_CHARS_MIN)),
            false => ColumnConstraint::ContentWidth,
        };
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(constraint);
        }
    }
}

/// A text of several lines in one, with all of it.
pub(super) fn line(text: &str) -> String {
    let mut told = String::new();
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !told.is_empty() {
            told.push_str(if told.ends_with([':', ';', ',', '.']) { " " } else { "; " });
        }
        told.push_str(part);
    }
    told
}

/// A time, to the second: nobody compares microseconds by eye.
fn moment(text: &str) -> Option<String> {
    let is_time = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    let time: Timestamp = is_time.then(|| text.parse().ok())??;
    Some(time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc)).ok()?.to_string())
}

/// How many there are of something whose name gets an `s` when there are several.
pub(super) fn counted(number: usize, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// A field's text; empty where it has none.
pub(super) fn text(thing: &Value, name: &str) -> String {
    thing[name].as_str().unwrap_or_default().to_owned()
}

/// Text of strangers moves no cursor and starts no line.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints a text and an end of line. Who listens no longer, as `head`, is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_shown_to_the_second_and_nothing_else_is_taken_for_one() {
        let row = json!({"t": "2026-11-21T23:58:04.957129Z", "x": "2026-11-21T is a dayZ", "s": "20260131-235959-123"});
        let shown: Vec<_> = ["t", "x", "s"].map(|path| cell(&row, ("", path))).into();
        assert_eq!(shown, ["2026-11-21T23:58:04Z", "2026-11-21T is a dayZ", "20260131-235959-123"]);
        assert_eq!([counted(0, "key"), counted(1, "key")], ["0 keys", "1 key"]);
    }

    #[test]
    fn a_long_text_is_whole_and_is_wrapped_on_a_terminal() {
        assert_eq!(line("It is too old. Take a newer one."), "It is too old. Take a newer one.");
        assert_eq!(line("wrong:\n  a\n\n  b\n"), "wrong: a; b");
        let columns = [("FILE", "file"), ("REASON", "reason")];
        let row = json!({"file": "a-file-with-a-name.wasm", "reason": "word ".repeat(60) + "the-end"});
        let lines = |width: u16| -> Vec<String> {
            let mut table = Table::new();
            table.load_preset(presets::NOTHING).add_row(columns.iter().map(|column| cell(&row, *column)));
            wrap(&mut table, &columns, width);
            table.lines().collect()
        };
        let wide = lines(80);
        assert!(wide.len() > 1 && wide.iter().all(|line| line.chars().count() <= 80), "{wide:?}");
        assert!(wide[0].contains("a-file-with-a-name.wasm  word") && wide.concat().contains("the-end"), "{wide:?}");
        // Too narrow for both: what is not long stays in one piece.
        let narrow = lines(20);
        assert!(narrow[0].contains("a-file-with-a-name.wasm  word word") && narrow.len() < 20, "{narrow:?}");
    }

    #[test]
    fn cells_show_what_there_is() {
        let row = json!({"a": {"b": 1}, "t": "x\u{1b}[2Jy\nz", "l": ["p", "q"], "no": false, "n": null, "e": []});
        let shown: Vec<_> = ["a.b", "t", "l", "no", "n", "gone.too", "e"].map(|path| cell(&row, ("", path))).into();
        assert_eq!(shown, ["1", "x [2Jy z", "p, q", "no", "-", "-", "-"]);
    }
}
