//! Where a provider's type is not the one its importer was built against.
//!
//! Types are equal when they are built alike, whatever they are called; names and order of fields, cases,
//! flags and parameters count, as they do to the component model. Only the first difference is looked for.

use std::fmt;

use super::{Case, Field, Name, Shape};

/// One difference: `field "email": string, expected option<string>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    path: Vec<Segment>,
    found: String,
    expected: String,
}

/// A step from a type to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Named(Part, Box<str>),
    Result,
    /// Of a tuple, counted from one.
    Element(usize),
    Ok,
    Error,
}

/// What parts with names are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Parameter,
    Field,
    Case,
    Flag,
}

impl Shape {
    /// The first place where this type, the provider's, is not the one the importer expects.
    pub fn difference(&self, expected: &Shape) -> Option<Difference> {
        match (self, expected) {
            (Self::List(found), Self::List(wanted)) => self.whole(expected, found.element.difference(&wanted.element)),
            (Self::Option(found), Self::Option(wanted)) => self.whole(expected, found.difference(wanted)),
            (Self::Record(found), Self::Record(wanted)) => members(Part::Field, &found.fields, &wanted.fields),
            (Self::Tuple(found), Self::Tuple(wanted)) if found.len() == wanted.len() => {
                let mut pairs = found.iter().zip(wanted.iter()).enumerate();
                let difference = pairs.find_map(|(index, (found, wanted))| {
                    found.difference(wanted).map(|difference| (index, difference))
                });
                let (index, difference) = difference?;
                Some(difference.inside(Segment::Element(index + 1)))
            }
            (Self::Variant(found), Self::Variant(wanted)) => cases(&found.cases, &wanted.cases),
            (Self::Enum(found), Self::Enum(wanted)) => name_lists(Part::Case, found, wanted),
            (Self::Flags(found), Self::Flags(wanted)) => name_lists(Part::Flag, found, wanted),
            (Self::Result(found), Self::Result(wanted)) => optional(found.ok.as_ref(), wanted.ok.as_ref(), "no value")
                .map(|difference| difference.inside(Segment::Ok))
                .or_else(|| {
                    optional(found.error.as_ref(), wanted.error.as_ref(), "no value")
                        .map(|difference| difference.inside(Segment::Error))
                }),
            _ if self.same_kind_without_parts(expected) => None,
            _ => Some(Difference::new(self, expected)),
        }
    }

    /// A difference right behind a list or an option is told with it: `list<u8>, expected list<u16>`.
    fn whole(&self, expected: &Shape, inner: Option<Difference>) -> Option<Difference> {
        inner.map(|inner| if inner.path.is_empty() { Difference::new(self, expected) } else { inner })
    }

    fn same_kind_without_parts(&self, other: &Shape) -> bool {
        let tuples = matches!((self, other), (Self::Tuple(_), Self::Tuple(_)));
        !tuples && std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Difference {
    /// From the outside in.
    pub fn path(&self) -> &[Segment] {
        &self.path
    }

    fn new(found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self { path: Vec::new(), found: found.to_string(), expected: expected.to_string() }
    }

    pub(super) fn inside(mut self, segment: Segment) -> Self {
        self.path.insert(0, segment);
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.path {
            match segment {
                Segment::Named(part, name) => write!(f, "{part} \"{name}\": ")?,
                Segment::Result => f.write_str("result: ")?,
                Segment::Element(number) => write!(f, "element {number}: ")?,
                Segment::Ok => f.write_str("ok: ")?,
                Segment::Error => f.write_str("error: ")?,
            }
        }
        write!(f, "{}, expected {}", self.found, self.expected)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "parameter",
            Self::Field => "field",
            Self::Case => "case",
            Self::Flag => "flag",
        })
    }
}

pub(super) fn members(part: Part, found: &[Field], expected: &[Field]) -> Option<Difference> {
    let found: Vec<_> = found.iter().map(|field| (&*field.name, &field.shape)).collect();
    let expected: Vec<_> = expected.iter().map(|field| (&*field.name, &field.shape)).collect();
    named(part, &found, &expected, Shape::difference, ToString::to_string)
}

fn cases(found: &[Case], expected: &[Case]) -> Option<Difference> {
    const NO_PAYLOAD: &str = "no payload";
    let found: Vec<_> = found.iter().map(|case| (&*case.name.wit, case.payload.as_ref())).collect();
    let expected: Vec<_> = expected.iter().map(|case| (&*case.name.wit, case.payload.as_ref())).collect();
    let text = |payload: Option<&Shape>| payload.map_or(NO_PAYLOAD.to_string(), ToString::to_string);
    named(Part::Case, &found, &expected, |found, expected| optional(found, expected, NO_PAYLOAD), text)
}

fn name_lists(part: Part, found: &[Name], expected: &[Name]) -> Option<Difference> {
    let found: Vec<_> = found.iter().map(|name| (&*name.wit, ())).collect();
    let expected: Vec<_> = expected.iter().map(|name| (&*name.wit, ())).collect();
    named(part, &found, &expected, |(), ()| None, |()| format!("a {part}"))
}

/// The difference of two types of which one or both may not be there.
pub(super) fn optional(found: Option<&Shape>, expected: Option<&Shape>, absent: &str) -> Option<Difference> {
    match (found, expected) {
        (None, None) => None,
        (Some(found), Some(expected)) => found.difference(expected),
        (Some(found), None) => Some(Difference::new(found, absent)),
        (None, Some(expected)) => Some(Difference::new(absent, expected)),
    }
}

/// Compares lists of named parts: first the names, then their order, then what they hold.
fn named<T: Copy>(
    part: Part,
    found: &[(&str, T)],
    expected: &[(&str, T)],
    difference: impl Fn(T, T) -> Option<Difference>,
    text: impl Fn(T) -> String,
) -> Option<Difference> {
    let at = |name: &str| Segment::Named(part, name.into());
    if found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.0 == b.0) {
        let mut pairs = found.iter().zip(expected);
        return pairs.find_map(|(a, b)| Some(difference(a.1, b.1)?.inside(at(a.0))));
    }
    let position = |list: &[(&str, T)], name: &str| list.iter().position(|(other, _)| *other == name);
    let absent = format!("no such {part}");
    if let Some((name, missing)) = expected.iter().find(|(name, _)| position(found, name).is_none()) {
        return Some(Difference::new(absent, text(*missing)).inside(at(name)));
    }
    if let Some((name, extra)) = found.iter().find(|(name, _)| position(expected, name).is_none()) {
        return Some(Difference::new(text(*extra), absent).inside(at(name)));
    }
    let place = |index: usize| format!("in place {}", index + 1);
    let mut names = expected.iter().enumerate();
    names.find_map(|(wanted, (name, _))| {
        let index = position(found, name).filter(|index| *index != wanted)?;
        Some(Difference::new(place(index), place(wanted)).inside(at(name)))
    })
}
