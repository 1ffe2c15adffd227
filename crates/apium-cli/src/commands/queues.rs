//! `queues` shows how the queues stand, `purge` empties some.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use apium_core::broker::QueueDepth;
use serde_json::json;

use super::Invocation;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::stderr::{ask, say};

/// Shows how the queues stand.
pub(crate) async fn queues(invocation: Invocation) -> Result<ExitCode, Failure> {
    let queues = arguments::names("queue", invocation.words("queue"))?;
    let backend = invocation.look().await?;
    let depths = backend.broker.depths(&queues).await?;
    if invocation.json {
        output::json(&depths)?;
        return Ok(ExitCode::SUCCESS);
    }
    if depths.is_empty() {
        say("no queues yet: nothing waits, and nobody works");
        return Ok(ExitCode::SUCCESS);
    }
    let age = |depth: &QueueDepth| depth.oldest_age_seconds.map_or_else(|| "-".to_owned(), |age| format!("{age:.0} s"));
    let row = |depth: &QueueDepth| {
        vec![
            depth.queue.clone(),
            depth.ready.to_string(),
            depth.delayed.to_string(),
            depth.claimed.to_string(),
            age(depth),
        ]
    };
    let rows: Vec<_> = depths.iter().map(row).collect();
    output::table(&["QUEUE", "READY", "DELAYED", "CLAIMED", "OLDEST"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Throws waiting messages away, after saying how many and asking.
pub(crate) async fn purge(invocation: Invocation) -> Result<ExitCode, Failure> {
    let queues = arguments::names("queue", invocation.words("queue"))?;
    let backend = invocation.look().await?;
    let waiting: u64 = backend.broker.depths(&queues).await?.iter().map(|depth| depth.ready + depth.delayed).sum();
    let names = queues.join(", ");
    let question = format!("{waiting} waiting messages of {names} will be thrown away for good. Type yes to go on: ");
    if !invocation.matches.get_flag("force") && !agreed("purge", "--force", &question)? {
        output::line("nothing was thrown away")?;
        return Ok(ExitCode::FAILURE);
    }
    let mut purged = serde_json::Map::new();
    for queue in &queues {
        purged.insert(queue.clone(), json!(backend.broker.purge(queue).await?));
    }
    if invocation.json {
        output::json(&purged)?;
    } else {
        purged.iter().try_for_each(|(queue, count)| output::line(&format!("{queue}: {count} messages thrown away")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the person in front of the terminal agrees; where there is none, a flag must have said so.
pub(super) fn agreed(command: &str, flag: &str, question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let nobody = format!("{command} asks before it throws away, and nobody is there to answer; say {flag}");
        return Err(Failure::new(nobody));
    }
    ask(question);
    let unreadable = |error: std::io::Error| Failure::new(format!("no answer could be read: {error}"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(unreadable)?;
    Ok(answer.trim() == "yes")
}
