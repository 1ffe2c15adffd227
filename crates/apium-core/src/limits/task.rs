//! What a task says of its own limits, and the value of an argument by which it is limited.

use std::fmt::Write as _;

use apium_protocol::RawJson;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Limit;
use crate::argument::{Parameter, ParameterKind};

/// A longer value stands in the name of its limit by its digest.
const LONGEST_VALUE: usize = 200;

/// One limit of a task: of all its attempts, or of those with the same value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLimit {
    /// The argument; `None`: the limit is the task's as a whole.
    pub by: Option<String>,
    /// What it is limited to until an operator says otherwise. An empty one only names the argument.
    pub limit: Limit,
    /// What the argument is when a caller leaves it out.
    pub otherwise: Option<RawJson>,
}

impl TaskLimit {
    /// A limit of the task as a whole.
    pub fn new(limit: Limit) -> Self {
        Self { by: None, limit, otherwise: None }
    }

    /// The same for each value of this argument.
    pub fn by(mut self, argument: &str) -> Self {
        self.by = Some(argument.to_owned());
        self
    }

    /// What the argument is when a caller leaves it out; `#[task]` tells it.
    pub fn otherwise(mut self, value: impl Serialize) -> Self {
        self.otherwise = RawJson::from(&value).ok();
        self
    }

    /// The name under which it is set for a task.
    pub fn name(&self, task: &str) -> String {
        match &self.by {
            None => format!("task:{task}"),
            Some(argument) => format!("{argument}=*"),
        }
    }

    /// The name of the limit that a call with these arguments is under; `None` where the argument is missing or null.
    pub fn key(&self, parameters: &[Parameter], args: &[RawJson], kwargs: &[(String, RawJson)]) -> Option<String> {
        let argument = self.by.as_deref()?;
        let plain = parameters.iter().take_while(|parameter| parameter.kind == ParameterKind::Plain);
        let place = plain.zip(args).find(|(parameter, _)| parameter.name == argument).map(|(_, value)| value);
        let named = || kwargs.iter().find(|(name, _)| name == argument).map(|(_, value)| value);
        let value = place.or_else(named).or(self.otherwise.as_ref()).filter(|value| !value.is_null())?;
        let text = value.to::<String>().unwrap_or_else(|_| value.to_string());
        Some(format!("{argument}={}", tamed(text)))
    }
}

fn tamed(text: String) -> String {
    if text.len() <= LONGEST_VALUE && !text.is_empty() && !text.contains(char::is_control) {
        return text;
    }
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing into a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}
