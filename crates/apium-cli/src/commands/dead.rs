//! `dead`: messages given up, listed, shown, and put back.

use std::process::ExitCode;

use apium_core::{DeadFilter, DeadLetter};
use serde_json::{Value, json};

use super::Invocation;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::Kind;
use crate::stderr::say;

/// Lists dead letters.
pub(crate) async fn list(invocation: Invocation) -> Result<ExitCode, Failure> {
    let matches = &invocation.matches;
    let limit = arguments::number(matches, "limit", Kind::Count { least: 1, most: 100_000 })?;
    let filter =
        DeadFilter { queue: arguments::name(matches, "queue")?, task: arguments::name(matches, "task")?, limit };
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

/// Puts the original messages back.
pub(crate) async fn replay(invocation: Invocation) -> Result<ExitCode, Failure> {
    let ids = arguments::names("id", invocation.words("id"))?;
    let broker = invocation.look().await?.broker;
    for id in &ids {
        if !broker.replay(id).await? {
            return Err(unknown(id));
        }
        if !invocation.json {
            output::line(&format!("{id} is back in its queue"))?;
        }
    }
    if invocation.json {
        output::json(&json!({"replayed": ids}))?;
    }
    Ok(ExitCode::SUCCESS)
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
