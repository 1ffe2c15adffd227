//! Which groups of events a worker sends, and what becomes of that by remote control.

use std::collections::BTreeSet;

use super::EventKind;
use crate::control::Answer;

const TASK: &str = "task";

/// The groups that are sent; none named means all, as in Celery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroups {
    named: BTreeSet<String>,
}

impl EventGroups {
    /// All groups: a worker started to send events of tasks. It cannot be told to stop, see
    /// [`EventGroups::disable_tasks`].
    pub fn all() -> Self {
        Self { named: BTreeSet::new() }
    }

    /// Events of workers only, until those of tasks are enabled.
    pub fn workers() -> Self {
        Self { named: BTreeSet::from(["worker".to_owned()]) }
    }

    /// Whether to send an event.
    pub fn wants(&self, kind: &EventKind) -> bool {
        self.named.is_empty() || self.named.contains(kind.group())
    }

    /// Obeys enable_events.
    pub fn enable_tasks(&mut self) -> Answer {
        if self.named.is_empty() || !self.named.insert(TASK.to_owned()) {
            return Answer::EventsAlreadyEnabled;
        }
        Answer::EventsEnabled
    }

    /// Obeys disable_events. Where all groups are sent, `task` is not named and so not struck out: a Python worker
    /// answers that it sends none and goes on sending, and so does this.
    pub fn disable_tasks(&mut self) -> Answer {
        if self.named.remove(TASK) { Answer::EventsDisabled } else { Answer::EventsAlreadyDisabled }
    }
}
