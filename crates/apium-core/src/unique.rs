//! Unique tasks: at most one message at a time for a key made of a task's arguments.
//!
//! The sender makes the key ([`Unique`]) and claims it in the step that publishes. It travels with the message in the
//! header [`HEADER`], so that any Apium worker gives it back in the settlement of the task. A Python worker does not
//! know it: what it has run gives the key back when the next sender finds its result, or when its time is over. Every
//! backend passes the suite in `conformance/unique.rs`.

mod key;

use std::time::Duration;

use apium_protocol::{Headers, RawJson};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::broker::Outgoing;
use crate::error::BackendError;

pub(crate) use key::key;

/// The header in which the key travels: a [`UniqueMark`].
pub const HEADER: &str = "apium_unique";

/// How long a key outlives the last sign of life of its holder, unless the task says otherwise: one day.
pub const KEEP: Duration = Duration::from_hours(24);

/// What makes a task unique: the arguments that count, until when, and what becomes of another with the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct Unique {
    pub(crate) by: Option<Vec<String>>,
    pub(crate) until: Until,
    pub(crate) keep: Duration,
    pub(crate) policy: Policy,
    pub(crate) defaults: Vec<(String, RawJson)>,
}

/// When a key is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// As soon as the task begins: one may wait while another runs.
    Start,
    /// When the task has ended, however it did.
    Done,
    /// When the period is over; before that only if the task did not succeed.
    Period,
}

/// What becomes of a task whose key another holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// It is not sent: an error that names the holder.
    Reject,
    /// It is not sent, and the sender gets the way to the holder's result.
    Return,
    /// It takes the place of a holder that waits, which is called off; beside one that runs it is not sent.
    Replace,
    /// The newest wins: it takes the place of the one that waits, and runs once after the one that runs. With
    /// [`Until::Start`] only.
    KeepLast,
}

/// What a message tells of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UniqueMark {
    /// The key: the task's name and a digest of the arguments that count.
    pub key: String,
    /// When it is free again.
    pub until: Until,
    /// For so many seconds it outlives the last sign of life of its holder.
    #[serde(rename = "for")]
    pub keep: f64,
}

/// A key that is to be claimed for a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UniqueClaim {
    /// The key.
    pub key: String,
    /// The id of the task that is to hold it.
    pub task_id: String,
    /// How long the claim is good if nothing more is heard of it.
    pub keep: Duration,
    /// Whether a holder that waits is called off for it.
    pub replace: bool,
    /// The id of a holder that is known to have ended: its claim counts no more.
    pub over: Option<String>,
}

/// Who has a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The task's id.
    pub task_id: String,
    /// Whether an attempt has begun, and the task does not wait for another.
    pub runs: bool,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claimed {
    /// The messages are published; or this task held the key already, and nothing was done.
    Ours,
    /// The messages are published, and the task with this id, which waited, will not run.
    Replaced(String),
    /// Another holds the key: nothing is published.
    Held(Holder),
}

/// What becomes of a key when its holder begins an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtStart {
    /// It is free.
    Release,
    /// It is the holder's for so long from now; also when it had become free.
    Hold(Duration),
    /// Its time goes on as it was.
    Note,
}

/// What becomes of a key with a settlement, if the task still holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct UniqueEnd {
    /// The key.
    pub key: String,
    /// The task.
    pub task_id: String,
    /// For how long the task keeps it, which waits again; `None`: it is free.
    pub keep: Option<Duration>,
}

/// What a broker keeps of unique tasks.
#[async_trait]
pub trait Uniques: Send + Sync + 'static {
    /// Claims a key and publishes, in one step: both, or neither.
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError>;

    /// A task with this key, claimed from this queue, begins an attempt; false when it was called off for a newer one, and
    /// must not.
    async fn begin(&self, queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError>;

    /// Who holds a key now.
    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError>;
}

impl Unique {
    /// Unique until the task has ended, by all its arguments; another is rejected.
    pub fn until_done() -> Self {
        Self { by: None, until: Until::Done, keep: KEEP, policy: Policy::Reject, defaults: Vec::new() }
    }

    /// Unique until the task begins: one may wait while another runs.
    pub fn until_started() -> Self {
        Self { until: Until::Start, ..Self::until_done() }
    }

    /// Once in a period, which begins with the sending, or with the ETA of what has one. A task that does not succeed
    /// frees its key.
    pub fn once_in(period: Duration) -> Self {
        Self { until: Until::Period, keep: period, ..Self::until_done() }
    }

    /// Only these arguments count.
    pub fn by<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.by = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// The bound: for so long a key outlives the last sign of life of its holder, which is its sending (or its ETA),
    /// the beginning of an attempt, a retry. Default one day; to be longer than the longest wait and the longest
    /// attempt.
    pub fn for_at_most(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// What becomes of another with the same key.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// What an argument is when the caller leaves it out, so that the key is the same; `#[task]` tells it.
    pub fn default_of(mut self, argument: &str, value: impl Serialize) -> Self {
        if let Ok(value) = RawJson::from(&value) {
            self.defaults.push((argument.to_owned(), value));
        }
        self
    }
}

impl UniqueMark {
    /// What a message tells, if it tells something.
    pub fn of(headers: &Headers) -> Option<Self> {
        let (_, value) = headers.other.iter().find(|(name, _)| name == HEADER)?;
        value.to().ok()
    }

    /// For how long the key outlives the last sign of life of its holder.
    pub fn keep(&self) -> Duration {
        Duration::try_from_secs_f64(self.keep).unwrap_or(KEEP)
    }
}
