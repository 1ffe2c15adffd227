//! What is done with due times, by policy, in simulated time.

use std::time::Duration;

use apium_beat::{Decision, Entry, Missed, Overlap, Plan, Schedule, State, Why, plan};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::times::{at, crontab};

/// Due every minute.
fn every_minute() -> Entry {
    Entry::new("e", "t", crontab("* * * * *"))
}

/// What is decided, in few words: the minute and what becomes of it.
fn told(plan: &Plan) -> Vec<String> {
    let minute = |due: &Timestamp| due.strftime("%H:%M").to_string();
    plan.decisions
        .iter()
        .map(|decision| match decision {
            Decision::Fire { due, late, cancels, .. } => {
                let cancels = if cancels.is_some() { ", calls off" } else { "" };
                format!("{} fired late by {}s{cancels}", minute(due), late.as_secs())
            }
            Decision::Wait { due, .. } => format!("{} waits", minute(due)),
            Decision::Skip { first, last, count, why } => {
                let why = match why {
                    Why::Paused => "paused",
                    Why::TooLate => "too late",
                    Why::Missed => "missed",
                    Why::MadeUpFor => "made up for",
                    Why::Running { .. } => "running",
                    Why::OneWaits { .. } => "one waits",
                };
                format!("{}-{} {count} skipped, {why}", minute(first), minute(last))
            }
        })
        .collect()
}

/// A plan at 10:00:05 when everything up to this time was decided.
fn after(entry: &Entry, through: &str) -> Vec<String> {
    told(&plan(entry, &State::begin(at(through)), at("2026-01-05T10:00:05Z")))
}

#[test]
fn what_is_due_is_fired_and_the_next_time_is_told() {
    let entry = every_minute();
    let state = State::begin(at("2026-01-05T09:59:30Z"));
    let early = plan(&entry, &state, at("2026-01-05T09:59:59Z"));
    assert_eq!((early.decisions.len(), &early.state, early.wake), (0, &state, Some(at("2026-01-05T10:00:00Z"))));
    let made = plan(&entry, &state, at("2026-01-05T10:00:00Z"));
    let due = at("2026-01-05T10:00:00Z");
    let fire = Decision::Fire { due, task_id: entry.task_id(due), late: SignedDuration::ZERO, cancels: None };
    assert_eq!(made.decisions, [fire]);
    assert_eq!(made.wake, Some(at("2026-01-05T10:01:00Z")));
    assert_eq!((made.state.through, made.state.runs), (due, 1));
    // Nothing is decided twice, also when the clock is put back.
    assert_eq!(plan(&entry, &made.state, at("2026-01-05T10:00:59Z")).decisions, []);
    assert_eq!(plan(&entry, &made.state, at("2026-01-05T09:00:00Z")).decisions, []);
}

#[test]
fn missed_runs_are_made_up_for_as_the_policy_says() {
    let with = |missed| Entry { missed, ..every_minute() };
    let hour = "2026-01-05T09:56:30Z";
    // Celery's: one run, and it is the newest.
    assert_eq!(after(&with(Missed::Latest), hour), ["09:57-09:59 3 skipped, made up for", "10:00 fired late by 5s"]);
    assert_eq!(after(&with(Missed::Skip), hour), ["09:57-09:59 3 skipped, missed", "10:00 fired late by 5s"]);
    assert_eq!(
        after(&with(Missed::All), hour),
        ["09:57 fired late by 185s", "09:58 fired late by 125s", "09:59 fired late by 65s", "10:00 fired late by 5s"]
    );
    let hourly = |missed| Entry { missed, ..Entry::new("e", "t", crontab("30 * * * *")) };
    let day = "2026-01-04T12:00:00Z";
    assert_eq!(
        after(&hourly(Missed::Latest), day),
        ["12:30-08:30 21 skipped, made up for", "09:30 fired late by 1805s"]
    );
    assert_eq!(after(&hourly(Missed::Skip), day), ["12:30-09:30 22 skipped, missed"]);
    assert_eq!(after(&hourly(Missed::All), day).len(), 22);
}

#[test]
fn what_is_outside_the_window_is_not_sent() {
    let window = Some(Duration::from_secs(130));
    let with = |missed| Entry { missed, window, ..every_minute() };
    let hour = "2026-01-05T09:50:30Z";
    let too_late = "09:51-09:57 7 skipped, too late";
    assert_eq!(
        after(&with(Missed::All), hour),
        [too_late, "09:58 fired late by 125s", "09:59 fired late by 65s", "10:00 fired late by 5s"]
    );
    assert_eq!(
        after(&with(Missed::Latest), hour),
        [too_late, "09:58-09:59 2 skipped, made up for", "10:00 fired late by 5s"]
    );
    let narrow = Entry { window: Some(Duration::from_secs(2)), ..every_minute() };
    assert_eq!(after(&narrow, hour), ["09:51-10:00 10 skipped, too late"]);
}

#[test]
fn what_is_on_time_is_sent_however_many_there_are() {
    for missed in [Missed::Skip, Missed::Latest, Missed::All] {
        let entry = Entry {
            missed,
            ..Entry::new("e", "t", Schedule::Interval(apium_beat::Interval::new(Duration::from_secs(1)).unwrap()))
        };
        let fired = after(&entry, "2026-01-05T09:59:55Z");
        assert_eq!(fired.len(), 10, "{missed:?}: {fired:?}");
    }
}

#[test]
fn a_long_outage_costs_bounded_work() {
    let second = Entry::new("e", "t", Schedule::Interval(apium_beat::Interval::new(Duration::from_secs(1)).unwrap()));
    let years = "2020-01-01T00:00:00Z";
    let made = plan(&second, &State::begin(at(years)), at("2026-01-05T10:00:00Z"));
    assert_eq!(made.decisions.len(), 1 + 16);
    assert!(
        matches!(&made.decisions[0], Decision::Skip { count: 1000, why: Why::MadeUpFor, .. }),
        "{:?}",
        made.decisions[0]
    );
    let all = Entry { missed: Missed::All, ..second };
    let mut state = State::begin(at("2026-01-05T09:00:00Z"));
    let mut fired = Vec::new();
    for _ in 0..4 {
        let made = plan(&all, &state, at("2026-01-05T10:00:00Z"));
        fired.push(made.decisions.len());
        state = made.state;
    }
    assert_eq!(fired, [1000, 1000, 1000, 600]);
}

#[test]
fn one_that_runs_is_not_overtaken_unless_wanted() {
    let with = |overlap| Entry { overlap, ..every_minute() };
    let minute = |minute: i64| at("2026-01-05T10:00:00Z") + minute.minutes();
    let first = |entry: &Entry| plan(entry, &State::begin(minute(-1)), minute(0)).state;
    let second = |entry: &Entry| plan(entry, &first(entry), minute(1));
    assert_eq!(told(&second(&with(Overlap::Allow))), ["10:01 fired late by 0s"]);
    assert_eq!(told(&second(&with(Overlap::Skip))), ["10:01-10:01 1 skipped, running"]);
    assert_eq!(told(&second(&with(Overlap::CancelRunning))), ["10:01 fired late by 0s, calls off"]);
    let queued = second(&with(Overlap::QueueOne));
    assert_eq!(told(&queued), ["10:01 waits"]);
    // One waits, the next one does not; at the end of the first the one that waits is sent.
    let entry = with(Overlap::QueueOne);
    let third = plan(&entry, &queued.state, minute(2));
    assert_eq!(told(&third), ["10:02-10:02 1 skipped, one waits"]);
    let mut state = third.state;
    assert!(!state.ended("another"));
    assert_eq!(told(&plan(&entry, &state, minute(2) + 5.seconds())), [""; 0]);
    let running = state.last.clone().unwrap().task_id;
    assert!(state.ended(&running));
    let fourth = plan(&entry, &state, minute(2) + 10.seconds());
    assert_eq!(told(&fourth), ["10:01 fired late by 70s"]);
    assert_eq!((fourth.state.waiting, fourth.state.through, fourth.state.runs), (None, minute(2), 2));
}

#[test]
fn of_several_that_would_call_each_other_off_the_newest_is_sent() {
    let entry = Entry { overlap: Overlap::CancelRunning, missed: Missed::All, ..every_minute() };
    assert_eq!(after(&entry, "2026-01-05T09:57:30Z"), ["09:58-09:59 2 skipped, made up for", "10:00 fired late by 5s"]);
}

#[test]
fn what_is_due_in_a_pause_is_past() {
    let entry = Entry { paused: true, ..every_minute() };
    assert_eq!(after(&entry, "2026-01-05T09:57:30Z"), ["09:58-10:00 3 skipped, paused"]);
    let state = plan(&entry, &State::begin(at("2026-01-05T09:57:30Z")), at("2026-01-05T10:00:05Z")).state;
    let resumed = Entry { paused: false, ..entry };
    assert_eq!(told(&plan(&resumed, &state, at("2026-01-05T10:01:00Z"))), ["10:01 fired late by 0s"]);
}

#[test]
fn it_begins_and_ends_with_its_dates() {
    let entry =
        Entry { start: Some(at("2026-01-05T10:00:00Z")), end: Some(at("2026-01-05T10:02:00Z")), ..every_minute() };
    let due: Vec<_> = entry.upcoming(at("2026-01-01T00:00:00Z")).collect();
    assert_eq!(due, [at("2026-01-05T10:00:00Z"), at("2026-01-05T10:01:00Z"), at("2026-01-05T10:02:00Z")]);
    let made = plan(&entry, &State::begin(at("2026-01-05T09:00:00Z")), at("2026-01-05T10:02:00Z"));
    assert_eq!((made.state.through, made.wake), (at("2026-01-05T10:02:00Z"), None));
}

#[test]
fn jitter_puts_off_by_the_same_for_every_scheduler() {
    let entry = Entry { jitter: Duration::from_secs(30), ..every_minute() };
    let due = at("2026-01-05T10:00:00Z");
    let release = entry.release(due);
    assert!(release >= due && release <= due + 30.seconds(), "{release}");
    assert_eq!(release, entry.clone().release(due));
    let state = State::begin(at("2026-01-05T09:59:59Z"));
    let waits = plan(&entry, &state, release - 1.nanosecond());
    assert_eq!((waits.decisions.len(), waits.wake), (0, Some(release)));
    assert_eq!(told(&plan(&entry, &state, release)), ["10:00 fired late by 0s"]);
    let releases = entry.upcoming(due).take(200).map(|due| entry.release(due).duration_since(due).as_secs());
    let (least, most) = releases.fold((30, 0), |(least, most), late| (least.min(late), most.max(late)));
    assert!(least < 3 && most > 26, "spread from {least} to {most}");
}

#[test]
fn decisions_are_told_in_words() {
    let entry = Entry { overlap: Overlap::Skip, ..every_minute() };
    let made = plan(&entry, &State::begin(at("2026-01-05T09:57:30Z")), at("2026-01-05T10:00:05Z"));
    let words: Vec<String> = made.decisions.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "skipped 2, from 2026-01-05T09:58:00Z to 2026-01-05T09:59:00Z, because a later run makes up for it",
            "fired, late by 5s"
        ]
    );
    let next = plan(&entry, &made.state, at("2026-01-05T10:01:00Z"));
    let id = entry.task_id(at("2026-01-05T10:00:00Z"));
    assert_eq!(next.decisions[0].to_string(), format!("skipped because {id} has not ended"));
}
