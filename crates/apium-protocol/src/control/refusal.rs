//! Why a command is not carried out, in the words of a Python worker: clients show them to people.

use std::fmt;

use crate::{RawJson, json::object::ObjectWriter, python_repr};

/// A command that cannot be carried out; answered with `{"error": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    error: String,
}

impl Refusal {
    /// A refusal in free words.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into() }
    }

    /// What a Python worker says when its handler raises: `ValueError('Autoscale not enabled')`.
    pub fn raised(exception: &str, message: &str) -> Self {
        Self::new(format!("{exception}({})", python_repr::string(message)))
    }

    /// The value to reply with.
    pub fn to_json(&self) -> RawJson {
        said("error", &self.error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Refusal {}

/// `{"ok": "…"}` or `{"error": "…"}`.
pub(super) fn said(key: &str, text: &str) -> RawJson {
    let mut object = ObjectWriter::new();
    object.string(key, text);
    RawJson::parse(&object.end()).unwrap_or_default()
}
