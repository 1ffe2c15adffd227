//! What one source says of a target, whatever language it said it in: fields by the names of the output.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{dates, phrases};

/// Most values of one list, and most contacts.
const MAX_LIST: usize = 100;
/// Longest text kept, in characters.
const MAX_TEXT: usize = 300;

/// What one source says. A dot in a field's name is a level of the output.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    pub(super) fields: Map<String, Value>,
    /// Dates as the source writes them.
    pub(super) written: Map<String, Value>,
    pub(super) contacts: Vec<Contact>,
    /// True when the source says that it keeps something back.
    pub(super) redacted: bool,
}

/// Somebody responsible for the target, as far as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Contact {
    pub(super) roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organisation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
}

/// A record, and who said it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) record: Record,
    /// As the report calls it.
    pub(super) source: String,
    /// Where to read it again.
    pub(super) url: Option<String>,
}

impl Record {
    /// Sets a text that is not set yet. What only says that it is kept back marks the record instead.
    pub(super) fn set(&mut self, field: &str, text: Option<&str>) {
        if let Some(text) = text.and_then(|text| self.shown(text)) {
            self.fields.entry(field).or_insert(Value::String(text));
        }
    }

    /// Sets a value that is not set yet.
    pub(super) fn set_value(&mut self, field: &str, value: Value) {
        self.fields.entry(field).or_insert(value);
    }

    /// Adds to a list what is not in it yet.
    pub(super) fn push(&mut self, field: &str, text: &str) {
        let Some(text) = self.shown(text) else { return };
        let list = self.fields.entry(field).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut()
            && list.len() < MAX_LIST
            && !list.iter().any(|known| *known == *text)
        {
            list.push(Value::String(text));
        }
    }

    /// Sets a date that is not set yet, in UTC, beside its text; one that cannot be read is null.
    pub(super) fn date(&mut self, field: &str, text: Option<&str>) {
        let Some(text) = text.and_then(|text| self.shown(text)) else { return };
        if !self.fields.contains_key(field) {
            self.fields.insert(field.to_owned(), json!(dates::utc(&text)));
            self.written.insert(field.to_owned(), Value::String(text));
        }
    }

    /// Adds somebody who is known by more than a role.
    pub(super) fn contact(&mut self, contact: Contact) {
        let Contact { name, organisation, email, phone, .. } = &contact;
        let told = [name, organisation, email, phone].into_iter().any(Option::is_some);
        if told && self.contacts.len() < MAX_LIST && !self.contacts.contains(&contact) {
            self.contacts.push(contact);
        }
    }

    /// A foreign text fit to be kept: without control characters, not long, and saying something.
    pub(super) fn shown(&mut self, text: &str) -> Option<String> {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        if phrases::is_redacted(&text) {
            self.redacted = true;
            return None;
        }
        let nothing = text.is_empty() || matches!(text.to_lowercase().as_str(), "n/a" | "none" | "-" | "null" | "na");
        (!nothing).then(|| text.chars().take(MAX_TEXT).collect())
    }

    /// The same for an e-mail address.
    pub(super) fn email(&mut self, text: &str) -> Option<String> {
        let word = text.split([' ', ',', ';', '<', '>', '\'', '"']).find(|word| word.contains('@'));
        // A form's address or a sentence stands here as often as a mailbox.
        let word = word.or_else(|| phrases::is_redacted(text).then_some(text))?;
        self.shown(word).filter(|word| word.contains('@')).map(|word| word.to_lowercase())
    }
}
