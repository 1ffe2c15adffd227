//! What goes between a worker and its child: one JSON value a frame, after its length in four bytes.

use std::io::{self, Read};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::protocol::RawJson;
use apium_core::unique::UniqueClaim;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// From the worker to its child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Down {
    /// Run this.
    Start(Box<Start>),
    /// Stop what runs.
    CallOff,
    /// What came of an errand.
    Answer(u64, Result<RawJson, Refused>),
}

/// From the child to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Up {
    /// The child can run tasks.
    Ready,
    /// Something the worker is to do for the task.
    Ask(u64, Errand),
    /// The attempt is over.
    Ended(Box<Ended>),
}

/// An attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// Headers, properties and arguments, as a message with a plain body.
    pub(super) message: RawJson,
    pub(super) queue: String,
    pub(super) worker: String,
    pub(super) redelivered: bool,
    pub(super) result_expires: Option<Duration>,
    pub(super) extended: Vec<(String, RawJson)>,
    pub(super) ignore_result: bool,
    pub(super) soft_limit: Option<Duration>,
    /// In bytes.
    pub(super) max_memory: Option<u64>,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) children: Vec<RawJson>,
    /// Memory in use afterwards, in bytes.
    pub(super) resident: u64,
    /// The task has not let go: this child is of no more use.
    pub(super) stuck: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum How {
    Value(RawJson),
    /// As [`apium_core::TaskError::to_crossing`] writes it.
    Error(RawJson),
    Panicked(String),
    SoftLimit,
    CalledOff,
}

/// What a task does with its broker and its results.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Errand {
    Publish(Vec<Parcel>),
    PublishUnique(Vec<Parcel>, UniqueClaim),
    Holder(String),
    Revoke(String, Duration),
    Store(Record),
    Lookup(String),
    Wait(String, Duration),
    Forget(String),
    Remember(String, Duration),
    AnnounceChord(String, u64, Duration),
    GrowChord(String, u64, Duration),
    SaveGroup(String, RawJson, Option<Duration>),
    Group(String),
    ForgetGroup(String),
    Spend(Vec<String>, u32),
}

/// A message to be published.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) queue: String,
    pub(super) priority: u8,
    pub(super) message: String,
    pub(super) not_before: Option<jiff::Timestamp>,
}

/// A record to be stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) task_id: String,
    pub(super) state: String,
    pub(super) text: String,
    pub(super) expires: Option<Duration>,
    /// It gives way to whatever was begun.
    pub(super) only_over_waiting: bool,
    pub(super) remember: Option<Duration>,
}

/// What is known of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Known {
    Stored(String),
    Waiting,
    Expired,
    Unknown,
}

/// A backend's error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    transient: bool,
    sentence: String,
}

impl From<BackendError> for Refused {
    fn from(error: BackendError) -> Self {
        Self { transient: error.is_transient(), sentence: error.to_string() }
    }
}

impl From<Refused> for BackendError {
    fn from(refused: Refused) -> Self {
        if refused.transient { Self::Unavailable(refused.sentence) } else { Self::Broken(refused.sentence) }
    }
}

/// A frame, ready to be written.
pub(super) fn pack<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let json = RawJson::from(value).map_err(io::Error::other)?;
    let length = u32::try_from(json.as_str().len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), json.as_str().as_bytes()].concat())
}

/// The next frame; `None` when the other side is gone.
pub(super) async fn next<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    // Not all at once: what a dying child writes may be no length.
    let mut text = Vec::new();
    stream.take(u32::from_be_bytes(length).into()).read_to_end(&mut text).await?;
    unpack(text).map(Some)
}

/// The same on a thread that may wait.
pub(super) fn next_blocking<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut text = Vec::new();
    stream.take(u32::from_be_bytes(length).into()).read_to_end(&mut text)?;
    unpack(text)
}

fn unpack<T: DeserializeOwned>(text: Vec<u8>) -> io::Result<T> {
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    RawJson::parse(&text).and_then(|json| json.to()).map_err(io::Error::other)
}
