//! Reading wasmtime's types, once for each function of a component that is loaded.
//!
//! What cannot be copied from one store to another is refused here, by name. A hostile component can
//! describe, in few bytes, a type that is very deep or very large when written out, give it thousands of cases or
//! names of thousands of letters, and use it in thousands of functions: all are bounded.

use std::fmt;

use wasmtime::component::Type;
use wasmtime::component::types::{Field, Record, Variant};

use super::Shape;

/// How many levels of types may lie within each other. JSON needs at most one level for each, and
/// `serde_json` reads 128.
pub const DEPTH_MAX: usize = 64;

/// How many types and names one function may consist of when they are written out.
pub const PARTS_MAX: usize = 20_000;

/// The same for all functions of a component together. A part takes some 250 bytes, so a component's shapes take
/// 50 MB at most, however small its file is.
pub const COMPONENT_PARTS_MAX: usize = 200_000;

/// The bytes of a name that count as one part.
pub const NAME_PART_BYTES: usize = 64;

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
    ComponentTooLarge,
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
            Self::TooLarge => write!(f, "more than {PARTS_MAX} types and names in one function; make them smaller"),
            Self::ComponentTooLarge => {
                write!(f, "more than {COMPONENT_PARTS_MAX} types and names in all functions together; split the plugin")
            }
            Self::TooManyNames => write!(f, "more than {NAMES_MAX} fields, cases or flags in one type; split it"),
        }
    }
}

/// What the functions of one component may still amount to.
#[derive(Debug)]
pub struct Budget {
    parts: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { parts: COMPONENT_PARTS_MAX }
    }
}

impl Budget {
    /// Counts a name that is kept.
    pub fn name(&mut self, name: &str) -> Result<(), Unsupported> {
        self.take(parts_of(name))
    }

    fn take(&mut self, parts: usize) -> Result<(), Unsupported> {
        self.parts = self.parts.checked_sub(parts).ok_or(UnsupportedKind::ComponentTooLarge)?;
        Ok(())
    }
}

fn parts_of(name: &str) -> usize {
    1 + name.len() / NAME_PART_BYTES
}

/// Reads the types of one function and counts their parts.
pub(super) struct Reader<'a> {
    left: usize,
    component: &'a mut Budget,
}

impl<'a> Reader<'a> {
    pub(super) fn new(component: &'a mut Budget) -> Self {
        Self { left: PARTS_MAX, component }
    }

    fn take(&mut self, parts: usize) -> Result<(), Unsupported> {
        self.left = self.left.checked_sub(parts).ok_or(UnsupportedKind::TooLarge)?;
        self.component.take(parts)
    }

    /// Named parts, each counted, unless there are too many.
    pub(super) fn names<'n, I: ExactSizeIterator>(
        &mut self,
        named: I,
        name: impl Fn(&I::Item) -> &'n str,
    ) -> Result<Vec<I::Item>, Unsupported> {
        if named.len() > NAMES_MAX {
            return Err(UnsupportedKind::TooManyNames.into());
        }
        let named: Vec<_> = named.collect();
        for part in &named {
            self.take(parts_of(name(part)))?;
        }
        Ok(named)
    }

    pub(super) fn shape(&mut self, ty: &Type, depth: usize) -> Result<Shape, Unsupported> {
        self.take(1)?;
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
            Type::Enum(cases) => Shape::enumeration(self.names(cases.names(), |name| name)?),
            Type::Option(option) => Shape::option(self.shape(&option.ty(), inner)?),
            Type::Result(result) => {
                let ok = self.optional(result.ok(), inner).map_err(|error| error.inside("ok"))?;
                let error = self.optional(result.err(), inner).map_err(|error| error.inside("error"))?;
                Shape::result(ok, error)
            }
            Type::Flags(flags) => Shape::flags(self.names(flags.names(), |name| name)?),
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
        for Field { name, ty } in self.names(record.fields(), |field| field.name)? {
            let shape = self.shape(&ty, depth).map_err(|error| error.inside(format_args!("field \"{name}\"")))?;
            fields.push((name, shape));
        }
        Ok(Shape::record(fields))
    }

    fn variant(&mut self, variant: &Variant, depth: usize) -> Result<Shape, Unsupported> {
        let cases = self.names(variant.cases(), |case| case.name)?;
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
