//! `call` sends a task, and waits for its result if it is told to.

use std::process::ExitCode;
use std::time::Duration;

use apium::Signature;
use apium_core::client::parse_iso;
use apium_protocol::RawJson;
use serde_json::json;

use super::Invocation;
use super::result::wait;
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, quoted};

/// How long `--wait` waits when nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// What positional arguments must be.
pub(super) const LIST: &str = "a JSON list, such as '[2, 3]'";
/// What arguments by name must be.
pub(super) const OBJECT: &str = "a JSON object, such as '{\"x\": 2}'";

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

fn signature(invocation: &Invocation) -> Result<Signature, Failure> {
    let matches = &invocation.matches;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let args = json_of("args", &text("args").unwrap_or_default(), LIST, RawJson::elements)?;
    let kwargs = json_of("kwargs", &text("kwargs").unwrap_or_default(), OBJECT, RawJson::members)?;
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

/// The value of a flag, in the form it must have.
pub(super) fn json_of<T, E: std::fmt::Display>(
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
pub(super) fn patience(invocation: &Invocation) -> Result<Duration, Failure> {
    Ok(arguments::seconds(&invocation.matches, "timeout")?.unwrap_or(PATIENCE))
}
