//! The signal a running task is to be ended with: by name, with or without `SIG`, or by number.

use super::Refusal;
use crate::{RawJson, python_repr};

/// A signal as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Its full name in capitals, such as `SIGTERM`.
    Name(String),
    /// Its number.
    Number(i64),
}

impl Signal {
    /// Reads `"SIGKILL"`, `"KILL"` or `9`. That the name is one the system knows is not checked here.
    ///
    /// # Errors
    /// When it is neither a number nor a name in capitals.
    pub fn parse(given: &RawJson) -> Result<Self, Refusal> {
        if let Ok(number) = given.to() {
            return Ok(Self::Number(number));
        }
        let name: String = given.to().unwrap_or_default();
        let capitals = name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase);
        if !capitals {
            return Err(Refusal::raised("TypeError", "signal name must be uppercase string."));
        }
        Ok(Self::Name(if name.starts_with("SIG") { name } else { format!("SIG{name}") }))
    }

    /// What a Python worker says to a name the system does not know.
    pub fn unknown(name: &str) -> Refusal {
        let name = python_repr::string(name);
        Refusal::raised("AttributeError", &format!("module 'signal' has no attribute {name}"))
    }

    pub(super) fn to_json(&self) -> RawJson {
        match self {
            Self::Name(name) => RawJson::string(name),
            Self::Number(number) => RawJson::from(number).unwrap_or_default(),
        }
    }
}

impl Default for Signal {
    /// `SIGTERM`
    fn default() -> Self {
        Self::Name("SIGTERM".to_owned())
    }
}
