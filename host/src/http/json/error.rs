//! What is wrong with JSON that came in, and with a value that should go out.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use wasmtime::component::Val;

/// How many wrong fields are told at once; whoever sends more learns of the rest when these are mended.
pub const ERRORS_MAX: usize = 100;

/// How many characters of what was sent are repeated in a message.
const SHOWN_MAX: usize = 40;

/// A field that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// As in `address.zip` or `tags[2]`; `body` for the whole.
    pub field: String,
    pub message: String,
}

/// A value that has no JSON under its type. The plugin that gave it is wrong, not the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {}: {problem}", if .path.is_empty() { "the root" } else { .path })]
pub struct EncodeError {
    path: String,
    problem: Box<EncodeProblem>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum EncodeProblem {
    #[error("a value of type {expected} was promised, and a {found} came")]
    Mismatch { expected: String, found: &'static str },
    #[error("the type has no case or field \"{name}\" at this place")]
    UnknownName { name: String },
    #[error(
        "a time must lie in the years 1970 to 9999: it is {seconds} seconds and {nanoseconds} nanoseconds after 1970"
    )]
    Time { seconds: u64, nanoseconds: u32 },
    #[error("the case is \"{case}\", and the field `type` beside it says \"{tag}\"")]
    Contradiction { case: String, tag: String },
    #[error("the answer is longer than the {limit_bytes} bytes allowed (limits.answer_bytes)")]
    TooLong { limit_bytes: usize },
}

impl EncodeError {
    /// Whether the value is right and only too long.
    pub fn is_too_long(&self) -> bool {
        matches!(*self.problem, EncodeProblem::TooLong { .. })
    }

    /// `segment` is put before the path: a name, or an index in brackets.
    pub(super) fn inside(mut self, segment: impl fmt::Display) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{segment}{dot}{}", self.path);
        self
    }
}

impl From<EncodeProblem> for EncodeError {
    fn from(problem: EncodeProblem) -> Self {
        Self { path: String::new(), problem: Box::new(problem) }
    }
}

/// Where the decoder is: borrowed on the way down, written out only for an error.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// The whole. Paths to parts of it do not name it.
    Body,
    /// A member of the whole.
    Top(&'a str),
    Member(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn member(&'a self, name: &'a str) -> Self {
        match self {
            Self::Body => Self::Top(name),
            _ => Self::Member(self, name),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("body"),
            Self::Top(name) => named(f, name),
            Self::Member(parent, name) => {
                write!(f, "{parent}.")?;
                named(f, name)
            }
            Self::Index(Self::Body, index) => write!(f, "[{index}]"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// What was sent, in words: `number 5`, `string "five"`, `an array`.
pub(super) struct Found<'a>(pub(super) &'a Value);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => {
                f.write_str("number ")?;
                clipped(f, number.as_str())
            }
            Value::String(text) => {
                f.write_str("string \"")?;
                clipped(f, text)?;
                f.write_str("\"")
            }
            Value::Array(_) => f.write_str("an array"),
            Value::Object(_) => f.write_str("an object"),
        }
    }
}

/// A name as it stands in a path. The empty one is shown as quotes: without them no field would be named.
fn named(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if name.is_empty() { f.write_str("\"\"") } else { clipped(f, name) }
}

fn clipped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    match text.char_indices().nth(SHOWN_MAX) {
        None => f.write_str(text),
        Some((end, _)) => write!(f, "{}…", &text[..end]),
    }
}

/// The kind of a value, for errors about plugins.
pub(super) fn kind(value: &Val) -> &'static str {
    match value {
        Val::Bool(_) => "bool",
        Val::S8(_) => "s8",
        Val::U8(_) => "u8",
        Val::S16(_) => "s16",
        Val::U16(_) => "u16",
        Val::S32(_) => "s32",
        Val::U32(_) => "u32",
        Val::S64(_) => "s64",
        Val::U64(_) => "u64",
        Val::Float32(_) => "f32",
        Val::Float64(_) => "f64",
        Val::Char(_) => "char",
        Val::String(_) => "string",
        Val::List(_) => "list",
        Val::Map(_) => "map",
        Val::Record(_) => "record",
        Val::Tuple(_) => "tuple",
        Val::Variant(..) => "variant",
        Val::Enum(_) => "enum",
        Val::Option(_) => "option",
        Val::Result(_) => "result",
        Val::Flags(_) => "flags",
        Val::Resource(_) => "resource",
        Val::Future(_) => "future",
        Val::Stream(_) => "stream",
        Val::ErrorContext(_) => "error-context",
        Val::FixedLengthList(_) => "list of fixed length",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_a_name_is_named_all_the_same() {
        let top = At::Body.member("");
        assert_eq!(top.to_string(), "\"\"");
        let a = At::Body.member("a");
        assert_eq!(a.member("").to_string(), "a.\"\"");
    }
}
