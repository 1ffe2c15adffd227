//! `result` shows what became of a task or of a saved group: its value alone, or all that is known of it.

use std::process::ExitCode;
use std::time::Duration;

use apium::ResultError;
use apium_core::client::value_of;
use apium_core::{BackendError, Lookup, Pending, TaskState};
use apium_protocol::{RawJson, ResultRecord};
use serde_json::json;

use super::Invocation;
use super::call::patience;
use crate::arguments;
use crate::failure::Failure;
use crate::output;

/// Shows a result, and forgets it if that is asked for.
pub(crate) async fn result(invocation: Invocation) -> Result<ExitCode, Failure> {
    let id = arguments::name(&invocation.matches, "id")?.unwrap_or_default();
    let at_most = patience(&invocation)?;
    let client = invocation.app.client(&invocation.look().await?);
    let group = client.restore_group(&id).await?;
    let pending = group.unwrap_or_else(|| client.pending(id));
    let shown = if pending.is_group() {
        show_group(&invocation, &pending, at_most).await
    } else if invocation.matches.get_flag("wait") {
        wait(&invocation, &pending, at_most).await
    } else {
        show_now(&invocation, &pending).await
    };
    if invocation.matches.get_flag("forget") {
        pending.forget().await?;
        client.delete_group(pending.id()).await?;
    }
    shown
}

/// Waits for a task that was sent, and prints its value.
pub(super) async fn wait(invocation: &Invocation, pending: &Pending, at_most: Duration) -> Result<ExitCode, Failure> {
    let record = pending.record(at_most).await.map_err(|error| told(pending, &error))?;
    show(invocation, pending, &record)
}

async fn show_now(invocation: &Invocation, pending: &Pending) -> Result<ExitCode, Failure> {
    match pending.lookup().await? {
        Lookup::Stored(record) => show(invocation, pending, &record),
        Lookup::Waiting | Lookup::Unknown => {
            absent(invocation, pending, "PENDING", "nothing is stored: it waits, or nobody knows it")
        }
        Lookup::Expired => absent(invocation, pending, "EXPIRED", "it ended, and its result has expired"),
    }
}

/// Prints the value of a success, the error of a failure, how far the others are; exit code 0 is a success.
fn show(invocation: &Invocation, pending: &Pending, record: &ResultRecord) -> Result<ExitCode, Failure> {
    let code = if value_of(record).is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if invocation.json {
        return output::line(&String::from_utf8_lossy(&record.encode())).map(|()| code);
    }
    if invocation.matches.try_get_one::<bool>("details").is_ok_and(|asked| asked == Some(&true)) {
        return output::line(&details(pending, record)?).map(|()| code);
    }
    if !TaskState::from_name(&record.status).is_ready() {
        output::line(&format!("{} is {}: {}", record.task_id, record.status, record.result.as_str()))?;
        return Ok(ExitCode::FAILURE);
    }
    match value_of(record) {
        Ok(value) => output::line(value.as_str()).map(|()| ExitCode::SUCCESS),
        Err(error) => Err(Failure::new(format!("{} is {}: {error}", record.task_id, record.status))),
    }
}

/// A line for each thing that is known.
fn details(pending: &Pending, record: &ResultRecord) -> Result<String, BackendError> {
    let extended = record.extended().unwrap_or_default();
    let json = |value: &RawJson| Some(value.to_string()).filter(|_| !value.is_null());
    let children = pending.children_in(record)?;
    let child = |child: &Pending| match child.members() {
        [] => child.id().to_owned(),
        members => format!("{} (group of {})", child.id(), members.len()),
    };
    let children = children.iter().map(child).collect::<Vec<_>>().join(", ");
    let lines = [
        ("id", Some(record.task_id.clone())),
        ("state", Some(record.status.clone())),
        ("task", extended.name),
        ("args", json(&extended.args)),
        ("kwargs", json(&extended.kwargs)),
        ("result", Some(record.result.to_string())),
        ("ended", record.date_done.clone()),
        ("worker", extended.worker),
        ("retries", extended.retries.map(|retries| retries.to_string())),
        ("queue", extended.queue),
        ("parent", record.parent_id.clone()),
        ("group", record.group_id.clone()),
        ("children", Some(children).filter(|children| !children.is_empty())),
        ("traceback", record.traceback.as_deref().map(|text| format!("\n{}", text.trim_end()))),
    ];
    let known = lines.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    Ok(known.map(|(name, value)| format!("{:<10} {value}", format!("{name}:"))).collect::<Vec<_>>().join("\n"))
}

/// The values of a group that has ended, or how far it is.
async fn show_group(invocation: &Invocation, group: &Pending, at_most: Duration) -> Result<ExitCode, Failure> {
    let details = invocation.matches.get_flag("details");
    let ended = invocation.matches.get_flag("wait") || group.ready().await?;
    if ended && !invocation.json && !details {
        let values = group.get::<RawJson>(at_most).await.map_err(|error| told(group, &error))?;
        return output::line(values.as_str()).map(|()| ExitCode::SUCCESS);
    }
    if ended {
        group.outcomes::<RawJson>(at_most).await;
    }
    let mut states = Vec::new();
    for task in group.tasks() {
        states.push((task.id().to_owned(), task.state().await?));
    }
    let succeeded = states.iter().filter(|(_, state)| *state == TaskState::Success).count();
    let whole = if succeeded == states.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if invocation.json {
        let one = |(id, state): &(String, TaskState)| json!({"task_id": id, "status": state.name()});
        let tasks: Vec<_> = states.iter().map(one).collect();
        let parent = group.parent()?.map(|parent| parent.id().to_owned());
        output::json(&json!({"group_id": group.id(), "parent_id": parent, "succeeded": succeeded, "tasks": tasks}))?;
        return Ok(whole);
    }
    output::line(&format!("{} is a group: {succeeded} of {} have succeeded", group.id(), states.len()))?;
    if details {
        for (id, state) in states {
            output::line(&format!("{id} {}", state.name()))?;
        }
    }
    Ok(whole)
}

fn told(pending: &Pending, error: &ResultError) -> Failure {
    match error {
        ResultError::TimedOut(span) => {
            Failure::new(format!("{}: no result within {} seconds", pending.id(), span.as_secs_f64()))
        }
        other => Failure::new(format!("{}: {other}", pending.id())),
    }
}

fn absent(invocation: &Invocation, pending: &Pending, state: &str, sentence: &str) -> Result<ExitCode, Failure> {
    if invocation.json {
        output::json(&json!({"task_id": pending.id(), "status": state}))?;
    } else {
        output::line(&format!("{} is {state}: {sentence}", pending.id()))?;
    }
    Ok(ExitCode::FAILURE)
}
