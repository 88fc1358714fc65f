//! Every difference between two types, the earlier and the later.
//!
//! Types are equal when they are built alike, whatever they are called; names and order of parts count. So this
//! finds a difference exactly where [`FunctionShape::difference`] finds one; a property test holds the two
//! together. A shape is bounded when it is made, and each pair of parts is visited once.

use super::change::{Change, Flow, Kind, Part, Place};
use crate::id::InterfaceName;
use crate::runtime::shape::{Field, FunctionShape, Name, Shape};

/// What changed in the types of one function.
pub(super) fn function(interface: &InterfaceName, name: &str, old: &FunctionShape, new: &FunctionShape) -> Vec<Change> {
    let mut walk = Walk { interface, function: name, flow: Flow::Taken, path: String::new(), changes: Vec::new() };
    walk.members(Part::Parameter, &fields(&old.params), &fields(&new.params));
    if old.result_known() && new.result_known() {
        walk.flow = Flow::Given;
        walk.within("result", |walk| walk.optional(old.result.as_ref(), new.result.as_ref(), "nothing"));
    }
    walk.changes
}

/// A named part, and what it holds if that can hold something.
type Member<'a> = (&'a str, Option<&'a Shape>);

struct Walk<'a> {
    interface: &'a InterfaceName,
    function: &'a str,
    flow: Flow,
    /// Where the walk is: `result.ok[]`.
    path: String,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn shapes(&mut self, old: &Shape, new: &Shape) {
        match (old, new) {
            (Shape::List(old), Shape::List(new)) => self.wrapped("[]", &old.element, &new.element),
            (Shape::Option(old), Shape::Option(new)) => self.wrapped("?", old, new),
            (Shape::Record(old), Shape::Record(new)) => {
                self.members(Part::Field, &fields(&old.fields), &fields(&new.fields));
            }
            (Shape::Tuple(old), Shape::Tuple(new)) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new.iter()).enumerate() {
                    self.within(&format!("element-{}", index + 1), |walk| walk.shapes(old, new));
                }
            }
            (Shape::Variant(old), Shape::Variant(new)) => {
                let old: Vec<Member<'_>> = old.cases.iter().map(|c| (&*c.name.wit, c.payload.as_ref())).collect();
                let new: Vec<Member<'_>> = new.cases.iter().map(|c| (&*c.name.wit, c.payload.as_ref())).collect();
                self.members(Part::Case, &old, &new);
            }
            (Shape::Enum(old), Shape::Enum(new)) => self.members(Part::Case, &names(old), &names(new)),
            (Shape::Flags(old), Shape::Flags(new)) => self.members(Part::Flag, &names(old), &names(new)),
            (Shape::Result(old), Shape::Result(new)) => {
                self.within("ok", |walk| walk.optional(old.ok.as_ref(), new.ok.as_ref(), "nothing"));
                self.within("err", |walk| walk.optional(old.error.as_ref(), new.error.as_ref(), "nothing"));
            }
            _ if old.difference(new).is_none() => {}
            _ => self.retyped(old.to_string(), new.to_string()),
        }
    }

    /// The inside of a list or an option: a whole other inside is told with its wrapping, `list<u8> became list<u16>`.
    fn wrapped(&mut self, mark: &str, old: &Shape, new: &Shape) {
        let (length, before) = (self.path.len(), self.changes.len());
        self.path.push_str(mark);
        self.shapes(old, new);
        let inside = self.path.clone();
        self.path.truncate(length);
        let wrap = |text: &str| if mark == "?" { format!("option<{text}>") } else { format!("list<{text}>") };
        for change in &mut self.changes[before..] {
            if let (Place::Type { path, .. }, Kind::Retyped { from, to }) = (&mut change.place, &mut change.kind)
                && *path == inside
            {
                *path = self.path.clone();
                (*from, *to) = (wrap(from), wrap(to));
            }
        }
    }

    fn optional(&mut self, old: Option<&Shape>, new: Option<&Shape>, absent: &str) {
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) => self.shapes(old, new),
            (old, new) => {
                let text = |shape: Option<&Shape>| shape.map_or(absent.to_string(), Shape::to_string);
                self.retyped(text(old), text(new));
            }
        }
    }

    fn members(&mut self, part: Part, old: &[Member<'_>], new: &[Member<'_>]) {
        let has = |list: &[Member<'_>], name: &str| list.iter().any(|(known, _)| *known == name);
        // The same place, the same type and another name: it was renamed. Cases without payload have only names.
        let renamed = |index: usize| {
            let ((from, held), (to, holds)) = (old.get(index)?, new.get(index)?);
            let same = matches!(part, Part::Parameter | Part::Field) && old.len() == new.len();
            let same = same && !has(new, from) && !has(old, to) && held.zip(*holds).is_some_and(equal);
            same.then(|| Kind::Renamed { part, from: from.to_string(), to: to.to_string() })
        };
        for (index, (name, _)) in old.iter().enumerate() {
            if !has(new, name) {
                self.push(renamed(index).unwrap_or_else(|| Kind::Removed(part, name.to_string())));
            }
        }
        for (index, (name, _)) in new.iter().enumerate() {
            if !has(old, name) && renamed(index).is_none() {
                self.push(Kind::Added(part, name.to_string()));
            }
        }
        let common = |list: &[Member<'_>], other: &[Member<'_>]| -> Vec<String> {
            list.iter().filter(|(name, _)| has(other, name)).map(|(name, _)| name.to_string()).collect()
        };
        if common(old, new) != common(new, old) {
            self.push(Kind::Reordered(part));
        }
        for (name, held) in old {
            if let Some((_, holds)) = new.iter().find(|(known, _)| known == name) {
                self.within(name, |walk| walk.optional(*held, *holds, "no payload"));
            }
        }
    }

    fn within(&mut self, name: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        walk(self);
        self.path.truncate(length);
    }

    fn retyped(&mut self, from: String, to: String) {
        self.push(Kind::Retyped { from, to });
    }

    fn push(&mut self, kind: Kind) {
        let place = Place::Type {
            interface: self.interface.clone(),
            function: self.function.to_string(),
            path: self.path.clone(),
            flow: self.flow,
        };
        self.changes.push(Change { place, kind });
    }
}

fn equal((old, new): (&Shape, &Shape)) -> bool {
    old.difference(new).is_none()
}

fn fields(fields: &[Field]) -> Vec<Member<'_>> {
    fields.iter().map(|field| (&*field.name, Some(&field.shape))).collect()
}

fn names(names: &[Name]) -> Vec<Member<'_>> {
    names.iter().map(|name| (&*name.wit, None)).collect()
}
