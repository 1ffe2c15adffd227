//! What is told of a decision: a line of history, and a line in the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Decision;

/// A line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When it was decided.
    pub at: Timestamp,
    /// The due time it is about, the first of several; none for a run by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The task that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// In plain words: "fired, late by 3s", "skipped because …".
    pub what: String,
}

impl Told {
    /// What is told of a decision; `refused`: why it could not be sent.
    pub(crate) fn of(decision: &Decision, refused: Option<String>, at: Timestamp) -> Self {
        let (due, task_id) = match decision {
            Decision::Fire { due, task_id, .. } => (*due, Some(task_id.clone())),
            Decision::Wait { due, .. } => (*due, None),
            Decision::Skip { first, .. } => (*first, None),
        };
        match refused {
            Some(why) => Self { at, due: Some(due), task_id: None, what: format!("could not be sent: {why}") },
            None => Self { at, due: Some(due), task_id, what: decision.to_string() },
        }
    }

    /// A run that somebody asked for.
    pub(crate) fn by_hand(task_id: &str, at: Timestamp) -> Self {
        Self { at, due: None, task_id: Some(task_id.to_owned()), what: "run by hand".to_owned() }
    }

    /// As it is kept.
    pub(crate) fn written(&self) -> String {
        // Plain texts and times: it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Tells it in the log.
    pub(crate) fn log(&self, entry: &str) {
        let (due, task_id) = (self.due.map(|due| due.to_string()), &self.task_id);
        tracing::info!(entry, due, task_id, "schedule {}", self.what);
    }
}
