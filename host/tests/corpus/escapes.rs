//! Reads `sql-escapes.txt`, for the checker's own tests and for those of the whole host.

const TEXT: &str = include_str!("sql-escapes.txt");

/// One attempt to leave a plugin's own tables, or to take more than its share.
#[derive(Debug)]
pub struct Attempt {
    /// What it tries.
    pub what: &'static str,
    /// The kinds of error that may come of it; `own` when it may also run.
    pub expected: Vec<&'static str>,
    pub statement: String,
}

/// Every attempt of the corpus, in its order.
pub fn attempts() -> Vec<Attempt> {
    let paragraphs = TEXT.split("\n\n").map(str::trim_end);
    paragraphs.filter(|paragraph| paragraph.lines().any(|line| !line.starts_with('#'))).map(attempt).collect()
}

fn attempt(paragraph: &'static str) -> Attempt {
    let (what, rest) = paragraph.split_once('\n').unwrap_or_default();
    let (expected, statement) = rest.split_once(": ").or(rest.split_once(":\n")).unwrap_or_default();
    assert!(what.starts_with("# ") && !statement.is_empty(), "not an attempt: {paragraph}");
    Attempt { what: &what[2..], expected: expected.split('|').collect(), statement: unfolded(statement) }
}

/// With `{{U+0000}}` and `{{9 * x}}` written out.
fn unfolded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) =
        rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        out.push_str(before);
        match (inside.strip_prefix("U+"), inside.split_once(" * ")) {
            (Some(code), _) => out.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32)),
            (None, Some((times, part))) => out.push_str(&part.repeat(times.parse().unwrap())),
            _ => panic!("{{{{{inside}}}}} means nothing"),
        }
        rest = after;
    }
    out + rest
}
