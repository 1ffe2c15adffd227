//! A scan's result in the forms that other programs read: JSON as it stands, CSV for spreadsheets, STIX 2.1 for
//! platforms of threat intelligence. Pure: the same result gives the same bytes.

mod csv;
mod facts;
mod identifiers;
mod observables;
mod stix;

use serde_json::Value;

use crate::contract::CollectorResult;
use crate::model::Finding;

/// Longest part of a file's name that is made of the target, in characters.
const NAME: usize = 64;
/// How much of a scan's id stands in a file's name, in characters.
const ID: usize = 8;

/// A form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole result as it is kept, indented.
    Json,
    /// One line for each finding (RFC 4180).
    Csv,
    /// A bundle of STIX 2.1.
    Stix,
}

/// Why a result cannot be exported: it is none of this service's. The sentence is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the result cannot be exported: {0}")]
pub struct Unreadable(pub(crate) String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Stix];

    /// The word it is asked for with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Stix => "stix",
        }
    }

    /// The format of this word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What its bytes are, for HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Stix => "application/stix+json;version=2.1",
        }
    }

    /// A name for the file: ASCII without anything that a shell, a file system or a header could take amiss.
    pub fn file_name(self, target: &str, id: &str) -> String {
        let ending = match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Stix => "stix.json",
        };
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(ID).collect();
        format!("osint-{}-{id}.{ending}", plain(target))
    }
}

/// The result in this form; `result` is a [`CollectorResult`] as it is stored.
///
/// # Errors
/// When it is no such result.
pub fn export(result: &Value, format: Format) -> Result<Vec<u8>, Unreadable> {
    match format {
        Format::Json => {
            let mut text = serde_json::to_vec_pretty(result).map_err(unreadable)?;
            text.push(b'\n');
            Ok(text)
        }
        Format::Csv => csv::table(&findings(&read(result)?)?),
        Format::Stix => {
            let result = read(result)?;
            stix::bundle(&result, &findings(&result)?)
        }
    }
}

/// A stored result, read.
///
/// # Errors
/// When it is none of this service's.
pub(crate) fn read(result: &Value) -> Result<CollectorResult, Unreadable> {
    serde_json::from_value(result.clone()).map_err(unreadable)
}

/// The facts of a result.
///
/// # Errors
/// When they are not what this service writes: an export that silently lacked them would say that nothing was found.
pub(crate) fn findings(result: &CollectorResult) -> Result<Vec<Finding>, Unreadable> {
    let Some(findings) = result.data.get("findings") else { return Ok(Vec::new()) };
    serde_json::from_value(findings.clone()).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> Unreadable {
    Unreadable(error.to_string())
}

fn plain(target: &str) -> String {
    let mut name = String::new();
    for c in target.chars().take(NAME) {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => name.push(c),
            // Two dots in a row lead upwards in a path.
            '.' if !name.ends_with('.') => name.push('.'),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    match name.trim_matches(['-', '.']) {
        "" => "escaneo".to_owned(),
        name => name.to_owned(),
    }
}
