//! Exact decimal numbers, for money and for figures made from it.
//!
//! A number is `coefficient / 10^scale`. Results either are exact, or are rounded half to even at a scale the
//! caller names, or are an error: nothing overflows silently and nothing passes through a float.

use std::cmp::Ordering;
use std::fmt;

/// An exact number: `coefficient` divided by ten to the power of `scale`.
///
/// Numbers of different scales compare by value: `1.5` equals `1.50`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    pub coefficient: i64,
    pub scale: u8,
}

/// A result that does not fit into a [`Decimal`] of the scale it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sum is too large to be given exactly; ask for fewer rows at a time")
    }
}

impl std::error::Error for OutOfRange {}

impl Decimal {
    pub const ZERO: Self = Self::new(0, 0);

    pub const fn new(coefficient: i64, scale: u8) -> Self {
        Self { coefficient, scale }
    }

    /// `numerator / denominator`, rounded half to even at `scale`. Fails for a denominator of zero too.
    pub fn ratio(numerator: i64, denominator: i64, scale: u8) -> Result<Self, OutOfRange> {
        let numerator = i128::from(numerator).checked_mul(power_of_ten(scale)?).ok_or(OutOfRange)?;
        Self::from_wide(divide_half_even(numerator, denominator.into())?, scale)
    }

    /// The sum, at the larger of the two scales.
    pub fn checked_add(self, other: Self) -> Result<Self, OutOfRange> {
        let scale = self.scale.max(other.scale);
        let sum = self.rescaled(scale)?.coefficient.checked_add(other.rescaled(scale)?.coefficient);
        Ok(Self::new(sum.ok_or(OutOfRange)?, scale))
    }

    /// The sum of all, at the largest of their scales; zero for none.
    pub fn checked_sum(all: impl IntoIterator<Item = Self>) -> Result<Self, OutOfRange> {
        all.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The difference, at the larger of the two scales.
    pub fn checked_sub(self, other: Self) -> Result<Self, OutOfRange> {
        let scale = self.scale.max(other.scale);
        let difference = self.rescaled(scale)?.coefficient.checked_sub(other.rescaled(scale)?.coefficient);
        Ok(Self::new(difference.ok_or(OutOfRange)?, scale))
    }

    /// The exact product, at the sum of the two scales.
    pub fn checked_mul(self, other: Self) -> Result<Self, OutOfRange> {
        let scale = self.scale.checked_add(other.scale).ok_or(OutOfRange)?;
        Self::from_wide(i128::from(self.coefficient) * i128::from(other.coefficient), scale)
    }

    /// The number divided into `parts`, at the scale it has, rounded half to even: the average of a sum.
    pub fn shared_by(self, parts: u64) -> Result<Self, OutOfRange> {
        Self::from_wide(divide_half_even(self.coefficient.into(), parts.into())?, self.scale)
    }

    /// This percentage of the number, exact: two places more than it has.
    pub fn percent(self, percent: u8) -> Result<Self, OutOfRange> {
        self.checked_mul(Self::new(percent.into(), 2))
    }

    /// The same number at another scale, rounded half to even where places are lost.
    pub fn rescaled(self, scale: u8) -> Result<Self, OutOfRange> {
        let wide = i128::from(self.coefficient);
        let wide = if scale >= self.scale {
            if wide == 0 {
                return Ok(Self::new(0, scale));
            }
            wide.checked_mul(power_of_ten(scale - self.scale)?).ok_or(OutOfRange)?
        } else {
            match power_of_ten(self.scale - scale) {
                Ok(divisor) => divide_half_even(wide, divisor)?,
                // More than thirty-eight places are lost: whatever fits in 64 bits is then nothing.
                Err(OutOfRange) => 0,
            }
        };
        Self::from_wide(wide, scale)
    }

    /// The same number at another scale, or nothing where that would lose places or not fit.
    pub fn rescaled_exactly(self, scale: u8) -> Option<Self> {
        self.rescaled(scale).ok().filter(|rescaled| *rescaled == self)
    }

    /// The same number at the smallest scale that keeps it.
    fn shortest(mut self) -> Self {
        while self.scale > 0 && self.coefficient % 10 == 0 {
            self = Self::new(self.coefficient / 10, self.scale - 1);
        }
        self
    }

    fn from_wide(coefficient: i128, scale: u8) -> Result<Self, OutOfRange> {
        i64::try_from(coefficient).map(|coefficient| Self::new(coefficient, scale)).map_err(|_| OutOfRange)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale > other.scale {
            return other.cmp(self).reverse();
        }
        let places = other.scale - self.scale;
        // Nineteen places take any 64-bit number but zero past every other, so more need not be counted.
        let factor = 10_i128.pow(u32::from(places.min(19)));
        (i128::from(self.coefficient) * factor).cmp(&other.coefficient.into())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

/// As a JSON number without trailing zeros, as the host writes decimals to clients.
impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = serde_json::value::RawValue::from_string(self.shortest().to_string());
        number.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.coefficient.unsigned_abs(), width = scale + 1);
        let (whole, places) = digits.split_at(digits.len() - scale);
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{places}")
    }
}

fn power_of_ten(exponent: u8) -> Result<i128, OutOfRange> {
    10_i128.checked_pow(exponent.into()).ok_or(OutOfRange)
}

/// A quotient halfway between two integers becomes the even one, so that many roundings do not drift upwards.
fn divide_half_even(numerator: i128, denominator: i128) -> Result<i128, OutOfRange> {
    let quotient = numerator.checked_div(denominator).ok_or(OutOfRange)?;
    let rest = (numerator % denominator).unsigned_abs();
    let away = match rest.cmp(&(denominator.unsigned_abs() - rest)) {
        Ordering::Less => 0,
        Ordering::Equal => quotient & 1,
        Ordering::Greater => 1,
    };
    let sign = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    Ok(quotient + sign * away.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(coefficient: i64, scale: u8) -> Decimal {
        Decimal::new(coefficient, scale)
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let rounded = [(25, 2), (35, 4), (-25, -2), (-35, -4), (26, 3), (24, 2), (-26, -3), (5, 0), (-5, 0)];
        for (tenths, whole) in rounded {
            assert_eq!(d(tenths, 1).rescaled(0).unwrap().coefficient, whole, "{tenths}");
        }
    }

    #[test]
    fn an_average_keeps_the_scale_of_its_sum() {
        assert_eq!(d(25_000_000, 2).shared_by(4).unwrap().to_string(), "62500.00");
        assert_eq!(d(100, 2).shared_by(3).unwrap().to_string(), "0.33");
        assert_eq!(d(1, 0).shared_by(0), Err(OutOfRange));
        assert_eq!(Decimal::ratio(230, 4, 2).unwrap().to_string(), "57.50");
    }

    #[test]
    fn sums_and_products_are_exact_or_fail() {
        assert_eq!(d(15, 1).checked_add(d(150, 2)).unwrap().to_string(), "3.00");
        assert_eq!(Decimal::checked_sum([d(1, 1), d(2, 2), d(3, 0)]).unwrap().to_string(), "3.12");
        assert_eq!(Decimal::checked_sum([]).unwrap().to_string(), "0");
        assert_eq!(d(1, 0).checked_sub(d(1, 3)).unwrap().to_string(), "0.999");
        assert_eq!(d(5_000_000, 2).percent(40).unwrap().to_string(), "20000.0000");
        assert_eq!(d(i64::MAX, 0).checked_add(d(1, 0)), Err(OutOfRange));
        assert_eq!(d(i64::MAX, 0).checked_add(d(1, 1)), Err(OutOfRange));
        assert_eq!(d(i64::MIN, 0).checked_mul(d(-1, 0)), Err(OutOfRange));
    }

    #[test]
    fn rescaling_exactly_never_loses_a_place() {
        assert_eq!(d(1050, 2).rescaled_exactly(1).unwrap().coefficient, 105);
        assert!(d(1055, 2).rescaled_exactly(1).is_none());
        assert!(d(1, 255).rescaled_exactly(2).is_none());
        assert!(d(1, 0).rescaled_exactly(19).is_none());
        assert_eq!(d(0, 200).rescaled_exactly(2).unwrap().coefficient, 0);
    }

    #[test]
    fn numbers_compare_by_value_whatever_their_scale() {
        assert_eq!(d(15, 1), d(1500, 3));
        assert!(d(1, 0) > d(i64::MAX, 19));
        assert!(d(1, 0) > d(i64::MAX, 200));
        assert!(d(-1, 0) < d(i64::MIN, 40));
        assert!(d(0, 0) > d(-1, 255));
        assert_eq!(d(0, 0), d(0, 255));
    }

    #[test]
    fn small_numbers_are_written_with_a_leading_zero() {
        assert_eq!(d(-5, 2).to_string(), "-0.05");
        assert_eq!(d(7, 0).to_string(), "7");
        assert_eq!(d(i64::MIN, 1).to_string(), "-922337203685477580.8");
    }

    #[test]
    fn json_has_no_trailing_zeros() {
        let written = [(1200, 2, "12"), (1250, 2, "12.5"), (-5, 2, "-0.05"), (0, 255, "0"), (100, 0, "100")];
        for (coefficient, scale, json) in written {
            assert_eq!(serde_json::to_string(&d(coefficient, scale)).unwrap(), json);
        }
    }
}
