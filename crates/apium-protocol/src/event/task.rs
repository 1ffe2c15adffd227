//! What the events of tasks say.

use super::fields::event_fields;
use crate::{RawJson, python_repr};

event_fields! {
    /// A client has sent a task.
    pub struct TaskSent {
        /// The task id.
        always uuid: String,
        /// The id of the first task of the workflow.
        always root_id: Option<String>,
        /// The id of the task that sent it.
        always parent_id: Option<String>,
        /// The name of the task.
        always name: String,
        /// The positional arguments as Python shows them, see [`python_repr::args`].
        always args: Option<String>,
        /// The keyword arguments as Python shows them, see [`python_repr::kwargs`].
        always kwargs: Option<String>,
        /// How many times it was tried before.
        always retries: u64,
        /// Not before this time, ISO 8601.
        always eta: Option<String>,
        /// Not after this time, ISO 8601.
        always expires: Option<String>,
        /// The queue.
        always queue: Option<String>,
        /// The exchange.
        always exchange: Option<String>,
        /// The routing key.
        always routing_key: Option<String>,
    }
}

event_fields! {
    /// A worker has taken a task.
    pub struct TaskReceived {
        /// The task id.
        always uuid: String,
        /// The name of the task.
        always name: String,
        /// The positional arguments as Python shows them, see [`python_repr::args`].
        always args: Option<String>,
        /// The keyword arguments as Python shows them, see [`python_repr::kwargs`].
        always kwargs: Option<String>,
        /// The id of the first task of the workflow.
        always root_id: Option<String>,
        /// The id of the task that sent it.
        always parent_id: Option<String>,
        /// How many times it was tried before.
        always retries: u64,
        /// Not before this time, ISO 8601.
        always eta: Option<String>,
        /// Not after this time, ISO 8601.
        always expires: Option<String>,
    }
}

event_fields! {
    /// A task has begun to run.
    pub struct TaskStarted {
        /// The task id.
        always uuid: String,
    }
}

event_fields! {
    /// A task has come to its end.
    pub struct TaskSucceeded {
        /// The task id.
        always uuid: String,
        /// Its result as Python shows it, see [`python_repr::value`].
        always result: String,
        /// How long it ran, in seconds.
        always runtime: f64,
    }
}

event_fields! {
    /// A task has failed.
    pub struct TaskFailed {
        /// The task id.
        always uuid: String,
        /// The exception as Python shows it, see [`super::exception_repr`].
        always exception: String,
        /// The traceback; none for a task that never ran.
        known traceback: Option<String>,
    }
}

event_fields! {
    /// A task is to be tried again.
    pub struct TaskRetried {
        /// The task id.
        always uuid: String,
        /// The exception as Python shows it, see [`super::exception_repr`].
        always exception: String,
        /// The traceback.
        known traceback: Option<String>,
    }
}

event_fields! {
    /// A task was called off.
    pub struct TaskRevoked {
        /// The task id.
        always uuid: String,
        /// Whether it ran and was ended.
        always terminated: bool,
        /// With which signal: a number, a name or null.
        always signum: RawJson,
        /// Whether it was too late for it.
        always expired: bool,
    }
}

event_fields! {
    /// A task's message was rejected.
    pub struct TaskRejected {
        /// The task id.
        always uuid: String,
        /// Whether it was given back to its queue.
        always requeue: bool,
    }
}

event_fields! {
    /// A task that ran was broken off because the connection was lost.
    pub struct TaskCancelled {
        /// The task id.
        always uuid: String,
    }
}

impl TaskReceived {
    /// A task with these arguments, an array and an object, sent for the first time and on its own.
    pub fn new(uuid: impl Into<String>, name: impl Into<String>, args: &RawJson, kwargs: &RawJson) -> Self {
        let uuid = uuid.into();
        Self {
            root_id: Some(uuid.clone()),
            uuid,
            name: name.into(),
            args: Some(python_repr::args(args)),
            kwargs: Some(python_repr::kwargs(kwargs)),
            ..Self::default()
        }
    }
}

impl TaskSucceeded {
    /// A task that has given `result` after `runtime` seconds.
    pub fn new(uuid: impl Into<String>, result: &RawJson, runtime: f64) -> Self {
        Self { uuid: uuid.into(), result: python_repr::value(result), runtime }
    }
}
