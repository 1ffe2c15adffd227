//! The value of a known field, read as the type it must have; the error says what was found instead.

use super::{split::Part, string};
use crate::RawJson;

/// What a field should have been, for a sentence such as "should be a string, not 12".
pub(crate) type Wrong = String;

impl Part<'_> {
    pub(crate) fn is_null(&self) -> bool {
        self.text == "null"
    }

    pub(crate) fn raw(&self) -> RawJson {
        RawJson::from_part(*self)
    }

    /// A string, or `None` for null.
    pub(crate) fn string(&self) -> Result<Option<String>, Wrong> {
        if self.is_null() {
            return Ok(None);
        }
        match string::unescape(self.text) {
            Ok(value) => Ok(Some(value.into_owned())),
            Err(_) => Err(self.wrong("a string")),
        }
    }

    pub(crate) fn boolean(&self) -> Result<Option<bool>, Wrong> {
        match self.text {
            "null" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A whole number of at most 64 bits.
    pub(crate) fn integer(&self) -> Result<Option<i64>, Wrong> {
        self.number("a whole number")
    }

    /// A count: a whole number from 0 to 2³²−1.
    pub(crate) fn count(&self) -> Result<Option<u32>, Wrong> {
        self.number("a whole number that is not negative")
    }

    /// Any number; one too large for a float becomes infinite, as in Python.
    pub(crate) fn float(&self) -> Result<Option<f64>, Wrong> {
        // Rust reads words such as "nan" as floats; here only what JSON calls a number may become one.
        if self.text.starts_with(['"', 't', 'f', '[', '{']) {
            return Err(self.wrong("a number"));
        }
        self.number("a number")
    }

    /// A list of strings, or `None` for null.
    pub(crate) fn strings(&self) -> Result<Option<Vec<String>>, Wrong> {
        if self.is_null() {
            return Ok(None);
        }
        let wrong = || self.wrong("a list of strings");
        let parts = super::split::elements(self.text).map_err(|_| wrong())?;
        let strings = parts.iter().map(Part::string).collect::<Result<Option<Vec<_>>, _>>();
        strings.map_err(|_| wrong())?.map(Some).ok_or_else(wrong)
    }

    pub(crate) fn wrong(&self, wanted: &str) -> Wrong {
        let mut found: String = self.text.chars().take(40).collect();
        if found.len() < self.text.len() {
            found.push('…');
        }
        format!("should be {wanted}, not {found}")
    }

    fn number<T: std::str::FromStr>(&self, wanted: &str) -> Result<Option<T>, Wrong> {
        if self.is_null() {
            return Ok(None);
        }
        self.text.parse().map(Some).map_err(|_| self.wrong(wanted))
    }
}
