//! Rust values as column values, and back.

use super::Value;
use crate::Timestamp;

/// The parameters of a statement, each converted with `Value::from`: `params![id, name, nickname]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Value::from($value)),*] as &[$crate::sql::Value]
    };
}

/// A Rust type that a column's value can be read as.
pub trait FromValue: Sized {
    /// What the column has to hold, for error messages.
    const EXPECTED: &'static str;

    /// Takes the value over, or gives it back when it is of another type or out of this type's range.
    fn from_value(value: Value) -> Result<Self, Value>;
}

/// Where the database has no boolean type of its own, a boolean column holds 0 or 1.
impl FromValue for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Boolean(boolean) => Ok(boolean),
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            other => Err(other),
        }
    }
}

/// A column of reals may hold a whole number as an integer.
impl FromValue for f64 {
    const EXPECTED: &'static str = "a real";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Real(real) => Ok(real),
            Value::Integer(integer) if integer.unsigned_abs() <= 1 << 53 => Ok(integer as f64),
            other => Err(other),
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "a blob";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Blob(blob) => Ok(blob),
            other => Err(other),
        }
    }
}

/// A point in time is kept as its microseconds since 1970-01-01T00:00:00Z.
impl FromValue for Timestamp {
    const EXPECTED: &'static str = "an integer of microseconds";

    fn from_value(value: Value) -> Result<Self, Value> {
        i64::from_value(value).map(Self::from_micros)
    }
}

/// NULL is `None`; only this type accepts it.
impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

macro_rules! integers {
    ($($integer:ty => $expected:literal),+) => {
        $(impl FromValue for $integer {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: Value) -> Result<Self, Value> {
                match value {
                    Value::Integer(integer) => integer.try_into().map_err(|_| value),
                    other => Err(other),
                }
            }
        })+
    };
}

integers! {
    i64 => "an integer",
    i32 => "an integer of 32 bits",
    u64 => "an integer not below 0",
    u32 => "an integer of 0 to 4294967295",
    u8 => "an integer of 0 to 255"
}

macro_rules! into_value {
    ($($type:ty => |$value:ident| $conversion:expr),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $conversion
            }
        })+
    };
}

into_value! {
    bool => |value| Self::Boolean(value),
    i64 => |value| Self::Integer(value),
    i32 => |value| Self::Integer(value.into()),
    u32 => |value| Self::Integer(value.into()),
    u8 => |value| Self::Integer(value.into()),
    f64 => |value| Self::Real(value),
    String => |value| Self::Text(value),
    &String => |value| Self::Text(value.clone()),
    &str => |value| Self::Text(value.to_owned()),
    Vec<u8> => |value| Self::Blob(value),
    Timestamp => |value| Self::Integer(value.as_micros()),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        value.as_deref().map_or(Self::Null, Self::from)
    }
}

/// What a value is, for error messages; never the value itself, which may be somebody's secret.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "a real",
        Value::Text(_) => "a text",
        Value::Blob(_) => "a blob",
    }
}
