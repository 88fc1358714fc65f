//! Reads types back from the text that [`write`](super::text::write) made of them.
//!
//! The text comes from the control plane or from another host, so it is read as a stranger's: nesting is bounded
//! by [`DEPTH_MAX`], everything else by the length of the text.

use super::text::{UNKNOWN, VERSION};
use crate::runtime::shape::{DEPTH_MAX, FunctionShape, Shape};

/// A text that [`write`](super::text::write) never makes, and where it goes wrong, in bytes from its line's start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the types cannot be read: line {line}, byte {at}")]
pub struct Unreadable {
    line: usize,
    at: usize,
}

impl Unreadable {
    /// What should be the interface's name is none.
    pub(super) fn name() -> Self {
        Self { line: 0, at: 0 }
    }
}

/// The functions of an interface with their types.
///
/// # Errors
///
/// [`Unreadable`] when it is another version's text, or none.
pub fn read(text: &str) -> Result<Vec<(String, FunctionShape)>, Unreadable> {
    let mut lines = text.split('\n').enumerate();
    if lines.next().is_none_or(|(_, version)| version != VERSION) {
        return Err(Unreadable { line: 1, at: 0 });
    }
    let read = |(index, line): (usize, &str)| {
        let mut reader = Reader { text: line, at: 0 };
        reader.function().ok_or(Unreadable { line: index + 1, at: reader.at })
    };
    lines.map(read).collect()
}

/// One line, and how far it is read. Every method gives nothing when the text does not go on as it should.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn function(&mut self) -> Option<(String, FunctionShape)> {
        let name = self.name()?.to_string();
        let mut params = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let (name, shape) = self.member(0)?;
            params.push((name, shape?));
        }
        let shape = if !self.take("->") {
            FunctionShape::new(params, None)
        } else if self.take(UNKNOWN) {
            FunctionShape::new(params, None).without_result()
        } else {
            FunctionShape::new(params, Some(self.shape(0)?))
        };
        (self.at == self.text.len()).then_some((name, shape))
    }

    /// A name, what it holds if anything, and the comma behind.
    fn member(&mut self, depth: usize) -> Option<(&'a str, Option<Shape>)> {
        let name = self.name()?;
        let shape = if self.take(":") { Some(self.shape(depth)?) } else { None };
        self.expect(",")?;
        Some((name, shape))
    }

    fn members(&mut self, depth: usize) -> Option<Vec<(&'a str, Option<Shape>)>> {
        let mut members = Vec::new();
        self.expect("{")?;
        while !self.take("}") {
            members.push(self.member(depth)?);
        }
        Some(members)
    }

    fn names(&mut self, depth: usize) -> Option<Vec<&'a str>> {
        self.members(depth)?.into_iter().map(|(name, shape)| shape.is_none().then_some(name)).collect()
    }

    /// What stands between angle brackets; `_` is a part that is not there.
    fn inner(&mut self, depth: usize) -> Option<Vec<Option<Shape>>> {
        let mut inner = Vec::new();
        self.expect("<")?;
        while !self.take(">") {
            inner.push(if self.take("_") { None } else { Some(self.shape(depth)?) });
            self.expect(",")?;
        }
        Some(inner)
    }

    fn one(&mut self, depth: usize) -> Option<Shape> {
        let mut inner = self.inner(depth)?;
        if inner.len() == 1 { inner.pop()? } else { None }
    }

    fn shape(&mut self, depth: usize) -> Option<Shape> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let inner = depth + 1;
        Some(match self.name()? {
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
            "list" => Shape::list(self.one(inner)?),
            "option" => Shape::option(self.one(inner)?),
            "tuple" => Shape::tuple(self.inner(inner)?.into_iter().collect::<Option<Vec<_>>>()?),
            "result" => match <[Option<Shape>; 2]>::try_from(self.inner(inner)?) {
                Ok([ok, error]) => Shape::result(ok, error),
                Err(_) => return None,
            },
            "record" => {
                let fields = self.members(inner)?.into_iter().map(|(name, shape)| Some((name, shape?)));
                Shape::record(fields.collect::<Option<Vec<_>>>()?)
            }
            "variant" => Shape::variant(self.members(inner)?),
            "enum" => Shape::enumeration(self.names(inner)?),
            "flags" => Shape::flags(self.names(inner)?),
            _ => return None,
        })
    }

    fn name(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        // The arrow before a result begins with a dash, but it follows a bracket, never a name.
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.text[self.at..].starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::generated::function;
    use super::super::text::write;
    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(a in function(), b in function()) {
            let text = write([("a", &a), ("b-c", &b)]);
            let read = read(&text).unwrap();
            prop_assert_eq!(write(read.iter().map(|(name, shape)| (name.as_str(), shape))), text);
            prop_assert!(read[0].1.difference(&a).is_none() && read[1].1.difference(&b).is_none());
        }

        #[test]
        fn any_other_text_is_refused_and_does_no_harm(text in "1\n[a-c(){}<>,:_?-]{0,40}|\\PC{0,40}") {
            if let Ok(read) = read(&text) {
                // What is accepted is what would have been written, up to the order of functions.
                let mut lines: Vec<&str> = text.split('\n').collect();
                lines[1..].sort();
                prop_assert_eq!(write(read.iter().map(|(name, shape)| (name.as_str(), shape))), lines.join("\n"));
            }
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let nested = |depth: usize| format!("1\nf(x:{}u8{},)", "list<".repeat(depth), ",>".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
        assert!(read(&nested(DEPTH_MAX)).is_err() && read(&nested(100_000)).is_err());
    }

    #[test]
    fn a_result_that_nobody_knows_stays_unknown() {
        let read = read("1\nf(x:u8,)->?").unwrap();
        assert!(!read[0].1.result_known());
        assert_eq!(write([("f", &read[0].1)]), "1\nf(x:u8,)->?");
    }
}
