//! Points in time and calendar days.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, shaped as WASI and the services write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: u64,
    /// Nanoseconds within the second: 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// The time by the host's clock, cut to whole microseconds: what a column of microseconds can hold, so
    /// that what was written and what is read back are equal.
    pub fn now() -> Self {
        // A clock set before 1970 is a broken clock; the epoch is the closest this type can say.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: since.as_secs(), nanoseconds: since.subsec_micros() * 1_000 }
    }

    /// The point this many microseconds after 1970-01-01T00:00:00Z; the epoch itself for a negative count.
    pub fn from_micros(micros: i64) -> Self {
        let micros = u64::try_from(micros).unwrap_or(0);
        Self { seconds: micros / 1_000_000, nanoseconds: (micros % 1_000_000) as u32 * 1_000 }
    }

    /// Whole microseconds since 1970-01-01T00:00:00Z; `i64::MAX` for what lies beyond the year 294,246.
    pub fn as_micros(self) -> i64 {
        let micros = i128::from(self.seconds) * 1_000_000 + i128::from(self.nanoseconds / 1_000);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }
}

/// Whether the text is a day of the Gregorian calendar, written `YYYY-MM-DD`.
pub fn is_calendar_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number =
        |digits: &[u8]| digits.iter().try_fold(0_u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')));
    match (number(&bytes[..4]), number(&bytes[5..7]), number(&bytes[8..])) {
        (Some(year), Some(month), Some(day)) => (1..=days_in(year, month)).contains(&day),
        _ => false,
    }
}

/// How many days the month has; none for a month there is not.
fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_survives_a_column_of_microseconds() {
        let now = Timestamp::now();
        assert_eq!(Timestamp::from_micros(now.as_micros()), now);
        assert_eq!(Timestamp::from_micros(-1), Timestamp { seconds: 0, nanoseconds: 0 });
        let end = Timestamp { seconds: u64::MAX, nanoseconds: 0 };
        assert_eq!(end.as_micros(), i64::MAX);
    }

    #[test]
    fn leap_days_are_days_only_in_leap_years() {
        for day in ["2024-02-29", "2000-02-29", "2026-12-31", "0000-01-01"] {
            assert!(is_calendar_day(day), "{day}");
        }
        for day in ["2025-02-29", "1900-02-29", "2026-13-01", "2026-04-31", "2026-00-10", "2026-01-00"] {
            assert!(!is_calendar_day(day), "{day}");
        }
    }

    #[test]
    fn other_ways_to_write_a_day_are_refused() {
        for day in ["", "2026-1-01", "2026/01/01", "20260101", "2026-01-01T00", "+026-01-01", "２０26-01"] {
            assert!(!is_calendar_day(day), "{day}");
        }
    }
}
