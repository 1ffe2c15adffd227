//! `beat`: schedules, listed and changed while schedulers run; `beat` alone is a scheduler (`roles.rs`).

mod showing;
mod words;

use std::process::ExitCode;

use apium::beat::celery::import;
use apium::beat::{Catalogue, Entry};
use clap::{Arg, Command};
use serde_json::json;

use super::Invocation;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, Scope, quoted};

pub(crate) use showing::{coming, decided, in_full, upcoming};

/// The command line of `beat`.
pub(crate) fn command(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let name = || Arg::new("name").required(true).value_name("NAME").help("The schedule's name");
    let count = |otherwise: &'static str, help: &'static str| {
        Arg::new("count").long("count").short('n').value_name("N").default_value(otherwise).help(help)
    };
    let one = |verb: &'static str, about: &'static str| with(Command::new(verb).about(about).arg(name()), &[]);
    let within = Arg::new("in").long("tz").value_name("ZONE").help("Show times of this zone, such as Europe/Madrid");
    with(
        Command::new("beat").about("Send tasks when they are due; any number may run, of which one leads"),
        &[Scope::Beat],
    )
    .args_conflicts_with_subcommands(false)
    .subcommands([
        with(Command::new("list").about("List the schedules: when each is due next, and how its last run was"), &[]),
        with(
            Command::new("next")
                .about("Tell what is due next, of all schedules or of one")
                .arg(name().required(false))
                .args([count("10", "So many due times"), within.clone()]),
            &[Scope::Beat],
        ),
        with(
            Command::new("history")
                .about("Tell what was decided: fired, skipped because …, late by …; the newest first")
                .arg(name().required(false))
                .args([count("20", "So many decisions"), within]),
            &[],
        ),
        one("show", "Print a schedule as JSON"),
        with(words::set().arg(name()), &[Scope::Beat]),
        with(
            Command::new("import")
                .about("Keep what a file says: Celery's beat_schedule as JSON; others stay as they are")
                .arg(Arg::new("file").required(true).value_name("FILE").help("The file")),
            &[Scope::Beat],
        ),
        one("drop", "Drop a schedule; one that settings declare is back with the next leader"),
        one("run", "Send its task now, whether it is due or not"),
        one("pause", "Send nothing by it until it is resumed; what is due meanwhile is past"),
        one("resume", "Let it go on"),
    ])
}

/// Runs one of the commands.
pub(crate) async fn beat(invocation: Invocation, verb: &str) -> Result<ExitCode, Failure> {
    invocation.needs_broker("beat")?;
    match verb {
        "list" => showing::list(&invocation).await?,
        "next" => showing::next(&invocation).await?,
        "history" => showing::history(&invocation).await?,
        "show" => showing::show(&invocation).await?,
        "set" => set(&invocation).await?,
        "import" => keep(&invocation).await?,
        _ => change(&invocation, verb).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(invocation: &Invocation) -> Result<(), Failure> {
    let entry = words::entry(invocation)?;
    let client = invocation.client().await?;
    let new = Catalogue::new(&client).put(&entry).await?;
    told(invocation, &entry.name, if new { "is kept" } else { "is changed" })?;
    if !invocation.json {
        output::line(&format!("due {}", entry.in_words()))?;
    }
    Ok(())
}

async fn keep(invocation: &Invocation) -> Result<(), Failure> {
    let path = invocation.matches.get_one::<String>("file").cloned().unwrap_or_default();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", quoted(&path))))?;
    let entries = import(&text, &invocation.settings.zone())
        .map_err(|error| Failure::usage(format!("{} cannot be used: {error}", quoted(&path))))?;
    let client = invocation.client().await?;
    for entry in &entries {
        // Put by hand: no settings file answers for them.
        let entry = Entry { origin: apium::beat::Origin::Operator, ..entry.clone() };
        Catalogue::new(&client).put(&entry).await?;
    }
    if invocation.json {
        return output::json(&json!({"kept": entries.iter().map(|entry| &entry.name).collect::<Vec<_>>()}));
    }
    entries.iter().try_for_each(|entry| output::line(&format!("{}: due {}", entry.name, entry.in_words())))
}

/// What takes nothing but a name.
async fn change(invocation: &Invocation, verb: &str) -> Result<(), Failure> {
    let name = named(invocation);
    let backend = invocation.look().await?;
    let client = invocation.app.client(&backend);
    let catalogue = Catalogue::new(&client);
    let done = match verb {
        "run" => {
            let task_id = catalogue.run(&name).await?;
            return if invocation.json { output::json(&json!({"task_id": task_id})) } else { output::line(&task_id) };
        }
        "pause" => catalogue.pause(&name, true).await.map(|()| "is paused"),
        "resume" => catalogue.pause(&name, false).await.map(|()| "goes on"),
        _ => catalogue.discard(&name).await.map(|()| "is dropped"),
    };
    told(invocation, &name, done?)
}

fn told(invocation: &Invocation, name: &str, done: &str) -> Result<(), Failure> {
    if invocation.json {
        output::json(&json!({"schedule": name, "done": done}))
    } else {
        output::line(&format!("{name} {done}"))
    }
}

fn named(invocation: &Invocation) -> String {
    invocation.matches.get_one::<String>("name").cloned().unwrap_or_default()
}

fn counted(invocation: &Invocation) -> Result<usize, Failure> {
    let count = arguments::number(&invocation.matches, "count", Kind::Count { least: 1, most: 100_000 })?;
    Ok(count.unwrap_or(1))
}
