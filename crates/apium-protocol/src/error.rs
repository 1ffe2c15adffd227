//! Why bytes from a peer are not what they should be. Where the task's id could still be read it is kept, so that a
//! failure can be stored for the caller instead of letting it wait for ever.

use std::fmt;

use crate::json::JsonError;

/// The task that undecodable bytes speak of, as far as that could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The task id.
    pub id: Option<String>,
    /// The task name.
    pub task: Option<String>,
}

/// Bytes from a peer that are not a task message or a result record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes are no message envelope at all.
    Envelope {
        /// What is wrong with them.
        reason: String,
    },
    /// The message names no task: it is not meant for a Celery worker.
    NoTask {
        /// The id, if there is one.
        subject: Subject,
    },
    /// The message has no task id, so nothing can be stored for it.
    NoId {
        /// The name of the task.
        subject: Subject,
    },
    /// A known field has a value of the wrong type.
    Field {
        /// The path of the field, such as `headers.retries`.
        field: String,
        /// What is wrong with it.
        reason: String,
        /// The task.
        subject: Subject,
    },
    /// The body is in a serialisation that is not read here; only JSON is.
    ContentType {
        /// The content type, such as `application/x-python-serialize`.
        content_type: String,
        /// The task.
        subject: Subject,
    },
    /// The body is in a form that could be read, but was not switched on.
    NotAccepted {
        /// The form, and the setting that would accept it.
        reason: String,
        /// The task.
        subject: Subject,
    },
    /// The body or the result is compressed, which is not read here.
    Compressed {
        /// The content type of the compression, such as `application/x-gzip`.
        content_type: String,
        /// The task.
        subject: Subject,
    },
    /// The body cannot be read: not base64, not UTF-8, not JSON, or not of the shape of the protocol.
    Body {
        /// What is wrong with it.
        reason: String,
        /// The task.
        subject: Subject,
    },
    /// The bytes are no result record.
    Result {
        /// What is wrong with them.
        reason: String,
        /// The task.
        subject: Subject,
    },
}

impl DecodeError {
    /// The id of the task, where it could be read.
    pub fn task_id(&self) -> Option<&str> {
        self.subject()?.id.as_deref()
    }

    /// The name of the task, where it could be read.
    pub fn task_name(&self) -> Option<&str> {
        self.subject()?.task.as_deref()
    }

    fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Envelope { .. } => None,
            Self::NoTask { subject }
            | Self::NoId { subject }
            | Self::Field { subject, .. }
            | Self::ContentType { subject, .. }
            | Self::NotAccepted { subject, .. }
            | Self::Compressed { subject, .. }
            | Self::Body { subject, .. }
            | Self::Result { subject, .. } => Some(subject),
        }
    }

    pub(crate) fn envelope(error: &JsonError) -> Self {
        Self::Envelope { reason: error.to_string() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envelope { reason } => write!(f, "not a message envelope: {reason}"),
            Self::NoTask { subject } => write!(f, "the message{subject} names no task"),
            Self::NoId { subject } => write!(f, "the message{subject} has no task id"),
            Self::Field { field, reason, subject } => write!(f, "the field {field} of the message{subject} {reason}"),
            Self::ContentType { content_type, subject } => write!(
                f,
                "the body of the message{subject} is {content_type:?}; only application/json in UTF-8 is accepted"
            ),
            Self::NotAccepted { reason, subject } => {
                write!(f, "the body of the message{subject} is not accepted: {reason}")
            }
            Self::Compressed { content_type, subject } => write!(
                f,
                "what came{subject} is compressed as {content_type:?}, which is not supported; \
                 switch compression off at the sender"
            ),
            Self::Body { reason, subject } => {
                write!(f, "the body of the message{subject} cannot be read: {reason}")
            }
            Self::Result { reason, subject } => {
                write!(f, "not a result record{subject}: {reason}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// ` for app.add[1234]`, or as much of it as is known; begins with a space unless empty.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.task, &self.id) {
            (Some(task), Some(id)) => write!(f, " for {task}[{id}]"),
            (Some(task), None) => write!(f, " for {task}"),
            (None, Some(id)) => write!(f, " for task id {id}"),
            (None, None) => Ok(()),
        }
    }
}
