//! What can go wrong: a backend that cannot be used, and a task that does not succeed.

mod crossing;

use std::time::Duration;

use apium_protocol::canvas;
use apium_protocol::{ExceptionRecord, RawJson};
use serde::{Deserialize, Serialize};

use crate::retry::Retry;
use crate::signature::Signature;

/// A broker or result store could not do what it was asked; the sentence names it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// It cannot be reached or cannot serve now; the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// It answers, but takes nothing now, because its memory or its disk is full; the same call may succeed later.
    #[error("{0}")]
    Full(String),
    /// It holds something that cannot be right, or refuses the call for good.
    #[error("{0}")]
    Broken(String),
    /// It runs what is sent, and was asked to tell: a task failed for good with this.
    #[error("the task failed with {0}")]
    TaskFailed(Box<TaskError>),
}

impl BackendError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// Why a task did not succeed, and what is to be done about it.
///
/// Any `std::error::Error` turns into one with `?`: its type's name becomes the exception type a Python
/// caller sees, its text the message.
#[derive(Debug, Clone)]
pub struct TaskError {
    pub(crate) exception: ExceptionRecord,
    pub(crate) remedy: Remedy,
    /// Apart, because few errors have it and every `Result` of a task has room for one.
    pub(crate) extra: Option<Box<Extra>>,
}

/// What some errors carry beside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    traceback: Option<String>,
    /// The canvas that takes the task's place.
    replacement: Option<canvas::Signature>,
    /// How it is to be tried again.
    retry: Option<Retry>,
    /// A retry without an error of its own.
    bare: bool,
}

/// What the worker does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// As the task's options say: retried with `autoretry`, else a failure.
    ByOptions,
    /// Try again while retries are left; after this long, or by the task's back-off.
    Retry(Option<Duration>),
    /// Never try again.
    Fail,
    /// Give the message up: no retry, the message becomes a dead letter.
    Reject,
    /// The arguments do not fit: no attempt can succeed, the message becomes a dead letter.
    Refuse,
    /// Put the message back at the end of its queue.
    Requeue,
    /// Store nothing and acknowledge.
    Ignore,
    /// Send a canvas in the task's place, which ends under the task's id.
    Replace,
}

impl TaskError {
    /// An error that reads as a Python built-in of this name, e.g. `("ValueError", "no such item")`.
    pub fn new(exc_type: &str, message: impl AsRef<str>) -> Self {
        Self::exception("builtins", exc_type, message)
    }

    /// An error of this Python module and type, which a caller may `except` by type.
    pub fn exception(module: &str, exc_type: &str, message: impl AsRef<str>) -> Self {
        Self::of(ExceptionRecord::new(module, exc_type, message.as_ref()), Remedy::ByOptions)
    }

    /// Wrong arguments: what Python raises as `TypeError`. Never retried, kept as a dead letter.
    pub fn arguments(message: impl AsRef<str>) -> Self {
        Self::of(ExceptionRecord::new("builtins", "TypeError", message.as_ref()), Remedy::Refuse)
    }

    /// Gives the message up; it is kept as a dead letter.
    pub fn reject(reason: impl AsRef<str>) -> Self {
        Self::of(ExceptionRecord::new("celery.exceptions", "Reject", reason.as_ref()), Remedy::Reject)
    }

    /// Puts the message back at the end of its queue.
    pub fn requeue() -> Self {
        Self::of(ExceptionRecord::new("celery.exceptions", "Reject", "requeue"), Remedy::Requeue)
    }

    /// Ends the attempt without storing anything.
    pub fn ignore() -> Self {
        Self::of(ExceptionRecord::new("celery.exceptions", "Ignore", ""), Remedy::Ignore)
    }

    /// Ends the attempt and lets a canvas take the task's place: it runs under the task's id, and what was to follow
    /// the task follows it (Celery's `Task.replace`).
    pub fn replace(signature: Signature) -> Self {
        if let Some(error) = signature.unfit() {
            return Self::new("TypeError", error.to_string()).fatal();
        }
        let told = ExceptionRecord::new("celery.exceptions", "Ignore", "Replaced by new task");
        let mut error = Self::of(told, Remedy::Replace);
        error.extra().replacement = Some(signature.canvas);
        error
    }

    /// Ends the attempt and tries again, though nothing went wrong (Celery's `self.retry()`). When no retries are left,
    /// the task fails with `MaxRetriesExceededError`.
    pub fn retry(retry: Retry) -> Self {
        let mut bare =
            Self::of(ExceptionRecord::new("celery.exceptions", "Retry", "Task can be retried"), Remedy::Fail);
        bare.extra().bare = true;
        bare.retry_with(retry)
    }

    /// How the task wants to be tried again, where it said more than when.
    pub fn another_try(&self) -> Option<&Retry> {
        self.extra.as_ref()?.retry.as_ref()
    }

    /// True of a retry that has no error of its own to tell.
    pub fn is_bare_retry(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.bare)
    }

    /// The canvas that takes the task's place, if there is one.
    pub fn into_replacement(self) -> Option<canvas::Signature> {
        self.extra?.replacement
    }

    /// The exception in full, for arguments other than one message.
    pub fn from_exception(exception: ExceptionRecord) -> Self {
        Self::of(exception, Remedy::ByOptions)
    }

    /// Never retry this one, whatever the task's options say.
    pub fn fatal(mut self) -> Self {
        self.remedy = Remedy::Fail;
        self
    }

    /// Retry this one while the task has retries left, after its usual back-off.
    pub fn retryable(mut self) -> Self {
        self.remedy = Remedy::Retry(None);
        self
    }

    /// Retry this one after just this long, while the task has retries left.
    pub fn retry_in(mut self, delay: Duration) -> Self {
        self.remedy = Remedy::Retry(Some(delay));
        self
    }

    /// Retry this one just so, while retries are left (Celery's `self.retry(exc=…)`).
    pub fn retry_with(mut self, retry: Retry) -> Self {
        if let Some(error) = &retry.broken {
            return Self::new("TypeError", error.to_string()).fatal();
        }
        self.remedy = Remedy::Retry(None);
        self.extra().retry = Some(retry);
        self
    }

    /// Adds a traceback text for the result record.
    pub fn with_traceback(mut self, text: impl Into<String>) -> Self {
        self.extra().traceback = Some(text.into());
        self
    }

    /// The exception as a Python caller will see it.
    pub fn record(&self) -> &ExceptionRecord {
        &self.exception
    }

    /// What the worker does about it.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// The traceback text, as stored.
    pub fn traceback(&self) -> String {
        let own = self.extra.as_ref().and_then(|extra| extra.traceback.clone());
        // Python's tools (tblib, Sentry) want at least one frame before they believe that it is a traceback.
        own.unwrap_or_else(|| {
            format!("Traceback (most recent call last):\n  File \"<rust>\", line 0, in <task>\n{self}\n")
        })
    }

    /// The `result` field of a record that tells of this error; null when there is none to tell.
    pub fn to_result(&self) -> RawJson {
        if self.is_bare_retry() { RawJson::null() } else { self.exception.to_json() }
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    fn of(exception: ExceptionRecord, remedy: Remedy) -> Self {
        Self { exception, remedy, extra: None }
    }
}

/// Written as Python's traceback ends: `ValueError: no such item`.
impl std::fmt::Display for TaskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let message = self.exception.message();
        if message.is_empty() {
            f.write_str(&self.exception.exc_type)
        } else {
            write!(f, "{}: {message}", self.exception.exc_type)
        }
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    fn from(error: E) -> Self {
        let path = std::any::type_name::<E>();
        // Generic arguments would make a name no Python class can have.
        let path = path.split('<').next().unwrap_or(path);
        let (module, name) = path.rsplit_once("::").unwrap_or(("rust", path));
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::exception(&module.replace("::", "."), name, text)
    }
}
