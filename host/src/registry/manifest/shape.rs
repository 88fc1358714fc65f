//! The first pass: does the document have the shape of a manifest?
//!
//! It walks the published schema, so the host and an author's editor refuse the same things; the
//! host adds what it found and the fix, and reports every place at once, which deserialising
//! cannot. Text with a grammar is given to the parser of its type, whose errors say more than a
//! pattern. Invariant, held by a test: the schema uses no keyword that this walk does not know.

use serde_json::{Map, Value};

use super::config::type_name;
use super::grammar::parse_named;
use super::problem::{JsonPath, Problems, quoted_list};
use crate::id::{InvalidText, excerpt};

pub(super) fn check(document: &Value, schema: &Value, problems: &mut Problems) {
    let definitions = &schema["$defs"];
    Walk { definitions, problems }.value(document, schema, &JsonPath::root());
}

/// The name among `known` that someone who wrote `word` most likely meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.85;
    // Two letters of a short word that changed places make it quite another to that measure.
    const SLIP: f64 = 0.9;
    let alike = |name: &str| {
        let (word, name) = (word.to_lowercase(), name.to_lowercase());
        let is_slip = word.len() > 2 && strsim::osa_distance(&word, &name) == 1;
        strsim::jaro_winkler(&word, &name).max(if is_slip { SLIP } else { 0.0 })
    };
    let rated = known.into_iter().map(|name| (alike(name), name));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

struct Walk<'s, 'p> {
    definitions: &'s Value,
    problems: &'p mut Problems,
}

impl<'s> Walk<'s, '_> {
    fn value(&mut self, value: &Value, schema: &'s Value, path: &JsonPath) {
        if let (Some(name), Value::String(text)) = (reference(schema), value)
            && let Some(parsed) = parse_named(name, text)
        {
            return self.parsed(parsed, path);
        }
        let schema = self.resolve(schema);
        if let Some(names) = enumerated(schema) {
            return self.enumerated(value, &names, path);
        }
        if let Value::Array(alternatives) = &schema["anyOf"] {
            let of_its_type = |&alternative: &&'s Value| has_type(value, self.resolve(alternative));
            return match alternatives.iter().find(of_its_type) {
                Some(alternative) => self.value(value, alternative, path),
                None => self.wrong_type(value, schema, path),
            };
        }
        match value {
            _ if !has_type(value, schema) => self.wrong_type(value, schema, path),
            Value::Object(object) => self.object(object, schema, path),
            Value::Array(items) => self.array(items, schema, path),
            Value::String(text) => self.length(text, schema, path),
            Value::Number(_) => self.range(value, schema, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn object(&mut self, object: &Map<String, Value>, schema: &'s Value, path: &JsonPath) {
        let Value::Object(properties) = &schema["properties"] else {
            return;
        };
        for (name, value) in object {
            match properties.get(name) {
                Some(property) => self.value(value, property, &path.field(name)),
                None => self.unknown_field(name, properties, &path.field(name)),
            }
        }
        for name in strings(&schema["required"]).filter(|&name| !object.contains_key(name)) {
            let property = &properties[name];
            let example = match &self.resolve(property)["examples"][0] {
                Value::Null => "…".to_owned(),
                example => example.to_string(),
            };
            let fix = format!("add \"{name}\": {example}");
            self.problems.add(&path.field(name), "nothing", self.expected(property), fix);
        }
    }

    fn unknown_field(&mut self, name: &str, known: &Map<String, Value>, path: &JsonPath) {
        let names = || known.keys().map(String::as_str).filter(|&name| name != "$schema");
        let fix = match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "remove it".to_owned(),
        };
        let expected = format!("one of the fields {}", quoted_list(names()));
        self.problems.add(path, "an unknown field", expected, fix);
    }

    fn array(&mut self, items: &[Value], schema: &'s Value, path: &JsonPath) {
        if let Some(max) = schema["maxItems"].as_u64().filter(|&max| items.len() as u64 > max) {
            let found = format!("{} items", items.len());
            self.problems.add(path, found, format!("at most {max}"), "remove some");
        }
        for (index, item) in items.iter().enumerate() {
            self.value(item, &schema["items"], &path.item(index));
        }
    }

    fn length(&mut self, text: &str, schema: &Value, path: &JsonPath) {
        let length = text.chars().count() as u64;
        let found = || format!("a text of {length} characters");
        if let Some(min) = schema["minLength"].as_u64().filter(|&min| length < min) {
            self.problems.add(
                path,
                found(),
                format!("at least {min}"),
                "write a longer text, or leave an optional field out",
            );
        }
        if let Some(max) = schema["maxLength"].as_u64().filter(|&max| length > max) {
            self.problems.add(path, found(), format!("at most {max}"), "shorten it");
        }
    }

    fn range(&mut self, number: &Value, schema: &Value, path: &JsonPath) {
        let Some(value) = number.as_f64() else {
            return;
        };
        if let Some(min) = schema["minimum"].as_f64().filter(|&min| value < min) {
            self.problems.add(path, number.to_string(), format!("at least {min}"), format!("write {min} or more"));
        }
        if let Some(max) = schema["maximum"].as_f64().filter(|&max| value > max) {
            self.problems.add(path, number.to_string(), format!("at most {max}"), format!("write {max} or less"));
        }
    }

    fn enumerated(&mut self, value: &Value, names: &[&'s str], path: &JsonPath) {
        if value.as_str().is_some_and(|text| names.contains(&text)) {
            return;
        }
        let fix = match value.as_str().and_then(|text| nearest(text, names.iter().copied())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write one of them".to_owned(),
        };
        self.problems.add(path, describe(value), format!("one of {}", quoted_list(names)), fix);
    }

    fn parsed(&mut self, parsed: Result<(), InvalidText>, path: &JsonPath) {
        if let Err(InvalidText { what, found, allowed, example }) = parsed {
            let fix = format!("write it like {example:?}");
            self.problems.add(path, format!("{found:?}"), format!("{what}: {allowed}"), fix);
        }
    }

    fn wrong_type(&mut self, value: &Value, schema: &'s Value, path: &JsonPath) {
        let expected = self.expected(schema);
        let fix = match (value, expected.as_str()) {
            (Value::Null, _) => "leave the field out, or give it a value".to_owned(),
            (Value::Number(_) | Value::Bool(_), "a string") => format!("put it into quotes: \"{value}\""),
            (Value::String(text), "a number" | "an integer" | "true or false")
                if crate::json::read(text.as_bytes()).is_ok() =>
            {
                format!("write it without quotes: {}", excerpt(text))
            }
            (_, "an array") => "put it into brackets: [ … ]".to_owned(),
            (_, expected) => format!("write {expected} here"),
        };
        self.problems.add(path, describe(value), expected, fix);
    }

    /// What a schema asks for, in a few words.
    fn expected(&self, schema: &'s Value) -> String {
        let schema = self.resolve(schema);
        if let Some(names) = enumerated(schema) {
            return format!("one of {}", quoted_list(names));
        }
        if let Value::Array(alternatives) = &schema["anyOf"] {
            let each: Vec<String> = alternatives.iter().map(|schema| self.expected(schema)).collect();
            return each.join(" or ");
        }
        let phrase = match schema["type"].as_str() {
            Some("string") => "a string",
            Some("number") => "a number",
            Some("integer") => "an integer",
            Some("boolean") => "true or false",
            Some("array") => "an array",
            Some("object") => "an object",
            _ => "any JSON value",
        };
        phrase.to_owned()
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        match reference(schema) {
            Some(name) => &self.definitions[name],
            None => schema,
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The texts a schema admits, where it lists them.
fn enumerated(schema: &Value) -> Option<Vec<&str>> {
    if schema["enum"].is_array() {
        return Some(strings(&schema["enum"]).collect());
    }
    let alternatives = schema["oneOf"].as_array()?;
    alternatives.iter().map(|alternative| alternative["const"].as_str()).collect()
}

fn has_type(value: &Value, schema: &Value) -> bool {
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => true,
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", excerpt(text)),
        Value::Number(_) | Value::Bool(_) => excerpt(&value.to_string()),
        other => type_name(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::manifest_schema;
    use super::*;

    fn assert_known(schema: &Value) {
        const WALKED: [&str; 14] = [
            "$ref",
            "anyOf",
            "oneOf",
            "enum",
            "const",
            "type",
            "properties",
            "required",
            "items",
            "maxItems",
            "minLength",
            "maxLength",
            "minimum",
            "maximum",
        ];
        // Of these the parsers of text types and the types themselves take care.
        const ELSEWHERE: [&str; 9] = [
            "$schema",
            "$defs",
            "title",
            "description",
            "default",
            "examples",
            "pattern",
            "format",
            "additionalProperties",
        ];
        let Value::Object(object) = schema else { panic!("a schema that is no object: {schema}") };
        for keyword in object.keys() {
            assert!(WALKED.contains(&keyword.as_str()) || ELSEWHERE.contains(&keyword.as_str()), "{keyword}");
        }
        assert_ne!(object.get("additionalProperties"), Some(&Value::Bool(true)));
        let named = object.get("properties").into_iter().chain(object.get("$defs"));
        named.filter_map(Value::as_object).flat_map(Map::values).for_each(assert_known);
        object.get("items").into_iter().for_each(assert_known);
        let lists = object.get("anyOf").into_iter().chain(object.get("oneOf"));
        lists.filter_map(Value::as_array).flatten().for_each(assert_known);
    }

    #[test]
    fn the_walk_knows_every_keyword_of_the_schema() {
        assert_known(manifest_schema());
    }

    #[test]
    fn every_text_with_a_grammar_has_its_parser() {
        for (name, definition) in manifest_schema()["$defs"].as_object().unwrap() {
            let is_text = definition["type"] == "string" && enumerated(definition).is_none();
            assert_eq!(parse_named(name, "").is_some(), is_text, "{name}");
        }
    }

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let known = ["service", "version", "required", "reason", "cacheTTL"];
        assert_eq!(nearest("serviceName", known), Some("service"));
        assert_eq!(nearest("cacheTtl", known), Some("cacheTTL"));
        assert_eq!(nearest("pluginId", known), None);
        assert_eq!(nearest("cmr", ["crm", "analytics"]), Some("crm"));
    }
}
