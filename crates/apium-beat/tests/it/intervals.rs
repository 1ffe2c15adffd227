//! Intervals: counted from a fixed instant, or on the clock of a zone.

use std::time::Duration;

use apium_beat::{Interval, Schedule};

use crate::times::{at, between, zone};

fn every(seconds: u64) -> Interval {
    Interval::new(Duration::from_secs(seconds)).unwrap()
}

#[test]
fn it_is_counted_from_a_fixed_instant() {
    let utc = zone("UTC");
    let next = |interval: &Interval, after: &str| interval.next(at(after), &utc).unwrap();
    let thirty = every(30);
    assert_eq!(next(&thirty, "2026-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z"));
    assert_eq!(next(&thirty, "2026-01-01T00:00:29.999999999Z"), at("2026-01-01T00:00:30Z"));
    let from = every(3600).from(at("2026-01-01T00:10:00Z"));
    assert_eq!(next(&from, "2025-06-01T00:00:00Z"), at("2026-01-01T00:10:00Z"));
    assert_eq!(next(&from, "2026-01-01T00:10:00Z"), at("2026-01-01T01:10:00Z"));
    let tenth = Interval::new(Duration::from_millis(100)).unwrap();
    assert_eq!(next(&tenth, "2026-01-01T00:00:00.1Z"), at("2026-01-01T00:00:00.2Z"));
}

#[test]
fn it_does_not_mind_the_clocks() {
    let madrid = zone("Europe/Madrid");
    let hourly = Schedule::Interval(every(3600));
    assert_eq!(between(&hourly, &madrid, "2026-03-28T22:59:59Z", "2026-03-29T21:59:59Z").len(), 23);
    assert_eq!(between(&hourly, &madrid, "2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z").len(), 25);
}

#[test]
fn a_relative_one_lies_on_the_clock_of_the_zone() {
    let madrid = zone("Europe/Madrid");
    let days =
        |interval: Interval, after: &str, until: &str| between(&interval.relative().into(), &madrid, after, until);
    assert_eq!(
        days(every(86_400), "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
        ["28 00:00+01:00", "29 00:00+01:00", "30 00:00+02:00"]
    );
    let every_second = every(2 * 86_400).from(at("2026-03-01T12:00:00Z"));
    assert_eq!(
        days(every_second, "2026-03-26T12:00:00Z", "2026-03-31T12:00:00Z"),
        ["27 00:00+01:00", "29 00:00+01:00", "31 00:00+02:00"]
    );
    // An hour and a half is an hour: what goes beyond whole hours does not count, as in Celery.
    assert_eq!(
        days(every(5400), "2026-03-28T23:10:00Z", "2026-03-29T02:10:00Z"),
        ["29 01:00+01:00", "29 03:00+02:00", "29 04:00+02:00"]
    );
    assert_eq!(days(every(90), "2026-03-28T23:10:20Z", "2026-03-28T23:12:30Z"), ["29 00:11+01:00", "29 00:12+01:00"]);
    let kathmandu = zone("Asia/Kathmandu");
    let hours = between(&every(7200).relative().into(), &kathmandu, "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z");
    assert!([2, 3].contains(&hours.len()), "{hours:?}");
    assert!(hours.iter().all(|due| due.contains(":00+05:45")), "{hours:?}");
    let lord_howe = zone("Australia/Lord_Howe");
    let night = between(&every(3600).relative().into(), &lord_howe, "2026-10-03T14:00:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(night, ["04 01:00+10:30", "04 03:00+11:00", "04 04:00+11:00"]);
}

#[test]
fn a_midnight_that_is_left_out_or_comes_twice() {
    let daily: Schedule = every(86_400).relative().into();
    let cairo = between(&daily, &zone("Africa/Cairo"), "2026-04-23T12:00:00Z", "2026-04-25T12:00:00Z");
    assert_eq!(cairo, ["24 01:00+03:00", "25 00:00+03:00"]);
    let azores = between(&daily, &zone("Atlantic/Azores"), "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(azores, ["25 00:00+00:00", "26 00:00-01:00"]);
}

#[test]
fn words_say_how_often() {
    let words = |interval: Interval| interval.to_string();
    assert_eq!(words(every(1)), "every second");
    assert_eq!(words(every(30)), "every 30 seconds");
    assert_eq!(words(every(300)), "every 5 minutes");
    assert_eq!(words(every(5400)), "every 90 minutes");
    assert_eq!(words(every(86_400)), "every day");
    assert_eq!(words(every(5400).relative()), "every hour on the hour");
    assert_eq!(words(every(86_400 * 7).relative()), "every 7 days at midnight");
    assert_eq!(words(Interval::new(Duration::from_millis(1500)).unwrap()), "every 1.5 seconds");
}

#[test]
fn one_that_is_no_span_is_refused() {
    let none = Interval::new(Duration::ZERO).unwrap_err();
    assert_eq!(none.to_string(), "every must be from 0.1 seconds to a hundred years, not 0 seconds");
}
