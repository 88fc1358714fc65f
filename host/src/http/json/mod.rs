//! JSON from and to the values of plugins, by type.
//!
//! | WIT | JSON |
//! |---|---|
//! | record | object, `kebab-case` names in `camelCase` |
//! | list | array; `list<u8>` base64 |
//! | list of pairs, the first a string or an enum | object in that order; an array of pairs where a key comes twice |
//! | option | member left out; elsewhere null. `{"some": …}` around what is itself an option |
//! | enum, flags | string in `snake_case`, array of them |
//! | tuple | array |
//! | variant | `{"type": case, "value": payload}`, no `value` without payload |
//! | the same, beside a `type` of the same cases | the payload alone; no member without payload |
//! | result | `{"ok": …}` or `{"error": …}` |
//! | u64, s64 | number while every reader has it exactly (up to 2^53 - 1), else string; both are read |
//! | f32, f64 | number, or "NaN", "Infinity", "-Infinity" |
//! | `{coefficient: s64, scale: u8}` | exact number, without trailing zeros; a string is read too |
//! | `{seconds: u64, nanoseconds: u32}` | RFC 3339 time in UTC, 1970 to 9999; any offset is read |
//!
//! Invariant: a value that [`encode`] accepts is the one that [`decode`] makes of its text, decimals being
//! the same number with as few places as it needs. `encode` refuses a value that contradicts its type, a
//! time outside those years, and a variant that its sibling `type` names wrongly. `decode` refuses decimals
//! with more than 18 places. Neither panics, whatever it is given. Recursion is bounded by the depth of the
//! type ([`DEPTH_MAX`](crate::runtime::shape::DEPTH_MAX)).

mod compound;
mod decimal;
mod decode;
mod encode;
mod error;
mod number;
mod out;
mod query;
mod string;
mod time;
mod weight;

#[cfg(test)]
mod tests;

pub use self::decode::{decode, decode_members};
pub use self::encode::encode;
pub use self::error::{ERRORS_MAX, EncodeError, FieldError};
pub use self::out::Out;
pub use self::query::{decode_query, decode_query_members, decode_text};
pub use self::weight::weight;
