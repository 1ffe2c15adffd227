//! Someone says *send*: a signature becomes a message and is published.
//!
//! The first of the six files. What travels is `apium-protocol/src/message.rs`; where it goes next is
//! [`crate::broker`].

use std::sync::Arc;
use std::time::Duration;

use apium_protocol::{
    DeliveryInfo, Embed, ExceptionRecord, Headers, JsonError, Message, Payload, Properties, RawJson, ResultRecord,
    python_repr,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::broker::{Broker, Outgoing};
use crate::clock;
use crate::error::BackendError;
use crate::results::{Lookup, ResultStore, StoredResult};
use crate::routing::Routes;
use crate::signature::{Signature, When};
use crate::state::{Overwrite, TaskState};

/// The header by which a sender asks that the id be remembered, in seconds.
pub const REMEMBER_HEADER: &str = "apium_remember";

/// How long a revoke is remembered, so that a worker that starts later obeys it too.
const KEEP_REVOKED: Duration = Duration::from_hours(24);

/// Sends tasks and reads their results. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    broker: Arc<dyn Broker>,
    results: Arc<dyn ResultStore>,
    routes: Arc<Routes>,
    origin: Arc<str>,
}

/// A task that was sent: its id, and the way to its result.
#[derive(Clone)]
pub struct Pending {
    id: String,
    client: Client,
}

/// Why a task was not sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// An argument or header does not fit into JSON.
    #[error("{task} was not sent: {error}")]
    Unencodable {
        /// The task.
        task: String,
        /// What does not fit.
        error: JsonError,
    },
    /// The broker or the result store could not be used.
    #[error(transparent)]
    Backend(#[from] BackendError),
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

impl Client {
    /// A client that sends to `broker` and reads from `results`.
    pub fn new(broker: Arc<dyn Broker>, results: Arc<dyn ResultStore>, routes: Routes) -> Self {
        let origin = format!("gen{}@{}", std::process::id(), hostname()).into();
        Self { broker, results, routes: Arc::new(routes), origin }
    }

    /// Sends a signature; when this returns, the message is in its queue.
    pub async fn send(&self, signature: &Signature) -> Result<Pending, SendError> {
        if let Some(error) = signature.broken.clone() {
            return Err(SendError::Unencodable { task: signature.task.clone(), error });
        }
        let outgoing_id = signature.options.task_id.clone().unwrap_or_else(fresh_id);
        if let Some(keep) = signature.options.remember {
            self.results.remember(&outgoing_id, keep).await?;
        }
        let outgoing = self.message(signature, &outgoing_id, Timestamp::now());
        self.broker.publish(&[outgoing]).await?;
        Ok(self.pending(outgoing_id))
    }

    /// The way to the result of a task sent earlier or by another.
    pub fn pending(&self, id: impl Into<String>) -> Pending {
        Pending { id: id.into(), client: self.clone() }
    }

    /// Calls a task off: one that waits will not run, one that runs is stopped. True when it had not ended.
    pub async fn revoke(&self, id: &str) -> Result<bool, BackendError> {
        if let Lookup::Stored(record) = self.results.lookup(id).await?
            && TaskState::from_name(&record.status).is_ready()
        {
            return Ok(false);
        }
        self.broker.revoke(id, KEEP_REVOKED).await?;
        let told = ExceptionRecord::new("celery.exceptions", "TaskRevokedError", "revoked");
        let mut record = ResultRecord::new(id, TaskState::Revoked.name(), told.to_json());
        record.children = RawJson::null();
        record.date_done = Some(iso(Timestamp::now()));
        let stored = StoredResult {
            over: Overwrite::Waiting,
            remember: Some(KEEP_REVOKED),
            ..StoredResult::of(&record, Some(KEEP_REVOKED))
        };
        self.results.store(&stored).await?;
        Ok(true)
    }

    /// The broker this client sends to.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// The store this client reads from.
    pub fn results(&self) -> &Arc<dyn ResultStore> {
        &self.results
    }

    /// The routes this client sends by.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    fn message(&self, signature: &Signature, id: &str, now: Timestamp) -> Outgoing {
        let options = &signature.options;
        let queue = options.queue.clone().unwrap_or_else(|| self.routes.queue_of(&signature.task));
        let payload = Payload {
            args: RawJson::array(&signature.args),
            kwargs: RawJson::object(&signature.kwargs),
            embed: Embed::default(),
        };
        let expires = options.expires.map(|when| when.resolve(now));
        let headers = Headers {
            shadow: options.shadow.clone(),
            eta: options.eta.map(|when| iso(when.resolve(now))),
            expires: expires.map(iso),
            timelimit: (options.time_limit, options.soft_time_limit),
            root_id: Some(options.root_id.clone().unwrap_or_else(|| id.to_owned())),
            parent_id: options.parent_id.clone(),
            argsrepr: Some(python_repr::args(&payload.args)),
            kwargsrepr: Some(python_repr::kwargs(&payload.kwargs)),
            origin: Some(self.origin.to_string()),
            ignore_result: options.ignore_result,
            other: other_headers(signature),
            ..Headers::new(&signature.task, id)
        };
        let properties = Properties {
            correlation_id: Some(id.to_owned()),
            delivery_info: DeliveryInfo { routing_key: queue.clone(), ..DeliveryInfo::default() },
            priority: Some(options.priority.unwrap_or(0).into()),
            expiration: expires.map(|at| at.duration_since(now).as_millis().max(0).to_string()),
            delivery_tag: fresh_id(),
            ..Properties::default()
        };
        let bytes = Message::new(headers, &payload, properties).encode();
        Outgoing { queue, priority: options.priority.unwrap_or(0), bytes, not_before: None }
    }
}

impl Pending {
    /// The task's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored now.
    pub async fn lookup(&self) -> Result<Lookup, BackendError> {
        self.client.results.lookup(&self.id).await
    }

    /// The record in a ready state, or `TimedOut`.
    pub async fn record(&self, at_most: Duration) -> Result<ResultRecord, ResultError> {
        self.client.results.wait(&self.id, at_most).await?.ok_or(ResultError::TimedOut(at_most))
    }

    /// The task's value, or why there is none.
    pub async fn get<T: DeserializeOwned>(&self, at_most: Duration) -> Result<T, ResultError> {
        let record = self.record(at_most).await?;
        value_of(&record)?.to::<T>().map_err(|error| ResultError::Unexpected(error.to_string()))
    }

    /// Calls the task off; see [`Client::revoke`].
    pub async fn revoke(&self) -> Result<bool, BackendError> {
        self.client.revoke(&self.id).await
    }

    /// Deletes the stored result.
    pub async fn forget(&self) -> Result<(), BackendError> {
        self.client.results.forget(&self.id).await
    }
}

impl When {
    fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::In(span) => clock::after(now, span),
        }
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

/// A moment as Python writes it: RFC 3339 with microseconds and `+00:00`.
pub fn iso(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// Reads a moment as Python writes it; one without an offset is UTC (Celery's default `timezone`). What lies beyond a
/// timestamp (the last day of the year 9999, Python's `datetime.max`) is the last moment there is.
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        let offset = pieces.to_numeric_offset().unwrap_or(jiff::tz::Offset::UTC);
        let moment = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let beyond = if moment.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
        Some(offset.to_timestamp(moment).unwrap_or(beyond))
    })
}

/// A fresh id: a random UUID, as Celery's.
pub fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// This machine's name, as it stands in node names.
pub fn hostname() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    read.or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

fn other_headers(signature: &Signature) -> Vec<(String, RawJson)> {
    let remember = signature.options.remember.and_then(|keep| RawJson::from(&keep.as_secs()).ok());
    let own = remember.map(|seconds| (REMEMBER_HEADER.to_owned(), seconds));
    signature.options.headers.iter().cloned().chain(own).collect()
}
