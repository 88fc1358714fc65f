//! Path and query parameters to values.
//!
//! Everything is text here: numbers and booleans are read from it by the type that is expected. A list is
//! given by repeating its key or by commas; a comma within an element cannot be given this way, and an empty
//! text is the empty list. What comes of it is bounded by `http.header_bytes`, in which a request's target lies. Which types can be given is told by [`Shape::is_text`] and [`Shape::is_query`].

use serde_json::Value;
use wasmtime::component::Val;

use super::decode::Decoder;
use super::error::{At, FieldError};
use crate::runtime::shape::{Field, ListForm, Shape};

/// The value of a path parameter. `name` is the field that an error names.
///
/// # Errors
///
/// When the text does not fit the shape, or no text can.
pub fn decode_text(shape: &Shape, name: &str, text: &str) -> Result<Val, FieldError> {
    let mut decoder = Decoder::within(usize::MAX);
    let value = decoder.text(shape, text, &At::Top(name));
    decoder.finish(value).map_err(|mut errors| {
        errors.pop().unwrap_or_else(|| FieldError { field: name.into(), message: "is not valid".into() })
    })
}

/// A record whose fields are query parameters, under their JSON names.
///
/// # Errors
///
/// One for each parameter that does not fit, is missing or is not known.
pub fn decode_query(shape: &Shape, query: &[(String, String)]) -> Result<Val, Vec<FieldError>> {
    match shape {
        Shape::Record(record) => decode_query_members(&record.fields, query).map(Val::Record),
        Shape::Option(inner) => {
            let value = if query.is_empty() { None } else { Some(Box::new(decode_query(inner, query)?)) };
            Ok(Val::Option(value))
        }
        _ => {
            let message = format!("{shape} cannot be given by query parameters; only a record can");
            Err(vec![FieldError { field: "query".into(), message }])
        }
    }
}

/// Values for these fields or parameters, in their order, from query parameters under their JSON names.
///
/// # Errors
///
/// As [`decode_query`].
pub fn decode_query_members(
    fields: &[Field],
    query: &[(String, String)],
) -> Result<Vec<(String, Val)>, Vec<FieldError>> {
    let mut decoder = Decoder::within(usize::MAX);
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        let texts: Vec<&str> =
            query.iter().filter(|(key, _)| **key == *field.json).map(|(_, text)| text.as_str()).collect();
        let value = decoder.query(&field.shape, &texts, &At::Top(&field.json));
        values.extend(value.map(|value| (field.name.to_string(), value)));
    }
    for (key, _) in query.iter().filter(|(key, _)| !fields.iter().any(|field| **key == *field.json)) {
        if decoder.is_full() {
            break;
        }
        decoder.not_a_field(fields, &At::Top(key));
    }
    decoder.finish(Some(values))
}

impl Decoder {
    fn query(&mut self, shape: &Shape, texts: &[&str], at: &At) -> Option<Val> {
        match (shape, texts) {
            (Shape::Option(_), []) => Some(Val::Option(None)),
            (_, []) => self.wrong("is required", at),
            (Shape::Option(inner), _) => {
                let value = self.query(inner, texts, at)?;
                Some(Val::Option(Some(Box::new(value))))
            }
            (Shape::List(list), _) if matches!(list.form, ListForm::Array) => {
                let elements: Vec<&str> = elements(texts).collect();
                let mut values = Vec::with_capacity(elements.len());
                for (index, text) in elements.iter().enumerate() {
                    values.extend(self.text(&list.element, text, &At::Index(at, index)));
                }
                (values.len() == elements.len()).then_some(Val::List(values))
            }
            (Shape::Flags(_), _) => {
                let names = elements(texts).map(|name| Value::String(name.into())).collect();
                self.value(shape, &Value::Array(names), at)
            }
            (_, [text]) => self.text(shape, text, at),
            _ => self.wrong(format!("expected one value, found {}", texts.len()), at),
        }
    }

    fn text(&mut self, shape: &Shape, text: &str, at: &At) -> Option<Val> {
        if !shape.is_text() {
            return self.wrong(format!("{shape} cannot be given as text"), at);
        }
        let json = match (shape, text) {
            (Shape::Option(inner), _) => {
                let value = self.text(inner, text, at)?;
                return Some(Val::Option(Some(Box::new(value))));
            }
            (Shape::Bool, "true") => Value::Bool(true),
            (Shape::Bool, "false") => Value::Bool(false),
            _ => Value::String(text.into()),
        };
        match shape {
            Shape::S8 | Shape::U8 | Shape::S16 | Shape::U16 | Shape::S32 | Shape::U32 => {
                self.number(shape, Some(text), &json, at)
            }
            Shape::S64 | Shape::U64 | Shape::Float32 | Shape::Float64 => self.number(shape, Some(text), &json, at),
            _ => self.value(shape, &json, at),
        }
    }
}

/// The elements of a list, from all texts of its key.
fn elements<'a>(texts: &'a [&str]) -> impl Iterator<Item = &'a str> {
    texts.iter().filter(|text| !text.is_empty()).flat_map(|text| text.split(','))
}
