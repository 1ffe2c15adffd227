//! What holds for every schedule, entry and plan, tried with many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apium_beat::crontab::Fields;
use apium_beat::{Crontab, Decision, Entry, Interval, Missed, Overlap, Schedule, State, Zone, plan};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::DateTime};
use proptest::{collection::vec, option, prelude::*};

use crate::times::zone;

/// Zones whose clocks are moved in every way: at midnight, by half an hour, by two hours, by a day, twice a year more.
const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Madrid",
    "Europe/Dublin",
    "America/St_Johns",
    "America/Santiago",
    "Asia/Beirut",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Antarctica/Troll",
];

/// One part of a field: numbers, ranges that may wrap, steps.
fn part(first: u8, last: u8) -> impl Strategy<Value = String> {
    let number = first..=last;
    prop_oneof![
        number.clone().prop_map(|number| number.to_string()),
        (number.clone(), number.clone()).prop_map(|(from, to)| format!("{from}-{to}")),
        (number.clone(), number, 1..9_u8).prop_map(|(from, to, step)| format!("{from}-{to}/{step}")),
        (1..30_u8).prop_map(|step| format!("*/{step}")),
    ]
}

fn field(first: u8, last: u8) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("*".to_owned()), 2 => vec(part(first, last), 1..3).prop_map(|parts| parts.join(","))]
}

/// A line, mostly of a crontab that is often due.
fn line() -> impl Strategy<Value = String> {
    let mostly = |first, last| prop_oneof![4 => Just("*".to_owned()), 1 => field(first, last)];
    (field(0, 59), field(0, 23), mostly(1, 31), mostly(1, 12), mostly(0, 6))
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
        .prop_filter("has a day", |line| Crontab::parse(line).is_ok())
}

/// An instant near a change of the zone's clocks, where it has some.
fn near_a_change(zone: &Zone, years: i64, minutes: i64) -> Timestamp {
    let from = Timestamp::from_second((1995 - 1970 + years) * 31_557_600).unwrap();
    let change = zone.rules().following(from).next().map_or(from, |change| change.timestamp());
    change + minutes.minutes()
}

/// The rule as it is told in the documentation, minute by minute: every wall time once, where a clock that was not put
/// forward would show it, or the first time of two; a rhythm the second time too.
fn told(crontab: &Crontab, zone: &Zone, after: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
    let utc = Zone::UTC;
    let mut due = BTreeSet::new();
    let wall = |at: Timestamp| utc.rules().to_timestamp(zone.rules().to_datetime(at)).unwrap();
    let far = SignedDuration::from_hours(25);
    let walls = Schedule::from(crontab.clone());
    for wall in walls.upcoming(wall(after) - far, &utc).take_while(|at| *at <= wall(until) + far) {
        let wall: DateTime = utc.rules().to_datetime(wall);
        let instant = zone.rules().to_ambiguous_timestamp(wall);
        due.insert(instant.compatible().unwrap());
        if crontab.is_rhythm() && matches!(instant.offset(), jiff::tz::AmbiguousOffset::Fold { .. }) {
            due.insert(instant.later().unwrap());
        }
    }
    due.retain(|due| *due > after && *due <= until);
    due
}

fn overlap() -> impl Strategy<Value = Overlap> {
    prop::sample::select(vec![Overlap::Allow, Overlap::Skip, Overlap::QueueOne, Overlap::CancelRunning])
}

fn missed() -> impl Strategy<Value = Missed> {
    prop::sample::select(vec![Missed::Skip, Missed::Latest, Missed::All])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The numbers of each field are those that a reader of the grammar would count.
    #[test]
    fn due_times_have_the_fields(line in line(), second in 0..2_000_000_000_i64) {
        let schedule = Schedule::Crontab(Crontab::parse(&line).unwrap());
        let after = Timestamp::from_second(second).unwrap();
        let Some(due) = schedule.next(after, &Zone::UTC) else { panic!("{line} is never due") };
        prop_assert!(due > after);
        let wall = Zone::UTC.rules().to_datetime(due);
        let fields: Vec<&str> = line.split(' ').collect();
        for (field, number, first, last) in [
            (fields[0], wall.minute(), 0, 59),
            (fields[1], wall.hour(), 0, 23),
            (fields[2], wall.day(), 1, 31),
            (fields[3], wall.month(), 1, 12),
            (fields[4], wall.weekday().to_sunday_zero_offset(), 0, 6),
        ] {
            prop_assert!(holds(field, i64::from(number), first, last), "{number} in {field} of {line}");
        }
    }

    /// In the nights in which clocks change, each due time is as the documentation tells the rule.
    #[test]
    fn changes_of_clocks_follow_the_rule(
        line in line(), name in prop::sample::select(ZONES.to_vec()), years in 0..45_i64, minutes in -3000..3000_i64,
    ) {
        let zone = zone(name);
        let after = near_a_change(&zone, years, minutes);
        let until = after + SignedDuration::from_hours(50);
        let crontab = Crontab::parse(&line).unwrap();
        let ours: BTreeSet<Timestamp> =
            Schedule::from(crontab.clone()).upcoming(after, &zone).take_while(|due| *due <= until).collect();
        prop_assert_eq!(ours, told(&crontab, &zone, after, until), "{} in {} after {}", line, name, after);
    }

    /// A line is read as it is written, and its words are never empty.
    #[test]
    fn a_line_is_read_as_it_is_written(line in line()) {
        let crontab = Crontab::parse(&line).unwrap();
        prop_assert_eq!(crontab.line(), &line);
        prop_assert!(!crontab.in_words().to_string().is_empty());
        let json = serde_json::to_string(&Schedule::Crontab(crontab.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), Schedule::Crontab(crontab));
    }

    /// Whatever stands in a field, it is read or refused with a sentence that names it.
    #[test]
    fn nothing_in_a_field_does_harm(text in "[0-9a-z*/,+ -]{0,12}|.{0,8}", numbers in vec(any::<i64>(), 0..4)) {
        let text = Fields { day_of_month: text.as_str().into(), ..Fields::default() };
        let numbers = Fields { hour: apium_beat::crontab::Spec::Numbers(numbers), ..Fields::default() };
        for fields in [text, numbers] {
            match Crontab::new(&fields) {
                Ok(crontab) => prop_assert!(Crontab::parse(crontab.line()).is_ok_and(|again| again == crontab)),
                Err(error) => prop_assert!(["day_of_month", "hour"].contains(&error.field()), "{}", error),
            }
        }
    }

    /// However often and late plans are made, every due time is decided once, in order, and by all alike.
    #[test]
    fn every_due_time_is_decided_once(
        line in line(), seconds in 60..7000_u64, counted in any::<bool>(), jitter in option::of(0..600_u64),
        missed in missed(), overlap in overlap(), steps in vec((0..40_000_i64, any::<bool>()), 1..30),
    ) {
        let schedule = match Interval::new(Duration::from_secs(seconds)) {
            Ok(interval) if counted => Schedule::Interval(interval),
            _ => Schedule::Crontab(Crontab::parse(&line).unwrap()),
        };
        let jitter = Duration::from_secs(jitter.unwrap_or(0));
        let zone = zone("Europe/Madrid");
        let entry = Entry { missed, overlap, jitter, zone, ..Entry::new("e", "t", schedule) };
        let begin = near_a_change(&entry.zone, 31, -600);
        let (mut state, mut now) = (State::begin(begin), begin);
        let mut fired: BTreeMap<Timestamp, String> = BTreeMap::new();
        let (mut decided, mut waited) = (0, 0);
        for (step, ends) in steps {
            now += SignedDuration::from_secs(step);
            if let Some(run) = state.last.clone().filter(|_| ends) {
                state.ended(&run.task_id);
            }
            let made = plan(&entry, &state, now);
            prop_assert_eq!(&made, &plan(&entry, &state, now));
            for decision in &made.decisions {
                match decision {
                    Decision::Fire { due, task_id, late, .. } => {
                        prop_assert!(fired.insert(*due, task_id.clone()).is_none(), "{} is fired twice", due);
                        prop_assert!(entry.release(*due) <= now && *late >= SignedDuration::ZERO);
                        decided += 1;
                    }
                    Decision::Wait { .. } => waited += 1,
                    Decision::Skip { first, last, count, .. } => {
                        prop_assert!(first <= last);
                        decided += count;
                    }
                }
            }
            prop_assert!(made.state.through >= state.through && made.state.through <= now);
            prop_assert!(made.wake.is_none_or(|wake| wake >= now));
            state = made.state;
        }
        // What waits is decided later, as the run that it becomes.
        prop_assert!(waited <= decided + 1);
        decided += usize::from(state.waiting.is_some());
        let due = entry.upcoming(begin).take_while(|due| *due <= state.through).count();
        prop_assert!(decided == due || due >= 1000, "{} of {} are decided", decided, due);
    }
}

/// Whether a number is in a field, counted out as the grammar is told.
fn holds(field: &str, number: i64, first: i64, last: i64) -> bool {
    field.split(',').any(|part| {
        let (span, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: usize = step.parse().unwrap();
        let all: Vec<i64> = match span.split_once('-') {
            _ if span == "*" => (first..=last).collect(),
            Some((from, to)) => {
                let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
                let around = last - first + 1;
                (0..=(to - from).rem_euclid(around)).map(|on| (from + on - first).rem_euclid(around) + first).collect()
            }
            None => vec![span.parse().unwrap()],
        };
        all.into_iter().step_by(step).any(|held| held == number)
    })
}
