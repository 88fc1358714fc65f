//! A value of a type, from a string of random bytes. When the bytes run out it goes on with the smallest values.

use arbitrary::{Result, Unstructured};
use tenon::runtime::shape::{Case, Field, RecordForm, Shape};
use wasmtime::component::Val;

/// Elements of one list.
const ELEMENTS_MAX: usize = 20;

/// Texts that mean something elsewhere in the mapping.
const WORDS: [&str; 10] =
    ["", "type", "value", "some", "ok", "NaN", "-0", "1e5", "1970-01-01T00:00:00Z", "\"\\\u{0}\u{1f}\u{7f}\u{2028}🦀"];

/// The last second of the year 9999.
const SECONDS_MAX: u64 = 253_402_300_799;

/// # Errors
///
/// Never for want of bytes: only when the type itself can have no value.
pub fn value(shape: &Shape, u: &mut Unstructured) -> Result<Val> {
    Ok(match shape {
        Shape::Bool => Val::Bool(u.arbitrary()?),
        Shape::S8 => Val::S8(u.arbitrary()?),
        Shape::U8 => Val::U8(u.arbitrary()?),
        Shape::S16 => Val::S16(u.arbitrary()?),
        Shape::U16 => Val::U16(u.arbitrary()?),
        Shape::S32 => Val::S32(u.arbitrary()?),
        Shape::U32 => Val::U32(u.arbitrary()?),
        Shape::S64 => Val::S64(wide(u)? as i64),
        Shape::U64 => Val::U64(wide(u)?),
        Shape::Float32 => Val::Float32(u.arbitrary()?),
        Shape::Float64 => Val::Float64(u.arbitrary()?),
        Shape::Char => Val::Char(u.arbitrary()?),
        Shape::String => Val::String(text(u)?),
        Shape::Enum(names) => Val::Enum(u.choose(names)?.wit.to_string()),
        Shape::Flags(names) => {
            let mut set = Vec::new();
            for name in &**names {
                if u.arbitrary()? {
                    set.push(name.wit.to_string());
                }
            }
            Val::Flags(set)
        }
        Shape::List(list) => {
            let count = if u.is_empty() { 0 } else { u.int_in_range(0..=ELEMENTS_MAX)? };
            Val::List((0..count).map(|_| value(&list.element, u)).collect::<Result<_>>()?)
        }
        Shape::Tuple(shapes) => Val::Tuple(shapes.iter().map(|shape| value(shape, u)).collect::<Result<_>>()?),
        Shape::Option(inner) => Val::Option(match u.arbitrary()? {
            true => Some(Box::new(value(inner, u)?)),
            false => None,
        }),
        Shape::Result(result) => Val::Result(match u.arbitrary()? {
            true => Ok(payload(result.ok.as_ref(), u)?),
            false => Err(payload(result.error.as_ref(), u)?),
        }),
        Shape::Variant(variant) => case(u.choose(&variant.cases)?, u)?,
        Shape::Record(record) => match record.form {
            RecordForm::Decimal => decimal(u)?,
            RecordForm::Time => fields([
                ("seconds", Val::U64(wide(u)? % (SECONDS_MAX + 1))),
                ("nanoseconds", Val::U32(u.int_in_range(0..=999_999_999)?)),
            ]),
            RecordForm::Object | RecordForm::Page { .. } => members(&record.fields, u)?,
        },
    })
}

fn fields<const N: usize>(fields: [(&str, Val); N]) -> Val {
    Val::Record(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn payload(shape: Option<&Shape>, u: &mut Unstructured) -> Result<Option<Box<Val>>> {
    shape.map(|shape| value(shape, u).map(Box::new)).transpose()
}

fn case(case: &Case, u: &mut Unstructured) -> Result<Val> {
    Ok(Val::Variant(case.name.wit.to_string(), payload(case.payload.as_ref(), u)?))
}

/// Variants that a sibling `type` tells the case of have that case.
fn members(fields: &[Field], u: &mut Unstructured) -> Result<Val> {
    let tag = fields.iter().find_map(|field| field.tag);
    let told = match tag.map(|tag| &fields[tag].shape) {
        Some(Shape::Enum(names)) => u.choose_index(names.len())?,
        _ => 0,
    };
    let mut values = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let value = match &field.shape {
            Shape::Enum(names) if tag == Some(index) => Val::Enum(names[told].wit.to_string()),
            shape => match field.tag.and_then(|_| shape.tagged_variant()) {
                None => value(shape, u)?,
                Some(variant) => {
                    let value = case(&variant.cases[told], u)?;
                    match shape {
                        Shape::Option(_) => Val::Option(u.arbitrary::<bool>()?.then(|| Box::new(value))),
                        _ => value,
                    }
                }
            },
        };
        values.push((field.name.to_string(), value));
    }
    Ok(Val::Record(values))
}

/// With no more places than it needs, as JSON gives it back.
fn decimal(u: &mut Unstructured) -> Result<Val> {
    let (mut coefficient, mut scale) = (wide(u)? as i64, u.int_in_range(0..=18_u8)?);
    while scale > 0 && coefficient % 10 == 0 {
        coefficient /= 10;
        scale -= 1;
    }
    Ok(fields([("coefficient", Val::S64(coefficient)), ("scale", Val::U8(scale))]))
}

/// Of any magnitude.
fn wide(u: &mut Unstructured) -> Result<u64> {
    let shift = u.int_in_range(0..=63_u32)?;
    Ok(u.arbitrary::<u64>()? >> shift)
}

fn text(u: &mut Unstructured) -> Result<String> {
    match u.int_in_range(0..=2)? {
        0 => Ok(u.choose(&WORDS)?.to_string()),
        1 => Ok(u.arbitrary::<&str>()?.chars().take(40).collect()),
        _ => (0..u.int_in_range(0..=12)?).map(|_| u.arbitrary::<char>()).collect(),
    }
}
