//! `limits`: what all workers keep together, listed with its use, set and taken away while they run.

use std::process::ExitCode;
use std::str::FromStr;

use apium_core::limits::{BreakerState, Limit, LimitUse, Origin, check_name};
use clap::{Arg, Command};
use serde_json::json;

use super::Invocation;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, Scope};
use crate::stderr::say;

/// How many at once.
const AT_ONCE: &str = "at-once";

/// The command line of `limits`.
pub(crate) fn command(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let name = || {
        let help = "task:NAME, queue:NAME, a value of an argument such as tenant=acme, or tenant=* for each value";
        Arg::new("name").required(true).value_name("NAME").help(help)
    };
    let bound = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).allow_negative_numbers(true).help(help)
    };
    Command::new("limits")
        .about("How often and how many at once, kept by all workers together; circuit breakers and fair shares")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with(Command::new("list").about("List the limits that are set, and how they are used"), &[]),
            with(
                Command::new("set")
                    .about("Set a limit, in place of what was set under this name; workers heed it within a second")
                    .arg(name())
                    .args([
                        bound("rate", "RATE", "At most so many starts: 10/s, 5/m, 100/h, or 3/10s in any 10 seconds"),
                        // Under a name of its own: a worker's setting is called concurrency too.
                        bound(AT_ONCE, "N", "At most so many at once [1 to 1000000]").long("concurrency"),
                        bound(
                            "breaker",
                            "BREAKER",
                            "After 5 failures in any minute no start for 30 s, then one as a probe: 5/1m:30s",
                        ),
                        bound(
                            "share",
                            "ARGUMENT",
                            "Of queue:NAME: who shares it fairly, by an argument such as tenant",
                        ),
                        bound("weight", "W", "Of tenant=acme or tenant=*: turns while others get one [0.01 to 1000]"),
                    ]),
                &[],
            ),
            with(
                Command::new("drop")
                    .about("Take a limit away; one that tasks declare is back with the next worker that starts")
                    .arg(name()),
                &[],
            ),
        ])
}

/// Lists the limits.
pub(crate) async fn list(invocation: Invocation) -> Result<ExitCode, Failure> {
    let uses = invocation.look().await?.broker.limits().limit_uses().await?;
    if invocation.json {
        output::json(&uses.iter().map(told).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if uses.is_empty() {
        say("no limits are set");
        return Ok(ExitCode::SUCCESS);
    }
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |used: &LimitUse| {
        let limit = &used.limit;
        vec![
            output::short(&used.name),
            or_none(limit.rate.map(|rate| rate.to_string())),
            or_none(limit.concurrency.map(|most| most.to_string())),
            or_none(limit.breaker.map(|breaker| breaker.to_string())),
            or_none(share(limit)),
            used.running.to_string(),
            used.waiting.to_string(),
            or_none(used.state.map(|state| word(state).to_owned())),
            origin(used.origin).to_owned(),
        ]
    };
    let rows: Vec<_> = uses.iter().map(row).collect();
    output::table(
        &["NAME", "RATE", "CONCURRENCY", "BREAKER", "SHARE", "RUNNING", "WAITING", "STATE", "SET BY"],
        &rows,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Sets one.
pub(crate) async fn set(invocation: Invocation) -> Result<ExitCode, Failure> {
    let name = named(&invocation)?;
    let limit = Limit {
        rate: read(&invocation, "rate")?,
        concurrency: at_once(&invocation)?,
        breaker: read(&invocation, "breaker")?,
        share: invocation.matches.get_one::<String>("share").cloned(),
        weight: weight(&invocation)?,
    };
    if limit.is_empty() {
        return Err(Failure::usage(
            "limited to what? Say --rate, --concurrency, --breaker, --share or --weight; `limits drop` takes it away",
        ));
    }
    limit.check(&name).map_err(Failure::usage)?;
    // Also before the first worker has made the store.
    let broker = invocation.connect().await?.broker;
    broker.limits().set_limit(&name, &limit).await?;
    if limit.holds_up() && broker.shards().len() > 1 && !name.starts_with("queue:") {
        say(&format!("each shard counts for itself: where tasks under {name} are in several, each allows as much"));
    }
    if invocation.json {
        output::json(&json!({"set": name}))?;
    } else {
        output::line(&told_of(&name, &limit))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes one away.
pub(crate) async fn discard(invocation: Invocation) -> Result<ExitCode, Failure> {
    let name = named(&invocation)?;
    if !invocation.look().await?.broker.limits().drop_limit(&name).await? {
        return Err(Failure::new(format!("no limit is set for {name}")));
    }
    if invocation.json {
        output::json(&json!({"dropped": name}))?;
    } else {
        output::line(&format!("{name} is limited no more"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn named(invocation: &Invocation) -> Result<String, Failure> {
    let name = invocation.matches.get_one::<String>("name").cloned().unwrap_or_default();
    check_name(&name).map_err(Failure::usage)?;
    Ok(name)
}

fn at_once(invocation: &Invocation) -> Result<Option<u32>, Failure> {
    let Some(text) = invocation.matches.get_one::<String>(AT_ONCE) else { return Ok(None) };
    let kind = Kind::Count { least: 1, most: 1_000_000 };
    kind.check(text).map_err(|why| Failure::usage(format!("--concurrency {why}")))?;
    Ok(text.parse().ok())
}

/// What was set, in words.
fn told_of(name: &str, limit: &Limit) -> String {
    match (&limit.share, limit.weight) {
        (Some(by), _) => format!("{name} is shared by {by}"),
        (None, Some(weight)) if !limit.holds_up() => format!("{name} has a weight of {weight}"),
        _ => format!("{name} is limited"),
    }
}

fn weight(invocation: &Invocation) -> Result<Option<f64>, Failure> {
    let Some(text) = invocation.matches.get_one::<String>("weight") else { return Ok(None) };
    let wrong = |_| Failure::usage(format!("--weight: {text:?} is no number such as 3 or 0.5"));
    text.parse().map(Some).map_err(wrong)
}

fn read<T: FromStr<Err = String>>(invocation: &Invocation, flag: &str) -> Result<Option<T>, Failure> {
    let text = invocation.matches.get_one::<String>(flag);
    let read = |text: &String| text.parse().map_err(|why| Failure::usage(format!("--{flag}: {why}")));
    text.map(read).transpose()
}

/// A limit and its use, in the notation of the command line.
fn told(used: &LimitUse) -> serde_json::Value {
    json!({
        "name": used.name,
        "rate": used.limit.rate.map(|rate| rate.to_string()),
        "concurrency": used.limit.concurrency,
        "breaker": used.limit.breaker.map(|breaker| breaker.to_string()),
        "share": used.limit.share,
        "weight": used.limit.weight,
        "running": used.running,
        "waiting": used.waiting,
        "state": used.state.map(word),
        "set_by": origin(used.origin),
    })
}

/// By what a queue is shared, or what a share weighs.
fn share(limit: &Limit) -> Option<String> {
    limit.share.as_ref().map(|by| format!("by {by}")).or_else(|| limit.weight.map(|weight| format!("x{weight}")))
}

fn word(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half-open",
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Code => "code",
        Origin::Operator => "operator",
    }
}
