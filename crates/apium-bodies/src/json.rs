//! JSON being written from another serialisation, in kombu's dialect, no longer and no deeper than allowed.

use apium_protocol::RawJson;
use apium_protocol::tagged::Bytes;

use crate::compression::too_large;

/// Deeper than this no JSON is read.
const DEEPEST: usize = 500;

/// The text so far.
pub(crate) struct Json {
    text: String,
    most: usize,
    depth: usize,
}

impl Json {
    /// Nothing yet, and never more than `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { text: String::new(), most, depth: 0 }
    }

    /// The text.
    pub(crate) fn end(self) -> String {
        self.text
    }

    /// Text that is JSON, or a piece of it.
    pub(crate) fn raw(&mut self, json: &str) -> Result<(), String> {
        if json.len() > self.most - self.text.len() {
            return Err(too_large(self.most));
        }
        self.text.push_str(json);
        Ok(())
    }

    pub(crate) fn string(&mut self, value: &str) -> Result<(), String> {
        if value.len() > self.most - self.text.len() {
            return Err(too_large(self.most));
        }
        self.raw(RawJson::string(value).as_str())
    }

    pub(crate) fn float(&mut self, value: f64) -> Result<(), String> {
        self.raw(RawJson::from(&value).unwrap_or_default().as_str())
    }

    /// Python's bytes.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> Result<(), String> {
        if value.len() > self.most - self.text.len() {
            return Err(too_large(self.most));
        }
        self.raw(RawJson::from(&Bytes(value.to_vec())).unwrap_or_default().as_str())
    }

    /// A value of one of Python's types that kombu tags.
    pub(crate) fn tagged(&mut self, tag: &str, value: &str) -> Result<(), String> {
        let value = RawJson::string(value);
        self.raw(&format!("{{\"__type__\": \"{tag}\", \"__value__\": {value}}}"))
    }

    /// A UUID, by its 32 digits.
    pub(crate) fn uuid(&mut self, hex: &str) -> Result<(), String> {
        self.raw(&format!("{{\"__type__\": \"uuid\", \"__value__\": {{\"hex\": \"{hex}\"}}}}"))
    }

    /// Begins a list or an object.
    pub(crate) fn open(&mut self, bracket: char) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it nests deeper than {DEEPEST}"));
        }
        self.raw(if bracket == '[' { "[" } else { "{" })
    }

    /// Ends it.
    pub(crate) fn close(&mut self, bracket: char) -> Result<(), String> {
        self.depth = self.depth.saturating_sub(1);
        self.raw(if bracket == ']' { "]" } else { "}" })
    }

    /// What stands between two elements.
    pub(crate) fn comma(&mut self, at: usize) -> Result<(), String> {
        if at > 0 { self.raw(", ") } else { Ok(()) }
    }

    /// Where the text stands; see [`Self::as_key_since`] and [`Self::again`].
    pub(crate) fn at(&self) -> usize {
        self.text.len()
    }

    /// Makes a key of the value written since, as Python's `json` does: a number or a bare word becomes a string.
    pub(crate) fn as_key_since(&mut self, at: usize) -> Result<(), String> {
        let key = &self.text[at..];
        if key.starts_with('"') {
            return self.raw(": ");
        }
        if key.starts_with(['[', '{']) {
            return Err("a key of a mapping is neither text nor a number".to_owned());
        }
        self.text.insert(at, '"');
        self.raw("\": ")
    }

    /// Writes once more what was written there.
    #[cfg(feature = "yaml")]
    pub(crate) fn again(&mut self, from: usize, to: usize) -> Result<(), String> {
        if to - from > self.most - self.text.len() {
            return Err(too_large(self.most));
        }
        let written = self.text[from..to].to_owned();
        self.text.push_str(&written);
        Ok(())
    }
}
