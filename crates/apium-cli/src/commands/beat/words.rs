//! The words of `beat set`: an entry, as people say it.

use apium::beat::Entry;
use apium_protocol::RawJson;
use clap::{Arg, ArgGroup, Command};
use serde_json::{Map, Value, json};

use super::named;
use crate::commands::Invocation;
use crate::failure::Failure;
use crate::settings::quoted;

/// The command line of `set`.
pub(super) fn set() -> Command {
    let word = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).allow_negative_numbers(true).help(help)
    };
    Command::new("set")
        .about("Keep a schedule, in place of the one with its name; schedulers heed it at once")
        .args([
            word("task", "TASK", "The name of the task").required(true),
            word("crontab", "LINE", "Five fields as Celery reads them: minute, hour, day of month, month, day of week"),
            word("every", "SPAN", "Again and again after so long: 30 (seconds), 5m, 2h, 1d"),
            word("at", "TIME", "Once, such as 2026-12-24T18:00:00+01:00"),
            word("solar", "EVENT,LAT,LON", "When the sun is somewhere: sunset,40.4,-3.7"),
            word("zone", "ZONE", "The zone of its clock, such as Europe/Madrid; else the setting timezone"),
            word("args", "JSON", "Positional arguments, a JSON list"),
            word("kwargs", "JSON", "Arguments by name, a JSON object"),
            word("queue", "QUEUE", "The queue; else where the task goes by the routes"),
            word("priority", "0-9", "Lowest first"),
            word("expires", "SECONDS", "Not begun any more so long after it was sent"),
            word(
                "missed",
                "POLICY",
                "Of due times that nobody was there for: skip, latest (one makes up for all) or all",
            )
            .value_parser(["skip", "latest", "all"]),
            word("window", "SPAN", "A run that is later than this is not sent at all"),
            word("overlap", "POLICY", "What becomes of a run while the one before goes on").value_parser([
                "allow",
                "skip",
                "queue-one",
                "cancel-running",
            ]),
            word("jitter", "SPAN", "Put each run off by up to this much"),
            word("start", "TIME", "Not due before"),
            word("end", "TIME", "Not due after"),
        ])
        .group(ArgGroup::new("when").args(["crontab", "every", "at", "solar"]).required(true))
}

/// The entry that was said.
pub(super) fn entry(invocation: &Invocation) -> Result<Entry, Failure> {
    let text = |name: &str| invocation.matches.get_one::<String>(name).cloned();
    let mut entry = Map::new();
    entry.insert("name".to_owned(), named(invocation).into());
    let zone = text("zone").unwrap_or_else(|| invocation.settings.zone().name().to_owned());
    entry.insert("zone".to_owned(), zone.into());
    entry.insert("schedule".to_owned(), schedule(&text)?);
    for name in ["task", "missed", "overlap", "start", "end"] {
        entry.extend(text(name).map(|text| (name.to_owned(), text.into())));
    }
    for name in ["window", "jitter"] {
        entry.extend(text(name).map(|text| (name.to_owned(), number_or_text(&text))));
    }
    let mut options = Map::new();
    options.extend(text("queue").map(|queue| ("queue".to_owned(), queue.into())));
    for name in ["priority", "expires"] {
        if let Some(text) = text(name) {
            let number: f64 =
                text.parse().map_err(|_| Failure::usage(format!("--{name} {} is no number", quoted(&text))))?;
            let number =
                if number.fract() == 0.0 { json!(text.parse::<i64>().unwrap_or_default()) } else { json!(number) };
            options.insert(name.to_owned(), number);
        }
    }
    entry.insert("options".to_owned(), options.into());
    let mut entry = Entry::parse(&Value::Object(entry).to_string()).map_err(|error| wrong(&error.to_string()))?;
    // As they were written: what JSON of ours cannot hold (NaN, long numbers) stays as it is.
    entry.args = json_of("args", text("args"), RawJson::elements)?;
    entry.kwargs = json_of("kwargs", text("kwargs"), RawJson::members)?;
    Ok(entry)
}

/// What is wrong with the entry, without the place in a text that nobody has seen.
fn wrong(sentence: &str) -> Failure {
    Failure::usage(sentence.rsplit_once(" at line ").map_or(sentence, |(what, _)| what))
}

fn schedule(text: &dyn Fn(&str) -> Option<String>) -> Result<Value, Failure> {
    if let Some(line) = text("crontab") {
        return Ok(json!({"crontab": line}));
    }
    if let Some(span) = text("every") {
        return Ok(json!({"interval": number_or_text(&span)}));
    }
    if let Some(at) = text("at") {
        return Ok(json!({"once": at}));
    }
    let solar = text("solar").unwrap_or_default();
    let wrong = || Failure::usage(format!("--solar {} is not EVENT,LAT,LON, such as sunset,40.4,-3.7", quoted(&solar)));
    let mut parts = solar.split(',').map(str::trim);
    let event = parts.next().ok_or_else(wrong)?;
    let mut degrees = || parts.next().and_then(|text| text.parse::<f64>().ok()).ok_or_else(wrong);
    Ok(json!({"solar": {"event": event, "lat": degrees()?, "lon": degrees()?}}))
}

/// Seconds are a number, anything else a text that names its unit.
fn number_or_text(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}

fn json_of<T, E>(name: &str, text: Option<String>, read: fn(&RawJson) -> Result<Vec<T>, E>) -> Result<Vec<T>, Failure> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let what = if name == "args" { crate::commands::call::LIST } else { crate::commands::call::OBJECT };
    let wrong = || Failure::usage(format!("--{name} {} is not {what}", quoted(&text)));
    RawJson::parse(&text).ok().and_then(|json| read(&json).ok()).ok_or_else(wrong)
}
