//! The one table of states: where a task may stand, and which state gives way to which.

use std::fmt;

/// A task's place, as Celery's result records name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Nothing is stored: the task waits, or nobody knows it.
    Pending,
    /// A worker has begun an attempt (stored only with `track_started`).
    Started,
    /// An attempt failed and another is due.
    Retry,
    /// The task returned.
    Success,
    /// The task raised, or was given up.
    Failure,
    /// The task was called off before it ended.
    Revoked,
    /// A state of the task's own, such as `PROCESSING`.
    Custom(String),
}

/// What a new record may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Anything but SUCCESS: what an attempt writes (Celery's rule for every result backend).
    Unsuccessful,
    /// Only a task nobody has begun: what a revoke by command writes (Celery 5.7's rule).
    Waiting,
}

impl TaskState {
    /// Reads the name a record carries; an unknown name is a state of the task's own.
    pub fn from_name(name: &str) -> Self {
        match name {
            "PENDING" | "RECEIVED" => Self::Pending,
            "STARTED" => Self::Started,
            "RETRY" => Self::Retry,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "REVOKED" => Self::Revoked,
            other => Self::Custom(other.to_owned()),
        }
    }

    /// The name a record carries.
    pub fn name(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Started => "STARTED",
            Self::Retry => "RETRY",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
            Self::Custom(name) => name,
        }
    }

    /// True when nothing more will happen by itself: SUCCESS, FAILURE, REVOKED.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Revoked => true,
            Self::Pending | Self::Started | Self::Retry | Self::Custom(_) => false,
        }
    }

    /// Whether a record in this state gives way to a new one written under `rule`.
    ///
    /// FAILURE and REVOKED give way to a later attempt, because a dead letter may be replayed.
    pub fn gives_way(&self, rule: Overwrite) -> bool {
        match rule {
            Overwrite::Unsuccessful => *self != Self::Success,
            Overwrite::Waiting => matches!(self, Self::Pending | Self::Retry),
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
