//! The way to a result: what a caller holds of a task or a group that was sent, and what can be asked of it.
//!
//! Here: what is stored, and waiting for it. What a result comes after and what comes of it is in `pending/family.rs`,
//! what can be asked of a group only in `pending/group.rs`.

mod family;
mod group;

use std::pin::pin;
use std::time::Duration;

use apium_protocol::{ExceptionRecord, RawJson, ResultRecord};
use futures_util::StreamExt as _;
use futures_util::future::{self, BoxFuture, Either, try_join_all};
use futures_util::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use crate::client::Client;
use crate::error::BackendError;
use crate::results::Lookup;
use crate::state::TaskState;

pub use family::Graph;

/// Longer than anyone waits; keeps the arithmetic of moments from overflowing.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// A task or a group that was sent: its id, and the way to its result. Cheap to clone, unless it is a large group.
#[derive(Clone)]
pub struct Pending {
    pub(crate) id: String,
    pub(crate) client: Client,
    /// Of a group, its members.
    pub(crate) members: Option<Vec<Pending>>,
    /// What it comes after, in Celery's words; null when nothing is known of that.
    pub(crate) parent: RawJson,
}

/// Why there is no value to read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResultError {
    /// The task failed; the exception as its worker told it.
    #[error("the task failed with {}: {}", .exception.exc_type, .exception.message())]
    Failed {
        /// Type, module and message.
        exception: Box<ExceptionRecord>,
        /// The traceback text, if one was stored.
        traceback: Option<String>,
    },
    /// The task was called off.
    #[error("the task was revoked: {0}")]
    Revoked(String),
    /// No result came in time; the task may still end.
    #[error("no result within {0:?}")]
    TimedOut(Duration),
    /// The value is not of the type asked for.
    #[error("the result is not what was expected: {0}")]
    Unexpected(String),
    /// What a task has sent is known once it has ended, and this one has not (Celery's `IncompleteStream`).
    #[error("{0} has not ended: what it sends is not known yet")]
    Incomplete(String),
    /// The store could not be asked.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// How long somebody waits.
#[derive(Clone, Copy)]
struct Patience {
    span: Duration,
    until: Instant,
}

impl Pending {
    /// The id of the task, or of the group.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is known of the task now.
    pub async fn lookup(&self) -> Result<Lookup, BackendError> {
        self.client.results().lookup(&self.id).await
    }

    /// The record stored now, if there is one: state, metadata, traceback, when it ended and, where
    /// `result_extended` is on, [`ResultRecord::extended`]. Of a group there is none.
    pub async fn stored(&self) -> Result<Option<ResultRecord>, BackendError> {
        Ok(match self.lookup().await? {
            Lookup::Stored(record) => Some(*record),
            Lookup::Waiting | Lookup::Expired | Lookup::Unknown => None,
        })
    }

    /// Where the task stands; PENDING when nothing is stored, as in Celery. A group is PENDING until all its members
    /// have ended, and then as its first member that did not succeed, or SUCCESS.
    pub async fn state(&self) -> Result<TaskState, BackendError> {
        if self.members.is_none() {
            let record = self.stored().await?;
            return Ok(record.map_or(TaskState::Pending, |record| TaskState::from_name(&record.status)));
        }
        let states = self.states().await?;
        if states.iter().any(|state| !state.is_ready()) {
            return Ok(TaskState::Pending);
        }
        Ok(states.into_iter().find(|state| *state != TaskState::Success).unwrap_or(TaskState::Success))
    }

    /// Whether the task has ended, or every member of the group.
    pub async fn ready(&self) -> Result<bool, BackendError> {
        Ok(self.states().await?.iter().all(TaskState::is_ready))
    }

    /// Whether the task has succeeded, or every member of the group.
    pub async fn successful(&self) -> Result<bool, BackendError> {
        Ok(self.states().await?.iter().all(|state| *state == TaskState::Success))
    }

    /// Whether the task has failed, or any member of the group.
    pub async fn failed(&self) -> Result<bool, BackendError> {
        Ok(self.states().await?.contains(&TaskState::Failure))
    }

    /// What the task tells now: its value, its exception, or the metadata of a state of its own; null when nothing is
    /// stored (Celery's `info`).
    pub async fn info(&self) -> Result<RawJson, BackendError> {
        Ok(self.stored().await?.map(|record| record.result).unwrap_or_default())
    }

    /// The traceback of a task that failed, or that is to be tried again.
    pub async fn traceback(&self) -> Result<Option<String>, BackendError> {
        Ok(self.stored().await?.and_then(|record| record.traceback))
    }

    /// The record of a task in a ready state, or `TimedOut`.
    pub async fn record(&self, at_most: Duration) -> Result<ResultRecord, ResultError> {
        self.client.results().wait(&self.id, at_most).await?.ok_or(ResultError::TimedOut(at_most))
    }

    /// The task's value, or why there is none; of a group the list of its members' values, or the first failure among
    /// them. A task whose forerunner failed or was revoked will not run: that error is told.
    pub async fn get<T: DeserializeOwned>(&self, at_most: Duration) -> Result<T, ResultError> {
        let value = self.value(Patience::of(at_most)).await?;
        value.to::<T>().map_err(|error| ResultError::Unexpected(error.to_string()))
    }

    /// What became of each member of a group, in their order, once all have ended (Celery's
    /// `get(propagate=False)`); of a task, of it alone.
    pub async fn outcomes<T: DeserializeOwned>(&self, at_most: Duration) -> Vec<Result<T, ResultError>> {
        let patience = Patience::of(at_most);
        let members = self.members.as_deref().unwrap_or(std::slice::from_ref(self));
        let values = future::join_all(members.iter().map(|member| member.value(patience))).await;
        let read = |value: RawJson| value.to::<T>().map_err(|error| ResultError::Unexpected(error.to_string()));
        values.into_iter().map(|value| value.and_then(read)).collect()
    }

    /// Calls the task off, or every member of the group; true when any had not ended. See [`Client::revoke`].
    pub async fn revoke(&self) -> Result<bool, BackendError> {
        let revoked = try_join_all(self.tasks().into_iter().map(|task| self.client.revoke(task.id()))).await?;
        Ok(revoked.contains(&true))
    }

    /// Deletes what is stored of the task, or of every member of the group, and of what it comes after. What was
    /// kept of a group with [`Pending::save`] stays.
    pub async fn forget(&self) -> Result<(), BackendError> {
        let forerunners = self.forerunners()?;
        let all = std::iter::once(self).chain(&forerunners).flat_map(Self::tasks);
        try_join_all(all.map(|task| self.client.results().forget(task.id()))).await?;
        Ok(())
    }

    /// The states of its tasks: of itself, or of all members.
    async fn states(&self) -> Result<Vec<TaskState>, BackendError> {
        let stored = try_join_all(self.tasks().into_iter().map(Self::stored)).await?;
        let state = |record: ResultRecord| TaskState::from_name(&record.status);
        Ok(stored.into_iter().map(|record| record.map_or(TaskState::Pending, state)).collect())
    }

    fn value(&self, patience: Patience) -> BoxFuture<'_, Result<RawJson, ResultError>> {
        Box::pin(async move {
            let forerunners = self.forerunners()?;
            // A part of a chord that fails is told by the record of the body, as a ChordError.
            let tasks = forerunners.iter().filter(|before| before.members.is_none());
            // Nothing is stored for a task that was to follow one that was revoked.
            let mut failures: FuturesUnordered<_> = tasks.map(|task| task.failure(patience)).collect();
            let failure = pin!(async {
                while let Some(ended) = failures.next().await {
                    if let Some(error) = ended {
                        return error;
                    }
                }
                future::pending().await
            });
            match future::select(pin!(self.own_value(patience)), failure).await {
                Either::Left((value, _)) => value,
                Either::Right((error, _)) => Err(error),
            }
        })
    }

    async fn own_value(&self, patience: Patience) -> Result<RawJson, ResultError> {
        let Some(members) = &self.members else {
            return value_of(&self.ended(patience).await?).cloned();
        };
        // Not one after the other: the first that fails ends the waiting for all.
        let value = async |(place, member): (usize, &Self)| (place, member.value(patience).await);
        let mut waiting: FuturesUnordered<_> = members.iter().enumerate().map(value).collect();
        let mut values = vec![RawJson::null(); members.len()];
        while let Some((place, value)) = waiting.next().await {
            values[place] = value?;
        }
        Ok(RawJson::array(&values))
    }

    /// How the task failed, once it has ended; `None` when it did not, or nothing is known of that.
    async fn failure(&self, patience: Patience) -> Option<ResultError> {
        value_of(&self.ended(patience).await.ok()?).err()
    }

    async fn ended(&self, patience: Patience) -> Result<ResultRecord, ResultError> {
        let left = patience.until.saturating_duration_since(Instant::now());
        self.client.results().wait(&self.id, left).await?.ok_or(ResultError::TimedOut(patience.span))
    }
}

impl Patience {
    fn of(span: Duration) -> Self {
        Self { span, until: Instant::now() + span.min(FOR_EVER) }
    }
}

/// Celery's tuple of a result, `[[id, parent], members]`, so that a task may give back the way to another's.
impl Serialize for Pending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ((&self.id, &self.parent), &self.members).serialize(serializer)
    }
}

/// The value of a record in a ready state, or the error it tells of.
pub fn value_of(record: &ResultRecord) -> Result<&RawJson, ResultError> {
    let told = || ExceptionRecord::from_result(&record.result);
    match TaskState::from_name(&record.status) {
        TaskState::Failure => {
            let exception =
                told().unwrap_or_else(|| ExceptionRecord::new("builtins", "Exception", record.result.as_str()));
            Err(ResultError::Failed { exception: Box::new(exception), traceback: record.traceback.clone() })
        }
        TaskState::Revoked => Err(ResultError::Revoked(told().map_or_else(|| "revoked".to_owned(), |e| e.message()))),
        TaskState::Success => Ok(&record.result),
        TaskState::Pending | TaskState::Started | TaskState::Retry | TaskState::Custom(_) => {
            Err(ResultError::Unexpected(format!("the task is still {}", record.status)))
        }
    }
}
