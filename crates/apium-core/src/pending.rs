//! The way to a result: what a caller holds of a task or a group that was sent, and what can be asked of it.

use std::time::{Duration, Instant};

use apium_protocol::{ExceptionRecord, RawJson, ResultRecord};
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use crate::client::Client;
use crate::error::BackendError;
use crate::results::Lookup;
use crate::state::TaskState;

/// A task that was sent: its id, and the way to its result.
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
    /// The store could not be asked.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl Pending {
    /// The task's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored now.
    pub async fn lookup(&self) -> Result<Lookup, BackendError> {
        self.client.results().lookup(&self.id).await
    }

    /// The record in a ready state, or `TimedOut`.
    pub async fn record(&self, at_most: Duration) -> Result<ResultRecord, ResultError> {
        self.client.results().wait(&self.id, at_most).await?.ok_or(ResultError::TimedOut(at_most))
    }

    /// The task's value, or why there is none; of a group the list of its members' values.
    pub async fn get<T: DeserializeOwned>(&self, at_most: Duration) -> Result<T, ResultError> {
        let value = self.value(at_most).await?;
        value.to::<T>().map_err(|error| ResultError::Unexpected(error.to_string()))
    }

    /// Of a group, its members; of a task, none.
    pub fn members(&self) -> &[Pending] {
        self.members.as_deref().unwrap_or_default()
    }

    fn value(&self, at_most: Duration) -> BoxFuture<'_, Result<RawJson, ResultError>> {
        Box::pin(async move {
            let Some(members) = &self.members else {
                return value_of(&self.record(at_most).await?).cloned();
            };
            let until = Instant::now() + at_most;
            let mut values = Vec::with_capacity(members.len());
            for member in members {
                values.push(member.value(until.saturating_duration_since(Instant::now())).await?);
            }
            Ok(RawJson::array(&values))
        })
    }

    /// Calls the task off; see [`Client::revoke`].
    pub async fn revoke(&self) -> Result<bool, BackendError> {
        self.client.revoke(&self.id).await
    }

    /// Deletes the stored result.
    pub async fn forget(&self) -> Result<(), BackendError> {
        self.client.results().forget(&self.id).await
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
