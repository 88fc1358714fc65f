//! Reading the manifest's text. What serde_json lets pass and an author would trip over is refused
//! here: a key that stands twice in one object, of which only the last would count.

use std::collections::HashSet;

use serde_json::Value;

use super::problem::{JsonPath, Problems};

/// How long a manifest may be, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 256 * 1024;

/// The document, and a problem for each repeated key; `None` where there is nothing to read.
pub(super) fn read(bytes: &[u8], problems: &mut Problems) -> Option<Value> {
    let root = JsonPath::root();
    if bytes.len() > MAX_MANIFEST_BYTES {
        problems.add(
            &root,
            format!("{} bytes", bytes.len()),
            format!("at most {MAX_MANIFEST_BYTES} bytes"),
            "shorten texts; assets and migrations belong in sections of their own",
        );
        return None;
    }
    match crate::json::read(bytes) {
        Ok(value) => {
            find_repeated_keys(bytes, problems);
            Some(value)
        }
        Err(error) => {
            let fix = "correct the text at that place; comments and trailing commas are not JSON";
            problems.add(&root, format!("text that is not JSON ({error})"), "a JSON object", fix);
            None
        }
    }
}

/// An object or an array that the scan is inside of.
enum Open {
    Object { path: JsonPath, seen: HashSet<String>, key: Option<String> },
    Array { path: JsonPath, index: usize },
}

impl Open {
    /// Where the value lies that comes next.
    fn place(&self) -> JsonPath {
        match self {
            Open::Object { path, key, .. } => path.field(key.as_deref().unwrap_or_default()),
            Open::Array { path, index } => path.item(*index),
        }
    }
}

/// Walks JSON that has been parsed already, so only strings and brackets need a look.
fn find_repeated_keys(json: &[u8], problems: &mut Problems) {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let place = || open.last().map_or_else(JsonPath::root, Open::place);
        match byte {
            b'{' => open.push(Open::Object { path: place(), seen: HashSet::new(), key: None }),
            b'[' => open.push(Open::Array { path: place(), index: 0 }),
            b'}' | b']' => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(Open::Object { key, .. }) => *key = None,
                Some(Open::Array { index, .. }) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = string_end(json, at);
                if let Some(Open::Object { path, seen, key: key @ None }) = open.last_mut() {
                    let name: String = serde_json::from_slice(&json[at..end]).unwrap_or_default();
                    if !seen.insert(name.clone()) {
                        let found = "this key a second time in its object";
                        problems.add(&path.field(&name), found, "each key once", "remove one of the two");
                    }
                    *key = Some(name);
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// The index behind the string's closing quote.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problems_of(json: &str) -> Vec<String> {
        let mut problems = Problems::default();
        read(json.as_bytes(), &mut problems);
        problems.iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn a_repeated_key_is_found_wherever_it_stands() {
        assert_eq!(problems_of(r#"{"a":1,"b":{"a":2},"a":3}"#), ["$.a"]);
        assert_eq!(problems_of(r#"{"x":[{"a":1},{"a":"}\",\"a\":","b":[],"a":2}]}"#), ["$.x[1].a"]);
        assert_eq!(problems_of(r#"{"id":1,"i\u0064":2}"#), ["$.id"]);
        assert_eq!(problems_of(r#"{"a":{"b":1},"b":["a","a",{"a":"b"}]}"#), [""; 0]);
    }

    #[test]
    fn text_that_is_not_json_is_one_problem_with_its_line() {
        let mut problems = Problems::default();
        assert_eq!(read(b"{\n  \"id\": crm\n}", &mut problems), None);
        let found = &problems.iter().next().unwrap().found;
        assert!(found.contains("line 2"), "{found}");
        assert_eq!(problems_of(&format!("\"{}\"", "x".repeat(MAX_MANIFEST_BYTES))), ["$"]);
    }

    proptest! {
        #[test]
        fn a_document_as_serde_prints_it_repeats_nothing(text in "\\PC{0,20}", depth in 0usize..5) {
            let mut value = serde_json::json!({ "a": text.clone(), (text.as_str()): [text, 1.5, null] });
            for _ in 0..depth {
                value = serde_json::json!({ "a": [value.clone(), {"b": value}], "b": {} });
            }
            prop_assert_eq!(problems_of(&value.to_string()), Vec::<String>::new());
        }
    }
}
