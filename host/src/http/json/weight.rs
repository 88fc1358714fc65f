//! What a JSON text takes in memory once it is read, estimated before it is.
//!
//! A byte of text can become a hundred of memory: `[[0],[0],…]` makes a list with room for four values out of four
//! bytes. So the brackets, commas and colons are counted first, in one pass that allocates nothing, with what the
//! reader takes for each. The estimate is on the high side, and is that of valid JSON; anything else is refused by the
//! reader anyway.

use serde_json::Value;

/// The least room that the reader gives a list or an object with anything in it.
const ROOM: usize = 4;
/// A member of an object beside its value: name, hash and index.
const MEMBER: usize = 48;
/// A name, or a number that is kept as it was written.
const TEXT: usize = 32;
const VALUE: usize = size_of::<Value>();

/// The bytes of memory.
pub fn weight(json: &[u8]) -> usize {
    let mut bytes = json.len();
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        bytes = bytes.saturating_add(match byte {
            b'[' => ROOM * VALUE + TEXT,
            b'{' => ROOM * (VALUE + MEMBER) + TEXT,
            // A list that grows has room for up to twice as many.
            b',' => 2 * VALUE + TEXT,
            b':' => 2 * MEMBER,
            b'"' => {
                skip_string(&mut rest);
                TEXT
            }
            _ => 0,
        });
    }
    bytes
}

fn skip_string(rest: &mut std::slice::Iter<u8>) {
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(rest.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is inside strings weighs as text.
    #[test]
    fn brackets_in_strings_are_text() {
        assert_eq!(weight(br#""[[[[{{{{,,,,::::\"[[[[""#), br#""[[[[{{{{,,,,::::\"[[[[""#.len() + TEXT);
        assert!(weight(b"[[[[") > 4 * 4 * VALUE);
        assert_eq!(weight(b"\"never closed [[[["), b"\"never closed [[[[".len() + TEXT);
    }

    #[test]
    fn it_is_never_less_than_the_lists_and_texts_that_the_reader_makes() {
        fn made(value: &Value) -> usize {
            match value {
                Value::Array(values) => values.capacity() * VALUE + values.iter().map(made).sum::<usize>(),
                Value::Object(members) => {
                    members.iter().map(|(name, value)| name.capacity() + 32 + VALUE + made(value)).sum()
                }
                Value::String(text) => text.capacity(),
                Value::Number(number) => number.as_str().len(),
                _ => 0,
            }
        }
        for (part, times) in [("0", 50_000), ("[0]", 50_000), ("[]", 1_000), (r#"{"":0}"#, 9_000), (r#""""#, 70_000)] {
            let text = format!("[{}]", vec![part; times].join(","));
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(weight(text.as_bytes()) >= made(&value), "{part}: {} < {}", weight(text.as_bytes()), made(&value));
        }
    }
}
