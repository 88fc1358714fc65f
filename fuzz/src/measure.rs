//! How large types and values are.

use tenon::runtime::shape::{Field, Name, Shape};
use wasmtime::component::Val;

/// What a type amounts to when it is written out.
#[derive(Debug, Default, Clone, Copy)]
pub struct Size {
    pub depth: usize,
    /// Types, fields, cases and flags.
    pub parts: usize,
    /// The most fields, cases or flags of one type.
    pub widest: usize,
    pub name_bytes: usize,
}

impl Size {
    pub fn of(shape: &Shape) -> Self {
        let mut size = Size::default();
        size.add(shape, 1);
        size
    }

    pub fn of_members(fields: &[Field]) -> Self {
        let mut size = Size::default();
        size.add_members(fields, 1);
        size
    }

    fn add(&mut self, shape: &Shape, depth: usize) {
        self.parts += 1;
        self.depth = self.depth.max(depth);
        let below = depth + 1;
        match shape {
            Shape::List(list) => self.add(&list.element, below),
            Shape::Option(inner) => self.add(inner, below),
            Shape::Tuple(shapes) => shapes.iter().for_each(|shape| self.add(shape, below)),
            Shape::Result(result) => result.ok.iter().chain(&result.error).for_each(|shape| self.add(shape, below)),
            Shape::Record(record) => self.add_members(&record.fields, below),
            Shape::Variant(variant) => {
                self.add_names(variant.cases.iter().map(|case| &case.name));
                variant.cases.iter().filter_map(|case| case.payload.as_ref()).for_each(|shape| self.add(shape, below));
            }
            Shape::Enum(names) | Shape::Flags(names) => self.add_names(names.iter()),
            _ => {}
        }
    }

    fn add_members(&mut self, fields: &[Field], depth: usize) {
        self.widest = self.widest.max(fields.len());
        let mut names: Vec<&str> = fields.iter().map(|field| &*field.json).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two members share a JSON name: {names:?}");
        for field in fields {
            self.parts += 1;
            self.name_bytes += field.name.len();
            self.add(&field.shape, depth);
        }
    }

    fn add_names<'a>(&mut self, names: impl Iterator<Item = &'a Name>) {
        let mut seen = std::collections::HashSet::new();
        for name in names {
            self.parts += 1;
            self.name_bytes += name.wit.len();
            assert!(seen.insert(&name.json), "two cases share the JSON name {}", name.json);
        }
        self.widest = self.widest.max(seen.len());
    }
}

/// What a value takes in memory, without what an allocator adds.
pub fn bytes(value: &Val) -> usize {
    let boxed = |payload: Option<&Val>| payload.map_or(0, bytes);
    let below = match value {
        Val::String(text) | Val::Enum(text) => text.len(),
        Val::List(values) | Val::Tuple(values) => values.iter().map(bytes).sum(),
        Val::Record(fields) => fields.iter().map(|(name, value)| size_of::<String>() + name.len() + bytes(value)).sum(),
        Val::Variant(name, payload) => name.len() + boxed(payload.as_deref()),
        Val::Option(payload) => boxed(payload.as_deref()),
        Val::Result(Ok(payload) | Err(payload)) => boxed(payload.as_deref()),
        Val::Flags(names) => names.iter().map(|name| size_of::<String>() + name.len()).sum(),
        _ => 0,
    };
    size_of::<Val>() + below
}
