//! `call` sends a task, `result` shows what became of one.

use std::process::ExitCode;
use std::time::Duration;

use apium::Signature;
use apium_core::client::{parse_iso, value_of};
use apium_core::{Lookup, Pending, TaskState};
use apium_protocol::{RawJson, ResultRecord};
use serde_json::json;

use super::Invocation;
use crate::failure::Failure;
use crate::output;

/// Sends a task; with `--wait`, waits for its result.
pub(crate) async fn call(invocation: Invocation) -> Result<ExitCode, Failure> {
    let signature = signature(&invocation)?;
    let pending = invocation.client().await?.send(&signature).await?;
    if invocation.matches.get_flag("wait") {
        return wait(&invocation, &pending).await;
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
    let id = invocation.matches.get_one::<String>("id").cloned().unwrap_or_default();
    let pending = invocation.client().await?.pending(id);
    if invocation.matches.get_flag("wait") {
        return wait(&invocation, &pending).await;
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
    let seconds = |name: &str| match matches.get_one::<f64>(name) {
        Some(seconds) => Duration::try_from_secs_f64(*seconds)
            .map(Some)
            .map_err(|_| Failure::new(format!("--{name} must be zero or more seconds"))),
        None => Ok(None),
    };
    let args =
        arguments("args", &text("args").unwrap_or_default(), "a JSON list, such as '[2, 3]'", RawJson::elements)?;
    let kwargs = arguments(
        "kwargs",
        &text("kwargs").unwrap_or_default(),
        "a JSON object, such as '{\"x\": 2}'",
        RawJson::members,
    )?;
    let mut signature = Signature::new(text("task").unwrap_or_default()).raw_arguments(args, kwargs);
    if let Some(queue) = text("queue") {
        signature = signature.queue(queue);
    }
    if let Some(countdown) = seconds("countdown")? {
        signature = signature.countdown(countdown);
    }
    if let Some(eta) = text("eta") {
        let at = parse_iso(&eta).ok_or_else(|| {
            Failure::new(format!("--eta {eta:?} is not an ISO 8601 time, such as 2026-12-24T18:00:00+01:00"))
        })?;
        signature = signature.eta(at);
    }
    if let Some(expires) = seconds("expires")? {
        signature = signature.expires_in(expires);
    }
    if let Some(priority) = matches.get_one::<u8>("priority") {
        signature = signature.priority(*priority);
    }
    if let Some(id) = text("task-id") {
        signature = signature.task_id(id);
    }
    Ok(signature)
}

fn arguments<T, E: std::fmt::Display>(
    flag: &str,
    text: &str,
    form: &str,
    take: impl Fn(&RawJson) -> Result<T, E>,
) -> Result<T, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("--{flag} must be {form}: {error}"));
    let json = RawJson::parse(text).map_err(|error| wrong(&error))?;
    take(&json).map_err(|error| wrong(&error))
}

async fn wait(invocation: &Invocation, pending: &Pending) -> Result<ExitCode, Failure> {
    let seconds = invocation.matches.get_one::<f64>("timeout").copied().unwrap_or(60.0);
    let at_most =
        Duration::try_from_secs_f64(seconds).map_err(|_| Failure::new("--timeout must be zero or more seconds"))?;
    let record = pending.record(at_most).await.map_err(|error| Failure::new(format!("{}: {error}", pending.id())))?;
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
