//! The nights in which clocks change: nothing that is due once is lost or doubled, and a rhythm goes on.

use apium_beat::Schedule;

use crate::times::{at, between, crontab, zone};

/// The due times of the day on which clocks are put forward in Spain: 02:00 becomes 03:00.
fn spring(line: &str) -> Vec<String> {
    between(&crontab(line), &zone("Europe/Madrid"), "2026-03-28T22:59:59Z", "2026-03-29T21:59:59Z")
}

/// The due times of the day on which they are put back: 03:00 becomes 02:00.
fn autumn(line: &str) -> Vec<String> {
    between(&crontab(line), &zone("Europe/Madrid"), "2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z")
}

#[test]
fn a_run_at_half_past_two_is_neither_lost_nor_doubled() {
    assert_eq!(spring("30 2 * * *"), ["29 03:30+02:00"]);
    assert_eq!(autumn("30 2 * * *"), ["25 02:30+02:00"]);
    let year = crontab("30 2 * * *");
    let madrid = zone("Europe/Madrid");
    let due = year.upcoming(at("2025-12-31T23:00:00Z"), &madrid).take_while(|due| *due < at("2026-12-31T23:00:00Z"));
    assert_eq!(due.count(), 365);
}

#[test]
fn every_time_that_is_left_out_is_made_up_for() {
    assert_eq!(spring("0,30 2 * * *"), ["29 03:00+02:00", "29 03:30+02:00"]);
    // Where it is due anyway, it is one run.
    assert_eq!(spring("30 2,3 * * *"), ["29 03:30+02:00"]);
    assert_eq!(spring("45 1-3 * * *"), ["29 01:45+01:00", "29 03:45+02:00"]);
    // Only a day that is meant: the gap of Sunday is not Monday's.
    assert_eq!(spring("30 2 * * mon"), [""; 0]);
    assert_eq!(spring("30 2 29 3 sun"), ["29 03:30+02:00"]);
}

#[test]
fn a_rhythm_goes_on_in_real_time() {
    assert_eq!(spring("*/5 * * * *").len(), 276);
    assert_eq!(autumn("*/5 * * * *").len(), 300);
    assert_eq!(spring("0 * * * *").len(), 23);
    assert_eq!(autumn("0 * * * *").len(), 25);
    assert_eq!(autumn("0 * * * *")[1..5], ["25 01:00+02:00", "25 02:00+02:00", "25 02:00+01:00", "25 03:00+01:00"]);
    assert_eq!(autumn("*/30 2 * * *"), ["25 02:00+02:00", "25 02:30+02:00", "25 02:00+01:00", "25 02:30+01:00"]);
    assert_eq!(spring("*/30 2 * * *"), ["29 03:00+02:00", "29 03:30+02:00"]);
}

#[test]
fn what_is_no_rhythm_is_due_the_first_time_only() {
    assert_eq!(autumn("0,30 2 * * *"), ["25 02:00+02:00", "25 02:30+02:00"]);
    assert_eq!(autumn("0 */2 * * *").len(), 12);
    assert_eq!(spring("0 */2 * * *").len(), 12);
    assert_eq!(autumn("0 1-3 * * *"), ["25 01:00+02:00", "25 02:00+02:00", "25 03:00+01:00"]);
}

#[test]
fn the_next_is_found_from_within_the_night_too() {
    let madrid = zone("Europe/Madrid");
    let daily = crontab("30 2 * * *");
    let next = |schedule: &Schedule, after: &str| schedule.next(at(after), &madrid).unwrap();
    // At 03:10, while a clock that was not put forward shows 02:10.
    assert_eq!(next(&daily, "2026-03-29T01:10:00Z"), at("2026-03-29T01:30:00Z"));
    assert_eq!(next(&daily, "2026-03-29T01:30:00Z"), at("2026-03-30T00:30:00Z"));
    // At 02:10 for the second time.
    assert_eq!(next(&daily, "2026-10-25T01:10:00Z"), at("2026-10-26T01:30:00Z"));
    let rhythm = crontab("*/5 2 25 10 *");
    assert_eq!(next(&rhythm, "2026-10-25T00:55:00Z"), at("2026-10-25T01:00:00Z"));
    assert_eq!(next(&rhythm, "2026-10-25T01:55:00Z"), at("2027-10-25T00:00:00Z"));
}

/// Lord Howe is put forward and back by half an hour, at 02:00.
#[test]
fn half_an_hour() {
    let lord_howe = zone("Australia/Lord_Howe");
    let spring = |line: &str| between(&crontab(line), &lord_howe, "2026-10-03T14:00:00Z", "2026-10-03T16:00:00Z");
    let autumn = |line: &str| between(&crontab(line), &lord_howe, "2026-04-04T13:45:00Z", "2026-04-04T15:45:00Z");
    assert_eq!(spring("15 2 * * *"), ["04 02:45+11:00"]);
    assert_eq!(spring("10,35 2 * * *"), ["04 02:35+11:00", "04 02:40+11:00"]);
    assert_eq!(spring("45 2 * * *"), ["04 02:45+11:00"]);
    assert_eq!(autumn("45 1 * * *"), ["05 01:45+11:00"]);
    assert_eq!(autumn("15 1 * * *"), ["05 01:15+11:00"]);
    assert_eq!(autumn("*/30 1 * * *"), ["05 01:00+11:00", "05 01:30+11:00", "05 01:30+10:30"]);
    // The hour on the old clock, and then on the new one.
    assert_eq!(spring("0 * * * *"), ["04 01:00+10:30", "04 02:30+11:00", "04 03:00+11:00"]);
}

/// Samoa had no 30 December 2011.
#[test]
fn a_day_that_is_left_out() {
    let apia = zone("Pacific/Apia");
    let days = |line: &str| between(&crontab(line), &apia, "2011-12-29T10:00:00Z", "2012-01-01T09:59:00Z");
    assert_eq!(days("0 9 * * *"), ["29 09:00-10:00", "31 09:00+14:00", "01 09:00+14:00"]);
    assert_eq!(days("0 9 30 12 *"), ["31 09:00+14:00"]);
    assert_eq!(days("0 9,17 * * fri"), ["31 09:00+14:00", "31 17:00+14:00"]);
    assert_eq!(days("0 9 31 * *"), ["31 09:00+14:00"]);
}

/// Clocks that change at midnight, by two hours, or far from a full hour.
#[test]
fn other_nights() {
    let day = |name: &str, line: &str, after: &str, until: &str| between(&crontab(line), &zone(name), after, until);
    // Midnight is left out in Cairo, and half past midnight comes twice on the Azores.
    assert_eq!(day("Africa/Cairo", "0 0 * * *", "2026-04-23T12:00:00Z", "2026-04-24T12:00:00Z"), ["24 01:00+03:00"]);
    assert_eq!(
        day("Atlantic/Azores", "30 0 * * *", "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        ["25 00:30+00:00"]
    );
    assert_eq!(
        day("Antarctica/Troll", "30 1,2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
        ["29 03:30+02:00", "29 04:30+02:00"]
    );
    assert_eq!(
        day("Pacific/Chatham", "50 3 * * *", "2026-09-25T15:05:00Z", "2026-09-27T15:05:00Z"),
        ["27 03:50+13:45", "28 03:50+13:45"]
    );
    assert_eq!(
        day("Pacific/Chatham", "50 3 * * *", "2026-04-03T14:05:00Z", "2026-04-05T15:04:00Z"),
        ["05 03:50+12:45"]
    );
    assert_eq!(
        day("Antarctica/Troll", "0 23 * * *", "2026-10-24T21:00:00Z", "2026-10-25T23:00:00Z"),
        ["25 23:00+00:00"]
    );
    // Morocco goes back for Ramadan.
    assert_eq!(
        day("Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00:00Z", "2026-02-15T12:00:00Z"),
        ["15 02:30+01:00"]
    );
}
