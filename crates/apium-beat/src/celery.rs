//! Celery's `beat_schedule`, as JSON.
//!
//! A table of entries by their names. Each has a `task` and a `schedule`, and may have `args`, `kwargs`, `options` and
//! `relative`, as in Celery. A `schedule` may be:
//!
//! | written | means in Celery |
//! | --- | --- |
//! | `30.0` | `30.0`: every 30 seconds |
//! | `{"timedelta": {"minutes": 5}}`, `{"interval": 300}` | `timedelta(minutes=5)` |
//! | `"0 9 * * 1-5"`, `{"crontab": "0 9 * * 1-5"}` | `crontab.from_string("0 9 * * 1-5")` |
//! | `{"crontab": {"hour": 9, "minute": 0, "day_of_week": "1-5"}}` | `crontab(hour=9, minute=0, day_of_week="1-5")` |
//! | `{"solar": {"event": "sunset", "lat": 40.4, "lon": -3.7}}` | `solar("sunset", 40.4, -3.7)` |
//! | `{"__type__": "crontab", "hour": 9, …}`, `{"__type__": "interval", "every": 60}` | the same, as RedBeat keeps it |
//!
//! Beside these there is `{"once": "2026-12-24T18:00:00Z"}`, which Celery has not. As in Celery's `crontab(…)`, a field
//! that is left out is `*`: with an hour and no minute it is due every minute of that hour.
//!
//! An entry may also say what only ours can: `zone`, `missed`, `window`, `overlap`, `jitter`, `paused`, `start`, `end`, as
//! in [`Entry`].

use apium_protocol::RawJson;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::entry::Entry;
use crate::error::ScheduleError;
use crate::policy::Origin;
use crate::schedule::Schedule;
use crate::zone::Zone;

/// What Celery lets an entry say.
#[derive(Deserialize)]
struct Form {
    task: String,
    schedule: Value,
    args: Option<Vec<RawJson>>,
    kwargs: Option<RawJson>,
    options: Option<RawJson>,
    #[serde(default)]
    relative: bool,
    /// What an [`Entry`] says beside.
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The parts of a `timedelta`, in seconds.
const PARTS: [(&str, f64); 7] = [
    ("weeks", 604_800.0),
    ("days", 86_400.0),
    ("hours", 3_600.0),
    ("minutes", 60.0),
    ("seconds", 1.0),
    ("milliseconds", 1e-3),
    ("microseconds", 1e-6),
];

/// Reads a `beat_schedule`. The zone is the one of all crontabs: Celery's setting `timezone`.
///
/// # Errors
/// The first entry that cannot be read, and what is wrong with it.
pub fn import(json: &str, zone: &Zone) -> Result<Vec<Entry>, ScheduleError> {
    let wrong = |error: &dyn std::fmt::Display| ScheduleError::new("beat_schedule", format!("cannot be read: {error}"));
    let table = RawJson::parse(json).map_err(|error| wrong(&error))?;
    let entries = table.members().map_err(|error| wrong(&error))?;
    entries.into_iter().map(|(name, entry)| read(&name, &entry, zone)).collect()
}

fn read(name: &str, entry: &RawJson, zone: &Zone) -> Result<Entry, ScheduleError> {
    let wrong = |field: &str, error: &dyn std::fmt::Display| {
        ScheduleError::new(field, format!("cannot be read: {error}")).within(name)
    };
    let form: Form = entry.to().map_err(|error| wrong("entry", &error))?;
    let schedule: Schedule = serde_json::from_value(plain(form.schedule)).map_err(|error| wrong("schedule", &error))?;
    let schedule = match schedule {
        Schedule::Interval(interval) if form.relative => Schedule::Interval(interval.relative()),
        other => other,
    };
    let table = |field: &str, table: Option<RawJson>| match table.filter(|table| !table.is_null()) {
        Some(table) => table.members().map_err(|error| wrong(field, &error)),
        None => Ok(Vec::new()),
    };
    let mut ours = form.more;
    for known in ["name", "origin"] {
        if ours.contains_key(known) {
            return Err(ScheduleError::new(known, "is not for the settings to say").within(name));
        }
    }
    let has_zone = ours.contains_key("zone");
    ours.extend([("name".to_owned(), name.into()), ("task".to_owned(), form.task.into())]);
    ours.insert("schedule".to_owned(), 1.into());
    let ours: Entry = serde_json::from_value(Value::Object(ours)).map_err(|error| wrong("entry", &error))?;
    let entry = Entry {
        schedule,
        zone: if has_zone { ours.zone.clone() } else { zone.clone() },
        args: form.args.unwrap_or_default(),
        kwargs: table("kwargs", form.kwargs)?,
        options: table("options", form.options)?,
        origin: Origin::File,
        ..ours
    };
    entry.check()?;
    Ok(entry)
}

/// What only Celery's world writes, in our own words.
fn plain(schedule: Value) -> Value {
    let Value::Object(mut table) = schedule else { return schedule };
    if let Some(Value::String(kind)) = table.remove("__type__") {
        return one(&kind, Value::Object(table));
    }
    match table.get("timedelta").and_then(seconds) {
        Some(seconds) if table.len() == 1 => one("interval", seconds.into()),
        _ => Value::Object(table),
    }
}

/// The seconds of a `timedelta`; none if it is not one.
fn seconds(timedelta: &Value) -> Option<f64> {
    let Value::Object(parts) = timedelta else { return timedelta.as_f64() };
    parts.iter().try_fold(0.0, |sum, (name, number)| {
        let (_, seconds) = PARTS.iter().find(|(part, _)| part == name)?;
        Some(sum + number.as_f64()? * seconds)
    })
}

fn one(kind: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(kind.to_owned(), value)]))
}
