//! Which dead letters a command means: those named by their ids, or those that fit what is asked for.

use std::time::Duration;

use apium_core::{Broker, DeadFilter, DeadReason};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use jiff::Timestamp;

use crate::arguments::{self, switch};
use crate::commands::Invocation;
use crate::failure::Failure;
use crate::settings::{HUNDRED_YEARS, Kind, Scope, quoted};

/// The command line of `dead`.
pub(crate) fn command(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let id = || Arg::new("id").value_name("ID").num_args(1..).help("The dead letter's id");
    let dry_run = || switch("dry-run", "Only tell how many there are");
    let arguments = |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("JSON").help(help);
    Command::new("dead")
        .about("Messages given up, kept with their reason")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with(
                Command::new("list")
                    .about("List dead letters, newest first")
                    .args(filters())
                    .arg(limit().default_value("50")),
                &[],
            ),
            with(Command::new("show").about("Show one dead letter, with its message").arg(id().required(true)), &[]),
            with(
                Command::new("replay")
                    .about("Put messages back into their queues under their ids, with no retries made yet")
                    .arg(id())
                    .args(filters())
                    .args([limit(), everyone(), dry_run()])
                    .arg(
                        Arg::new("rate")
                            .long("rate")
                            .value_name("N")
                            .allow_negative_numbers(true)
                            .help("At most so many a second [1 to 100000]"),
                    )
                    .arg(arguments("args", "Instead of the positional arguments, a JSON list"))
                    .arg(arguments("kwargs", "Instead of the arguments by name, a JSON object")),
                &[],
            ),
            with(
                Command::new("drop")
                    .about("Throw dead letters away for good; asks first")
                    .arg(id())
                    .args(filters())
                    .args([limit(), everyone(), dry_run()])
                    .arg(switch("yes", "Do not ask").short('y')),
                &[],
            ),
        ])
}

fn filters() -> [Arg; 6] {
    let filter = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).allow_negative_numbers(true).help(help)
    };
    let words = PossibleValuesParser::new(DeadReason::ALL.map(DeadReason::word));
    [
        filter("queue", "QUEUE", "Only of this queue"),
        filter("task", "NAME", "Only of this task"),
        filter("reason", "REASON", "Only those given up for this reason").value_parser(words),
        filter("error", "TEXT", "Only those with this text in their error"),
        filter("older-than", "AGE", "Only those given up longer ago than this: seconds, or 30m, 12h, 7d"),
        filter("newer-than", "AGE", "Only those given up within this time, likewise"),
    ]
}

fn limit() -> Arg {
    let limit = Arg::new("limit").long("limit").value_name("N").allow_negative_numbers(true);
    limit.help("At most so many, the newest [1 to 100000]")
}

fn everyone() -> Arg {
    switch("all", "Every dead letter there is")
}

/// What these arguments ask for.
pub(super) fn filter(invocation: &Invocation) -> Result<DeadFilter, Failure> {
    let matches = &invocation.matches;
    let text = |name: &str| matches.get_one::<String>(name);
    let ago = |name: &str| -> Result<Option<Timestamp>, Failure> {
        let Some(text) = text(name) else { return Ok(None) };
        let age = age(text).ok_or_else(|| {
            let text = quoted(text);
            Failure::usage(format!(
                "--{name} must be an age of at most 100 years, such as 90, 30m, 12h or 7d, not {text}"
            ))
        })?;
        Ok(Timestamp::now().checked_sub(age).ok())
    };
    Ok(DeadFilter {
        queue: arguments::name(matches, "queue")?,
        task: arguments::name(matches, "task")?,
        reason: text("reason").and_then(|word| DeadReason::ALL.into_iter().find(|reason| reason.word() == word)),
        error: text("error").cloned(),
        since: ago("newer-than")?,
        before: ago("older-than")?,
        limit: arguments::number(matches, "limit", Kind::Count { least: 1, most: 100_000 })?,
    })
}

/// The letters a command is to act on.
pub(super) enum Choice {
    /// Those of these ids.
    Named(Vec<String>),
    /// Those that fit.
    Fitting(DeadFilter),
}

impl Choice {
    /// What was chosen: by ids or by what is asked for, never all of them unless that is said.
    pub(super) fn read(invocation: &Invocation) -> Result<Self, Failure> {
        let named = arguments::names("id", invocation.words("id"))?;
        let filter = filter(invocation)?;
        let asked = filters().iter().any(|flag| invocation.matches.contains_id(flag.get_id().as_str()));
        match (named.is_empty(), asked || filter.limit.is_some(), invocation.matches.get_flag("all")) {
            (false, false, false) => Ok(Self::Named(named)),
            (true, true, false) | (true, _, true) if !(asked && invocation.matches.get_flag("all")) => {
                Ok(Self::Fitting(filter))
            }
            (true, false, false) => Err(Failure::usage(
                "which dead letters? Name their ids, choose them by --task, --queue, --reason, --error, --older-than \
                 or --newer-than, or say --all",
            )),
            _ => Err(Failure::usage("dead letters are named by ids, or chosen by filters, or all: one of them")),
        }
    }

    /// Their ids, oldest first; those that were named as they were named.
    pub(super) async fn ids(&self, broker: &dyn Broker) -> Result<Vec<String>, Failure> {
        match self {
            Self::Named(ids) => {
                for id in ids {
                    broker.dead_letter(id).await?.ok_or_else(|| super::unknown(id))?;
                }
                Ok(ids.clone())
            }
            Self::Fitting(filter) => {
                let mut ids = broker.dead_ids(filter).await?;
                ids.reverse();
                Ok(ids)
            }
        }
    }
}

/// Seconds, or a number with a unit.
fn age(text: &str) -> Option<Duration> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3_600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=HUNDRED_YEARS).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}
