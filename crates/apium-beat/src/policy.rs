//! What an entry wants for the times when things do not go by the clock.

use serde::{Deserialize, Serialize};

/// What becomes of due times that nobody was there for: no scheduler ran, or it was too slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// They are not made up for.
    Skip,
    /// One run makes up for all of them, as in Celery: the newest. The default.
    #[default]
    Latest,
    /// Each of them is made up for, the oldest first.
    All,
}

/// What becomes of a run that is due while the one before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is sent, as in Celery. The default.
    #[default]
    Allow,
    /// It is not sent.
    Skip,
    /// The first one waits for the end of the one that runs; others are not sent meanwhile.
    QueueOne,
    /// It is sent, and the one that runs is called off.
    CancelRunning,
}

/// Who has declared an entry, and may change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A program.
    Code,
    /// A settings file, or Celery's `beat_schedule`.
    File,
    /// Somebody at run time, by the command line or over HTTP. The default.
    #[default]
    Operator,
}
