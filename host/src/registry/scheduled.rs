//! `tenon:plugin/scheduled` as a plugin exports it.

use std::sync::Arc;

use crate::runtime::shape::{FunctionShape, Shape};
use crate::runtime::{ExportedFunction, PreparedPlugin};

/// The fields of the tick that it takes.
const FIELDS: [(&str, &str); 9] = [
    ("id", "string"),
    ("schedule", "string"),
    ("due", "string"),
    ("local", "string"),
    ("passed", "u32"),
    ("by-hand", "bool"),
    ("attempt", "u32"),
    ("tenant", "string"),
    ("correlation-id", "string"),
];

/// What is called at each tick, if the plugin exports it.
pub(super) fn scheduled(prepared: &PreparedPlugin) -> Option<&Arc<ExportedFunction>> {
    let mut exports = prepared.exports().iter();
    let scheduled = exports
        .find(|export| export.name.interface.as_str() == "tenon:plugin/scheduled" && export.name.version.major == 1);
    scheduled?.function("run")
}

/// Whether it takes and gives what the host gives and takes.
pub(super) fn is_sound(run: &FunctionShape) -> bool {
    let [parameter] = &run.params[..] else { return false };
    let Shape::Record(tick) = &parameter.shape else { return false };
    let found = tick.fields.iter().map(|field| (&*field.name, field.shape.to_string()));
    let is_tick = found.eq(FIELDS.iter().map(|(name, kind)| (*name, (*kind).to_owned())));
    let Some(Shape::Result(result)) = &run.result else { return false };
    is_tick && result.ok.is_none() && matches!(result.error, Some(Shape::String))
}
