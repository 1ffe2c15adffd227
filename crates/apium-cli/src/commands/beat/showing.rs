//! What is shown of schedules: a list, the next due times, the history.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use apium::beat::{Catalogue, Entry, Listed, Origin, Told, Zone};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{counted, named};
use crate::commands::Invocation;
use crate::failure::Failure;
use crate::output;
use crate::stderr::say;

/// Lists the schedules.
pub(super) async fn list(invocation: &Invocation) -> Result<(), Failure> {
    let now = Timestamp::now();
    let listed = all(invocation).await?;
    if invocation.json {
        return output::json(&listed.iter().map(|listed| in_full(listed, now)).collect::<Vec<_>>());
    }
    if listed.is_empty() {
        say("there are no schedules; `beat set --help` tells how to make one");
        return Ok(());
    }
    let row = |Listed { entry, state }: &Listed| {
        let next = if entry.paused { None } else { next_of(entry, now) };
        let last = state.as_ref().and_then(|state| state.last.as_ref());
        vec![
            output::short(&entry.name),
            output::short(&entry.task),
            output::short(&entry.in_words().to_string()),
            if entry.paused {
                "paused".to_owned()
            } else {
                next.map_or("never".to_owned(), |next| local(next, &entry.zone))
            },
            last.map_or("-".to_owned(), |run| local(run.sent, &entry.zone)),
            state.as_ref().map_or(0, |state| state.runs).to_string(),
            origin(entry.origin).to_owned(),
        ]
    };
    let rows: Vec<_> = listed.iter().map(row).collect();
    output::table(&["NAME", "TASK", "DUE", "NEXT", "LAST RUN", "RUNS", "SET BY"], &rows)
}

/// Tells the next due times of all, or of one, in their order.
pub(super) async fn next(invocation: &Invocation) -> Result<(), Failure> {
    let (now, name, count) = (Timestamp::now(), named(invocation), counted(invocation)?);
    let zone = zone(invocation)?;
    let mut entries: Vec<Entry> = all(invocation).await?.into_iter().map(|listed| listed.entry).collect();
    if !name.is_empty() {
        entries.retain(|entry| entry.name == name);
        if entries.is_empty() {
            return Err(Failure::new(format!("no schedule has the name {name}; `beat list` shows those there are")));
        }
    }
    let rows = coming(&entries, now, count);
    if invocation.json {
        let row = |(due, entry): &(Timestamp, &Entry)| upcoming(*due, entry, zone.as_ref());
        return output::json(&rows.iter().map(row).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        say("nothing is due any more");
        return Ok(());
    }
    let row = |(due, entry): &(Timestamp, &Entry)| {
        vec![local(*due, zone.as_ref().unwrap_or(&entry.zone)), output::short(&entry.name), output::short(&entry.task)]
    };
    output::table(&["DUE", "NAME", "TASK"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// Tells what was decided.
pub(super) async fn history(invocation: &Invocation) -> Result<(), Failure> {
    let (name, count, zone) = (named(invocation), counted(invocation)?, zone(invocation)?.unwrap_or(Zone::UTC));
    let backend = invocation.look().await?;
    let client = invocation.app.client(&backend);
    let lines = Catalogue::new(&client).history(Some(&*name).filter(|name| !name.is_empty()), count).await?;
    if invocation.json {
        return output::json(&lines.iter().map(|(entry, told)| decided(entry, told)).collect::<Vec<_>>());
    }
    if lines.is_empty() {
        say("nothing was decided yet");
        return Ok(());
    }
    let row = |(entry, told): &(String, Told)| {
        let due = told.due.map_or("-".to_owned(), |due| local(due, &zone));
        vec![local(told.at, &zone), output::short(entry), due, told.what.clone()]
    };
    output::table(&["AT", "NAME", "DUE", "WHAT"], &lines.iter().map(row).collect::<Vec<_>>())
}

/// Prints one as JSON, as it is kept.
pub(super) async fn show(invocation: &Invocation) -> Result<(), Failure> {
    let backend = invocation.look().await?;
    let client = invocation.app.client(&backend);
    let listed = Catalogue::new(&client).get(&named(invocation)).await?;
    output::json(&in_full(&listed, Timestamp::now()))
}

/// A schedule, and how far it is, for machines.
pub(crate) fn in_full(Listed { entry, state }: &Listed, now: Timestamp) -> Value {
    let next = next_of(entry, now).filter(|_| !entry.paused);
    json!({"entry": entry, "state": state, "next": next, "due": entry.in_words().to_string()})
}

/// A due time, for machines; shown as the clocks of this zone say it, else those of the entry.
pub(crate) fn upcoming(due: Timestamp, entry: &Entry, zone: Option<&Zone>) -> Value {
    let shown = local(due, zone.unwrap_or(&entry.zone));
    json!({"due": due, "local": shown, "schedule": entry.name, "task": entry.task})
}

/// A decision, for machines.
pub(crate) fn decided(entry: &str, told: &Told) -> Value {
    json!({"at": told.at, "schedule": entry, "due": told.due, "task_id": told.task_id, "what": told.what})
}

/// The next due times after an instant in their order, at most so many; of what is paused none.
pub(crate) fn coming(entries: &[Entry], now: Timestamp, count: usize) -> Vec<(Timestamp, &Entry)> {
    let going = entries.iter().enumerate().filter(|(_, entry)| !entry.paused);
    let mut coming: BinaryHeap<_> = going.filter_map(|(at, entry)| Some(Reverse((entry.next(now)?, at)))).collect();
    let mut rows = Vec::new();
    while rows.len() < count
        && let Some(Reverse((due, at))) = coming.pop()
    {
        coming.extend(entries[at].next(due).map(|later| Reverse((later, at))));
        rows.push((due, &entries[at]));
    }
    rows
}

async fn all(invocation: &Invocation) -> Result<Vec<Listed>, Failure> {
    let backend = invocation.look().await?;
    let client = invocation.app.client(&backend);
    Ok(Catalogue::new(&client).list().await?)
}

/// When it is due next, by its jitter.
fn next_of(entry: &Entry, now: Timestamp) -> Option<Timestamp> {
    entry.next(now).map(|due| entry.release(due))
}

fn zone(invocation: &Invocation) -> Result<Option<Zone>, Failure> {
    let name = invocation.matches.get_one::<String>("in");
    let zone = name.map(|name| Zone::named(name).map_err(|error| Failure::usage(format!("--tz: {error}"))));
    zone.transpose()
}

/// A time as the clocks of a zone show it.
fn local(at: Timestamp, zone: &Zone) -> String {
    at.to_zoned(zone.rules().clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Code => "code",
        Origin::File => "settings",
        Origin::Operator => "operator",
    }
}
