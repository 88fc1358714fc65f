//! Integers and floating point numbers, as text and back.

use std::fmt;

use super::decimal::Decimal;

/// The largest integer that every JSON reader has exactly: those that hold numbers as f64.
pub(super) const EXACT_MAX: u64 = (1 << 53) - 1;

/// Digits are made from the back, at most 20 of them.
pub(super) struct Digits {
    text: [u8; 20],
    start: usize,
}

impl Digits {
    pub(super) fn of(mut number: u64) -> Self {
        let mut digits = Self { text: [b'0'; 20], start: 20 };
        loop {
            digits.push((number % 10) as u8);
            number /= 10;
            if number == 0 {
                return digits;
            }
        }
    }

    fn push(&mut self, digit: u8) {
        self.start -= 1;
        self.text[self.start] = b'0' + digit;
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

pub(super) fn write_unsigned(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Digits::of(number).as_bytes());
}

pub(super) fn write_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    write_unsigned(out, number.unsigned_abs());
}

/// A 64-bit integer: quoted where a number would not arrive exactly everywhere.
pub(super) fn write_wide(out: &mut Vec<u8>, negative: bool, magnitude: u64) {
    let quoted = magnitude > EXACT_MAX;
    if quoted {
        out.push(b'"');
    }
    if negative {
        out.push(b'-');
    }
    write_unsigned(out, magnitude);
    if quoted {
        out.push(b'"');
    }
}

/// The shortest text that reads back as the same number; whole ones without `.0`.
pub(super) fn write_float<F: Into<f64> + Copy + serde::Serialize>(out: &mut Vec<u8>, number: F) {
    let wide: f64 = number.into();
    if wide.is_nan() {
        return out.extend_from_slice(b"\"NaN\"");
    }
    if wide.is_infinite() {
        return out.extend_from_slice(if wide > 0.0 { b"\"Infinity\"".as_slice() } else { b"\"-Infinity\"" });
    }
    let start = out.len();
    if serde_json::to_writer(&mut *out, &number).is_err() {
        // A finite number into memory: cannot fail, and the text would be none.
        out.truncate(start);
        out.push(b'0');
    }
    if out[start..].ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

/// The integer that a JSON number's text denotes: `1e3` and `5.0` are integers too.
pub(super) fn read_integer(text: &str) -> Option<i128> {
    match text.parse::<i128>() {
        Ok(number) if !text.starts_with('+') => Some(number),
        Ok(_) => None,
        Err(_) => match Decimal::parse(text) {
            Ok(Decimal { coefficient, scale: 0 }) => Some(coefficient.into()),
            _ => None,
        },
    }
}

/// The number that text denotes, infinity and "not a number" included under the names JSON has for them.
pub(super) fn read_float<F: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Option<F> {
    let named = matches!(text, "NaN" | "Infinity" | "-Infinity");
    let written = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'));
    let number: F = text.parse().ok().filter(|_| named || written)?;
    let wide: f64 = number.into();
    (named || wide.is_finite()).then_some(number)
}

/// The range of an integer type, in words.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) min: i128,
    pub(super) max: i128,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from {} to {}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(number: i64) -> String {
        let mut out = Vec::new();
        write_wide(&mut out, number < 0, number.unsigned_abs());
        String::from_utf8(out).unwrap()
    }

    fn float(number: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_are_written_as_the_standard_library_does() {
        for number in [0, 5, 9, 10, 99, 100, 101, 12345, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(Digits::of(number).as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn wide_integers_are_strings_from_2_to_the_53rd_on() {
        assert_eq!(wide(9_007_199_254_740_991), "9007199254740991");
        assert_eq!(wide(-9_007_199_254_740_991), "-9007199254740991");
        assert_eq!(wide(9_007_199_254_740_992), "\"9007199254740992\"");
        assert_eq!(wide(i64::MIN), "\"-9223372036854775808\"");
    }

    #[test]
    fn floats_are_as_short_as_they_can_be() {
        let texts = [1.0, -0.0, 0.1, 1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(float);
        assert_eq!(texts, ["1", "-0", "0.1", "1e+300", "5e-324", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""]);
    }

    #[test]
    fn integers_are_read_however_they_are_written() {
        assert_eq!(read_integer("18446744073709551615"), Some(u64::MAX.into()));
        assert_eq!((read_integer("1e3"), read_integer("-5.00")), (Some(1000), Some(-5)));
        for wrong in ["", "-", "5.5", "+5", " 5", "five", "1e400"] {
            assert_eq!(read_integer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn floats_are_read_under_json_names_only() {
        assert!(read_float::<f64>("NaN").is_some_and(f64::is_nan));
        assert_eq!(read_float::<f64>("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!((read_float::<f32>("1e39"), read_float::<f64>("1e39")), (None, Some(1e39)));
        for wrong in ["nan", "inf", "+Infinity", "", "0x10", "1e999"] {
            assert_eq!(read_float::<f64>(wrong), None, "{wrong}");
        }
    }
}
