//! What is kept of an entry beside itself: how far it is decided, and its last run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far an entry is. Kept in the store, and changed in the step that sends what a [plan](crate::plan()) says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Every due time up to this instant is decided.
    pub through: Timestamp,
    /// The last run that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Run>,
    /// Whether that run has not ended, as far as is known. Counts unless overlaps are allowed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// The due time whose run waits for the end of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Timestamp>,
    /// How many runs were sent.
    #[serde(default)]
    pub runs: u64,
}

/// A run that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its task id.
    pub task_id: String,
    /// When it was due.
    pub due: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
}

impl State {
    /// Of an entry that begins now: nothing that was due before is made up for.
    pub fn begin(now: Timestamp) -> Self {
        Self { through: now, last: None, running: false, waiting: None, runs: 0 }
    }

    /// Of an entry that begins anew, because its due times were changed or it was paused: what was due before is past.
    pub fn begin_again(&mut self, now: Timestamp) {
        self.through = self.through.max(now);
    }

    /// A run was sent: by a plan, or by hand, which decides no due time.
    pub fn sent(&mut self, run: Run) {
        self.last = Some(run);
        self.running = true;
        self.runs += 1;
    }

    /// The run with this id has ended; true if that was the last one.
    pub fn ended(&mut self, task_id: &str) -> bool {
        let last = self.last.as_ref().is_some_and(|run| run.task_id == task_id);
        self.running &= !last;
        last
    }
}
