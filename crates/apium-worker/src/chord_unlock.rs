//! `celery.chord_unlock`: what a peer sends for a chord whose parts nobody counts, because its result store cannot.
//!
//! It looks whether the parts have ended, again and again until they have (Celery's
//! `result_chord_retry_interval`, one second). Then [`crate::workflow`] counts them all, and the chord goes on as any
//! other.

use std::time::Duration;

use apium_core::protocol::RawJson;
use apium_core::protocol::canvas::SavedGroup;
use apium_core::task::BoxFuture;
use apium_core::{Call, Lookup, Retry, Task, TaskError, TaskOptions, TaskResult, TaskState};
use serde::{Deserialize, Serialize};

pub(crate) const NAME: &str = "celery.chord_unlock";

/// How long it waits before it looks again, when the message does not say.
const INTERVAL: Duration = Duration::from_secs(1);

/// The task.
pub(crate) struct ChordUnlock;

/// Its value, once all parts have ended: what is to be counted.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unlocked {
    pub(crate) group: String,
    pub(crate) body: RawJson,
    /// The parts, as a saved group tells them.
    pub(crate) parts: RawJson,
}

impl Task for ChordUnlock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn options(&self) -> TaskOptions {
        TaskOptions { ignore_result: true, ..TaskOptions::default() }
    }

    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult> {
        Box::pin(async move {
            let group: String = required(&call, 0, "group_id")?.to()?;
            let body = required(&call, 1, "callback")?;
            let members = argument(&call, 4, "result").unwrap_or_else(|| RawJson::array(&[]));
            let id = RawJson::array(&[RawJson::string(&group), RawJson::null()]);
            let parts = RawJson::array(&[id, members]);
            let saved = SavedGroup::decode(&parts).map_err(|error| TaskError::arguments(error.to_string()))?;
            for id in saved.tasks() {
                let ended = matches!(call.context.client().results().lookup(id).await?, Lookup::Stored(record)
                    if TaskState::from_name(&record.status).is_ready());
                if !ended {
                    return Err(TaskError::retry(later(&call)?));
                }
            }
            Ok(RawJson::from(&Unlocked { group, body, parts })?)
        })
    }
}

/// Not yet: another look after the interval, for ever unless the message says how often.
fn later(call: &Call) -> Result<Retry, TaskError> {
    let interval = argument(call, 2, "interval").map(|seconds| seconds.to::<f64>()).transpose()?;
    let interval = interval.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(INTERVAL);
    let limit = argument(call, 3, "max_retries").map(|limit| limit.to::<u32>()).transpose()?;
    Ok(Retry::new().countdown(interval).max_retries(limit.unwrap_or(u32::MAX)))
}

/// An argument that stands in the message and is not null.
fn argument(call: &Call, at: usize, name: &str) -> Option<RawJson> {
    let named = || call.kwargs.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    call.args.get(at).or_else(named).filter(|value| !value.is_null()).cloned()
}

fn required(call: &Call, at: usize, name: &str) -> Result<RawJson, TaskError> {
    let missing = || TaskError::arguments(format!("unlock_chord() missing 1 required positional argument: '{name}'"));
    argument(call, at, name).ok_or_else(missing)
}
