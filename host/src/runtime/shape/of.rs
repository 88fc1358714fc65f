//! Reading wasmtime's types, once for each function of a component that is loaded.
//!
//! What cannot be copied from one store to another is refused here, by name. A hostile component can
//! describe, in few bytes, a type that is very deep or very large when written out, or give it thousands of
//! cases: all are bounded.

use std::fmt;

use wasmtime::component::Type;
use wasmtime::component::types::{Field, Record, Variant};

use super::Shape;

/// How many levels of types may lie within each other. JSON needs at most one level for each, and
/// `serde_json` reads 128.
pub const DEPTH_MAX: usize = 64;

/// How many types one function may consist of when they are written out.
pub const PARTS_MAX: usize = 20_000;

/// How many fields, cases or flags one type may have, and parameters one function: they are looked for one
/// after the other.
pub const NAMES_MAX: usize = 512;

/// A type that this host does not pass on, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{kind}")]
pub struct Unsupported {
    path: String,
    kind: UnsupportedKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnsupportedKind {
    /// Not a plain value: named as WIT names it.
    NotAValue(String),
    TooDeep,
    TooLarge,
    TooManyNames,
}

impl Unsupported {
    /// A resource of this name, where only plain values can be.
    pub fn resource(name: &str) -> Self {
        Self::not_a_value(format!("resource \"{name}\""))
    }

    pub fn kind(&self) -> &UnsupportedKind {
        &self.kind
    }

    fn not_a_value(what: impl Into<String>) -> Self {
        UnsupportedKind::NotAValue(what.into()).into()
    }

    pub(super) fn inside(mut self, part: impl fmt::Display) -> Self {
        self.path = format!("{part}: {}", self.path);
        self
    }
}

impl From<UnsupportedKind> for Unsupported {
    fn from(kind: UnsupportedKind) -> Self {
        Self { path: String::new(), kind }
    }
}

impl fmt::Display for UnsupportedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAValue(what) => write!(f, "{what} cannot be passed between plugins; use plain values"),
            Self::TooDeep => write!(f, "types nested more than {DEPTH_MAX} deep; make them flatter"),
            Self::TooLarge => write!(f, "more than {PARTS_MAX} types in one function; make them smaller"),
            Self::TooManyNames => write!(f, "more than {NAMES_MAX} fields, cases or flags in one type; split it"),
        }
    }
}

impl Shape {
    /// The shape of a component's type.
    ///
    /// # Errors
    ///
    /// When a part of it is a resource, stream, future or another thing that is not a plain value, or when
    /// it is larger than [`DEPTH_MAX`], [`PARTS_MAX`] or [`NAMES_MAX`] allow.
    pub fn of(ty: &Type) -> Result<Self, Unsupported> {
        Reader::default().shape(ty, 0)
    }
}

/// Counts the parts of one function.
#[derive(Default)]
pub(super) struct Reader {
    parts: usize,
}

impl Reader {
    pub(super) fn shape(&mut self, ty: &Type, depth: usize) -> Result<Shape, Unsupported> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(UnsupportedKind::TooLarge.into());
        }
        if depth >= DEPTH_MAX {
            return Err(UnsupportedKind::TooDeep.into());
        }
        let inner = depth + 1;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::S8 => Shape::S8,
            Type::U8 => Shape::U8,
            Type::S16 => Shape::S16,
            Type::U16 => Shape::U16,
            Type::S32 => Shape::S32,
            Type::U32 => Shape::U32,
            Type::S64 => Shape::S64,
            Type::U64 => Shape::U64,
            Type::Float32 => Shape::Float32,
            Type::Float64 => Shape::Float64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => Shape::list(self.shape(&list.ty(), inner)?),
            Type::Record(record) => self.record(record, inner)?,
            Type::Tuple(tuple) => {
                Shape::tuple(tuple.types().map(|ty| self.shape(&ty, inner)).collect::<Result<Vec<_>, _>>()?)
            }
            Type::Variant(variant) => self.variant(variant, inner)?,
            Type::Enum(cases) => Shape::enumeration(few(cases.names())?),
            Type::Option(option) => Shape::option(self.shape(&option.ty(), inner)?),
            Type::Result(result) => {
                let ok = self.optional(result.ok(), inner).map_err(|error| error.inside("ok"))?;
                let error = self.optional(result.err(), inner).map_err(|error| error.inside("error"))?;
                Shape::result(ok, error)
            }
            Type::Flags(flags) => Shape::flags(few(flags.names())?),
            Type::Own(_) | Type::Borrow(_) => return Err(Unsupported::not_a_value("a resource")),
            Type::Future(_) => return Err(Unsupported::not_a_value("a future")),
            Type::Stream(_) => return Err(Unsupported::not_a_value("a stream")),
            Type::ErrorContext => return Err(Unsupported::not_a_value("an error-context")),
            Type::Map(_) => return Err(Unsupported::not_a_value("a map")),
            Type::FixedLengthList(_) => return Err(Unsupported::not_a_value("a list of fixed length")),
        })
    }

    fn record(&mut self, record: &Record, depth: usize) -> Result<Shape, Unsupported> {
        let mut fields = Vec::new();
        for Field { name, ty } in few(record.fields())? {
            let shape = self.shape(&ty, depth).map_err(|error| error.inside(format_args!("field \"{name}\"")))?;
            fields.push((name, shape));
        }
        Ok(Shape::record(fields))
    }

    fn variant(&mut self, variant: &Variant, depth: usize) -> Result<Shape, Unsupported> {
        let cases: Vec<_> = few(variant.cases())?.collect();
        let mut shapes = Vec::new();
        for case in &cases {
            let payload = self
                .optional(case.ty.clone(), depth)
                .map_err(|error| error.inside(format_args!("case \"{}\"", case.name)))?;
            shapes.push((case.name, payload));
        }
        Ok(Shape::variant(shapes))
    }

    pub(super) fn optional(&mut self, ty: Option<Type>, depth: usize) -> Result<Option<Shape>, Unsupported> {
        ty.map(|ty| self.shape(&ty, depth)).transpose()
    }
}

/// Named parts, unless there are too many.
pub(super) fn few<I: ExactSizeIterator>(names: I) -> Result<I, Unsupported> {
    if names.len() > NAMES_MAX { Err(UnsupportedKind::TooManyNames.into()) } else { Ok(names) }
}
