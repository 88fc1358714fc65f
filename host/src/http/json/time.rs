//! Points in time, as RFC 3339 writes them, from 1970 to 9999.
//!
//! Written in UTC with as many digits of the second as it needs; read with any offset. The calendar is
//! counted in years that begin in March, so that the leap day is the last of its year.

const SECONDS_PER_DAY: i64 = 86_400;
const NANOSECONDS_PER_SECOND: u32 = 1_000_000_000;

/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: u64 = 253_402_300_799;

/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: i64 = 719_468;

/// 400 years, after which the calendar repeats itself.
const DAYS_PER_ERA: i64 = 146_097;

/// A point in time, after 1970 and before 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    seconds: u64,
    nanoseconds: u32,
}

impl Time {
    /// None outside the years that RFC 3339 and this host have in common.
    pub(super) fn new(seconds: u64, nanoseconds: u32) -> Option<Self> {
        (seconds <= SECONDS_MAX && nanoseconds < NANOSECONDS_PER_SECOND).then_some(Self { seconds, nanoseconds })
    }

    pub(super) fn seconds(self) -> u64 {
        self.seconds
    }

    pub(super) fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Reads `2026-03-01T12:00:00.5+01:00`. A leap second is the second before it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = Text(text.as_bytes());
        let year = rest.number(4)?;
        rest.expect(b"-")?;
        let month = rest.number(2).filter(|month| (1..=12).contains(month))?;
        rest.expect(b"-")?;
        let day = rest.number(2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
        rest.expect(b"Tt ")?;
        let (hour, minute) = rest.clock()?;
        rest.expect(b":")?;
        let second = rest.number(2).filter(|second| *second <= 60)?.min(59);
        let nanoseconds = rest.fraction()?;
        let offset = rest.offset()?;
        let days = days_since_epoch(year, month, day);
        let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
        rest.0.is_empty().then(|| Self::new(u64::try_from(seconds).ok()?, nanoseconds))?
    }

    /// Appends `2026-03-01T11:00:00.5Z`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let day = self.seconds / SECONDS_PER_DAY.unsigned_abs();
        let second = self.seconds % SECONDS_PER_DAY.unsigned_abs();
        let (year, month, date) = date_of(i64::try_from(day).unwrap_or_default());
        let mut text = *b"0000-00-00T00:00:00";
        two_digits(&mut text, 0, year / 100);
        two_digits(&mut text, 2, year % 100);
        two_digits(&mut text, 5, month);
        two_digits(&mut text, 8, date);
        two_digits(&mut text, 11, second / 3600);
        two_digits(&mut text, 14, second / 60 % 60);
        two_digits(&mut text, 17, second % 60);
        out.extend_from_slice(&text);
        self.write_fraction(out);
        out.push(b'Z');
    }

    fn write_fraction(self, out: &mut Vec<u8>) {
        if self.nanoseconds == 0 {
            return;
        }
        let mut digits = *b"000000000";
        let mut rest = self.nanoseconds;
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        let needed = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        out.push(b'.');
        out.extend_from_slice(&digits[..needed]);
    }
}

fn two_digits(text: &mut [u8], at: usize, number: u64) {
    text[at] = b'0' + (number / 10 % 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

/// What is left to read; every step takes from the front.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, any: &[u8]) -> Option<u8> {
        self.next().filter(|byte| any.contains(byte))
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            let digit = self.next().filter(u8::is_ascii_digit)?;
            number = number * 10 + i64::from(digit - b'0');
        }
        Some(number)
    }

    fn clock(&mut self) -> Option<(i64, i64)> {
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        self.expect(b":")?;
        let minute = self.number(2).filter(|minute| *minute < 60)?;
        Some((hour, minute))
    }

    /// Digits behind a point, in nanoseconds; what is finer is cut off.
    fn fraction(&mut self) -> Option<u32> {
        if self.0.first() != Some(&b'.') {
            return Some(0);
        }
        self.next();
        let mut unit = NANOSECONDS_PER_SECOND;
        let mut sum = 0;
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at(digits);
        for digit in fraction {
            unit /= 10;
            sum += u32::from(digit - b'0') * unit;
        }
        self.0 = rest;
        (digits > 0).then_some(sum)
    }

    /// How many seconds the clock of the text is ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.next()? {
            b'Z' | b'z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hour, minute) = self.clock()?;
        Some(sign * (hour * 3600 + minute * 60))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_EPOCH
}

/// Year, month and day of a day that is not before 1970.
fn date_of(days_since_epoch: i64) -> (u64, u64, u64) {
    let days = days_since_epoch + DAYS_BEFORE_EPOCH;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    let year = days / DAYS_PER_ERA * 400 + year_of_era + i64::from(month <= 2);
    (year.unsigned_abs(), month.unsigned_abs(), day.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, nanoseconds: u32) -> String {
        let mut out = Vec::new();
        Time::new(seconds, nanoseconds).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn parse(text: &str) -> Option<(u64, u32)> {
        Time::parse(text).map(|time| (time.seconds, time.nanoseconds))
    }

    #[test]
    fn a_time_has_as_many_digits_as_it_needs() {
        assert_eq!(written(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(written(1_700_000_000, 500_000_000), "2023-11-14T22:13:20.5Z");
        assert_eq!(written(1_700_000_000, 1), "2023-11-14T22:13:20.000000001Z");
        assert_eq!(written(1_700_000_000, 120_000), "2023-11-14T22:13:20.00012Z");
        assert_eq!(written(SECONDS_MAX, 999_999_999), "9999-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn every_day_is_written_as_jiff_does_and_reads_back() {
        for day in (0..2_932_895u64).step_by(7) {
            let seconds = day * 86_400 + day % 86_400;
            let text = written(seconds, 0);
            let theirs = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
            assert_eq!(text, theirs.to_string());
            assert_eq!(parse(&text), Some((seconds, 0)));
        }
    }

    #[test]
    fn any_offset_is_read() {
        let same = Some((1_700_000_000, 500_000_000));
        assert_eq!(parse("2023-11-14T23:13:20.5+01:00"), same);
        assert_eq!(parse("2023-11-14t16:43:20.500000000999-05:30"), same);
        assert_eq!(parse("1970-01-01T05:30:00+05:30"), Some((0, 0)));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2016-12-31T23:59:59Z"));
        assert!(parse("2000-02-29T00:00:00Z").is_some());
    }

    #[test]
    fn what_is_no_time_in_range_is_refused() {
        for text in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13Z",
            "2023-11-14T22:13:20.Z",
            "2023-13-14T22:13:20Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-11-00T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:60:00Z",
            "2023-11-14T22:13:61Z",
            "2023-11-14T22:13:20+1:00",
            "2023-11-14T22:13:20ZZ",
            "2023-11-14T22:13:20+24:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "+2023-11-14T22:13:20Z",
            "２０２３-11-14T22:13:20Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!((Time::new(SECONDS_MAX + 1, 0), Time::new(0, NANOSECONDS_PER_SECOND)), (None, None));
    }
}
