//! What a tenant sends: an object with a value for each key, none nested too deep.

use serde_json::{Map, Value};

use crate::http::envelope::WrongField;

/// The values of a body that are not nested deeper than this.
pub(super) fn of(wanted: Value, depth: usize, wrong: &mut Vec<WrongField>) -> Map<String, Value> {
    not_too_deep(members(wanted, wrong), depth, wrong)
}

fn members(wanted: Value, wrong: &mut Vec<WrongField>) -> Map<String, Value> {
    let mut refuse = |field: &str, message: &str| {
        wrong.push(WrongField { field: field.to_owned(), message: message.to_owned() });
        Map::new()
    };
    let Value::Object(mut body) = wanted else { return refuse("body", "must be an object with `values`") };
    let values = body.remove("values");
    if let Some(other) = body.keys().next() {
        return refuse(other, "is not known here: there is only `values`");
    }
    match values {
        Some(Value::Object(values)) => values,
        _ => refuse("values", "must be an object: a value for each key"),
    }
}

/// The values, without those that are nested deeper than may be: who reads them back stops at some depth.
fn not_too_deep(values: Map<String, Value>, limit: usize, wrong: &mut Vec<WrongField>) -> Map<String, Value> {
    let (fine, deep): (Map<_, _>, Map<_, _>) = values.into_iter().partition(|(_, value)| depth(value) <= limit);
    wrong.extend(deep.keys().map(|key| {
        let message = format!("is nested too deep: at most {limit} levels are allowed (tenant.config_depth)");
        WrongField { field: format!("values.{key}"), message }
    }));
    fine
}

/// How many arrays and objects lie within each other. What a body's reader has let pass is bounded already.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
