//! The types of an interface as text: to be compared as a hash with what an earlier host wrote down, and to be
//! read back when the file they came from is gone.
//!
//! Invariant: equal types give equal text in every version of the host. Whoever changes the text makes every
//! record contradict every file, so it begins with its version. [`read`](super::read::read) is its reverse.

use std::fmt::Write;

use crate::runtime::shape::{Field, FunctionShape, Shape};

pub(super) const VERSION: &str = "1";

/// What stands for a result that nobody knows: that of a deferred view whose answer is never taken.
pub(super) const UNKNOWN: &str = "?";

/// The functions of an interface with their types; their order does not count.
pub fn write<'a>(functions: impl IntoIterator<Item = (&'a str, &'a FunctionShape)>) -> String {
    let mut lines: Vec<String> = functions.into_iter().map(|(name, shape)| function(name, shape)).collect();
    lines.sort();
    lines.insert(0, VERSION.to_string());
    lines.join("\n")
}

fn function(name: &str, shape: &FunctionShape) -> String {
    let mut text = name.to_string();
    members(&mut text, '(', ')', shape.params.iter().map(member));
    if !shape.result_known() {
        text.push_str("->");
        text.push_str(UNKNOWN);
    } else if let Some(result) = &shape.result {
        text.push_str("->");
        write_shape(&mut text, result);
    }
    text
}

fn member(field: &Field) -> (&str, Option<&Shape>) {
    (&field.name, Some(&field.shape))
}

/// Names in WIT hold letters, digits and dashes, so nothing here can be taken for a part of one.
fn members<'a>(text: &mut String, open: char, close: char, each: impl Iterator<Item = (&'a str, Option<&'a Shape>)>) {
    text.push(open);
    for (name, shape) in each {
        text.push_str(name);
        if let Some(shape) = shape {
            text.push(':');
            write_shape(text, shape);
        }
        text.push(',');
    }
    text.push(close);
}

fn write_shape(text: &mut String, shape: &Shape) {
    match shape {
        Shape::List(list) => inner(text, "list", [Some(&list.element)]),
        Shape::Option(some) => inner(text, "option", [Some(&**some)]),
        Shape::Result(result) => inner(text, "result", [result.ok.as_ref(), result.error.as_ref()]),
        Shape::Tuple(elements) => inner(text, "tuple", elements.iter().map(Some)),
        Shape::Record(record) => {
            text.push_str("record");
            members(text, '{', '}', record.fields.iter().map(member));
        }
        Shape::Variant(variant) => {
            text.push_str("variant");
            let cases = variant.cases.iter().map(|case| (&*case.name.wit, case.payload.as_ref()));
            members(text, '{', '}', cases);
        }
        Shape::Enum(names) => {
            text.push_str("enum");
            members(text, '{', '}', names.iter().map(|name| (&*name.wit, None)));
        }
        Shape::Flags(names) => {
            text.push_str("flags");
            members(text, '{', '}', names.iter().map(|name| (&*name.wit, None)));
        }
        // The rest are single words.
        word => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{word}");
        }
    }
}

fn inner<'a>(text: &mut String, kind: &str, shapes: impl IntoIterator<Item = Option<&'a Shape>>) {
    text.push_str(kind);
    text.push('<');
    for shape in shapes {
        match shape {
            Some(shape) => write_shape(text, shape),
            None => text.push('_'),
        }
        text.push(',');
    }
    text.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shape: &Shape) -> String {
        function("f", &FunctionShape::new([("x", shape.clone())], None))
    }

    /// Records of earlier hosts hold hashes of these texts: they must never change.
    #[test]
    fn the_text_of_every_kind_of_type_is_fixed() {
        let record = Shape::record([("a", Shape::list(Shape::U8)), ("b-c", Shape::option(Shape::String))]);
        let variant = Shape::variant([("one", Some(Shape::tuple([Shape::Bool, Shape::S64]))), ("two", None)]);
        let error = Shape::enumeration(["not-found", "denied"]);
        let cases = [
            (record, "f(x:record{a:list<u8,>,b-c:option<string,>,},)"),
            (variant, "f(x:variant{one:tuple<bool,s64,>,two,},)"),
            (Shape::result(None, Some(error)), "f(x:result<_,enum{not-found,denied,},>,)"),
            (Shape::flags(["read", "write"]), "f(x:flags{read,write,},)"),
            (Shape::Float32, "f(x:f32,)"),
        ];
        for (shape, expected) in cases {
            assert_eq!(text(&shape), expected);
        }
        let with_result = FunctionShape::new([("x", Shape::Char)], Some(Shape::result(Some(Shape::U16), None)));
        assert_eq!(function("do-it", &with_result), "do-it(x:char,)->result<u16,_,>");
        assert_eq!(
            write([("b", &with_result), ("a", &with_result)]),
            "1\na(x:char,)->result<u16,_,>\nb(x:char,)->result<u16,_,>"
        );
    }

    #[test]
    fn every_difference_of_a_type_shows() {
        let record = |first: &str, second: &str, shape: Shape| Shape::record([(first, Shape::U8), (second, shape)]);
        let all = [
            text(&record("a", "b", Shape::U8)),
            text(&record("b", "a", Shape::U8)),
            text(&record("a", "b", Shape::U16)),
            text(&record("a", "b", Shape::option(Shape::U8))),
            text(&Shape::tuple([Shape::U8, Shape::U8])),
            text(&Shape::enumeration(["a", "b"])),
            text(&Shape::flags(["a", "b"])),
            text(&Shape::variant([("a", None), ("b", None)])),
            text(&Shape::result(Some(Shape::U8), None)),
            text(&Shape::result(None, Some(Shape::U8))),
        ];
        let different: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:#?}");
    }
}
