//! The stamps by which tasks are called off: names with one value or several.

use super::Refusal;
use crate::{RawJson, python_repr};

/// Stamped headers as a client gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedHeaders {
    given: RawJson,
}

impl StampedHeaders {
    /// Reads `{"name": "value"}`, `{"name": ["value", …]}`, or the list `["name=value", …]` of the command line.
    ///
    /// # Errors
    /// When it is none of these, in a Python worker's words.
    pub fn parse(given: &RawJson) -> Result<Self, Refusal> {
        if given.is_object() {
            return Ok(Self { given: given.clone() });
        }
        let Ok(pairs) = given.to::<Vec<String>>() else {
            return Err(Refusal::raised("TypeError", "headers should be an object of stamps or a list of name=value"));
        };
        let mut members: Vec<(String, RawJson)> = Vec::new();
        for pair in pairs {
            let mut parts = pair.split('=');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
                return Err(Refusal::raised("IndexError", "list index out of range"));
            };
            members.retain(|(known, _)| known != name);
            members.push((name.to_owned(), RawJson::string(value)));
        }
        Ok(Self { given: RawJson::object(&members) })
    }

    /// Each name with its values; a value that is no text as its JSON text.
    pub fn pairs(&self) -> Vec<(String, Vec<String>)> {
        let text = |value: &RawJson| value.to().unwrap_or_else(|_| value.to_string());
        let members = self.given.members().unwrap_or_default();
        let values = |value: RawJson| match value.elements() {
            Ok(values) => values.iter().map(text).collect(),
            Err(_) => vec![text(&value)],
        };
        members.into_iter().map(|(name, value)| (name, values(value))).collect()
    }

    /// The object.
    pub fn as_json(&self) -> &RawJson {
        &self.given
    }

    /// As Python shows it.
    pub(super) fn shown(&self) -> String {
        python_repr::full_value(&self.given)
    }
}
