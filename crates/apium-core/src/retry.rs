//! How a task asks to be tried again: with what arguments, when, how often (Celery's `self.retry(…)`).

use std::time::Duration;

use apium_protocol::{JsonError, RawJson};
use jiff::Timestamp;
use serde::Serialize;

/// Another try; what is not set stays as it is in the message and in the task's options.
///
/// ```
/// use std::time::Duration;
/// use apium_core::{Retry, TaskError};
///
/// # fn call() -> Result<(), TaskError> {
/// return Err(TaskError::retry(Retry::new().countdown(Duration::from_secs(5)).max_retries(10)));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Retry {
    /// `None`: after the usual delay.
    pub(crate) when: Option<Moment>,
    /// Arguments in place of those of the message.
    pub(crate) args: Option<Vec<RawJson>>,
    pub(crate) kwargs: Option<Vec<(String, RawJson)>>,
    /// Not begun any more after that.
    pub(crate) expires: Option<Moment>,
    pub(crate) max_retries: Option<u32>,
    /// An argument that is not JSON.
    pub(crate) broken: Option<JsonError>,
}

/// A moment, told in one of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long from the retry.
    In(Duration),
    /// Just then.
    At(Timestamp),
}

impl Retry {
    /// The same call once more, after the task's usual delay.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not before this long from now.
    pub fn countdown(mut self, delay: Duration) -> Self {
        self.when = Some(Moment::In(delay));
        self
    }

    /// Not before this moment.
    pub fn eta(mut self, at: Timestamp) -> Self {
        self.when = Some(Moment::At(at));
        self
    }

    /// Not begun any more this long from now.
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.expires = Some(Moment::In(span));
        self
    }

    /// Not begun any more after this moment.
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(Moment::At(at));
        self
    }

    /// The limit for this try in place of the task's own.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// Adds a positional argument; with the first, they take the place of those of the message.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.args.get_or_insert_default().push(json);
        }
        self
    }

    /// Adds an argument by name; with the first, they take the place of those of the message. An argument of the
    /// message that is given here in the other way is replaced.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.kwargs.get_or_insert_default().push((name.into(), json));
        }
        self
    }

    /// When another try is asked for; `None`: the task's usual delay.
    pub fn when(&self) -> Option<Moment> {
        self.when
    }

    /// When it expires; `None`: as the message says.
    pub fn expiry(&self) -> Option<Moment> {
        self.expires
    }

    /// The limit of retries; `None`: the task's own.
    pub fn limit(&self) -> Option<u32> {
        self.max_retries
    }

    /// Arguments by position that take the place of the message's.
    pub fn args(&self) -> Option<&[RawJson]> {
        self.args.as_deref()
    }

    /// Arguments by name that take the place of the message's.
    pub fn kwargs(&self) -> Option<&[(String, RawJson)]> {
        self.kwargs.as_deref()
    }

    fn encode(&mut self, value: &impl Serialize) -> Option<RawJson> {
        RawJson::from(value).map_err(|error| self.broken.get_or_insert(error)).ok()
    }
}
