//! Where the parts of a DNS scan write down what they saw, so that at every moment the gathering
//! holds a whole, if unfinished, answer.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hickory_proto::rr::{RData, Record};
use serde_json::{Map, Value, json};

use super::names::text_of;
use super::rows::row;
use super::verdict::Verdict;
use crate::model::{Finding, Gathering, SourceReport, SourceStatus};

/// Most facts one DNS scan reports; a hostile zone could otherwise fill the store.
const MAX_FINDINGS: usize = 5_000;

/// A group of questions that is reported as one source.
pub(super) struct Group {
    source: String,
    pub(super) requests: AtomicU32,
    since: Instant,
}

/// The scan's notebook.
pub(super) struct Ledger<'g> {
    pub(super) out: &'g Gathering,
    /// The organisation's domain: names below it are subdomains found. Empty for addresses.
    organisation: String,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    records: Map<String, Value>,
    status: Map<String, Value>,
    found: HashSet<(&'static str, String)>,
    done: u32,
    total: u32,
}

impl Group {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { source: format!("dns:{}", name.into()), requests: AtomicU32::new(0), since: Instant::now() }
    }
}

impl<'g> Ledger<'g> {
    pub(super) fn new(out: &'g Gathering, organisation: &str, groups: u32) -> Self {
        let notes = Notes { total: groups, ..Notes::default() };
        Self { out, organisation: organisation.to_owned(), notes: Mutex::new(notes) }
    }

    /// Writes the verdict on one type of record.
    pub(super) fn status(&self, kind: &str, verdict: Verdict) {
        self.edit(|notes| {
            notes.status.insert(kind.to_owned(), verdict.to_string().into());
            self.out.set("status", Value::Object(notes.status.clone()));
        });
    }

    /// Writes records under the heading of their type, and the facts they hold.
    pub(super) fn records(&self, kind: &str, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let rows: Vec<_> = records.iter().map(row).collect();
        for (record, row) in records.iter().zip(&rows) {
            self.facts_of(kind, record, row);
        }
        self.edit(|notes| {
            let list = notes.records.entry(kind).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.extend(rows.into_iter().map(Value::Object));
            }
            self.out.set("records", Value::Object(notes.records.clone()));
        });
    }

    /// Reports a group as a source, and one more step of the scan as done.
    pub(super) fn close(&self, group: &Group, verdict: Verdict) {
        let reason = (verdict != Verdict::Ok).then(|| verdict.to_string());
        self.close_as(group, verdict.source_status(), reason);
    }

    /// The same of a group of several questions: where one of them found something, it is told whether others of them
    /// could not be settled.
    pub(super) fn close_several(&self, group: &Group, verdicts: &[Verdict]) {
        let verdict = Verdict::of_group(verdicts.iter().copied());
        if verdict == Verdict::Ok && !verdicts.iter().all(|verdict| verdict.conclusive()) {
            return self.close_as(group, verdict.source_status(), Some("partly-unanswered".to_owned()));
        }
        self.close(group, verdict);
    }

    /// The same with words of its own.
    pub(super) fn close_as(&self, group: &Group, status: SourceStatus, reason: Option<String>) {
        self.extra_source(group, status, reason);
        let (done, total) = self.edit(|notes| {
            notes.done += 1;
            (notes.done, notes.total.max(notes.done))
        });
        self.out.progress(done, total);
    }

    /// Reports a source that is part of a step, not a step.
    pub(super) fn extra_source(&self, group: &Group, status: SourceStatus, reason: Option<String>) {
        self.out.source(SourceReport {
            source: group.source.clone(),
            status,
            reason,
            detail: None,
            http_status: None,
            requests: group.requests.load(Ordering::Relaxed),
            ms: u64::try_from(group.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            retry_after: None,
            passing: matches!(status, SourceStatus::Timeout | SourceStatus::Failed),
        });
    }

    /// Notes a host name: as a subdomain if it is one of the organisation's.
    pub(super) fn host(&self, name: &str, source: &str) {
        let inside =
            name.strip_suffix(self.organisation.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        // Names of services and policies (_dmarc, x._domainkey) and wildcards are not hosts.
        let host = name.split('.').all(|label| !label.starts_with(['_', '*']));
        if !self.organisation.is_empty() && inside && host {
            self.fact("subdomain", name.to_owned(), source, Map::new());
        }
    }

    /// Notes one fact, once.
    pub(super) fn fact(&self, kind: &'static str, value: String, source: &str, attributes: Map<String, Value>) {
        let wanted = self.edit(|notes| match notes.found.len() {
            MAX_FINDINGS.. => None,
            _ => Some(notes.found.insert((kind, value.clone()))),
        });
        match wanted {
            None => self.out.truncated(),
            Some(false) => {}
            Some(true) => self.out.finding(Finding {
                kind: kind.to_owned(),
                value,
                source: source.to_owned(),
                source_url: None,
                confidence: 1.0,
                attributes,
                evidence: Vec::new(),
            }),
        }
    }

    fn facts_of(&self, kind: &str, record: &Record, row: &Map<String, Value>) {
        let source = format!("dns:{kind}");
        let owner = text_of(&record.name);
        let value = row.get("value").and_then(Value::as_str).unwrap_or_default();
        let mut attributes = row.clone();
        attributes.insert("type".to_owned(), kind.into());
        self.fact("dns_record", format!("{owner} {kind} {value}"), &source, attributes);
        self.host(&owner, &source);
        match &record.data {
            RData::A(address) => self.address(address.0.to_string(), &owner, &source),
            RData::AAAA(address) => self.address(address.0.to_string(), &owner, &source),
            RData::MX(mx) => self.host(&text_of(&mx.exchange), &source),
            RData::NS(name) => self.host(&text_of(&name.0), &source),
            RData::CNAME(name) => self.host(&text_of(&name.0), &source),
            RData::PTR(name) => self.host(&text_of(&name.0), &source),
            RData::SRV(srv) => self.host(&text_of(&srv.target), &source),
            RData::SOA(soa) => self.host(&text_of(&soa.mname), &source),
            _ => {}
        }
    }

    fn address(&self, address: String, owner: &str, source: &str) {
        let attributes = Map::from_iter([("name".to_owned(), owner.into())]);
        self.fact("ip", address, source, attributes);
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Notes) -> T) -> T {
        change(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
