//! The type of a value, apart from any engine: what is compared between importer and provider, and what
//! the JSON mapping walks.
//!
//! A [`Shape`] is made once, when a component is loaded, and holds all that a call needs to know of the
//! type, so no call asks wasmtime about types. It is bounded in depth and size when it is made
//! ([`DEPTH_MAX`], [`PARTS_MAX`], [`NAMES_MAX`], and for the whole component [`COMPONENT_PARTS_MAX`]); whoever walks one along its structure needs no bound of its own.
//!
//! How a type appears in JSON (its *form*) follows from its structure alone, so two shapes without a
//! [`Difference`] have the same form. Everything here is shared by `Arc`: cloning a shape is cheap.

mod build;
mod difference;
mod function;
mod names;
mod of;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::difference::{Difference, Part, Segment};
pub use self::function::FunctionShape;
pub use self::of::{
    Budget, COMPONENT_PARTS_MAX, DEPTH_MAX, NAME_PART_BYTES, NAMES_MAX, PARTS_MAX, Unsupported, UnsupportedKind,
};

/// A WIT type whose values can be copied between stores.
#[derive(Debug, Clone)]
pub enum Shape {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    Float32,
    Float64,
    Char,
    String,
    List(Arc<ListShape>),
    Record(Arc<RecordShape>),
    Tuple(Arc<[Shape]>),
    Variant(Arc<VariantShape>),
    Enum(Arc<[Name]>),
    Option(Arc<Shape>),
    Result(Arc<ResultShape>),
    Flags(Arc<[Name]>),
}

#[derive(Debug)]
pub struct ListShape {
    pub element: Shape,
    pub form: ListForm,
}

/// How a list appears in JSON.
#[derive(Debug)]
pub enum ListForm {
    Array,
    /// `list<u8>`: base64.
    Bytes,
    /// `list<tuple<K, V>>` with a string or an enum for K: an object.
    Object {
        key: Shape,
        value: Shape,
    },
}

#[derive(Debug)]
pub struct RecordShape {
    pub fields: Vec<Field>,
    pub form: RecordForm,
}

/// How a record appears in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordForm {
    Object,
    /// `{coefficient: s64, scale: u8}`: an exact number, `coefficient` / 10^`scale`.
    Decimal,
    /// `{seconds: u64, nanoseconds: u32}`: an RFC 3339 time.
    Time,
    /// Exactly `items: list<T>` and `total: u64` or `u32`, in either order: an object like any other, which
    /// the envelope of a response may take apart. Both are positions among the fields.
    Page {
        items: usize,
        total: usize,
    },
}

/// A named member: a field of a record or a parameter of a function.
#[derive(Debug, Clone)]
pub struct Field {
    /// As WIT has it, in kebab-case; the name that values carry.
    pub name: Box<str>,
    /// As JSON has it, in `camelCase`.
    pub json: Box<str>,
    /// `"json":`, ready to be written.
    pub key: Box<str>,
    pub shape: Shape,
    /// The position of the sibling `type` that tells this variant's case, so that JSON holds only the
    /// case's payload. See [`Shape::record`].
    pub tag: Option<usize>,
}

#[derive(Debug)]
pub struct VariantShape {
    pub cases: Vec<Case>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: Name,
    pub payload: Option<Shape>,
}

#[derive(Debug)]
pub struct ResultShape {
    pub ok: Option<Shape>,
    pub error: Option<Shape>,
}

/// The name of a case or a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As WIT has it, in kebab-case; the name that values carry.
    pub wit: Box<str>,
    /// As JSON has it, in `snake_case`.
    pub json: Box<str>,
}

impl Shape {
    /// Whether one piece of text can hold a value: a path parameter, or one element of a query list.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Option(inner) => inner.is_text(),
            Self::List(list) => matches!(list.form, ListForm::Bytes),
            Self::Record(record) => matches!(record.form, RecordForm::Decimal | RecordForm::Time),
            Self::Tuple(_) | Self::Variant(_) | Self::Result(_) | Self::Flags(_) => false,
            _ => true,
        }
    }

    /// Whether query parameters of one key can hold a value: text, flags or a list of texts.
    pub fn is_query(&self) -> bool {
        match self {
            Self::Option(inner) => inner.is_query(),
            Self::List(list) => self.is_text() || list.element.is_text(),
            Self::Flags(_) => true,
            _ => self.is_text(),
        }
    }

    /// The variant behind a field that a sibling tells the case of: its own, or the one in its option.
    pub fn tagged_variant(&self) -> Option<&VariantShape> {
        match self {
            Self::Variant(variant) => Some(variant),
            Self::Option(inner) => match &**inner {
                Self::Variant(variant) => Some(variant),
                _ => None,
            },
            _ => None,
        }
    }
}
