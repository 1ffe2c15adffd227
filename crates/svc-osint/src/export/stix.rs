//! A scan as a bundle of STIX 2.1.
//!
//! - an `identity`: this service, which made all of it;
//! - an `observed-data`: the scan, with everything that was seen in it;
//! - the observables, with the identifiers that section 2.9 of the specification prescribes;
//! - a `relationship` where a fact names two of them, a `vulnerability` for each weakness;
//! - a `note` for every fact, with its confidence, its sources and its attributes. Observables have no place for these,
//!   and an extension would be part of the identifiers of some of them;
//! - a `note` on the scan, of who did not answer.

use std::collections::HashMap;
use std::net::IpAddr;

use apium_core::client::parse_iso;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::identifiers::of_object;
use super::observables::{Observable, web};
use super::{Unreadable, unreadable};
use crate::collectors::Collector;
use crate::contract::CollectorResult;
use crate::model::{Evidence, Finding, SourceStatus};
use crate::report::word;
use crate::target::{Target, TargetKind};

/// Since when there is this service's identity: it is one object in all bundles, and so must always read the same.
const SINCE: &str = "2026-11-23T00:00:00.000Z";

/// A bundle in the making.
pub(super) struct Bundle<'r> {
    result: &'r CollectorResult,
    /// This service.
    tool: String,
    /// When the scan ended.
    ended: String,
    /// What was scanned, where it is an observable.
    pub(super) target: Option<String>,
    /// The same, where it is an address.
    pub(super) address: Option<IpAddr>,
    /// Files that were looked at, by their name or address.
    pub(super) files: HashMap<String, String>,
    /// What was seen.
    seen: Vec<String>,
    objects: Vec<Map<String, Value>>,
    places: HashMap<String, usize>,
}

/// The bundle of a result with these facts, as compact JSON.
pub(super) fn bundle(result: &CollectorResult, findings: &[Finding]) -> Result<Vec<u8>, Unreadable> {
    let ended = parse_iso(&result.timestamp).ok_or_else(|| unreadable("its timestamp is none"))?;
    let mut bundle = Bundle::of(result, ended);
    // Other facts of a file name it before its own fact comes.
    for finding in findings.iter().filter(|finding| finding.kind == "document") {
        bundle.file(finding);
    }
    for finding in findings {
        bundle.tell(finding);
    }
    bundle.tell_silence();
    serde_json::to_vec(&bundle.whole(ended)).map_err(unreadable)
}

impl<'r> Bundle<'r> {
    fn of(result: &'r CollectorResult, ended: Timestamp) -> Self {
        let (target, address) = target(result);
        let mut bundle = Self {
            result,
            tool: of_object("identity", &["apium osint"]),
            ended: moment(ended),
            target: None,
            address,
            files: HashMap::new(),
            seen: Vec::new(),
            objects: Vec::new(),
            places: HashMap::new(),
        };
        bundle.target = target.map(|target| bundle.see(target));
        bundle
    }

    /// Adds something that was seen, or what is new of it; gives its identifier.
    pub(super) fn see(&mut self, observable: Observable) -> String {
        let id = observable.id();
        let object = observable.object();
        if let Some(known) = self.known(&id) {
            for (name, value) in object {
                known.entry(name).or_insert(value);
            }
        } else {
            self.seen.push(id.clone());
            self.add(&id, object);
        }
        id
    }

    /// Adds an object that is this scan's own; `parts` tell it from the others of its type. Gives its identifier.
    pub(super) fn object(&mut self, kind: &str, parts: &[&str], members: Value) -> String {
        let parts: Vec<_> = [self.result.id.as_str()].into_iter().chain(parts.iter().copied()).collect();
        let id = of_object(kind, &parts);
        let confidence = members.get("confidence").and_then(Value::as_u64);
        if let Some(known) = self.known(&id) {
            // Told twice, it is as sure as by the surer of the two.
            if confidence > known.get("confidence").and_then(Value::as_u64) {
                known.insert("confidence".to_owned(), json!(confidence));
            }
            return id;
        }
        let mut object = head(kind, &id, &self.ended);
        object.insert("created_by_ref".to_owned(), json!(self.tool));
        if let Value::Object(members) = members {
            object.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.add(&id, object);
        id
    }

    /// Says that one thing has to do with another, as the finding tells; `why` where the verb does not say it all, `span`
    /// where it is known from when until when.
    pub(super) fn relate(&mut self, link: &Link<'_>, finding: &Finding) {
        let Link { from, verb, to, why, span } = *link;
        if from == to {
            return;
        }
        let (start, stop) = span.map(|(start, stop)| (moment(start), moment(stop))).unzip();
        let members = json!({
            "relationship_type": verb,
            "source_ref": from,
            "target_ref": to,
            "description": why,
            "confidence": confidence(finding),
            "start_time": start,
            "stop_time": stop,
        });
        let parts = [verb, from, to, why.unwrap_or_default(), start.as_deref().unwrap_or_default()];
        self.object("relationship", &parts, members);
    }

    /// Adds the note of a fact: about these objects, else about what was scanned.
    pub(super) fn note(&mut self, finding: &Finding, about: Vec<String>) {
        let Finding { kind, value, .. } = finding;
        let brief = format!("{kind}: {value}");
        let attributes = finding.attributes.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
        let content = [brief.clone()].into_iter().chain(attributes).collect::<Vec<_>>().join("\n");
        let members = json!({
            "abstract": brief,
            "content": content,
            "confidence": confidence(finding),
            "external_references": Some(references(finding)).filter(|told| !told.is_empty()),
            "object_refs": self.about(about),
        });
        self.object("note", &["fact", kind, value], members);
    }

    /// Notes who did not answer, so that nobody takes what is missing for what is not there.
    fn tell_silence(&mut self) {
        let metadata = &self.result.metadata;
        let mut lines: Vec<String> = Vec::new();
        if metadata.truncated {
            lines.push("Hay más de lo que se ha recogido: algún límite ha cortado la recogida.".to_owned());
        }
        for report in &metadata.sources {
            if matches!(report.status, SourceStatus::Ok | SourceStatus::Empty) {
                continue;
            }
            let why = report.detail.as_deref().or(report.reason.as_deref());
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            lines.push(format!("{}: {}{why}", report.source, word(report.status)));
        }
        if lines.is_empty() {
            return;
        }
        let members = json!({
            "abstract": "Fuentes que no han respondido en este escaneo",
            "content": lines.join("\n"),
            "object_refs": self.about(Vec::new()),
        });
        self.object("note", &["silence"], members);
    }

    /// What a note is about: these, each once; else the target; else, where that is no observable, the maker of it all.
    fn about(&self, mut refs: Vec<String>) -> Vec<String> {
        let mut known = std::collections::HashSet::new();
        refs.retain(|id| known.insert(id.clone()));
        if refs.is_empty() {
            refs.push(self.target.clone().unwrap_or_else(|| self.tool.clone()));
        }
        refs
    }

    fn known(&mut self, id: &str) -> Option<&mut Map<String, Value>> {
        self.places.get(id).and_then(|place| self.objects.get_mut(*place))
    }

    fn add(&mut self, id: &str, object: Map<String, Value>) {
        self.places.insert(id.to_owned(), self.objects.len());
        self.objects.push(object);
    }

    fn whole(mut self, ended: Timestamp) -> Value {
        let took = SignedDuration::try_from_secs_f64(self.result.metadata.duration.max(0.0)).unwrap_or_default();
        let began = moment(ended.checked_sub(took).unwrap_or(ended));
        let mut tool = head("identity", &self.tool, SINCE);
        tool.insert("name".to_owned(), json!("Apium OSINT"));
        tool.insert("identity_class".to_owned(), json!("system"));
        let mut objects = vec![tool];
        if !self.seen.is_empty() {
            let seen = std::mem::take(&mut self.seen);
            let members = json!({
                "first_observed": began,
                "last_observed": self.ended,
                "number_observed": 1,
                "object_refs": seen,
            });
            self.object("observed-data", &[], members);
            objects.extend(self.objects.pop());
        }
        objects.append(&mut self.objects);
        json!({ "type": "bundle", "id": of_object("bundle", &[&self.result.id]), "objects": objects })
    }
}

/// That one thing has to do with another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) from: &'a str,
    pub(super) verb: &'static str,
    pub(super) to: &'a str,
    pub(super) why: Option<&'a str>,
    pub(super) span: Option<(Timestamp, Timestamp)>,
}

/// A moment as STIX writes it: UTC, to the millisecond.
pub(super) fn moment(at: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&at)
}

/// Where a fact was read. The digest is that of the provider's answer, not of the page that people are led to.
pub(super) fn references(finding: &Finding) -> Vec<Value> {
    let reference = |evidence: &Evidence| {
        let mut reference = json!({ "source_name": evidence.source });
        if let Some(url) = evidence.source_url.as_deref().and_then(web) {
            reference["url"] = json!(url);
        }
        if let Some(sha256) = &evidence.sha256 {
            reference["description"] = json!(format!("SHA-256 de la respuesta: {sha256}"));
        } else if reference.get("url").is_none() {
            reference["description"] = json!("Fuente consultada en el escaneo");
        }
        reference
    };
    finding.evidence.iter().map(reference).collect()
}

/// 0 to 100.
pub(super) fn confidence(finding: &Finding) -> u8 {
    // Clamped before, so that it fits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    let percent = (finding.confidence.clamp(0.0, 1.0) * 100.0).round() as u8;
    percent
}

/// What was scanned, as something that can be seen; and the same where it is an address.
fn target(result: &CollectorResult) -> (Option<Observable>, Option<IpAddr>) {
    let documents = result.data.get("documents").and_then(Value::as_array);
    let uploaded = documents.and_then(|documents| documents.first()).filter(|it| it.get("filename").is_some());
    if let Some(file) = uploaded {
        let digest = file.get("sha256").and_then(Value::as_str).unwrap_or_default();
        return (Observable::file(digest, Some(&result.target)), None);
    }
    let first = result.collector_name.split(',').next().and_then(Collector::named);
    let everything = || TargetKind::ALL.into_iter().filter(|kind| *kind != TargetKind::File).collect();
    let kinds = first.map_or_else(everything, Collector::takes_texts);
    let Ok(target) = Target::parse_for(&result.target, &kinds) else { return (None, None) };
    let observable = match &target {
        Target::Domain(name) => Observable::host(&name.ascii),
        Target::Ip(address) => Some(Observable::ip(*address)),
        Target::Url(url) => Observable::url(url.as_str()),
        Target::Email(mailbox) => Observable::mailbox(&mailbox.text),
        Target::Username(name) => Observable::account(None, name),
        // It may be that of a password.
        Target::Hash(digest) => Observable::file(digest, None).filter(|_| is_of_a_file(result)),
        Target::Asn(number) => Observable::system(&format!("AS{number}")),
        Target::File(_) => None,
    };
    let address = if let Target::Ip(address) = target { Some(address) } else { None };
    (observable, address)
}

/// Whether VirusTotal knows a digest as that of a file.
fn is_of_a_file(result: &CollectorResult) -> bool {
    let virustotal = result.data.get("virustotal").and_then(Value::as_object).unwrap_or(&result.data);
    virustotal.get("object_type").is_some_and(|kind| kind == "file")
}

fn head(kind: &str, id: &str, at: &str) -> Map<String, Value> {
    let members = [("type", kind), ("spec_version", "2.1"), ("id", id), ("created", at), ("modified", at)];
    members.map(|(name, value)| (name.to_owned(), json!(value))).into_iter().collect()
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
