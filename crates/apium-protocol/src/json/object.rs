//! One JSON object written member by member, in the order and with the separators of Python's `json`.

use super::string;
use crate::RawJson;

/// Writes an object; [`ObjectWriter::end`] closes it and gives the text.
pub(crate) struct ObjectWriter {
    out: String,
}

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self::with_capacity(128)
    }

    /// A writer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push('{');
        Self { out }
    }

    /// A member whose value is `json` as it stands.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        if self.out.len() > 1 {
            self.out.push_str(", ");
        }
        string::write(&mut self.out, key);
        self.out.push_str(": ");
        self.out.push_str(json);
    }

    pub(crate) fn string(&mut self, key: &str, value: &str) {
        self.raw(key, "");
        string::write(&mut self.out, value);
    }

    /// A string, or null.
    pub(crate) fn nullable(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.string(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// A string, or no member at all.
    pub(crate) fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// A number or another value whose text is the same in JSON, or null.
    pub(crate) fn display<T: std::fmt::Display>(&mut self, key: &str, value: Option<T>) {
        match value {
            Some(value) => self.raw(key, &value.to_string()),
            None => self.raw(key, "null"),
        }
    }

    pub(crate) fn members(&mut self, members: &[(String, RawJson)]) {
        for (key, value) in members {
            self.raw(key, value.as_str());
        }
    }

    pub(crate) fn end(mut self) -> String {
        self.out.push('}');
        self.out
    }
}
