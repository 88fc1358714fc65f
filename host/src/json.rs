//! JSON that others wrote, as a value that has every member they wrote.
//!
//! `serde_json::Value` cannot be read from such a text directly. Its reader announces numbers to itself as an object
//! with one key of its own, and takes an object for that announcement, or for one of raw text, whoever wrote it. So
//! `{"$serde_json::private::RawValue": "[[0],[0]]"}` would be read as the list inside the string, past what bounds the
//! depth and the memory of a document. [`read`] and [`Json`] tell the two apart.

use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The key by which the reader announces a number.
const NUMBER: &str = "$serde_json::private::Number";

/// Reads one document.
///
/// # Errors
///
/// For text that is not JSON, with its line and column, and for lists and objects more than 127 deep in one another.
pub fn read(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(text).map(|Json(value)| value)
}

/// A value within what is read as a type, from a text or a `&Value`. Where strings are given away instead of lent, as an
/// owned `Value` does and what serde buffers for `flatten`, a member of the library's name would count as a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Json(pub Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(None)).map(Self)
    }
}

/// The same, for serde's attribute `deserialize_with`.
///
/// # Errors
///
/// The deserializer's.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Json::deserialize(deserializer).map(|Json(value)| value)
}

/// The same for what may be null or missing.
///
/// # Errors
///
/// The deserializer's.
pub fn deserialize_optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Option::<Json>::deserialize(deserializer).map(|json| json.map(|Json(value)| value))
}

/// Takes whatever comes. With a cell, behind the key by which a number is announced, it says there whether one was.
struct Any<'a>(Option<&'a Cell<bool>>);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Number::from_i128(value).into())
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Number::from_u128(value).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    /// A text that stands in the document is lent. Only the digits of a number are given away.
    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        let Some(is_number) = self.0 else { return Ok(text.into()) };
        is_number.set(true);
        text.parse().map(Value::Number).map_err(de::Error::custom)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Any(None))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let is_number = Cell::new(false);
            let may_be_number = object.is_empty() && name == NUMBER;
            let value = members.next_value_seed(Any(may_be_number.then_some(&is_number)))?;
            if is_number.get() {
                return Ok(value);
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_that_the_reader_uses_itself_are_names_like_others() {
        for name in [NUMBER, "$serde_json::private::RawValue"] {
            for inner in ["242", "\"[[0]]\"", "\"1e5\"", "{}", "null"] {
                let text = format!("{{\"{name}\":{inner}}}");
                let read = value(&text);
                assert_eq!(read.as_object().map(Map::len), Some(1), "{text}");
                assert_eq!(read[name], value(inner), "{text}");
                assert_eq!(read.to_string(), text);
                assert_eq!(value(&text.replace('$', "\\u0024")), read);
                assert_eq!(value(&format!("[{{\"a\":{text}}}]"))[0]["a"], read);
                // What serde_json makes of it, which is why this module is there.
                assert_ne!(serde_json::from_str(&text).ok(), Some(read), "{text}");
            }
        }
    }

    #[test]
    fn numbers_are_kept_as_they_were_written() {
        for number in ["0", "-0", "1.50", "1e+400", "9007199254740993", "123456789012345678901234567890"] {
            assert_eq!(value(number).to_string(), number);
            assert_eq!(value(&format!("{{\"a\":[{number}]}}"))["a"][0].to_string(), number);
        }
    }

    /// As manifests are read.
    #[test]
    fn a_value_is_read_as_the_text_that_it_is() {
        let text = format!(
            "[{{\"{NUMBER}\":\"2\"}},{{\"{NUMBER}\":1}},123456789012345678901234567890,-{},1e+400,1.50]",
            u64::MAX
        );
        let known = value(&text);
        assert_eq!(Json::deserialize(&known).unwrap().0, known);
        assert_eq!(deserialize_optional(&Value::Null).unwrap(), None);
        assert_eq!(deserialize_optional(&known[0]).unwrap(), Some(known[0].clone()));
    }

    /// As the bodies of the host's own operations are read.
    #[test]
    fn a_reader_that_tracks_paths_sees_the_same() {
        let text = format!("{{\"a\":[1.50,{{\"{NUMBER}\":\"2\"}}]}}");
        let mut reader = serde_json::Deserializer::from_str(&text);
        let Json(read) = serde_path_to_error::deserialize(&mut reader).unwrap();
        assert_eq!(read, value(&text));
        assert_eq!(read["a"][1][NUMBER], "2");
        let text = format!("{{\"a\":{{\"b\":[0,{}]}}}}", "[".repeat(200));
        let mut reader = serde_json::Deserializer::from_str(&text);
        let error = serde_path_to_error::deserialize::<_, Json>(&mut reader).unwrap_err();
        assert!(error.path().to_string().starts_with("a.b[1][0]"), "{error}");
    }

    #[test]
    fn depth_is_bounded_and_what_is_no_json_is_refused() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(127).as_bytes()).is_ok());
        for bad in [nested(128).as_str(), "", "{", "{\"a\"}", "{1:2}", "1 2", "NaN", "\"\\ud800\"", "{\"\\ud800\":1}"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        let error = read(b"{\n  \"id\": crm\n}").unwrap_err();
        assert_eq!(error.line(), 2);
    }

    proptest! {
        #[test]
        fn everything_else_is_read_as_serde_json_reads_it(name in "\\PC{0,9}", text in "\\PC{0,20}", number: f64, depth in 0usize..5) {
            let mut wanted = json!({ (name.as_str()): text.as_str(), "n": [number, null, true, -1, u64::MAX] });
            for _ in 0..depth {
                wanted = json!({ "a": [wanted.clone(), {}], (text.as_str()): wanted });
            }
            let text = wanted.to_string();
            prop_assert_eq!(read(text.as_bytes()).ok(), serde_json::from_str(&text).ok());
        }
    }
}
