//! `dead`: messages given up, listed, shown, and put back.

use std::process::ExitCode;

use apium_core::{DeadFilter, DeadLetter};
use serde_json::json;

use super::Invocation;
use crate::failure::Failure;
use crate::output;

/// Lists dead letters.
pub(crate) async fn list(invocation: Invocation) -> Result<ExitCode, Failure> {
    let text = |name: &str| invocation.matches.get_one::<String>(name).cloned();
    let limit = invocation.matches.get_one::<usize>("limit").copied();
    let filter = DeadFilter { queue: text("queue"), task: text("task"), limit };
    let letters = invocation.open().await?.broker.dead_letters(&filter).await?;
    if invocation.json {
        output::json(&letters)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |letter: &DeadLetter| {
        let task = letter.task.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            letter.id.clone(),
            letter.at.clone(),
            letter.queue.clone(),
            task,
            letter.reason.to_string(),
            letter.error.clone(),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    output::table(&["ID", "AT", "QUEUE", "TASK", "REASON", "ERROR"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows dead letters in full.
pub(crate) async fn show(invocation: Invocation) -> Result<ExitCode, Failure> {
    let broker = invocation.open().await?.broker;
    for id in invocation.words("id") {
        let letter = broker.dead_letter(&id).await?.ok_or_else(|| unknown(&id))?;
        output::json(&letter)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the original messages back.
pub(crate) async fn replay(invocation: Invocation) -> Result<ExitCode, Failure> {
    let broker = invocation.open().await?.broker;
    let ids = invocation.words("id");
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

fn unknown(id: &str) -> Failure {
    Failure::new(format!("there is no dead letter {id}"))
}
