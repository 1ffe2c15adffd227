//! `apium control revoke`: what is called off is kept in the store, so that it holds for workers that start later, and said
//! to those that live.
//!
//! Stamps, and names with arguments, are looked for among all that waits or is held, and what is found is called off by
//! id, as Python workers understand it. For a while after that Apium workers go by the stamp or name itself: what was on
//! its way at that moment is reached too. It must not be for long, because messages do not tell when they were sent.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use apium::Backend;
use apium_core::revocation::{KEEP, Revocation};
use apium_protocol::control::{Command, Signal, StampedHeaders};
use apium_protocol::{Headers, Message, Payload, RawJson};
use clap::{Arg, ArgAction, ArgMatches};
use jiff::Timestamp;
use serde_json::Value;

use super::super::Invocation;
use super::asking::say_namesakes;
use super::{Answered, PATIENCE, Question, orders, show, showing};
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, quoted};
use crate::stderr::say;

/// Ids that are kept, or said, at once.
const TOGETHER: usize = 1_000;

/// The most seconds that a stamp or a name may count.
const WEEK: f64 = 7.0 * 86_400.0;

/// What `revoke` takes beside ids.
pub(super) fn arguments() -> [Arg; 5] {
    let several = |name: &'static str, shown: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(shown).action(ArgAction::Append).help(help)
    };
    [
        several("stamp", "KEY=VALUE", "The tasks that carry this stamp"),
        Arg::new("task").long("task").value_name("NAME").help("The tasks of this name"),
        several("arg", "NAME=JSON", "Of these only those called with this argument, by its name or its place (from 0)")
            .requires("task"),
        arguments::switch("terminate", "End those that run, too"),
        Arg::new("for").long("for").value_name("SECONDS").help(
            "For how long a stamp or a name counts for what is taken up later, also if it is sent later [default: 60]",
        ),
    ]
}

/// Calls tasks off.
pub(super) async fn revoke(invocation: &Invocation) -> Result<ExitCode, Failure> {
    let matches = &invocation.matches;
    let ids = invocation.words("task_id");
    let mut what = asked(matches, &invocation.words("stamp"), &invocation.words("arg"))?;
    let by_rule = !what.stamps.is_empty() || what.task.is_some();
    if ids.is_empty() && !by_rule {
        return Err(Failure::usage("name what is to be revoked: IDs, --stamp KEY=VALUE or --task NAME"));
    }
    if !invocation.words("destination").is_empty() {
        if by_rule || what.terminate {
            return Err(Failure::usage(
                "what is called off by --stamp or --task, or ended by --terminate, is so for all workers: leave --destination out",
            ));
        }
        return show(invocation, &orders::command("revoke", matches)?, true, false).await;
    }
    let keep = arguments::number::<f64>(matches, "for", Kind::Seconds { least: 0.0, most: WEEK })?.unwrap_or(60.0);
    let backend = invocation.look().await?;
    let client = invocation.app.client(&backend);
    let found = if by_rule { look_through(invocation, &backend, &what).await? } else { BTreeSet::new() };
    let all: Vec<String> = ids.into_iter().chain(found.iter().cloned()).collect();
    for some in all.chunks(TOGETHER) {
        let by_id = Revocation { ids: some.to_vec(), terminate: what.terminate, ..Revocation::default() };
        client.call_off(&by_id, KEEP).await?;
    }
    let keep = Duration::from_secs_f64(keep);
    if by_rule && !keep.is_zero() {
        what.until = Some((Timestamp::now() + keep).as_second());
        client.call_off(&what, keep).await?;
    }
    tell(invocation, &backend, &all, &what).await?;
    if by_rule && !invocation.json {
        let tasks = if found.len() == 1 { "task" } else { "tasks" };
        output::line(&format!(
            "{} {tasks} found and revoked; what else fits is for {} s",
            found.len(),
            keep.as_secs_f64()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is meant, but for the ids.
fn asked(matches: &ArgMatches, stamps: &[String], arguments: &[String]) -> Result<Revocation, Failure> {
    let mut what = Revocation {
        task: matches.get_one::<String>("task").cloned(),
        terminate: matches.get_flag("terminate"),
        ..Revocation::default()
    };
    for word in stamps {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Failure::usage(format!("--stamp must be KEY=VALUE, as in customer=7, not {}", quoted(word)))
        })?;
        what.stamps.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    for word in arguments {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Failure::usage(format!("--arg must be NAME=JSON, as in customer=7, not {}", quoted(word)))
        })?;
        let value: Value = serde_json::from_str(value).map_err(|_| {
            Failure::usage(format!("the value of --arg {} is no JSON; a text stands in quotes", quoted(name)))
        })?;
        what.arguments.insert(name.to_owned(), value);
    }
    Ok(what)
}

/// The ids of all that waits or is held and is meant.
async fn look_through(
    invocation: &Invocation,
    backend: &Backend,
    what: &Revocation,
) -> Result<BTreeSet<String>, Failure> {
    let Some(inspection) = backend.broker.inspection() else { return Ok(BTreeSet::new()) };
    let (mut found, mut unsure) = (BTreeSet::new(), 0_u64);
    let mut look = |bytes: &[u8]| {
        let Ok(message) = Message::decode(bytes) else { return };
        let payload = backend.bodies.open(&message).unwrap_or_default();
        let task = invocation.app.registry().get(&message.headers.task);
        let parameters = task.map_or(&[][..], |task| task.parameters());
        if what.reaches(&message.headers, &payload, parameters) {
            found.insert(message.headers.id);
        } else if parameters.is_empty() && might_fit(what, &message.headers, &payload) {
            unsure += 1;
        }
    };
    let whole = inspection.look_through(&mut look).await?;
    if unsure > 0 {
        say(&format!(
            "{unsure} tasks pass arguments by position, and this program does not know how they are called: name them by \
             place, as in --arg 0=7, or use the program that has the task"
        ));
    }
    if !whole {
        say(
            "there are more messages than are looked through; the others are revoked only if they are taken up in time",
        );
    }
    Ok(found)
}

/// Whether it would fit if its arguments by position were known by name.
fn might_fit(what: &Revocation, headers: &Headers, payload: &Payload) -> bool {
    let named = what.arguments.keys().any(|name| name.parse::<usize>().is_err());
    let positional = payload.args.elements().is_ok_and(|args| !args.is_empty());
    what.task.as_ref() == Some(&headers.task) && named && positional
}

/// Says it to the workers that live, as Celery does, and shows what they answer. There need be none.
async fn tell(invocation: &Invocation, backend: &Backend, ids: &[String], what: &Revocation) -> Result<(), Failure> {
    let signal = Signal::default();
    let mut said: Vec<Command> = ids
        .chunks(TOGETHER)
        .map(|ids| Command::Revoke { task_ids: ids.to_vec(), terminate: what.terminate, signal: signal.clone() })
        .collect();
    if !what.stamps.is_empty() {
        let stamps: Vec<_> = what
            .stamps
            .iter()
            .map(|(name, values)| (name.clone(), RawJson::from(values).unwrap_or_default()))
            .collect();
        let headers =
            StampedHeaders::parse(&RawJson::object(&stamps)).map_err(|why| Failure::usage(why.to_string()))?;
        said.push(Command::RevokeByStampedHeaders { headers, terminate: what.terminate, signal });
    }
    let patience = arguments::seconds(&invocation.matches, "timeout")?.unwrap_or(PATIENCE);
    let question = Question::new(backend.broker.broadcast(), patience);
    let mut answers = Vec::new();
    for command in &said {
        let told = question.put(command, |node, value| {
            if invocation.json { Ok(()) } else { output::line(&showing::answer(node, value, true)) }
        });
        let told: Vec<Answered> = told.await?;
        say_namesakes(&told);
        answers.extend(told.into_iter().map(|answered| (answered.node, showing::strict(&answered.value))));
    }
    if invocation.json {
        return output::line(RawJson::object(&answers).as_str());
    }
    if answers.is_empty() && !said.is_empty() {
        say("no worker answers; it is kept for those that start");
    }
    Ok(())
}
