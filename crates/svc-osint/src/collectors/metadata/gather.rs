//! Puts each file and each request where the reader of a scan finds them: documents, people,
//! programs, places, and how every source answered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Parsed, sniff};
use crate::connector::{FetchError, Fetched};
use crate::digest::sha256;
use crate::enquiry::{asked_to_wait, whole_seconds};
use crate::model::{Finding, Gathering, SourceReport, SourceStatus};
use crate::sandbox::SandboxError;

/// The name of this collector as a source of findings.
const SOURCE: &str = "metadata";

/// One file to be told about.
pub(super) struct File<'a> {
    /// Its address, or the name it was uploaded under.
    pub(super) name: &'a str,
    /// Whether the name is an address.
    pub(super) is_url: bool,
    /// Its content.
    pub(super) bytes: &'a [u8],
}

/// What has been found so far, kept in the gathering after every file.
pub(super) struct Found<'a> {
    out: &'a Gathering,
    documents: Vec<Value>,
    people: BTreeMap<String, Mention>,
    software: BTreeMap<String, Mention>,
}

/// Where a name occurred.
#[derive(Default)]
struct Mention {
    roles: Vec<&'static str>,
    documents: Vec<String>,
}

impl<'a> Found<'a> {
    pub(super) fn new(out: &'a Gathering) -> Self {
        let found = Self { out, documents: Vec::new(), people: BTreeMap::new(), software: BTreeMap::new() };
        found.publish();
        found
    }

    /// Adds one file and what the sandbox said about it.
    pub(super) fn file(&mut self, file: &File<'_>, outcome: &Result<Parsed, SandboxError>, took: Duration) {
        let mut document = Map::new();
        let key = if file.is_url { "url" } else { "filename" };
        document.insert(key.to_owned(), json!(file.name));
        document.insert("type".to_owned(), json!(sniff(file.bytes).map(super::Format::name)));
        document.insert("size".to_owned(), json!(file.bytes.len()));
        document.insert("sha256".to_owned(), json!(sha256(file.bytes)));
        self.out.source(parse_report(file.name, outcome, took));
        match outcome {
            Ok(parsed) => {
                if let Ok(Value::Object(fields)) = serde_json::to_value(parsed) {
                    document.extend(fields);
                }
                self.mentions(file, parsed);
            }
            Err(e) => {
                document.insert("error".to_owned(), json!(e.to_string()));
            }
        }
        let attributes = ["type", "size", "sha256", "title", "created", "modified"];
        let attributes = attributes.into_iter().filter_map(|key| Some((key.to_owned(), document.get(key)?.clone())));
        self.finding(file, "document", file.name.to_owned(), 1.0, attributes.collect());
        self.documents.push(Value::Object(document));
        self.publish();
    }

    fn mentions(&mut self, file: &File<'_>, parsed: &Parsed) {
        for (name, role) in parsed.people() {
            let new = mention(&mut self.people, name, Some(role), file.name);
            if new {
                // A name in a file is a claim of whoever typed it.
                let attributes = json!({ "role": role, "document": file.name });
                self.finding(file, "person", name.to_owned(), 0.6, object(attributes));
            }
        }
        for name in parsed.programs() {
            if mention(&mut self.software, name, None, file.name) {
                let attributes = json!({ "document": file.name });
                self.finding(file, "software", name.to_owned(), 0.8, object(attributes));
            }
        }
        if let Some(gps) = parsed.gps {
            let attributes = json!({ "lat": gps.lat, "lon": gps.lon, "alt": gps.alt, "document": file.name });
            self.finding(file, "geo", format!("{:.6},{:.6}", gps.lat, gps.lon), 0.9, object(attributes));
        }
    }

    fn finding(&self, file: &File<'_>, kind: &str, value: String, confidence: f32, attributes: Map<String, Value>) {
        let source_url = file.is_url.then(|| file.name.to_owned());
        let (kind, source) = (kind.to_owned(), SOURCE.to_owned());
        self.out.finding(Finding { kind, value, source, source_url, confidence, attributes, evidence: Vec::new() });
    }

    /// After every file, so that a scan cut short has said everything it knew.
    fn publish(&self) {
        let people = self
            .people
            .iter()
            .map(|(name, mention)| json!({ "name": name, "roles": mention.roles, "documents": mention.documents }));
        let software =
            self.software.iter().map(|(name, mention)| json!({ "name": name, "documents": mention.documents }));
        self.out.set("people", people.collect());
        self.out.set("software", software.collect());
        self.out.set("documents", Value::Array(self.documents.clone()));
    }
}

/// Reports one request; a missing page is an empty answer, not a failure.
pub(super) fn fetch_report(
    url: &str,
    outcome: &Result<Fetched, FetchError>,
    requests: u32,
    took: Duration,
) -> SourceReport {
    let (status, detail) = match outcome {
        Ok(page) => match page.status {
            200..=299 if page.body.is_empty() => (SourceStatus::Empty, None),
            200..=299 => (SourceStatus::Ok, None),
            404 | 410 => (SourceStatus::Empty, Some("La página no existe.".to_owned())),
            401 | 403 => (SourceStatus::Blocked, Some("El servidor no da permiso.".to_owned())),
            429 => (SourceStatus::RateLimited, Some("El servidor pide menos consultas.".to_owned())),
            code => (SourceStatus::Failed, Some(format!("El servidor ha respondido con el código {code}."))),
        },
        Err(e) => (e.status(), Some(e.to_string())),
    };
    let http_status = outcome.as_ref().ok().map(|page| page.status);
    let reason = match outcome {
        Ok(page) => detail.is_some().then(|| format!("http-{}", page.status)),
        Err(e) => Some(e.reason().to_owned()),
    };
    let passing = match outcome {
        Ok(page) => matches!(page.status, 429 | 500..),
        Err(e) => e.is_passing(),
    };
    SourceReport {
        source: url.to_owned(),
        status,
        reason,
        detail,
        http_status,
        requests,
        ms: millis(took),
        retry_after: outcome.as_ref().ok().and_then(asked_to_wait).map(whole_seconds),
        passing,
    }
}

fn parse_report(name: &str, outcome: &Result<Parsed, SandboxError>, took: Duration) -> SourceReport {
    let (status, reason, detail) = match outcome {
        Ok(parsed) if parsed.notes.is_empty() => (SourceStatus::Ok, None, None),
        Ok(parsed) => (SourceStatus::Ok, Some("partly-read"), Some(parsed.notes.join(" "))),
        Err(e @ SandboxError::Timeout(_)) => (SourceStatus::Timeout, Some("timeout"), Some(e.to_string())),
        Err(e) => (SourceStatus::Failed, Some("unreadable"), Some(e.to_string())),
    };
    SourceReport {
        source: format!("parse:{name}"),
        status,
        reason: reason.map(str::to_owned),
        detail,
        http_status: None,
        requests: 0,
        ms: millis(took),
        retry_after: None,
        passing: status == SourceStatus::Timeout,
    }
}

/// Notes where a name occurred; true when it had not occurred before.
fn mention(all: &mut BTreeMap<String, Mention>, name: &str, role: Option<&'static str>, file: &str) -> bool {
    let new = !all.contains_key(name);
    let mention = all.entry(name.to_owned()).or_default();
    if let Some(role) = role
        && !mention.roles.contains(&role)
    {
        mention.roles.push(role);
    }
    if !mention.documents.iter().any(|known| known == file) {
        mention.documents.push(file.to_owned());
    }
    new
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
