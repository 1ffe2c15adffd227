//! A text of a list with the name's place in it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text in pieces, between each two of which the name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Box<[Box<str>]>,
}

impl Template {
    /// Reads `text`, in which `mark` stands for the name.
    pub fn new(text: &str, mark: &str) -> Self {
        Self { pieces: text.split(mark).map(Into::into).collect() }
    }

    /// Whether the name occurs at all.
    pub fn names(&self) -> bool {
        self.pieces.len() > 1
    }

    /// With the name in its places, as it is.
    pub(super) fn with(&self, name: &str) -> String {
        self.pieces.join(name)
    }

    /// With the name in its places, percent-encoded.
    pub fn encoded(&self, name: &str) -> String {
        self.with(&encoded(name))
    }

    /// Of an address: whether the name stands in its host.
    pub(super) fn names_host(&self) -> bool {
        let first = self.pieces.first().map(AsRef::as_ref).unwrap_or_default();
        let host = first.split_once("://").map_or(first, |(_, host)| host);
        self.names() && !host.contains(['/', '?', '#'])
    }

    /// Of an address: whether the name stands in what is sent, not only behind the `#`.
    pub(super) fn names_request(&self) -> bool {
        let first = self.pieces.first().map(AsRef::as_ref).unwrap_or_default();
        self.names() && !first.contains('#')
    }

    /// The text with another in the name's places, to compare templates by.
    pub(super) fn shape(&self) -> String {
        self.pieces.join("\u{0}").to_lowercase()
    }
}

/// The name as a piece of an address, a form or a header.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}
