//! `tenon:plugin/event-handler` as a plugin exports it.

use std::sync::Arc;

use crate::runtime::shape::{FunctionShape, Shape};
use crate::runtime::{ExportedFunction, PreparedPlugin};

/// The fields of the event that a handler takes.
const FIELDS: [(&str, &str); 13] = [
    ("id", "string"),
    ("source", "string"),
    ("spec-version", "string"),
    ("topic", "string"),
    ("subject", "option<string>"),
    ("key", "option<string>"),
    ("time", "string"),
    ("data-content-type", "string"),
    ("data", "string"),
    ("tenant", "string"),
    ("correlation-id", "string"),
    ("hops", "u8"),
    ("attempt", "u32"),
];

/// What is called for each event, if the plugin exports it.
pub(super) fn event_handler(prepared: &PreparedPlugin) -> Option<&Arc<ExportedFunction>> {
    let mut exports = prepared.exports().iter();
    let handler = exports.find(|export| {
        export.name.interface.as_str() == "tenon:plugin/event-handler" && export.name.version.major == 1
    });
    handler?.function("handle")
}

/// Whether it takes and gives what the host gives and takes.
pub(super) fn is_sound(handler: &FunctionShape) -> bool {
    let [parameter] = &handler.params[..] else { return false };
    let Shape::Record(event) = &parameter.shape else { return false };
    let found = event.fields.iter().map(|field| (&*field.name, field.shape.to_string()));
    let is_event = found.eq(FIELDS.iter().map(|(name, kind)| (*name, (*kind).to_owned())));
    let Some(Shape::Result(result)) = &handler.result else { return false };
    let (None, Some(Shape::Variant(error))) = (&result.ok, &result.error) else { return false };
    let cases = error.cases.iter();
    let cases = cases.map(|case| (&*case.name.wit, matches!(case.payload, Some(Shape::String))));
    is_event && cases.eq([("retry", true), ("reject", true)])
}
