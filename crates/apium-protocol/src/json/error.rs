//! Why a text is not the JSON that was asked for, as one sentence.

use std::fmt;

/// A text is not JSON, or not JSON of the wanted shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    reason: String,
    at: Option<usize>,
}

impl JsonError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), at: None }
    }

    pub(crate) fn at(reason: impl Into<String>, at: usize) -> Self {
        Self { reason: reason.into(), at: Some(at) }
    }

    /// The byte of the text at which reading stopped; `None` when the text is JSON but of another shape than asked.
    pub fn offset(&self) -> Option<usize> {
        self.at
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at byte {at}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for JsonError {}

impl serde::de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl serde::ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}
