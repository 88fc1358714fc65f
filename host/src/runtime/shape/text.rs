//! Shapes as WIT writes them; what has names of its own is cut short to its kind.

use std::fmt;

use super::Shape;

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::S8 => f.write_str("s8"),
            Self::U8 => f.write_str("u8"),
            Self::S16 => f.write_str("s16"),
            Self::U16 => f.write_str("u16"),
            Self::S32 => f.write_str("s32"),
            Self::U32 => f.write_str("u32"),
            Self::S64 => f.write_str("s64"),
            Self::U64 => f.write_str("u64"),
            Self::Float32 => f.write_str("f32"),
            Self::Float64 => f.write_str("f64"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
            Self::List(list) => write!(f, "list<{}>", list.element),
            Self::Record(_) => f.write_str("record {…}"),
            Self::Tuple(elements) => tuple(f, elements),
            Self::Variant(_) => f.write_str("variant {…}"),
            Self::Enum(_) => f.write_str("enum {…}"),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Result(result) => match (&result.ok, &result.error) {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(error)) => write!(f, "result<_, {error}>"),
                (Some(ok), Some(error)) => write!(f, "result<{ok}, {error}>"),
            },
            Self::Flags(_) => f.write_str("flags {…}"),
        }
    }
}

fn tuple(f: &mut fmt::Formatter<'_>, elements: &[Shape]) -> fmt::Result {
    f.write_str("tuple<")?;
    for (index, element) in elements.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{element}")?;
    }
    f.write_str(">")
}
