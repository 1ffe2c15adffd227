//! The result port: what is stored for the caller, and how the caller waits for it.

use std::time::Duration;

use apium_protocol::ResultRecord;
use async_trait::async_trait;

use crate::chords::Chords;
use crate::error::BackendError;
use crate::inspection::Inspection;
use crate::state::{Overwrite, TaskState};

/// A result record on its way into the store.
#[derive(Debug, Clone)]
pub struct StoredResult {
    /// The task.
    pub task_id: String,
    /// The state the record tells of; the same as in `record`.
    pub state: TaskState,
    /// The record, as [`ResultRecord::encode`] writes it.
    pub record: Vec<u8>,
    /// How long it is kept; `None` means for ever.
    pub expires: Option<Duration>,
    /// What it may replace.
    pub over: Overwrite,
    /// How long the id is remembered after the record is gone (see [`ResultStore::remember`]).
    pub remember: Option<Duration>,
}

/// What is known of a task id.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A record is stored.
    Stored(Box<ResultRecord>),
    /// The id was announced with [`ResultStore::remember`]; nothing is stored yet.
    Waiting,
    /// The task ended, and its record has expired.
    Expired,
    /// Never heard of it. (For an id nobody announced, Celery would call this PENDING.)
    Unknown,
}

/// The result store port. Every backend passes the suite in `conformance/results.rs`.
#[async_trait]
pub trait ResultStore: Send + Sync + 'static {
    /// Where this store lives, without secrets; equal to the broker's when both are one.
    fn home(&self) -> &str;

    /// What this store keeps of chords and groups.
    fn chords(&self) -> &dyn Chords;

    /// What this store tells of how it is kept; `None` where nothing outlives the process.
    fn inspection(&self) -> Option<&dyn Inspection> {
        None
    }

    /// Stores a record and tells those who wait for it; false when the one there does not give way.
    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError>;

    /// What is known of a task.
    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError>;

    /// The record once its state is ready; `None` if that did not happen within `at_most`.
    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError>;

    /// Deletes the record.
    async fn forget(&self, task_id: &str) -> Result<(), BackendError>;

    /// Announces an id before its task is sent, so that "never seen" and "expired" can be told apart
    /// for `keep` from now.
    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError>;
}

impl StoredResult {
    /// A record written by an attempt.
    pub fn of(record: &ResultRecord, expires: Option<Duration>) -> Self {
        Self {
            task_id: record.task_id.clone(),
            state: TaskState::from_name(&record.status),
            record: record.encode(),
            expires,
            over: Overwrite::Unsuccessful,
            remember: None,
        }
    }
}
