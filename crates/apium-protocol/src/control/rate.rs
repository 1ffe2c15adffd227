//! A rate limit as people write it: `10/m`, `5`, `0.5/s`, or nothing.

use super::Refusal;
use crate::{RawJson, python_repr};

/// How often a task may be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    given: RawJson,
    per_second: f64,
}

impl Rate {
    /// Reads a number of starts a second, or a text with `/s`, `/m` or `/h` behind the number.
    ///
    /// # Errors
    /// When it is neither, in a Python worker's words.
    pub fn parse(given: &RawJson) -> Result<Self, Refusal> {
        let per_second = if let Ok(text) = given.to::<String>() {
            if text.is_empty() { 0.0 } else { from_text(&text)? }
        } else if let Ok(number) = given.to::<f64>() {
            number
        } else if given.is_null() || given.as_str() == "false" {
            0.0
        } else if given.as_str() == "true" {
            1.0
        } else {
            return Err(Refusal::raised("TypeError", "a rate limit should be a text such as 10/m or a number"));
        };
        Ok(Self { given: given.clone(), per_second })
    }

    /// Starts a second; `None` without a limit.
    pub fn per_second(&self) -> Option<f64> {
        Some(self.per_second).filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// Whether the limit was switched off, which is answered in other words than a limit of `"0"`.
    pub fn is_off(&self) -> bool {
        !super::arguments::truthy(&self.given)
    }

    /// As it was given.
    pub fn as_given(&self) -> &RawJson {
        &self.given
    }
}

fn from_text(text: &str) -> Result<f64, Refusal> {
    let (count, unit) = text.split_once('/').unwrap_or((text, ""));
    let seconds = match unit {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        other => return Err(Refusal::raised("KeyError", other)),
    };
    let count: f64 = count.trim().parse().map_err(|_| {
        let reason = format!("could not convert string to float: {}", python_repr::string(count));
        Refusal::new(format!("Invalid rate limit string: {}", Refusal::raised("ValueError", &reason)))
    })?;
    Ok(count / seconds)
}
