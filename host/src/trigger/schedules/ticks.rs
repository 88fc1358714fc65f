//! When a schedule is due.
//!
//! A pattern means times on a wall clock, and each such time is one tick, in the first instant in which the clock shows it.
//! So where a clock goes back, the hour that comes twice has its ticks once; and where it goes forward, the ticks that it
//! leaves out are one tick in the first instant after the gap. Two ticks are never one instant apart from that.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::registry::manifest::Schedule;

/// Ticks that are counted, at most.
pub(super) const COUNTED: u32 = 1_000;

/// The first tick after an instant; none if the calendar ends before.
pub(super) fn next(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let zone = schedule.time_zone.zone();
    let mut time = after.to_zoned(zone.clone()).datetime();
    // Where the clock has gone back, times are passed by that it has shown before.
    loop {
        time = schedule.cron.after(time)?;
        let tick = instant(zone, time)?;
        if tick > after {
            return Some(tick);
        }
    }
}

/// The first instant in which a clock there shows the time, or a later one if it never does.
fn instant(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(time);
    match found.offset() {
        // By the clock before the gap it lies behind the gap's end, or at it.
        AmbiguousOffset::Gap { before, .. } => {
            let behind = before.to_timestamp(time).ok()?.checked_add(SignedDuration::from_nanos(1)).ok()?;
            zone.preceding(behind).next().map(|change| change.timestamp())
        }
        _ => found.earlier().ok(),
    }
}

/// The last tick that has come of those after an instant, and how many have; up to [`COUNTED`], which stands for more.
pub(super) fn passed(schedule: &Schedule, after: Timestamp, now: Timestamp) -> Option<(Timestamp, u32)> {
    let mut last = next(schedule, after).filter(|tick| *tick <= now)?;
    let mut count = 1;
    while count < COUNTED {
        match next(schedule, last).filter(|tick| *tick <= now) {
            Some(tick) => (last, count) = (tick, count + 1),
            None => return Some((last, count)),
        }
    }
    Some((latest(schedule, last, now), count))
}

/// The last tick that has come, where there are too many to go through: looked for backwards, further each time.
fn latest(schedule: &Schedule, at_least: Timestamp, now: Timestamp) -> Timestamp {
    const HOUR: u64 = 3_600;
    for hours in [1, 26, 32 * 24, 367 * 24] {
        let since = now.checked_sub(Duration::from_secs(hours * HOUR)).unwrap_or(at_least);
        let mut ticks = std::iter::successors(next(schedule, since), |tick| next(schedule, *tick));
        if let Some(found) = ticks.by_ref().take_while(|tick| *tick <= now).last() {
            return found.max(at_least);
        }
    }
    at_least
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        serde_json::from_value(json!({ "name": "s", "cron": cron, "timeZone": zone })).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// So many ticks after an instant, by the clock of the zone.
    fn ticks(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = schedule(cron, zone);
        let ticks = std::iter::successors(next(&schedule, at(after)), |tick| next(&schedule, *tick));
        let zone = schedule.time_zone.zone();
        ticks.take(count).map(|tick| tick.to_zoned(zone.clone()).strftime("%d %H:%M %:z").to_string()).collect()
    }

    #[test]
    fn a_day_is_as_long_as_the_clock_says() {
        let nightly = ticks("0 3 * * *", "Europe/Vienna", "2026-03-28T00:00:00Z", 3);
        assert_eq!(nightly, ["28 03:00 +01:00", "29 03:00 +02:00", "30 03:00 +02:00"]);
        let utc = ticks("0 3 * * *", "UTC", "2026-03-28T03:00:00Z", 1);
        assert_eq!(utc, ["29 03:00 +00:00"], "a tick does not follow itself");
    }

    #[test]
    fn what_falls_into_a_gap_is_one_tick_at_its_end() {
        // 02:00 to 03:00 is left out.
        let gap = "2026-03-29T00:50:00Z";
        assert_eq!(ticks("30 2 * * *", "Europe/Vienna", gap, 2), ["29 03:00 +02:00", "30 02:30 +02:00"]);
        assert_eq!(ticks("*/20 2 * * *", "Europe/Vienna", gap, 2), ["29 03:00 +02:00", "30 02:00 +02:00"]);
        assert_eq!(
            ticks("*/30 * * * *", "Europe/Vienna", gap, 3),
            ["29 03:00 +02:00", "29 03:30 +02:00", "29 04:00 +02:00"]
        );
        assert_eq!(ticks("0 2 * * *", "Europe/Vienna", gap, 1), ["29 03:00 +02:00"], "its very beginning");
        // Half an hour, in a zone that does it so.
        let lord_howe = ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00:00Z", 2);
        assert_eq!(lord_howe, ["04 02:30 +11:00", "05 02:15 +11:00"]);
        // A whole day that never was.
        let samoa = ticks("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", 2);
        assert_eq!(samoa, ["31 00:00 +14:00", "31 12:00 +14:00"]);
    }

    #[test]
    fn what_comes_twice_is_one_tick_when_it_comes_first() {
        // 02:00 to 03:00 comes twice.
        let before = "2026-10-24T23:50:00Z";
        assert_eq!(ticks("30 2 * * *", "Europe/Vienna", before, 2), ["25 02:30 +02:00", "26 02:30 +01:00"]);
        assert_eq!(
            ticks("*/30 * * * *", "Europe/Vienna", before, 4),
            ["25 02:00 +02:00", "25 02:30 +02:00", "25 03:00 +01:00", "25 03:30 +01:00"]
        );
        let between = ticks("*/30 * * * *", "Europe/Vienna", "2026-10-25T01:10:00Z", 1);
        assert_eq!(between, ["25 03:00 +01:00"], "the second time has none");
    }

    #[test]
    fn no_two_ticks_are_the_same_and_none_goes_back() {
        for zone in ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata"] {
            for cron in ["*/7 * * * *", "0 0 * * *", "59 1,2 * * *"] {
                let schedule = schedule(cron, zone);
                let mut last = at("2026-01-01T00:00:00Z");
                for _ in 0..10_000 {
                    let tick = next(&schedule, last).unwrap();
                    assert!(tick > last, "{cron} {zone} {last} {tick}");
                    last = tick;
                }
            }
        }
    }

    #[test]
    fn ticks_that_have_passed_are_counted_up_to_a_bound() {
        let passed = |cron: &str, now: &str| passed(&schedule(cron, "UTC"), at("2026-11-22T10:00:00Z"), at(now));
        assert_eq!(passed("*/5 * * * *", "2026-11-22T10:04:59Z"), None);
        assert_eq!(passed("*/5 * * * *", "2026-11-22T10:05:00Z"), Some((at("2026-11-22T10:05:00Z"), 1)));
        assert_eq!(passed("*/5 * * * *", "2026-11-22T11:07:00Z"), Some((at("2026-11-22T11:05:00Z"), 13)));
        assert_eq!(passed("* * * * *", "2036-11-22T11:07:30Z"), Some((at("2036-11-22T11:07:00Z"), COUNTED)));
        assert_eq!(passed("0 3 * * *", "2036-11-22T01:00:00Z"), Some((at("2036-11-21T03:00:00Z"), COUNTED)));
        assert_eq!(passed("0 3 1 1 *", "4026-11-22T01:00:00Z"), Some((at("4026-01-01T03:00:00Z"), COUNTED)));
    }
}
