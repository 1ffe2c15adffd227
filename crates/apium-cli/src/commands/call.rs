//! `call` sends a task, `result` shows what became of one.

use std::process::ExitCode;
use std::time::Duration;

use apium::{ResultError, Signature};
use apium_core::client::{parse_iso, value_of};
use apium_core::{Lookup, Pending, TaskState};
use apium_protocol::{RawJson, ResultRecord};
use serde_json::json;

use super::Invocation;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, quoted};

/// How long `--wait` waits when nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends a task; with `--wait`, waits for its result.
pub(crate) async fn call(invocation: Invocation) -> Result<ExitCode, Failure> {
    let signature = signature(&invocation)?;
    let at_most = patience(&invocation)?;
    let pending = invocation.client().await?.send(&signature).await?;
    if invocation.matches.get_flag("wait") {
        return wait(&invocation, &pending, at_most).await;
    }
    if invocation.json {
        output::json(&json!({"task_id": pending.id()}))?;
    } else {
        output::line(pending.id())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows a result.
pub(crate) async fn result(invocation: Invocation) -> Result<ExitCode, Failure> {
    let id = arguments::name(&invocation.matches, "id")?.unwrap_or_default();
    let at_most = patience(&invocation)?;
    let pending = invocation.app.client(&invocation.look().await?).pending(id);
    if invocation.matches.get_flag("wait") {
        return wait(&invocation, &pending, at_most).await;
    }
    match pending.lookup().await? {
        Lookup::Stored(record) => show(&invocation, &record),
        Lookup::Waiting | Lookup::Unknown => {
            absent(&invocation, &pending, "PENDING", "nothing is stored: it waits, or nobody knows it")
        }
        Lookup::Expired => absent(&invocation, &pending, "EXPIRED", "it ended, and its result has expired"),
    }
}

fn signature(invocation: &Invocation) -> Result<Signature, Failure> {
    let matches = &invocation.matches;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let args = json_of("args", &text("args").unwrap_or_default(), "a JSON list, such as '[2, 3]'", RawJson::elements)?;
    let kwargs = json_of(
        "kwargs",
        &text("kwargs").unwrap_or_default(),
        "a JSON object, such as '{\"x\": 2}'",
        RawJson::members,
    )?;
    let task = arguments::name(matches, "task")?.unwrap_or_default();
    let mut signature = Signature::new(task).raw_arguments(args, kwargs);
    if let Some(queue) = arguments::name(matches, "queue")? {
        signature = signature.queue(queue);
    }
    if let Some(countdown) = arguments::seconds(matches, "countdown")? {
        signature = signature.countdown(countdown);
    }
    if let Some(eta) = text("eta") {
        let at = parse_iso(&eta).ok_or_else(|| {
            let eta = quoted(&eta);
            Failure::usage(format!("--eta {eta} is not an ISO 8601 time, such as 2026-12-24T18:00:00+01:00"))
        })?;
        signature = signature.eta(at);
    }
    if let Some(expires) = arguments::seconds(matches, "expires")? {
        signature = signature.expires_in(expires);
    }
    if let Some(priority) = arguments::number(matches, "priority", Kind::Count { least: 0, most: 9 })? {
        signature = signature.priority(priority);
    }
    if let Some(id) = arguments::name(matches, "task-id")? {
        signature = signature.task_id(id);
    }
    Ok(signature)
}

fn json_of<T, E: std::fmt::Display>(
    flag: &str,
    text: &str,
    form: &str,
    take: impl Fn(&RawJson) -> Result<T, E>,
) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("--{flag} must be {form}: {error}"));
    let json = RawJson::parse(text).map_err(|error| wrong(&error))?;
    take(&json).map_err(|error| wrong(&error))
}

/// Read before anything is sent: a task must not be under way when its caller is refused.
fn patience(invocation: &Invocation) -> Result<Duration, Failure> {
    Ok(arguments::seconds(&invocation.matches, "timeout")?.unwrap_or(PATIENCE))
}

async fn wait(invocation: &Invocation, pending: &Pending, at_most: Duration) -> Result<ExitCode, Failure> {
    let record = pending.record(at_most).await.map_err(|error| match error {
        ResultError::TimedOut(span) => {
            Failure::new(format!("{}: no result within {} seconds", pending.id(), span.as_secs_f64()))
        }
        other => Failure::new(format!("{}: {other}", pending.id())),
    })?;
    show(invocation, &record)
}

/// Prints the value of a success, the error of a failure, how far the others are; exit code 0 is a success.
fn show(invocation: &Invocation, record: &ResultRecord) -> Result<ExitCode, Failure> {
    if invocation.json {
        output::line(&String::from_utf8_lossy(&record.encode()))?;
        return Ok(if value_of(record).is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
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

fn absent(invocation: &Invocation, pending: &Pending, state: &str, sentence: &str) -> Result<ExitCode, Failure> {
    if invocation.json {
        output::json(&json!({"task_id": pending.id(), "status": state}))?;
    } else {
        output::line(&format!("{} is {state}: {sentence}", pending.id()))?;
    }
    Ok(ExitCode::FAILURE)
}
