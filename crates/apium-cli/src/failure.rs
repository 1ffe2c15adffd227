//! How a command fails: one sentence on standard error and a non-zero exit.

use std::fmt;
use std::process::ExitCode;

use apium::beat::CatalogueError;
use apium::{BackendError, SendError, WorkerError};

/// The code of a command line or a setting that cannot be used; it is clap's own.
pub(crate) const USAGE: u8 = 2;

/// The sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    sentence: String,
    usage: bool,
}

impl Failure {
    /// A failure of the work, that reads as this sentence. Exit code 1.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), usage: false }
    }

    /// A setting or an argument that cannot be used: nothing was begun. Exit code 2.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), usage: true }
    }

    /// What the process ends with.
    pub fn code(&self) -> ExitCode {
        if self.usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<apium::sql::SqlError> for Failure {
    fn from(error: apium::sql::SqlError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::new(sentence)
    }
}
