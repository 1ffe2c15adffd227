//! A signature: a task's name with arguments and options, not yet sent.

use std::time::Duration;

use apium_protocol::{JsonError, RawJson};
use jiff::Timestamp;
use serde::Serialize;

/// A call that can be sent: what Celery's `Signature` is, in Celery's words.
#[derive(Debug, Clone)]
pub struct Signature {
    pub(crate) task: String,
    pub(crate) args: Vec<RawJson>,
    pub(crate) kwargs: Vec<(String, RawJson)>,
    pub(crate) options: SendOptions,
    /// The first argument that JSON could not hold; told when it is sent.
    pub(crate) broken: Option<JsonError>,
}

/// Celery's `apply_async` options.
#[derive(Debug, Clone, Default)]
pub(crate) struct SendOptions {
    pub(crate) task_id: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) priority: Option<u8>,
    pub(crate) eta: Option<When>,
    pub(crate) expires: Option<When>,
    pub(crate) time_limit: Option<f64>,
    pub(crate) soft_time_limit: Option<f64>,
    pub(crate) ignore_result: Option<bool>,
    pub(crate) shadow: Option<String>,
    pub(crate) headers: Vec<(String, RawJson)>,
    pub(crate) parent_id: Option<String>,
    pub(crate) root_id: Option<String>,
    pub(crate) remember: Option<Duration>,
}

/// A moment, absolute or counted from the sending.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    At(Timestamp),
    In(Duration),
}

impl Signature {
    /// A call of the task with this name, without arguments.
    pub fn new(task: impl Into<String>) -> Self {
        Self { task: task.into(), args: Vec::new(), kwargs: Vec::new(), options: SendOptions::default(), broken: None }
    }

    /// Adds one positional argument.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.args.push(json);
        }
        self
    }

    /// Adds one argument by name.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.kwargs.push((name.into(), json));
        }
        self
    }

    /// Sets the arguments as they stand, e.g. from a command line.
    pub fn raw_arguments(mut self, args: Vec<RawJson>, kwargs: Vec<(String, RawJson)>) -> Self {
        self.args = args;
        self.kwargs = kwargs;
        self
    }

    /// The id to send it under; a fresh UUID when not set.
    pub fn task_id(mut self, id: impl Into<String>) -> Self {
        self.options.task_id = Some(id.into());
        self
    }

    /// The queue; when not set, the client's routes decide.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// 0 to 9, lowest first, as on Celery's Redis transport.
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// Not before this long after sending.
    pub fn countdown(mut self, delay: Duration) -> Self {
        self.options.eta = Some(When::In(delay));
        self
    }

    /// Not before this moment.
    pub fn eta(mut self, at: Timestamp) -> Self {
        self.options.eta = Some(When::At(at));
        self
    }

    /// Not begun any more this long after sending: it is REVOKED ("expired") then.
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.options.expires = Some(When::In(span));
        self
    }

    /// Not begun any more after this moment.
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.options.expires = Some(When::At(at));
        self
    }

    /// Hard time limit of an attempt; overrides the task's own.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.options.time_limit = Some(limit.as_secs_f64());
        self
    }

    /// Soft time limit of an attempt; overrides the task's own.
    pub fn soft_time_limit(mut self, limit: Duration) -> Self {
        self.options.soft_time_limit = Some(limit.as_secs_f64());
        self
    }

    /// Whether to store no result; when not set, the task's own option decides.
    pub fn ignore_result(mut self, ignore: bool) -> Self {
        self.options.ignore_result = Some(ignore);
        self
    }

    /// The name to show in logs instead of the task's.
    pub fn shadow(mut self, name: impl Into<String>) -> Self {
        self.options.shadow = Some(name.into());
        self
    }

    /// Adds a header of one's own, which the task reads and every retry keeps.
    pub fn header(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.options.headers.push((name.into(), json));
        }
        self
    }

    /// Sends it as the child of a running task: same root, this parent.
    pub fn child_of(mut self, root_id: impl Into<String>, parent_id: impl Into<String>) -> Self {
        self.options.root_id = Some(root_id.into());
        self.options.parent_id = Some(parent_id.into());
        self
    }

    /// Remembers the id for this long, so that "never seen" and "expired" can be told apart.
    pub fn remember(mut self, keep: Duration) -> Self {
        self.options.remember = Some(keep);
        self
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.task
    }

    fn encode(&mut self, value: &impl Serialize) -> Option<RawJson> {
        RawJson::from(value).map_err(|error| self.broken.get_or_insert(error)).ok()
    }
}
