//! `dead`: messages given up, listed, shown, put back, and thrown away.

mod choice;

use std::process::ExitCode;
use std::time::Duration;

use apium_core::DeadLetter;
use apium_core::replay::{self, Edit};
use apium_protocol::RawJson;
use serde_json::{Value, json};

pub(crate) use self::choice::command;

use self::choice::Choice;
use super::Invocation;
use super::call::{LIST, OBJECT, json_of};
use super::queues::agreed;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::Kind;
use crate::stderr::say;

/// Lists dead letters.
pub(crate) async fn list(invocation: Invocation) -> Result<ExitCode, Failure> {
    let filter = choice::filter(&invocation)?;
    let letters = invocation.look().await?.broker.dead_letters(&filter).await?;
    if invocation.json {
        output::json(&letters.iter().map(told).collect::<Result<Vec<_>, _>>()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        say("no dead letters");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |letter: &DeadLetter| {
        let task = letter.task.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            letter.id.clone(),
            letter.at.clone(),
            output::short(&letter.queue),
            output::short(&task),
            letter.reason.to_string(),
            output::short(&letter.error),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    output::table(&["ID", "AT", "QUEUE", "TASK", "REASON", "ERROR"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows dead letters in full.
pub(crate) async fn show(invocation: Invocation) -> Result<ExitCode, Failure> {
    let ids = arguments::names("id", invocation.words("id"))?;
    let broker = invocation.look().await?.broker;
    for id in ids {
        let letter = broker.dead_letter(&id).await?.ok_or_else(|| unknown(&id))?;
        output::json(&told(&letter)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts messages back: the original ones, or with other arguments.
pub(crate) async fn replay(invocation: Invocation) -> Result<ExitCode, Failure> {
    let choice = Choice::read(&invocation)?;
    let edit = edit(&invocation)?;
    let rate: Option<u32> = arguments::number(&invocation.matches, "rate", Kind::Count { least: 1, most: 100_000 })?;
    let backend = invocation.look().await?;
    let (client, broker) = (invocation.app.client(&backend), &backend.broker);
    let ids = choice.ids(&**broker).await?;
    if invocation.matches.get_flag("dry-run") {
        return dry_run(&invocation, ids.len(), "would be put back");
    }
    let mut pace = rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate));
    let mut replayed = Vec::new();
    for id in ids {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let letter = broker.dead_letter(&id).await?;
        let message = letter.as_ref().map(|letter| replay::instead(letter, &edit, client.bodies())).transpose()?;
        let back = match message {
            Some(message) => broker.replay(&id, message).await?,
            None => false,
        };
        // Another may have taken it since it was found.
        if !back {
            continue;
        }
        if !invocation.json {
            output::line(&format!("{id} is back in its queue"))?;
        }
        replayed.push(id);
    }
    if invocation.json {
        output::json(&json!({"replayed": replayed}))?;
    } else if replayed.is_empty() {
        say("no dead letters");
    }
    Ok(ExitCode::SUCCESS)
}

/// Throws dead letters away, after saying how many and asking.
pub(crate) async fn discard(invocation: Invocation) -> Result<ExitCode, Failure> {
    let choice = Choice::read(&invocation)?;
    let broker = invocation.look().await?.broker;
    let ids = choice.ids(&*broker).await?;
    if invocation.matches.get_flag("dry-run") {
        return dry_run(&invocation, ids.len(), "would be thrown away");
    }
    let question = format!("{} dead letters will be thrown away for good. Type yes to go on: ", ids.len());
    if !invocation.matches.get_flag("yes") && !agreed("dead drop", "--yes", &question)? {
        output::line("nothing was thrown away")?;
        return Ok(ExitCode::FAILURE);
    }
    let dropped = broker.drop_dead(&ids).await?;
    if invocation.json {
        output::json(&json!({"dropped": dropped}))?;
    } else {
        output::line(&format!("{dropped} dead letters thrown away"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn dry_run(invocation: &Invocation, count: usize, what: &str) -> Result<ExitCode, Failure> {
    if invocation.json {
        output::json(&json!({"count": count}))?;
    } else {
        output::line(&format!("{count} dead letters {what}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments that are to stand in for the message's own.
fn edit(invocation: &Invocation) -> Result<Edit, Failure> {
    let given = |name: &str| invocation.matches.get_one::<String>(name);
    let args = given("args").map(|text| json_of("args", text, LIST, RawJson::elements)).transpose()?;
    let kwargs = given("kwargs").map(|text| json_of("kwargs", text, OBJECT, RawJson::members)).transpose()?;
    Ok(Edit { args: args.map(|args| RawJson::array(&args)), kwargs: kwargs.map(|kwargs| RawJson::object(&kwargs)) })
}

/// A dead letter whole, its reason in the words of the list.
fn told(letter: &DeadLetter) -> Result<Value, Failure> {
    let mut told = serde_json::to_value(letter)
        .map_err(|error| Failure::new(format!("the dead letter {} cannot be shown as JSON: {error}", letter.id)))?;
    if let Some(reason) = told.get_mut("reason") {
        *reason = letter.reason.to_string().into();
    }
    Ok(told)
}

fn unknown(id: &str) -> Failure {
    Failure::new(format!("there is no dead letter {id}"))
}
