//! One event is one line, and shows what it is.
//!
//! The formatter gives an event as a whole, with a line break at its end. Every other character that breaks a
//! line, moves the cursor, changes the direction of the text or cannot be seen is written as an escape. In JSON
//! all of these can stand only within strings, so the escape is JSON's own and readers get the text back.

use std::fmt::Write as _;
use std::io::{self, Write};

/// How lines are written, which decides what an escape looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `colours`: the formatter's own colour codes are let through.
    Text {
        colours: bool,
    },
    Json,
}

/// Writes each event as one line. It has no buffer: one event is one write.
pub(super) struct OneLine<W> {
    inner: W,
    style: Style,
}

impl<W: Write> OneLine<W> {
    pub(super) fn new(inner: W, style: Style) -> Self {
        Self { inner, style }
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.chars().any(misleads) {
            let mut safe = escaped(line, self.style);
            safe.push('\n');
            self.inner.write_all(safe.as_bytes())?;
        } else {
            self.inner.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a character makes a line look like something else: controls, line and paragraph separators, marks that
/// turn the direction of the text, and what takes no room.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// What a text takes as a field of an event, its quotes apart: in whichever format its escapes are longer.
pub fn written_bytes(text: &str) -> usize {
    let of = |character: char| match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        _ if misleads(character) => (6 * character.len_utf16()).max(character.escape_unicode().len()),
        // What no font shows is escaped by the formatter.
        _ => character.escape_debug().map(char::len_utf8).sum(),
    };
    text.chars().map(of).sum()
}

/// A text that moves no cursor, breaks no line and hides nothing.
pub fn visible(text: &str) -> String {
    escaped(text, Style::Text { colours: false })
}

/// JSON on one line, the same.
pub fn json_line(value: &serde_json::Value) -> String {
    escaped(&value.to_string(), Style::Json)
}

fn escaped(line: &str, style: Style) -> String {
    let mut safe = String::with_capacity(line.len() + 32);
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        let code = if style == (Style::Text { colours: true }) { colour_code(rest) } else { 0 };
        if code > 0 {
            safe.push_str(&rest[..code]);
            rest = &rest[code..];
            continue;
        }
        match style {
            _ if !misleads(character) => safe.push(character),
            Style::Text { .. } => safe.extend(character.escape_default()),
            Style::Json => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
        }
        rest = &rest[character.len_utf8()..];
    }
    safe
}

/// The length of the colour code a text begins with, or 0: all that the formatter itself writes.
fn colour_code(text: &str) -> usize {
    let Some(code) = text.strip_prefix("\x1b[") else { return 0 };
    let digits = code.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if digits <= 8 && code[digits..].starts_with('m') { "\x1b[m".len() + digits } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Style = Style::Text { colours: false };

    fn written(event: &str, style: Style) -> String {
        let mut out = Vec::new();
        OneLine::new(&mut out, style).write_all(event.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(written("plain Grüße 世界\n", TEXT), "plain Grüße 世界\n");
        assert_eq!(
            written("a\nb\r\x1b[2Jc\u{2028}d\u{202e}e\u{85}\n", TEXT),
            "a\\nb\\r\\u{1b}[2Jc\\u{2028}d\\u{202e}e\\u{85}\n"
        );
    }

    #[test]
    fn json_keeps_its_text() {
        let event = "{\"text\":\"a\u{2028}b\u{202e}c\u{7f}\u{e0041}\"}\n";
        let line = written(event, Style::Json);
        assert!(line.is_ascii(), "{line}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&line), read(event));
    }

    #[test]
    fn what_a_text_takes_is_known_before_it_is_written() {
        let both = |text: &str| {
            let in_json = serde_json::to_string(text).unwrap();
            let lines = [written(&format!("{text:?}\n"), TEXT), written(&format!("{in_json}\n"), Style::Json)];
            lines.map(|line| line.len() - "\"\"\n".len())
        };
        for text in ["plain Grüße 世界", "\"quoted\" \\ two\nlines\tand\rmore"] {
            assert_eq!(both(text), [written_bytes(text); 2], "{text:?}");
        }
        for character in ('\0'..='\u{2fff}').chain('\u{e000}'..='\u{e0fff}') {
            let text = character.to_string();
            let longer = both(&text).into_iter().max().unwrap();
            assert!((longer..=longer + 4).contains(&written_bytes(&text)), "{text:?} takes {longer}");
        }
    }

    #[test]
    fn the_formatters_colours_stay_and_nothing_else_of_their_kind() {
        let style = Style::Text { colours: true };
        assert_eq!(written("\x1b[2m\x1b[0m \x1b[33mWARN\x1b[0m x\n", style), "\x1b[2m\x1b[0m \x1b[33mWARN\x1b[0m x\n");
        assert_eq!(written("\x1b[2J\x1b]0;x\x07\n", style), "\\u{1b}[2J\\u{1b}]0;x\\u{7}\n");
    }
}
