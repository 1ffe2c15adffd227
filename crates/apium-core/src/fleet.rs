//! What workers must know of one another: who is alive, and what was called off.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::BackendError;
pub use crate::revocation::Revocation;

/// What a worker says of itself at every heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerCard {
    /// The node name, e.g. `celery@host`. Should be a worker's own, but nothing makes sure of it.
    pub name: String,
    /// The queues it consumes.
    pub queues: Vec<String>,
    /// The tasks it knows.
    pub tasks: Vec<String>,
    /// Attempts it can run at once.
    pub concurrency: u32,
    /// Attempts it runs now.
    pub active: u32,
    /// Attempts it has ended since it started.
    pub processed: u64,
    /// Its process id.
    pub pid: u32,
    /// When it started, as RFC 3339; to be told the same at every heartbeat.
    pub started: String,
}

impl WorkerCard {
    /// What tells this worker from every other, also from one of the same name: name, process id and start.
    pub fn instance(&self) -> String {
        format!("{} {} {}", self.name, self.pid, self.started)
    }
}

/// What was called off, and from where to ask on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Revocations {
    /// Task ids called off since the cursor that was given, with what runs of them. An id may be told twice.
    pub ids: Vec<String>,
    /// What was called off otherwise since then.
    pub rules: Vec<Revocation>,
    /// Give this back next time.
    pub cursor: u64,
}

impl Revocations {
    /// Reads what a fleet keeps: ids, and the texts of [`Revocation::to_text`].
    pub fn read(texts: impl IntoIterator<Item = String>, cursor: u64) -> Self {
        let mut told = Self { cursor, ..Self::default() };
        for text in texts {
            match Revocation::read(&text) {
                Some(rule) => told.rules.push(rule),
                None => told.ids.push(text),
            }
        }
        told
    }

    /// Whether nothing was called off.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.rules.is_empty()
    }
}

/// The fleet port. Every backend passes the suite in `conformance/fleet.rs`.
#[async_trait]
pub trait Fleet: Send + Sync + 'static {
    /// Says that this worker lives, for `ttl` from now.
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError>;

    /// Says that this worker has left; another of the same name stays.
    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError>;

    /// The workers alive now, by name; two of one name are both told.
    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError>;

    /// Calls a task off; remembered for `keep`, so that a worker that starts later knows it too. (Also a text of
    /// [`Revocation::to_text`]: a fleet keeps it as it keeps an id.)
    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError>;

    /// Calls off more than one task, or otherwise; remembered likewise.
    async fn call_off(&self, what: &Revocation, keep: Duration) -> Result<(), BackendError> {
        self.revoke(&what.to_text(), keep).await
    }

    /// What was called off after `cursor` (0: everything remembered). Returns at once if there is
    /// something, else waits for it, at the latest until `at_most` has passed (zero: does not wait).
    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError>;
}
