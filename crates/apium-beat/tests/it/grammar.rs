//! Celery's grammar of a crontab: what each field may be, what it means, and what is refused with a sentence.

use apium_beat::crontab::{Crontab, Fields, Spec};

use crate::times::{at, zone};

/// The numbers of one field, as they show in due times.
fn meant(fields: &Fields, format: &str, count: usize) -> Vec<i64> {
    let schedule = Crontab::new(fields).unwrap().into();
    let mut numbers = std::collections::BTreeSet::new();
    let utc = zone("UTC");
    for due in apium_beat::Schedule::upcoming(&schedule, at("2023-12-31T23:59:00Z"), &utc).take(count) {
        numbers.insert(due.strftime(format).to_string().parse().unwrap());
    }
    numbers.into_iter().collect()
}

fn minutes(minute: &str) -> Vec<i64> {
    meant(&Fields { minute: minute.into(), ..Fields::default() }, "%M", 120)
}

fn hours(hour: &str) -> Vec<i64> {
    meant(&Fields { minute: 0.into(), hour: hour.into(), ..Fields::default() }, "%H", 48)
}

fn weekdays(day: &str) -> Vec<i64> {
    meant(&Fields { minute: 0.into(), hour: 0.into(), day_of_week: day.into(), ..Fields::default() }, "%w", 14)
}

fn days(day: &str) -> Vec<i64> {
    meant(&Fields { minute: 0.into(), hour: 0.into(), day_of_month: day.into(), ..Fields::default() }, "%d", 400)
}

fn months(month: &str) -> Vec<i64> {
    let first = Fields { minute: 0.into(), hour: 0.into(), day_of_month: 1.into(), ..Fields::default() };
    meant(&Fields { month_of_year: month.into(), ..first }, "%m", 24)
}

#[test]
fn steps_count_from_the_first_number_of_what_they_follow() {
    assert_eq!(minutes("*/15"), [0, 15, 30, 45]);
    assert_eq!(minutes("*/7"), [0, 7, 14, 21, 28, 35, 42, 49, 56]);
    assert_eq!(minutes("3-20/5"), [3, 8, 13, 18]);
    assert_eq!(
        minutes("1,13,30-45,50-59/2"),
        [1, 13].into_iter().chain(30..=45).chain([50, 52, 54, 56, 58]).collect::<Vec<_>>()
    );
    assert_eq!(months("*/3"), [1, 4, 7, 10]);
    assert_eq!(months("2-12/2"), [2, 4, 6, 8, 10, 12]);
    assert_eq!(days("*/10"), [1, 11, 21, 31]);
    assert_eq!(weekdays("*/2"), [0, 2, 4, 6]);
    assert_eq!(hours("*/100"), [0]);
}

#[test]
fn ranges_go_through_the_end_of_the_field() {
    assert_eq!(hours("22-2"), [0, 1, 2, 22, 23]);
    assert_eq!(hours("22-2/2"), [0, 2, 22]);
    assert_eq!(weekdays("sat-mon"), [0, 1, 6]);
    assert_eq!(weekdays("5-1/2"), [0, 5]);
    assert_eq!(months("nov-feb"), [1, 2, 11, 12]);
    assert_eq!(days("30-2"), [1, 2, 30, 31]);
}

#[test]
fn names_are_known_by_their_first_three_letters() {
    assert_eq!(weekdays("mon-fri"), [1, 2, 3, 4, 5]);
    assert_eq!(weekdays("Sunday,WED"), [0, 3]);
    assert_eq!(weekdays("tues,thurs"), [2, 4]);
    assert_eq!(months("january,sept"), [1, 9]);
    // As in Celery, a name stands for its number in any field, and a month's comes first.
    assert_eq!(weekdays("mar"), [3]);
    assert_eq!(hours("dec"), [12]);
}

#[test]
fn numbers_and_lists_are_taken_as_they_are() {
    let crontab = Crontab::new(&Fields { minute: [45, 0, 15, 0].into(), hour: 8.into(), ..Fields::default() }).unwrap();
    assert_eq!(crontab.line(), "0,15,45 8 * * *");
    assert!(!crontab.is_rhythm());
    assert_eq!(minutes(" 5, +7 ,007"), [5, 7]);
}

#[test]
fn both_day_fields_must_fit() {
    let fields = Fields {
        minute: 0.into(),
        hour: 0.into(),
        day_of_week: "fri".into(),
        day_of_month: 13.into(),
        ..Fields::default()
    };
    let schedule = Crontab::new(&fields).unwrap().into();
    let due = apium_beat::Schedule::next(&schedule, at("2026-01-01T00:00:00Z"), &zone("UTC"));
    assert_eq!(due, Some(at("2026-02-13T00:00:00Z")));
}

#[test]
fn a_line_is_read_and_written_again() {
    for line in ["0 9 * * 1-5", "*/15 8-18 1-7,15-21 */3 mon", "* * * * *", "59 23 29 2 sat-mon"] {
        let crontab = Crontab::parse(line).unwrap();
        assert_eq!((crontab.line(), crontab.to_string().as_str()), (line, line));
        assert_eq!(Crontab::parse(crontab.line()).unwrap(), crontab);
    }
    assert_eq!(Crontab::parse("  0\t9  *  *  1-5 ").unwrap().line(), "0 9 * * 1-5");
}

#[test]
fn what_is_not_accepted_is_told_with_its_field() {
    let refused = |line: &str| Crontab::parse(line).unwrap_err().to_string();
    assert_eq!(refused("0 9 * * 7"), "day_of_week cannot be `7`: it goes from 0 to 6, where Sunday is 0");
    assert_eq!(refused("60 * * * *"), "minute cannot be `60`: it goes from 0 to 59");
    assert_eq!(refused("* * 0 * *"), "day_of_month cannot be `0`: it goes from 1 to 31");
    assert_eq!(refused("* * * 13 *"), "month_of_year cannot be `13`: it goes from 1 to 12");
    assert_eq!(refused("* * * sun *"), "month_of_year cannot be `sun`: it goes from 1 to 12");
    assert_eq!(refused("5/15 * * * *"), "minute cannot be `5/15`: a step follows `*` or a range, as in `5-59/15`");
    assert_eq!(refused("*/0 * * * *"), "minute cannot be `*/0`: the step must be a number from 1");
    assert_eq!(refused("*/ * * * *"), "minute cannot be `*/`: the step must be a number from 1");
    assert_eq!(refused("1,,2 * * * *"), "minute has an empty part; write `*` for every one");
    assert_eq!(
        refused("-5 * * * *"),
        "minute cannot be `-5`: `` is neither a number nor the name of a month or weekday"
    );
    assert_eq!(
        refused("* soon * * *"),
        "hour cannot be `soon`: `soon` is neither a number nor the name of a month or weekday"
    );
    assert_eq!(
        refused("0 9 * *"),
        "crontab must have five fields (minute, hour, day of the month, month, day of the week), as in \
         `0 9 * * 1-5`; `0 9 * *` has 4"
    );
    assert_eq!(refused("0 0 30,31 2 *"), "day_of_month cannot be `30,31`: no month of `2` has that day");
    let empty = Crontab::new(&Fields { minute: Spec::Numbers(Vec::new()), ..Fields::default() });
    assert_eq!(empty.unwrap_err().to_string(), "minute must hold a number, and the list is empty");
    let far = Crontab::new(&Fields { hour: (-1).into(), ..Fields::default() });
    assert_eq!(far.unwrap_err().field(), "hour");
}

#[test]
fn words_say_when() {
    let words = |line: &str| Crontab::parse(line).unwrap().in_words().to_string();
    assert_eq!(words("0 9 * * 1-5"), "at 09:00 on Monday to Friday");
    assert_eq!(words("0 8-18 * * *"), "every hour from 08:00 to 18:00");
    assert_eq!(words("0 8 * * 1"), "at 08:00 on Monday");
    assert_eq!(words("*/5 * * * *"), "every 5 minutes");
    assert_eq!(words("* * * * *"), "every minute");
    assert_eq!(words("0 * * * *"), "every hour");
    assert_eq!(words("15 * * * *"), "every hour at minute 15");
    assert_eq!(words("* 9 * * *"), "every minute from 09:00 to 09:59");
    assert_eq!(words("3-59/15 8-10 * * *"), "every 15 minutes from minute 3 on from 08:03 to 10:48");
    assert_eq!(words("*/7 * * * *"), "every hour at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56");
    assert_eq!(
        words("0,30 22-2 * * sat-mon"),
        "every 30 minutes of the hours from 00:00, 01:00, 02:00, 22:00 and 23:00 on Saturday to Monday"
    );
    assert_eq!(words("0 6,18 1 1,7 *"), "at 06:00 and 18:00 on day 1 of the month in January and July");
    assert_eq!(words("0 0 1-7 * mon"), "at 00:00 on Monday that is day 1 to 7 of the month");
    assert_eq!(words("30 4 1,15 6-8 *"), "at 04:30 on days 1 and 15 of the month in June to August");
}
