//! What a worker says when a command is done or is not: the very sentences of Celery, which Flower and people read.

use super::{Refusal, StampedHeaders, refusal::said};
use crate::{RawJson, python_repr};

/// A reply of one sentence, `{"ok": "…"}` or `{"error": "…"}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To ping.
    Pong,
    /// To report: the whole text.
    Report(String),
    /// To revoke: these ids are called off.
    Revoked(Vec<String>),
    /// To revoke and terminate: these ran and were ended; none was known when empty.
    Terminated(Vec<String>),
    /// To revoke_by_stamped_headers without terminate.
    StampsRevoked(StampedHeaders),
    /// To revoke_by_stamped_headers with terminate, when nothing with these stamps ran.
    StampsNotRunning(StampedHeaders),
    /// To revoke_by_stamped_headers with terminate: the stamps of the tasks that were ended.
    StampsTerminated(Vec<(String, Vec<String>)>),
    /// To rate_limit.
    RateLimitSet,
    /// To rate_limit with a limit that is off, see [`super::Rate::is_off`].
    RateLimitDisabled,
    /// To time_limit.
    TimeLimitsSet,
    /// To rate_limit and time_limit: there is no such task.
    UnknownTask,
    /// To enable_events.
    EventsEnabled,
    /// To enable_events, when they are.
    EventsAlreadyEnabled,
    /// To disable_events.
    EventsDisabled,
    /// To disable_events, when they are.
    EventsAlreadyDisabled,
    /// To enable_events and disable_events of a worker that sends no events at all.
    EventsUnavailable,
    /// To add_consumer: the queue.
    ConsumerAdded(String),
    /// To cancel_consumer: the queue.
    ConsumerCancelled(String),
    /// To pool_grow.
    PoolGrows,
    /// To pool_shrink.
    PoolShrinks,
    /// To pool_shrink: all processes work.
    PoolBusy,
    /// To pool_grow and pool_shrink of a worker that sizes itself.
    PoolSizesItself {
        /// The command.
        command: String,
    },
    /// To pool_restart.
    PoolRestarts,
    /// To pool_restart, when the setting does not allow it.
    PoolRestartsDisabled,
    /// To autoscale: the new range.
    Autoscales {
        /// At most.
        max: i64,
        /// At least.
        min: i64,
    },
    /// To autoscale of a worker that does not size itself.
    AutoscaleDisabled,
    /// To objgraph: there is no drawing to give.
    NoObjgraph,
    /// To anything: it cannot be done.
    Refused(Refusal),
}

impl Answer {
    /// The value to reply with.
    pub fn to_json(&self) -> RawJson {
        match self.sentence() {
            Ok(text) => said("ok", &text),
            Err(refusal) => refusal.to_json(),
        }
    }

    fn sentence(&self) -> Result<String, Refusal> {
        Ok(match self {
            Self::Pong => "pong".to_owned(),
            Self::Report(text) => text.clone(),
            Self::Revoked(ids) => format!("tasks {} flagged as revoked", set(ids)),
            Self::Terminated(ids) if ids.is_empty() => "terminate: tasks unknown".to_owned(),
            Self::Terminated(ids) => format!("terminate: {}", ids.join(", ")),
            Self::StampsRevoked(stamps) => {
                format!("headers {} flagged as revoked, but not terminated", stamps.shown())
            }
            Self::StampsNotRunning(stamps) => format!("headers {} were not terminated", stamps.shown()),
            Self::StampsTerminated(stamps) => format!("headers {} revoked", sets(stamps)),
            Self::RateLimitSet => "new rate limit set successfully".to_owned(),
            Self::RateLimitDisabled => "rate limit disabled successfully".to_owned(),
            Self::TimeLimitsSet => "time limits set successfully".to_owned(),
            Self::UnknownTask => return Err(Refusal::new("unknown task")),
            Self::EventsEnabled => "task events enabled".to_owned(),
            Self::EventsAlreadyEnabled => "task events already enabled".to_owned(),
            Self::EventsDisabled => "task events disabled".to_owned(),
            Self::EventsAlreadyDisabled => "task events already disabled".to_owned(),
            Self::EventsUnavailable => return Err(Refusal::new("event dispatcher unavailable")),
            Self::ConsumerAdded(queue) => format!("add consumer {queue}"),
            Self::ConsumerCancelled(queue) => format!("no longer consuming from {queue}"),
            Self::PoolGrows => "pool will grow".to_owned(),
            Self::PoolShrinks => "pool will shrink".to_owned(),
            Self::PoolBusy => return Err(value_error("Can't shrink pool. All processes busy!")),
            Self::PoolSizesItself { command } => {
                let advice = "is not supported with autoscale. Adjust autoscale range instead.";
                return Err(Refusal::new(format!("{command} {advice}")));
            }
            Self::PoolRestarts => "reload started".to_owned(),
            Self::PoolRestartsDisabled => return Err(value_error("Pool restarts not enabled")),
            Self::Autoscales { max, min } => format!("autoscale now max={max} min={min}"),
            Self::AutoscaleDisabled => return Err(value_error("Autoscale not enabled")),
            Self::NoObjgraph => return Err(Refusal::raised("ImportError", "Requires the objgraph library")),
            Self::Refused(refusal) => return Err(refusal.clone()),
        })
    }
}

fn value_error(message: &str) -> Refusal {
    Refusal::raised("ValueError", message)
}

/// A Python set; its order means nothing there.
fn set(items: &[String]) -> String {
    if items.is_empty() {
        return "set()".to_owned();
    }
    let items: Vec<_> = items.iter().map(|item| python_repr::string(item)).collect();
    format!("{{{}}}", items.join(", "))
}

fn sets(stamps: &[(String, Vec<String>)]) -> String {
    let entries: Vec<_> =
        stamps.iter().map(|(name, values)| format!("{}: {}", python_repr::string(name), set(values))).collect();
    format!("defaultdict(<class 'set'>, {{{}}})", entries.join(", "))
}
