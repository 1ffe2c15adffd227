//! The four schedules of the briefs, word for word, through a simulated year in Europe/Madrid: planned again and again
//! as a scheduler does, each due time is sent once, and there are as many as the calendar has.

use std::collections::{BTreeMap, BTreeSet};

use apium_beat::{Decision, Entry, State, celery, plan};
use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::times::{at, zone};

/// As they stand in Celery's settings.
const SCHEDULES: &str = r#"{
    "check-hps-expiration": {
        "task": "hps_core.tasks.check_hps_expiration_task",
        "schedule": {"crontab": {"hour": 9, "minute": 0, "day_of_week": "1-5"}}
    },
    "hourly-hps-monitoring": {
        "task": "hps_core.tasks.monitor_hps_emails_task",
        "schedule": {"crontab": {"hour": "8-18", "minute": 0}}
    },
    "weekly-hps-stats": {
        "task": "hps_core.tasks.weekly_hps_stats_task",
        "schedule": {"crontab": {"hour": 8, "minute": 0, "day_of_week": 1}}
    },
    "check-emails-every-5-minutes": {
        "task": "tasks.process_unread_emails",
        "schedule": {"crontab": {"minute": "*/5"}}
    }
}"#;

const SPRING: &str = "2026-03-29";
const AUTUMN: &str = "2026-10-25";

fn entries() -> Vec<Entry> {
    celery::import(SCHEDULES, &zone("Europe/Madrid")).unwrap()
}

/// What is sent in 2026, by the day in Madrid, when the scheduler wakes when its plan says so.
fn sent(entry: &Entry) -> BTreeMap<Date, Vec<Timestamp>> {
    let (from, to) = (at("2025-12-31T23:00:00Z"), at("2026-12-31T23:00:00Z"));
    let just_before = from - SignedDuration::from_nanos(1);
    let (mut state, mut now) = (State::begin(just_before), just_before);
    let (mut days, mut ids) = (BTreeMap::<Date, Vec<Timestamp>>::new(), BTreeSet::new());
    while now < to {
        let made = plan(entry, &state, now);
        for decision in &made.decisions {
            let Decision::Fire { due, task_id, late, .. } = decision else { panic!("{decision}") };
            assert_eq!((*due, *late), (now, SignedDuration::ZERO));
            assert!(ids.insert(task_id.clone()), "{task_id} is sent twice");
            days.entry(entry.zone.rules().to_datetime(*due).date()).or_default().push(*due);
        }
        (state, now) = (made.state, made.wake.unwrap());
    }
    days
}

fn named(name: &str) -> Entry {
    entries().into_iter().find(|entry| entry.name == name).unwrap()
}

#[test]
fn check_hps_expiration_runs_five_times_a_week() {
    let days = sent(&named("check-hps-expiration"));
    assert!(days.iter().all(|(day, due)| day.weekday().to_monday_one_offset() <= 5 && due.len() == 1));
    // 261 working days from Thursday 1 January to Thursday 31 December 2026.
    assert_eq!(days.len(), 261);
    let mut weeks = BTreeMap::<_, usize>::new();
    for day in days.keys() {
        *weeks.entry(day.iso_week_date().week()).or_default() += 1;
    }
    // The first and the last week of 2026 lie partly in other years.
    assert!(weeks.iter().filter(|(week, _)| (2..53).contains(*week)).all(|(_, runs)| *runs == 5), "{weeks:?}");
    let nine =
        |due: &Timestamp| due.to_zoned(zone("Europe/Madrid").rules().clone()).time() == jiff::civil::time(9, 0, 0, 0);
    assert!(days.values().flatten().all(nine), "09:00 in Madrid, in summer and in winter");
}

#[test]
fn hourly_hps_monitoring_runs_eleven_times_a_day() {
    let days = sent(&named("hourly-hps-monitoring"));
    assert_eq!(days.len(), 365);
    assert!(days.values().all(|due| due.len() == 11));
}

#[test]
fn weekly_hps_stats_runs_every_monday() {
    let days = sent(&named("weekly-hps-stats"));
    assert_eq!(days.len(), 52);
    assert!(days.iter().all(|(day, due)| day.weekday().to_monday_one_offset() == 1 && due.len() == 1));
}

#[test]
fn check_emails_runs_every_five_minutes() {
    let days = sent(&named("check-emails-every-5-minutes"));
    assert_eq!(days.len(), 365);
    for (day, due) in &days {
        let runs = match day.to_string().as_str() {
            SPRING => 276,
            AUTUMN => 300,
            _ => 288,
        };
        assert_eq!(due.len(), runs, "{day}");
    }
    let all: Vec<&Timestamp> = days.values().flatten().collect();
    assert!(all.windows(2).all(|pair| pair[1].duration_since(*pair[0]) == SignedDuration::from_mins(5)));
}

#[test]
fn a_week_lists_as_many_as_the_brief_says() {
    let week = |name: &str| {
        let due = named(name);
        due.upcoming(at("2026-11-22T22:59:59Z")).take_while(|due| *due < at("2026-11-29T23:00:00Z")).count()
    };
    assert_eq!((week("check-hps-expiration"), week("hourly-hps-monitoring"), week("weekly-hps-stats")), (5, 77, 1));
    assert_eq!(week("check-emails-every-5-minutes"), 7 * 288);
}
