//! What providers tell, as findings: each once for each source, and not without end.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::model::{Finding, Gathering};
use crate::target::below;

/// Most findings of one scan; an answer without end could otherwise fill the store.
const MOST: usize = 20_000;
/// Longest name of a host, in bytes (RFC 1035).
const LONGEST_NAME: usize = 253;
/// Longest part of it between two dots.
const LONGEST_LABEL: usize = 63;

/// The findings of one scan.
pub(crate) struct Facts<'g> {
    out: &'g Gathering,
    told: Mutex<HashSet<(String, &'static str, String)>>,
}

/// Where a fact was read, and how sure it is.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    /// The source, as its report calls it.
    pub(crate) source: &'a str,
    /// Where people see the same.
    pub(crate) url: Option<String>,
    /// 0.0 to 1.0.
    pub(crate) confidence: f32,
}

impl<'g> Facts<'g> {
    pub(crate) fn new(out: &'g Gathering) -> Self {
        Self { out, told: Mutex::default() }
    }

    /// Adds a fact unless this source has told it already. `attributes` is an object; what is null in it is left out.
    pub(crate) fn add(&self, origin: &Origin<'_>, kind: &'static str, value: impl Into<String>, attributes: Value) {
        let value = value.into();
        if !self.is_new(origin.source, kind, &value) {
            return;
        }
        self.out.finding(Finding {
            kind: kind.to_owned(),
            value,
            source: origin.source.to_owned(),
            source_url: origin.url.clone(),
            confidence: origin.confidence,
            attributes: filled(attributes),
            evidence: Vec::new(),
        });
    }

    /// Adds a host: as a subdomain where it is below a registrable domain, else as a domain.
    pub(crate) fn host(&self, origin: &Origin<'_>, name: &str, attributes: Value) {
        let registrable = psl::domain_str(name).unwrap_or(name);
        let kind = if registrable == name { "domain" } else { "subdomain" };
        self.add(origin, kind, name, attributes);
    }

    fn is_new(&self, source: &str, kind: &'static str, value: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST {
            self.out.truncated();
            return false;
        }
        told.insert((source.to_owned(), kind, value.to_owned()))
    }
}

/// The name of a host in lower-case ASCII without the final dot, or `None` for what cannot be one. The underscore of
/// service names passes.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let ascii = if text.is_ascii() { text.to_ascii_lowercase() } else { idna::domain_to_ascii(text).ok()? };
    let fits = |label: &str| {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(known)
    };
    let whole = ascii.len() <= LONGEST_NAME && ascii.contains('.') && ascii.split('.').all(fits);
    whole.then_some(ascii)
}

/// The same, and `None` for what is neither `suffix` nor below it.
pub(crate) fn host_below(text: &str, suffix: &str) -> Option<String> {
    host_name(text).filter(|name| below(name, suffix))
}

/// The members of an object that say something.
pub(crate) fn filled(object: Value) -> Map<String, Value> {
    let Value::Object(mut members) = object else { return Map::new() };
    members.retain(|_, value| !value.is_null());
    members
}
