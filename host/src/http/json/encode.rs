//! Values to JSON, straight into bytes.
//!
//! This runs for every value of every answer: no text is made that is not appended at once, and keys were
//! written out when the component was loaded. A value is not trusted to have its type.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasmtime::component::Val;

use super::decimal::Decimal;
use super::error::{EncodeError, EncodeProblem, kind};
use super::number::{write_float, write_signed, write_unsigned, write_wide};
use super::out::Out;
use super::string;
use super::time::Time;
use crate::runtime::shape::{
    Case, Field, ListForm, ListShape, Name, RecordForm, RecordShape, ResultShape, Shape, VariantShape,
};

type Encoded = Result<(), EncodeError>;

/// Up to this many keys, comparing each with each is faster than hashing them.
const COMPARED_KEYS_MAX: usize = 16;

/// Appends the JSON of a value.
///
/// # Errors
///
/// When the value is not of this shape, is one that has no JSON (see the module), or would be longer than `out` may be.
/// `out` is then as it was.
pub fn encode(shape: &Shape, value: &Val, out: &mut Out) -> Result<(), EncodeError> {
    let start = out.len();
    write(shape, value, out).inspect_err(|_| out.truncate(start))
}

fn write(shape: &Shape, value: &Val, out: &mut Out) -> Encoded {
    out.fits(0)?;
    match (shape, value) {
        (Shape::Bool, Val::Bool(value)) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        (Shape::S8, Val::S8(value)) => write_signed(out, (*value).into()),
        (Shape::U8, Val::U8(value)) => write_unsigned(out, (*value).into()),
        (Shape::S16, Val::S16(value)) => write_signed(out, (*value).into()),
        (Shape::U16, Val::U16(value)) => write_unsigned(out, (*value).into()),
        (Shape::S32, Val::S32(value)) => write_signed(out, (*value).into()),
        (Shape::U32, Val::U32(value)) => write_unsigned(out, (*value).into()),
        (Shape::S64, Val::S64(value)) => write_wide(out, *value < 0, value.unsigned_abs()),
        (Shape::U64, Val::U64(value)) => write_wide(out, false, *value),
        (Shape::Float32, Val::Float32(value)) => write_float(out, *value),
        (Shape::Float64, Val::Float64(value)) => write_float(out, *value),
        (Shape::Char, Val::Char(value)) => string::write(out, value.encode_utf8(&mut [0; 4])),
        (Shape::String, Val::String(value)) => return out.take_text(value),
        (Shape::List(list), Val::List(elements)) => return write_list(list, elements, out),
        (Shape::Record(record), Val::Record(fields)) => return write_record(record, fields, out),
        (Shape::Tuple(shapes), Val::Tuple(elements)) if shapes.len() == elements.len() => {
            return write_array(shapes.iter().zip(elements), out);
        }
        (Shape::Variant(variant), Val::Variant(case, payload)) => {
            return write_variant(variant, case, payload.as_deref(), out);
        }
        (Shape::Enum(cases), Val::Enum(case)) => return write_name(cases, case, out),
        (Shape::Option(inner), Val::Option(value)) => return write_option(inner, value.as_deref(), out),
        (Shape::Result(result), Val::Result(value)) => return write_result(result, value, out),
        (Shape::Flags(names), Val::Flags(flags)) => return write_flags(names, flags, out),
        _ => return Err(mismatch(shape, value)),
    }
    Ok(())
}

fn write_record(record: &RecordShape, fields: &[(String, Val)], out: &mut Out) -> Encoded {
    match (record.form, fields) {
        (RecordForm::Decimal, [(_, Val::S64(coefficient)), (_, Val::U8(scale))]) => {
            Decimal { coefficient: *coefficient, scale: *scale }.write(out);
            Ok(())
        }
        (RecordForm::Time, [(_, Val::U64(seconds)), (_, Val::U32(nanoseconds))]) => {
            let (seconds, nanoseconds) = (*seconds, *nanoseconds);
            let time = Time::new(seconds, nanoseconds).ok_or(EncodeProblem::Time { seconds, nanoseconds })?;
            out.push(b'"');
            time.write(out);
            out.push(b'"');
            Ok(())
        }
        (RecordForm::Object | RecordForm::Page { .. }, _) if fields.len() == record.fields.len() => {
            write_object(&record.fields, fields, out)
        }
        _ => Err(not("record {…}", "record of other fields")),
    }
}

fn write_object(shapes: &[Field], fields: &[(String, Val)], out: &mut Out) -> Encoded {
    out.push(b'{');
    let start = out.len();
    for (field, (name, value)) in shapes.iter().zip(fields) {
        if **name != *field.name {
            return Err(unknown(name));
        }
        let written = match field.tag.and_then(|tag| fields.get(tag)) {
            Some((_, tag)) => write_tagged(field, value, tag, start, out),
            None => write_member(field, &field.shape, value, start, out),
        };
        written.map_err(|error| error.inside(&field.json))?;
    }
    out.push(b'}');
    Ok(())
}

/// A member, or nothing for an option without a value. `start` is where the first member began.
fn write_member(field: &Field, shape: &Shape, value: &Val, start: usize, out: &mut Out) -> Encoded {
    if let (Shape::Option(_), Val::Option(None)) = (shape, value) {
        return Ok(());
    }
    separate(start, out);
    out.extend_from_slice(field.key.as_bytes());
    write(shape, value, out)
}

/// The payload of a variant whose case the sibling `type` tells: it must be the one the variant has.
fn write_tagged(field: &Field, value: &Val, tag: &Val, start: usize, out: &mut Out) -> Encoded {
    let variant = field.shape.tagged_variant().ok_or_else(|| mismatch(&field.shape, value))?;
    let value = match (&field.shape, value) {
        (Shape::Option(_), Val::Option(None)) => return Ok(()),
        (Shape::Option(_), Val::Option(Some(value))) => value,
        (_, value) => value,
    };
    let (Val::Variant(case, payload), Val::Enum(tag)) = (value, tag) else {
        return Err(mismatch(&field.shape, value));
    };
    if case != tag {
        return Err(EncodeProblem::Contradiction { case: case.clone(), tag: tag.clone() }.into());
    }
    match (&find_case(variant, case)?.payload, payload) {
        (None, None) => Ok(()),
        (Some(shape), Some(payload)) => write_member(field, shape, payload, start, out),
        _ => Err(not("case with its payload", "case of another kind")),
    }
}

fn write_list(list: &ListShape, elements: &[Val], out: &mut Out) -> Encoded {
    match &list.form {
        ListForm::Array => write_array(elements.iter().map(|element| (&list.element, element)), out),
        ListForm::Bytes => write_bytes(elements, out),
        ListForm::Object { key, value } => match keys(key, elements)? {
            Some(keys) => write_pairs(&keys, value, elements, out),
            None => write_array(elements.iter().map(|element| (&list.element, element)), out),
        },
    }
}

fn write_array<'a>(elements: impl Iterator<Item = (&'a Shape, &'a Val)>, out: &mut Out) -> Encoded {
    out.push(b'[');
    for (index, (shape, element)) in elements.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(shape, element, out).map_err(|error| error.inside(format_args!("[{index}]")))?;
    }
    out.push(b']');
    Ok(())
}

fn write_bytes(elements: &[Val], out: &mut Out) -> Encoded {
    let byte = |element: &Val| match element {
        Val::U8(byte) => Ok(*byte),
        other => Err(mismatch(&Shape::U8, other)),
    };
    out.fits(elements.len())?;
    out.push(b'"');
    let mut group = [0; 3];
    let mut text = [0; 4];
    for elements in elements.chunks(group.len()) {
        for (place, element) in group.iter_mut().zip(elements) {
            *place = byte(element)?;
        }
        let written = STANDARD.encode_slice(&group[..elements.len()], &mut text);
        out.extend_from_slice(&text[..written.unwrap_or(0)]);
    }
    out.push(b'"');
    Ok(())
}

/// The keys under which pairs can stand in an object; none when one comes twice.
fn keys<'a>(shape: &'a Shape, pairs: &'a [Val]) -> Result<Option<Vec<&'a str>>, EncodeError> {
    let mut keys = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let key = match (pair, shape) {
            (Val::Tuple(pair), _) if pair.len() != 2 => return Err(not("pair", "tuple of another length")),
            (Val::Tuple(pair), Shape::Enum(cases)) => match &pair[0] {
                Val::Enum(case) => &*find_name(cases, case)?.json,
                other => return Err(mismatch(shape, other)),
            },
            (Val::Tuple(pair), _) => match &pair[0] {
                Val::String(key) => key,
                other => return Err(mismatch(shape, other)),
            },
            (other, _) => return Err(not("pair", kind(other))),
        };
        keys.push(key);
    }
    let distinct = if keys.len() <= COMPARED_KEYS_MAX {
        keys.iter().enumerate().all(|(index, key)| !keys[..index].contains(key))
    } else {
        let mut seen = HashSet::with_capacity(keys.len());
        keys.iter().all(|key| seen.insert(*key))
    };
    Ok(distinct.then_some(keys))
}

fn write_pairs(keys: &[&str], shape: &Shape, pairs: &[Val], out: &mut Out) -> Encoded {
    out.push(b'{');
    let start = out.len();
    for (key, pair) in keys.iter().zip(pairs) {
        let Val::Tuple(pair) = pair else { return Err(not("pair", kind(pair))) };
        separate(start, out);
        out.take_text(key)?;
        out.push(b':');
        write(shape, &pair[1], out).map_err(|error| error.inside(key))?;
    }
    out.push(b'}');
    Ok(())
}

fn write_variant(variant: &VariantShape, case: &str, payload: Option<&Val>, out: &mut Out) -> Encoded {
    let case = find_case(variant, case)?;
    out.extend_from_slice(b"{\"type\":");
    string::write(out, &case.name.json);
    match (&case.payload, payload) {
        (None, None) => {}
        (Some(shape), Some(payload)) => {
            out.extend_from_slice(b",\"value\":");
            write(shape, payload, out).map_err(|error| error.inside("value"))?;
        }
        _ => return Err(not("case with its payload", "case of another kind")),
    }
    out.push(b'}');
    Ok(())
}

fn write_option(inner: &Shape, value: Option<&Val>, out: &mut Out) -> Encoded {
    match (value, inner) {
        (None, _) => out.extend_from_slice(b"null"),
        (Some(value), Shape::Option(_)) => {
            out.extend_from_slice(b"{\"some\":");
            write(inner, value, out)?;
            out.push(b'}');
        }
        (Some(value), _) => write(inner, value, out)?,
    }
    Ok(())
}

type Outcome = Result<Option<Box<Val>>, Option<Box<Val>>>;

fn write_result(result: &ResultShape, value: &Outcome, out: &mut Out) -> Encoded {
    let (key, shape, value) = match value {
        Ok(value) => (b"{\"ok\":".as_slice(), &result.ok, value),
        Err(value) => (b"{\"error\":".as_slice(), &result.error, value),
    };
    out.extend_from_slice(key);
    match (shape, value) {
        (None, None) => out.extend_from_slice(b"null"),
        (Some(shape), Some(value)) => write(shape, value, out)?,
        _ => return Err(not("result with its payload", "result of another kind")),
    }
    out.push(b'}');
    Ok(())
}

fn write_flags(names: &[Name], flags: &[String], out: &mut Out) -> Encoded {
    out.push(b'[');
    for (index, flag) in flags.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_name(names, flag, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_name(names: &[Name], name: &str, out: &mut Out) -> Encoded {
    string::write(out, &find_name(names, name)?.json);
    Ok(())
}

fn separate(start: usize, out: &mut Out) {
    if out.len() > start {
        out.push(b',');
    }
}

fn find_name<'a>(names: &'a [Name], wit: &str) -> Result<&'a Name, EncodeError> {
    names.iter().find(|name| *name.wit == *wit).ok_or_else(|| unknown(wit))
}

fn find_case<'a>(variant: &'a VariantShape, wit: &str) -> Result<&'a Case, EncodeError> {
    variant.cases.iter().find(|case| *case.name.wit == *wit).ok_or_else(|| unknown(wit))
}

fn mismatch(shape: &Shape, value: &Val) -> EncodeError {
    EncodeProblem::Mismatch { expected: shape.to_string(), found: kind(value) }.into()
}

fn not(expected: &str, found: &'static str) -> EncodeError {
    EncodeProblem::Mismatch { expected: expected.into(), found }.into()
}

fn unknown(name: &str) -> EncodeError {
    EncodeProblem::UnknownName { name: name.into() }.into()
}
