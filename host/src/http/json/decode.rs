//! JSON to values.
//!
//! The decoder goes on after an error, so that a caller learns of all wrong fields at once, up to
//! [`ERRORS_MAX`]. It knows paths only by borrowed links and writes them out for errors alone. Values take up to forty
//! times the room of their text, so it counts what it makes, as wasmtime counts what a plugin passes, and stops at
//! a bound.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use wasmtime::component::Val;

use super::decimal::Decimal;
use super::error::{At, ERRORS_MAX, FieldError, Found};
use super::number::{Range, read_float, read_integer};
use super::time::Time;
use crate::runtime::shape::{Field, Name, Shape};

/// A name in a value, which is an allocation of its own.
pub(super) const NAME_BYTES: usize = 32;

/// The value of this shape that `json` stands for, in `limit_bytes` of memory.
///
/// # Errors
///
/// One for each field that does not fit, up to [`ERRORS_MAX`]; the last one where the limit was reached.
pub fn decode(shape: &Shape, json: &Value, limit_bytes: usize) -> Result<Val, Vec<FieldError>> {
    let mut decoder = Decoder::within(limit_bytes);
    let value = decoder.value(shape, json, &At::Body);
    decoder.finish(value)
}

/// Values for these fields or parameters, in their order, from the members of one object.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_members(
    fields: &[Field],
    json: &Value,
    limit_bytes: usize,
) -> Result<Vec<(String, Val)>, Vec<FieldError>> {
    let mut decoder = Decoder::within(limit_bytes);
    let values = match json {
        Value::Object(members) => decoder.members(fields, members, &At::Body),
        _ => decoder.mismatch("an object", json, &At::Body),
    };
    decoder.finish(values)
}

/// Collects errors. Its methods give `None` for what is wrong, after they have told it.
pub(super) struct Decoder {
    errors: Vec<FieldError>,
    limit_bytes: usize,
    used_bytes: usize,
}

impl Decoder {
    pub(super) fn within(limit_bytes: usize) -> Self {
        Self { errors: Vec::new(), limit_bytes, used_bytes: 0 }
    }

    /// Counts memory before it is taken. After the first refusal everything is refused.
    pub(super) fn take(&mut self, count: usize, each_bytes: usize, at: &At) -> Option<()> {
        let before = self.used_bytes;
        self.used_bytes = before.saturating_add(count.saturating_mul(each_bytes));
        if self.used_bytes <= self.limit_bytes {
            return Some(());
        }
        if before > self.limit_bytes {
            return None;
        }
        let limit = self.limit_bytes;
        self.wrong(format!("is too much: the values of a request may take {limit} bytes (limits.hostcall_bytes)"), at)
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }

    /// Whether going on would tell nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX || self.used_bytes > self.limit_bytes
    }

    pub(super) fn wrong<T>(&mut self, message: impl Into<String>, at: &At) -> Option<T> {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError { field: at.to_string(), message: message.into() });
        }
        None
    }

    pub(super) fn mismatch<T>(&mut self, expected: impl std::fmt::Display, json: &Value, at: &At) -> Option<T> {
        self.wrong(format!("expected {expected}, found {}", Found(json)), at)
    }

    pub(super) fn value(&mut self, shape: &Shape, json: &Value, at: &At) -> Option<Val> {
        match shape {
            Shape::Bool => match json {
                Value::Bool(value) => Some(Val::Bool(*value)),
                _ => self.mismatch("true or false", json, at),
            },
            Shape::Char => match json.as_str().and_then(only_char) {
                Some(value) => Some(Val::Char(value)),
                None => self.mismatch("a string of one character", json, at),
            },
            Shape::String => match json {
                Value::String(text) => {
                    self.take(text.len(), 1, at)?;
                    Some(Val::String(text.clone()))
                }
                _ => self.mismatch("a string", json, at),
            },
            Shape::Enum(cases) => {
                let index = self.case(cases, json, at)?;
                self.take(1, NAME_BYTES, at)?;
                Some(Val::Enum(cases[index].wit.to_string()))
            }
            Shape::Flags(flags) => self.flags(flags, json, at),
            Shape::List(list) => self.list(list, json, at),
            Shape::Record(record) => self.record(record, json, at),
            Shape::Tuple(elements) => self.tuple(elements, json, at),
            Shape::Variant(variant) => self.variant(variant, json, at),
            Shape::Option(inner) => self.option(inner, json, at),
            Shape::Result(result) => self.result(result, json, at),
            _ => self.number(shape, number_text(shape, json), json, at),
        }
    }

    /// A number of the shape's kind. `json` is what stands there, for the message.
    pub(super) fn number(&mut self, shape: &Shape, text: Option<&str>, json: &Value, at: &At) -> Option<Val> {
        match text.and_then(|text| number_value(shape, text)) {
            Some(value) => Some(value),
            None => match range(shape) {
                Some(range) => self.mismatch(range, json, at),
                None => self.mismatch("a number", json, at),
            },
        }
    }

    pub(super) fn decimal(&mut self, json: &Value, at: &At) -> Option<Val> {
        let text = match json {
            Value::Number(number) => number.as_str(),
            Value::String(text) => text,
            _ => return self.mismatch("a number", json, at),
        };
        match Decimal::parse(text) {
            Ok(Decimal { coefficient, scale }) => {
                Some(Val::Record(vec![("coefficient".into(), Val::S64(coefficient)), ("scale".into(), Val::U8(scale))]))
            }
            Err(error) => self.mismatch(error, json, at),
        }
    }

    pub(super) fn time(&mut self, json: &Value, at: &At) -> Option<Val> {
        match json.as_str().and_then(Time::parse) {
            Some(time) => Some(Val::Record(vec![
                ("seconds".into(), Val::U64(time.seconds())),
                ("nanoseconds".into(), Val::U32(time.nanoseconds())),
            ])),
            None => self.mismatch("a time like 2026-03-01T12:00:00Z", json, at),
        }
    }

    pub(super) fn bytes(&mut self, json: &Value, at: &At) -> Option<Val> {
        match json.as_str().and_then(|text| STANDARD.decode(text).ok()) {
            Some(bytes) => self
                .take(bytes.len(), size_of::<Val>(), at)
                .map(|()| Val::List(bytes.into_iter().map(Val::U8).collect())),
            None => self.mismatch("base64 text", json, at),
        }
    }

    /// The position of the case that is named.
    pub(super) fn case(&mut self, cases: &[Name], json: &Value, at: &At) -> Option<usize> {
        let found = json.as_str().and_then(|text| position(cases, text));
        if found.is_none() {
            let names: Vec<&str> = cases.iter().map(|case| &*case.json).collect();
            return self.mismatch(format_args!("one of {}", names.join(" | ")), json, at);
        }
        found
    }

    /// Flags in the order of the type, however often each is named.
    fn flags(&mut self, flags: &[Name], json: &Value, at: &At) -> Option<Val> {
        let Value::Array(names) = json else {
            return self.mismatch("an array of strings", json, at);
        };
        let mut set = vec![false; flags.len()];
        for (index, name) in names.iter().enumerate() {
            match self.case(flags, name, &At::Index(at, index)) {
                Some(flag) => set[flag] = true,
                None if self.is_full() => break,
                None => {}
            }
        }
        self.take(flags.len(), NAME_BYTES + size_of::<String>(), at)?;
        let chosen = flags.iter().zip(set).filter(|(_, set)| *set);
        Some(Val::Flags(chosen.map(|(flag, _)| flag.wit.to_string()).collect()))
    }
}

pub(super) fn position(names: &[Name], json: &str) -> Option<usize> {
    names.iter().position(|name| *name.json == *json)
}

fn only_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// The digits of a number, where it may be written this way.
fn number_text<'a>(shape: &Shape, json: &'a Value) -> Option<&'a str> {
    match (shape, json) {
        (_, Value::Number(number)) => Some(number.as_str()),
        (Shape::S64 | Shape::U64, Value::String(text)) => Some(text),
        (Shape::Float32 | Shape::Float64, Value::String(text)) => {
            matches!(&**text, "NaN" | "Infinity" | "-Infinity").then_some(text)
        }
        _ => None,
    }
}

fn number_value(shape: &Shape, text: &str) -> Option<Val> {
    match shape {
        Shape::Float32 => return read_float(text).map(Val::Float32),
        Shape::Float64 => return read_float(text).map(Val::Float64),
        _ => {}
    }
    let number = read_integer(text)?;
    match shape {
        Shape::S8 => number.try_into().ok().map(Val::S8),
        Shape::U8 => number.try_into().ok().map(Val::U8),
        Shape::S16 => number.try_into().ok().map(Val::S16),
        Shape::U16 => number.try_into().ok().map(Val::U16),
        Shape::S32 => number.try_into().ok().map(Val::S32),
        Shape::U32 => number.try_into().ok().map(Val::U32),
        Shape::S64 => number.try_into().ok().map(Val::S64),
        Shape::U64 => number.try_into().ok().map(Val::U64),
        _ => None,
    }
}

fn range(shape: &Shape) -> Option<Range> {
    let (min, max) = match shape {
        Shape::S8 => (i8::MIN.into(), i8::MAX.into()),
        Shape::U8 => (0, u8::MAX.into()),
        Shape::S16 => (i16::MIN.into(), i16::MAX.into()),
        Shape::U16 => (0, u16::MAX.into()),
        Shape::S32 => (i32::MIN.into(), i32::MAX.into()),
        Shape::U32 => (0, u32::MAX.into()),
        Shape::S64 => (i64::MIN.into(), i64::MAX.into()),
        Shape::U64 => (0, u64::MAX.into()),
        _ => return None,
    };
    Some(Range { min, max })
}
