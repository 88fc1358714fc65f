//! Exact decimal numbers: a coefficient divided by a power of ten.
//!
//! Reading and writing go digit by digit, never through floating point. What is read has no trailing zero
//! behind the point, so equal numbers are equal values.

use std::fmt;

use super::number::Digits;

/// How many places a decimal from outside may have: 10^18 is the largest power of ten that plugins, which
/// count in s64, can still divide by.
const SCALE_MAX: i64 = 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) coefficient: i64,
    pub(super) scale: u8,
}

/// Why text is no decimal; reads after "expected ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalError {
    NotANumber,
    TooManyPlaces,
    TooManyDigits,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("a number"),
            Self::TooManyPlaces => write!(f, "a number with at most {SCALE_MAX} decimal places"),
            Self::TooManyDigits => f.write_str("a number with at most 18 digits"),
        }
    }
}

impl Decimal {
    /// Reads a number as JSON writes it, with or without fraction and exponent.
    pub(super) fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(DecimalError::NotANumber),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(DecimalError::NotANumber);
        }
        let (digits, zeros) = significant(whole.bytes().chain(fraction.bytes()))?;
        let power = exponent.saturating_add(zeros).saturating_sub(length(fraction));
        Self::scaled(negative, digits, power)
    }

    /// `digits` × 10^`power`, where `digits` has no trailing zero.
    fn scaled(negative: bool, digits: u64, power: i64) -> Result<Self, DecimalError> {
        if digits == 0 {
            return Ok(Self { coefficient: 0, scale: 0 });
        }
        if power < -SCALE_MAX {
            return Err(DecimalError::TooManyPlaces);
        }
        let too_many = DecimalError::TooManyDigits;
        let factor = u32::try_from(power.max(0)).ok().and_then(|power| 10i128.checked_pow(power)).ok_or(too_many)?;
        let magnitude = i128::from(digits).checked_mul(factor).ok_or(too_many)?;
        let coefficient = i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| too_many)?;
        let scale = u8::try_from(-power).unwrap_or(0);
        Ok(Self { coefficient, scale })
    }

    /// Appends the number without trailing zeros behind the point: `62500`, `57.5`, `-0.05`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut magnitude = self.coefficient.unsigned_abs();
        if magnitude == 0 {
            return out.push(b'0');
        }
        let mut scale = usize::from(self.scale);
        while scale > 0 && magnitude.is_multiple_of(10) {
            magnitude /= 10;
            scale -= 1;
        }
        if self.coefficient < 0 {
            out.push(b'-');
        }
        let digits = Digits::of(magnitude);
        let digits = digits.as_bytes();
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
        if scale > 0 {
            out.push(b'.');
            out.resize(out.len() + (scale - fraction.len()), b'0');
            out.extend_from_slice(fraction);
        }
    }
}

/// The digits as a number without its trailing zeros, and how many zeros those were.
fn significant(digits: impl Iterator<Item = u8>) -> Result<(u64, i64), DecimalError> {
    let mut number: u64 = 0;
    let mut zeros: i64 = 0;
    for digit in digits.map(|byte| byte - b'0') {
        if digit == 0 {
            zeros += i64::from(number != 0);
            continue;
        }
        let shift = u32::try_from(zeros + 1).ok().and_then(|places| 10u64.checked_pow(places));
        // Of a leading digit nothing is shifted, however many zeros come before it.
        let shifted = if number == 0 { Some(0) } else { shift.and_then(|shift| number.checked_mul(shift)) };
        number = shifted.and_then(|number| number.checked_add(digit.into())).ok_or(DecimalError::TooManyDigits)?;
        zeros = 0;
    }
    Ok((number, zeros))
}

/// An exponent; one that no decimal can have anyway is cut off at a bound that keeps sums in range.
fn read_exponent(text: &str) -> Result<i64, DecimalError> {
    const BOUND: i64 = i64::MAX / 4;
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    let shift = |sum: i64, digit: &u8| (sum.saturating_mul(10)).saturating_add(i64::from(digit - b'0')).min(BOUND);
    let magnitude = digits.iter().fold(0, shift);
    Ok(if negative { -magnitude } else { magnitude })
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(i64, u8), DecimalError> {
        Decimal::parse(text).map(|decimal| (decimal.coefficient, decimal.scale))
    }

    fn written(coefficient: i64, scale: u8) -> String {
        let mut out = Vec::new();
        Decimal { coefficient, scale }.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_number_is_read_exactly() {
        assert_eq!(parse("62500"), Ok((62500, 0)));
        assert_eq!(parse("57.5"), Ok((575, 1)));
        assert_eq!(parse("0.05"), Ok((5, 2)));
        assert_eq!(parse("-0.5"), Ok((-5, 1)));
        assert_eq!(parse("0.1"), Ok((1, 1)));
        assert_eq!(parse("9007199254740993.1"), Ok((90_071_992_547_409_931, 1)));
        assert_eq!(parse("9223372036854775807"), Ok((i64::MAX, 0)));
        assert_eq!(parse("-9223372036854775808"), Ok((i64::MIN, 0)));
        assert_eq!(parse("0.000000000000000001"), Ok((1, 18)));
    }

    #[test]
    fn trailing_zeros_and_exponents_do_not_change_the_number() {
        assert_eq!(parse("57.50"), parse("575e-1"));
        assert_eq!((parse("1e3"), parse("1.50E+1")), (Ok((1000, 0)), Ok((15, 0))));
        assert_eq!(parse("0.10000000000000000000000000000"), Ok((1, 1)));
        assert_eq!(parse("1000000000000000000000000e-24"), Ok((1, 0)));
        assert_eq!(
            (parse("-0"), parse("0e999999999999999999999"), parse("0.000")),
            (Ok((0, 0)), Ok((0, 0)), Ok((0, 0)))
        );
        assert_eq!(parse("0000000000000000000000000000001"), Ok((1, 0)));
    }

    #[test]
    fn what_cannot_be_held_exactly_is_refused() {
        use DecimalError::{TooManyDigits, TooManyPlaces};
        assert_eq!(parse("9223372036854775808"), Err(TooManyDigits));
        assert_eq!(parse("1e19"), Err(TooManyDigits));
        assert_eq!(parse("1e99999999999999999999999"), Err(TooManyDigits));
        assert_eq!(parse("1.0000000000000000000000001"), Err(TooManyDigits));
        assert_eq!(parse("1e-19"), Err(TooManyPlaces));
        assert_eq!(parse("1e-99999999999999999999999"), Err(TooManyPlaces));
    }

    #[test]
    fn what_json_does_not_call_a_number_is_none() {
        for text in ["", "-", ".5", "5.", "+5", "1e", "1e+", "1.2.3", "1e1e1", "five", "1,5", " 1", "--1", "1_000"] {
            assert_eq!(parse(text), Err(DecimalError::NotANumber), "{text}");
        }
    }

    #[test]
    fn a_number_is_written_without_trailing_zeros() {
        assert_eq!((written(62500, 0), written(6_250_000, 2)), ("62500".into(), "62500".into()));
        assert_eq!((written(5750, 2), written(5, 2), written(-5, 1)), ("57.5".into(), "0.05".into(), "-0.5".into()));
        assert_eq!((written(0, 0), written(0, 7)), ("0".into(), "0".into()));
        assert_eq!(written(i64::MIN, 19), "-0.9223372036854775808");
        assert_eq!(written(1, 255).len(), "0.".len() + 255);
    }
}
