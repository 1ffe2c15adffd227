//! Dead letters: messages given up, kept with their reason and their original bytes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// No worker here knows a task of that name.
    Unknown,
    /// The message could not be read.
    Undecodable,
    /// The message asks for what this version does not do.
    Unsupported,
    /// The arguments do not fit the task.
    Arguments,
    /// The task rejected it.
    Rejected,
    /// Every allowed retry failed.
    RetriesExhausted,
    /// The processes that ran it died, as often as is allowed.
    Poison,
    /// It had expired before it could begin.
    Expired,
}

/// The most deaths that are remembered of one message; of more, the latest.
pub const MOST_DEATHS: usize = 100;

/// Stands for a worker that died before it had told its name.
pub const UNNAMED: &str = "a worker that had not told its name";

/// A message given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Names this dead letter in `dead show` and `dead replay`.
    pub id: String,
    /// The queue it came from and would be replayed into.
    pub queue: String,
    /// The priority it had.
    #[serde(default)]
    pub priority: u8,
    /// Why it was given up.
    pub reason: DeadReason,
    /// The error, as a sentence.
    pub error: String,
    /// The task's name, if it could be read.
    pub task: Option<String>,
    /// The task's id, if it could be read.
    pub task_id: Option<String>,
    /// Attempts made, the last one included.
    pub attempts: u32,
    /// The worker that gave it up.
    pub worker: String,
    /// The workers that lost their lease on it, oldest first (see [`crate::Delivery::deaths`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub died_with: Vec<String>,
    /// When, as RFC 3339.
    pub at: String,
    /// The original envelope. What is not UTF-8 is kept too, as base64 in the stores that need text.
    #[serde(with = "envelope")]
    pub message: Vec<u8>,
}

/// Which dead letters are wanted; the default is all of them.
#[derive(Debug, Clone, Default)]
pub struct DeadFilter {
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only of this task.
    pub task: Option<String>,
    /// Only those given up for this reason.
    pub reason: Option<DeadReason>,
    /// Only those with this text somewhere in their error.
    pub error: Option<String>,
    /// Only those given up at this time or later.
    pub since: Option<Timestamp>,
    /// Only those given up before this time.
    pub before: Option<Timestamp>,
    /// At most so many; `None` means 1,000 letters, and any number of ids.
    pub limit: Option<usize>,
}

impl DeadFilter {
    /// Whether a dead letter is wanted.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        self.queue.as_ref().is_none_or(|queue| *queue == letter.queue)
            && self.task.as_ref().is_none_or(|task| Some(task) == letter.task.as_ref())
            && self.reason.is_none_or(|reason| reason == letter.reason)
            && self.error.as_ref().is_none_or(|error| letter.error.contains(error))
            && self.is_of_time(letter)
    }

    /// Whether a letter was given up when it should have been. One whose time cannot be read is of no time.
    fn is_of_time(&self, letter: &DeadLetter) -> bool {
        if self.since.is_none() && self.before.is_none() {
            return true;
        }
        let Ok(at) = letter.at.parse::<Timestamp>() else { return false };
        self.since.is_none_or(|since| at >= since) && self.before.is_none_or(|before| at < before)
    }

    /// How many letters at the most.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(1_000)
    }

    /// How many ids at the most.
    pub fn most_ids(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

impl DeadReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Undecodable,
        Self::Unsupported,
        Self::Arguments,
        Self::Rejected,
        Self::RetriesExhausted,
        Self::Poison,
        Self::Expired,
    ];

    /// The one word it is stored and asked for by.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Undecodable => "undecodable",
            Self::Unsupported => "unsupported",
            Self::Arguments => "arguments",
            Self::Rejected => "rejected",
            Self::RetriesExhausted => "retries_exhausted",
            Self::Poison => "poison",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown task",
            Self::Undecodable => "undecodable message",
            Self::Unsupported => "not supported",
            Self::Arguments => "wrong arguments",
            Self::Rejected => "rejected",
            Self::RetriesExhausted => "retries exhausted",
            Self::Poison => "poison",
            Self::Expired => "expired",
        })
    }
}

/// The original bytes as JSON: text where it is text, else `{"base64": …}`.
mod envelope {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Binary { base64: String },
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let form = match std::str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.to_owned()),
            Err(_) => Form::Binary { base64: STANDARD.encode(bytes) },
        };
        form.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(text.into_bytes()),
            Form::Binary { base64 } => STANDARD.decode(base64).map_err(serde::de::Error::custom),
        }
    }
}
