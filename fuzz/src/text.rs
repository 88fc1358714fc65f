//! Types as a line of text, so that seeds can be read and the fuzzer can change them word by word:
//! `record{id:u64,tags:list<string>,state:option<enum{open,closed}>}`.
//!
//! Bound: as for a component, [`DEPTH_MAX`] levels, and fewer parts, so that one input is read in no time.

use tenon::runtime::shape::{DEPTH_MAX, Shape};

const PARTS_MAX: usize = 300;

/// The type that the text describes; none where it describes none that WIT could.
pub fn shape(text: &str) -> Option<Shape> {
    let mut reader = Reader { rest: text, parts: 0 };
    let shape = reader.shape(0)?;
    reader.rest.is_empty().then_some(shape)
}

struct Reader<'a> {
    rest: &'a str,
    parts: usize,
}

impl<'a> Reader<'a> {
    fn shape(&mut self, depth: usize) -> Option<Shape> {
        self.parts += 1;
        if depth >= DEPTH_MAX || self.parts > PARTS_MAX {
            return None;
        }
        let inner = depth + 1;
        Some(match self.word() {
            "bool" => Shape::Bool,
            "s8" => Shape::S8,
            "u8" => Shape::U8,
            "s16" => Shape::S16,
            "u16" => Shape::U16,
            "s32" => Shape::S32,
            "u32" => Shape::U32,
            "s64" => Shape::S64,
            "u64" => Shape::U64,
            "f32" => Shape::Float32,
            "f64" => Shape::Float64,
            "char" => Shape::Char,
            "string" => Shape::String,
            "decimal" => Shape::record([("coefficient", Shape::S64), ("scale", Shape::U8)]),
            "time" => Shape::record([("seconds", Shape::U64), ("nanoseconds", Shape::U32)]),
            "list" => Shape::list(self.one(inner)?),
            "option" => Shape::option(self.one(inner)?),
            "tuple" => Shape::tuple(self.between('<', '>', |reader| reader.shape(inner))?),
            "result" => {
                let sides = self.between('<', '>', |reader| match reader.eat('_') {
                    true => Some(None),
                    false => reader.shape(inner).map(Some),
                })?;
                let [ok, error] = <[Option<Shape>; 2]>::try_from(sides).ok()?;
                Shape::result(ok, error)
            }
            "record" => {
                let fields = self.between('{', '}', |reader| {
                    let name = reader.word();
                    reader.eat(':').then(|| reader.shape(inner))?.map(|shape| (name, shape))
                })?;
                distinct(fields.iter().map(|(name, _)| *name))?;
                Shape::record(fields)
            }
            "variant" => {
                let cases = self.between('{', '}', |reader| {
                    let name = reader.word();
                    let payload = if reader.eat(':') { Some(reader.shape(inner)?) } else { None };
                    Some((name, payload))
                })?;
                distinct(cases.iter().map(|(name, _)| *name))?;
                Shape::variant(cases)
            }
            "enum" => Shape::enumeration(self.names()?),
            "flags" => Shape::flags(self.names()?),
            _ => return None,
        })
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn one(&mut self, depth: usize) -> Option<Shape> {
        let inner = self.between('<', '>', |reader| reader.shape(depth))?;
        <[Shape; 1]>::try_from(inner).ok().map(|[shape]| shape)
    }

    fn names(&mut self) -> Option<Vec<&'a str>> {
        let names = self.between('{', '}', |reader| Some(reader.word()))?;
        distinct(names.iter().copied())?;
        Some(names)
    }

    /// One or more, separated by commas.
    fn between<T>(&mut self, open: char, close: char, mut part: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut parts = Vec::new();
        self.eat(open).then_some(())?;
        loop {
            parts.push(part(self)?);
            if self.eat(close) {
                return Some(parts);
            }
            self.eat(',').then_some(())?;
        }
    }
}

/// As WIT wants names: words of one case, and distinct whatever their case.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Option<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        let of_one_case = |word: &str| {
            !word.is_empty()
                && (!word.contains(|c: char| c.is_ascii_lowercase())
                    || !word.contains(|c: char| c.is_ascii_uppercase()))
        };
        let proper = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.split('-').all(of_one_case);
        (proper && seen.insert(name.to_ascii_lowercase())).then_some(())?;
    }
    Some(())
}
