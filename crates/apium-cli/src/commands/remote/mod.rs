//! Remote control from the command line, under Celery's own names: `inspect`, `control`, `status` and `events`, for
//! Apium and Python workers alike.

mod asking;
mod events;
mod line;
mod orders;
mod revoke;
mod showing;

use std::process::ExitCode;

use apium_protocol::RawJson;
use apium_protocol::control::Command;

use super::Invocation;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::stderr::say;

pub(crate) use asking::{Answered, PATIENCE, Question};
pub(crate) use events::events;
pub(crate) use line::commands;
pub(crate) use showing::{strict, tame};

/// What Celery exits with when no worker answers (sysexits' EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;

/// Asks workers something and shows each one's answer.
pub(crate) async fn inspect(invocation: Invocation, order: &str) -> Result<ExitCode, Failure> {
    let command = orders::command(order, &invocation.matches)?;
    show(&invocation, &command, true, true).await
}

/// Tells workers to do something and shows each one's answer.
pub(crate) async fn control(invocation: Invocation, order: &str) -> Result<ExitCode, Failure> {
    if order == "revoke" {
        return revoke::revoke(&invocation).await;
    }
    let command = orders::command(order, &invocation.matches)?;
    show(&invocation, &command, command.is_answered(), false).await
}

/// Shows which workers are there.
pub(crate) async fn status(invocation: Invocation) -> Result<ExitCode, Failure> {
    show(&invocation, &Command::Ping, false, true).await
}

/// `bodies`: show what was answered, not only by whom; `count`: say at the end how many answered.
async fn show(invocation: &Invocation, command: &Command, bodies: bool, count: bool) -> Result<ExitCode, Failure> {
    let destination = arguments::names("destination", invocation.words("destination"))?;
    let patience = arguments::seconds(&invocation.matches, "timeout")?.unwrap_or(PATIENCE);
    let backend = invocation.look().await?;
    let question = Question::new(backend.broker.broadcast(), patience).to(&destination);
    let answers = question.put(command, |node, value| {
        if invocation.json { Ok(()) } else { output::line(&showing::answer(node, value, bodies)) }
    });
    let answers: Vec<Answered> = answers.await?;
    asking::say_namesakes(&answers);
    if answers.is_empty() {
        // Celery's sentence, which scripts look for.
        say("error: No nodes replied within time constraint");
        return Ok(ExitCode::from(UNAVAILABLE));
    }
    if invocation.json {
        let members: Vec<_> =
            answers.into_iter().map(|Answered { node, value, .. }| (node, showing::strict(&value))).collect();
        output::line(RawJson::object(&members).as_str())?;
    } else if count {
        let nodes = if answers.len() == 1 { "node" } else { "nodes" };
        output::line(&format!("\n{} {nodes} online.", answers.len()))?;
    }
    Ok(ExitCode::SUCCESS)
}
