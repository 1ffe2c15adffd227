//! Celery's own `crontab` as the measure: `interop/capture/crontabs.py` tells when it is due and what its fields mean.
//!
//! Where clocks are not changed, both are due at the same times. Celery goes from one wall time to the next later one,
//! and loses what that leaves out; each such time is explained here by one of two classes, and there is no other:
//!
//! - the second pass of a repeated hour, for a rhythm (celery#10107, open; celery#6438, open);
//! - of several times that a change forward leaves out, those after the first (celery#10608, open).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use apium_beat::crontab::Fields;
use apium_beat::{Crontab, Schedule, Zone};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::times::{at, between, crontab, zone};

/// As many due times as the capture has of a case.
const TIMES: usize = 1000;

/// Where the capture leaves off.
const END: &str = "2200-01-01T00:00:00Z";

#[derive(Deserialize)]
struct Case {
    crontab: Fields,
    zone: String,
    start: i64,
    #[serde(default)]
    refused: bool,
    #[serde(default)]
    count: usize,
    #[serde(default)]
    first: Vec<i64>,
    #[serde(default)]
    digest: String,
}

/// A text, and what it means in the fields that it is accepted in: one bit a number.
#[derive(Deserialize)]
struct Meaning {
    text: String,
    means: BTreeMap<String, u64>,
}

/// Celery's way from one due time to the next: the first later wall time, wherever the clock's hands have been since.
struct Stepped<'a> {
    schedule: &'a Schedule,
    zone: &'a Zone,
    last: Timestamp,
}

impl Iterator for Stepped<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let utc = Zone::UTC;
        let wall = utc.rules().to_timestamp(self.zone.rules().to_datetime(self.last)).ok()?;
        let wall = self.schedule.next(wall, &utc)?;
        self.last = self.zone.rules().to_timestamp(utc.rules().to_datetime(wall)).ok()?;
        Some(self.last)
    }
}

/// Compares a case with us; a sentence if something differs.
fn difference(case: &Case, zone: &Zone) -> Option<String> {
    let crontab = match Crontab::new(&case.crontab) {
        Ok(_) if case.refused => return Some("Celery refuses it".to_owned()),
        Ok(crontab) => crontab,
        Err(error) => return (!case.refused).then(|| error.to_string()),
    };
    let rhythm = crontab.is_rhythm();
    let (schedule, start) = (Schedule::from(crontab), Timestamp::from_second(case.start).unwrap());
    let stepped = Stepped { schedule: &schedule, zone, last: start };
    let theirs: Vec<Timestamp> = stepped.take(TIMES).take_while(|due| *due < at(END)).collect();
    let seconds: Vec<i64> = theirs.iter().map(|due| due.as_second()).collect();
    if !seconds.starts_with(&case.first) || (seconds.len(), digest(&seconds)) != (case.count, case.digest.clone()) {
        return Some(format!("Celery steps otherwise: {:?}, here {:?}", case.first, &seconds[..seconds.len().min(3)]));
    }
    let last = theirs.last()?;
    let ours = schedule.upcoming(start, zone).take_while(|due| due <= last);
    let mut theirs = theirs.iter().peekable();
    for due in ours {
        if theirs.next_if(|their| **their == due).is_none() && !is_lost_by_celery(due, zone, rhythm) {
            return Some(format!("it is due at {due} here only"));
        }
    }
    theirs.next().map(|due| format!("it is not due at {due} here"))
}

/// Whether a due time is of one of the two classes.
fn is_lost_by_celery(due: Timestamp, zone: &Zone, rhythm: bool) -> bool {
    let rules = zone.rules();
    let just_after = due + SignedDuration::from_nanos(1);
    let Some(change) = rules.preceding(just_after).next().map(|change| change.timestamp()) else { return false };
    let before = rules.to_offset(change - SignedDuration::from_nanos(1)).seconds();
    let moved = i64::from(rules.to_offset(change).seconds() - before);
    let since = due.as_second() - change.as_second();
    // A change by a day leaves out the hours of that day, which are made up for on the next.
    since < moved.abs() && (moved > 0 || rhythm)
}

fn digest(seconds: &[i64]) -> String {
    let text = seconds.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    Sha256::digest(text).iter().take(8).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn assert_same(cases: &[Case], zone: impl Fn(&str) -> Zone) {
    let differ: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            Some(format!("{:?} in {}: {}", case.crontab, case.zone, difference(case, &zone(&case.zone))?))
        })
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        cases.len(),
        differ[..differ.len().min(5)].join("\n")
    );
}

fn read<T: for<'de> Deserialize<'de>>(lines: &str) -> Vec<T> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn five_hundred_crontabs_are_due_when_celery_says() {
    let cases: Vec<Case> = read(include_str!("../golden/crontabs.jsonl"));
    assert_eq!(cases.len(), 500, "the capture is whole");
    assert_same(&cases, zone);
}

/// What one field means, of some eight hundred texts; Celery does not read all that stands there.
#[test]
fn fields_mean_what_they_mean_to_celery() {
    let cases: Vec<Meaning> = read(include_str!("../golden/grammar.jsonl"));
    assert!(cases.len() > 700, "the capture is whole");
    let mut overlooked = 0;
    for Meaning { text, means } in &cases {
        for field in ["minute", "hour", "day_of_week", "day_of_month", "month_of_year"] {
            let ours = Crontab::new(&serde_json::from_value(json!({ field: text })).unwrap());
            match (ours, means.get(field)) {
                (Ok(ours), Some(bits)) => {
                    let numbers: Vec<u8> = (0..64).filter(|number| bits & (1 << number) != 0).collect();
                    let theirs = Crontab::new(&serde_json::from_value(json!({ field: numbers })).unwrap()).unwrap();
                    assert!(ours.same_times(&theirs), "{field} = {text:?} means {numbers:?} to Celery");
                }
                (Err(error), Some(_)) => {
                    overlooked += 1;
                    assert!(goes_on(text), "{field} = {text:?} is accepted by Celery: {error}");
                }
                (Ok(_), None) => panic!("{field} = {text:?} is refused by Celery"),
                (Err(_), None) => {}
            }
        }
    }
    assert!(overlooked > 0, "Celery reads all that stands there now");
}

/// Whether something follows a whole range or step, or the first letters of a name, where Celery stops to read.
fn goes_on(text: &str) -> bool {
    let letters = |part: &str| part.chars().take_while(|sign| sign.is_alphabetic()).count();
    let name_and_more = |part: &str| letters(part) > 2 && letters(part) < part.len();
    text.split(',').any(|part| {
        part.matches(['-', '/', '*']).count() > 1 || part.split('-').any(name_and_more) || name_and_more(part)
    })
}

/// Others in every run, asked of Celery itself. `APIUM_BEAT_CASES` asks for more than twenty; or for `all`, which are the
/// five hundred in each of the twenty zones, and take Celery some minutes.
#[test]
fn fresh_crontabs_are_due_when_celery_says() {
    let count = std::env::var("APIUM_BEAT_CASES").unwrap_or_else(|_| "20".to_owned());
    let seed = jiff::Timestamp::now().as_second().to_string();
    let asked = if count == "all" { vec!["all"] } else { vec!["fresh", &seed, &count] };
    let output = python().args(asked).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("the seed is {seed}");
    assert_same(&read(&String::from_utf8(output.stdout).unwrap()), |name| Zone::named(name).unwrap());
}

/// Celery's losses, pinned beside what is due here; as they are in 5.7.
#[test]
fn what_celery_loses_is_due_here() {
    let madrid = zone("Europe/Madrid");
    let theirs = |line: &str, after: &str, until: &str| {
        let stepped = Stepped { schedule: &crontab(line), zone: &madrid, last: at(after) };
        stepped.take_while(|due| *due <= at(until)).count()
    };
    let ours = |line: &str, after: &str, until: &str| between(&crontab(line), &madrid, after, until).len();
    let autumn = ("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    // celery#10107: at 02:00 the second time.
    assert_eq!((theirs("0 * * * *", autumn.0, autumn.1), ours("0 * * * *", autumn.0, autumn.1)), (1, 2));
    assert_eq!((theirs("*/5 * * * *", autumn.0, autumn.1), ours("*/5 * * * *", autumn.0, autumn.1)), (12, 24));
    // celery#10608: at 02:30, after 02:00, on the day that has neither.
    let spring = ("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z");
    assert_eq!((theirs("0,30 2 * * *", spring.0, spring.1), ours("0,30 2 * * *", spring.0, spring.1)), (1, 2));
}

/// The capture script, run by a Python with Celery 5.7.
fn python() -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = std::env::var_os("APIUM_PYTHON_5_7").map_or(root.join(".venvs/celery-5.7/bin/python"), PathBuf::from);
    assert!(
        program.exists(),
        "this test needs a Python with Celery 5.7, but {} is not there: \
         run `cargo xtask setup`, or name one in APIUM_PYTHON_5_7",
        program.display()
    );
    let mut command = Command::new(program);
    command.arg(root.join("interop/capture/crontabs.py")).stdin(Stdio::null());
    command
}
