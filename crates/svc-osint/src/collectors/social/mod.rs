//! The `social` collector: whether a name has an account at fifteen large networks, with proof or not at all.
//!
//! What it writes into the gathering, key by key:
//!
//! - `sites`: `[{site, url, status, http, ms, how, tags, reason}]`, a row for each network, in the words of the
//!   [`username`](crate::collectors::username) collector. `how` is by what it is told: `api`, `page`, or `unsupported` where a
//!   network tells nobody.
//! - `counts`: how many of each verdict.
//!
//! That an address exists proves nothing: a network says `claimed` only where its answer has the right status *and*
//! names the very user that was asked for. Networks that show the public a login, or that know no look-up, are
//! `unknown` with the reason, and are not asked.

mod networks;
mod proof;

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value, json};

pub use networks::{NETWORKS, Network};
pub(crate) use proof::limited;

use networks::Way;

use crate::collectors::username::{Checked, Proof, Verdict};
use crate::enquiry::{Asked, Enquiry, Question, Refusal};
use crate::model::{Finding, SourceReport, SourceStatus};
use crate::target::TargetKind;

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 1] = [TargetKind::Username];

/// Networks asked at once.
const AT_ONCE: usize = 5;

/// What one network said.
#[derive(Debug)]
pub struct Found {
    /// The network.
    pub network: &'static Network,
    /// The verdict.
    pub checked: Checked,
    /// What the account calls itself, where it says so.
    pub display_name: Option<String>,
}

/// Looks for `name` at every network. It never fails as a whole: each network reports its own end. Dropping the future
/// stops it at once, and what was found by then stands.
pub async fn collect(enquiry: &Enquiry<'_>, name: &str) {
    let out = enquiry.out;
    let total = u32::try_from(NETWORKS.len()).unwrap_or(u32::MAX);
    let (mut counts, mut done) = (BTreeMap::new(), 0);
    out.set("sites", json!([]));
    out.set("counts", told(&counts));
    out.progress(done, total);
    let mut waiting = NETWORKS.iter();
    let mut asked = FuturesUnordered::new();
    loop {
        for network in waiting.by_ref().take(AT_ONCE - asked.len()) {
            asked.push(look_up(enquiry, network, name));
        }
        let Some(found) = asked.next().await else { return };
        *counts.entry(found.checked.verdict).or_default() += 1;
        out.push("sites", found.row());
        out.set("counts", told(&counts));
        if found.checked.verdict == Verdict::Claimed {
            out.finding(found.finding(name, found.confidence()));
        }
        done += 1;
        out.progress(done, total);
    }
}

/// What `network` says of `name`; the source is reported as `social:NETWORK`.
pub async fn look_up(enquiry: &Enquiry<'_>, network: &'static Network, name: &str) -> Found {
    let url = network.profile(name);
    let source = format!("social:{}", network.name);
    let unasked = |reason: &str, detail: &str| {
        enquiry.out.source(skipped(&source, reason, detail));
        Some(detail.to_owned())
    };
    if !network.names.admit(name) {
        let detail = unasked("illegal-name", "La red no admite ese nombre.");
        let checked = Checked { detail, ..Checked::unasked(Verdict::Illegal, "illegal-name", url) };
        return Found { network, checked, display_name: None };
    }
    let asking = match &network.way {
        Way::Untold { reason, detail } => {
            let detail = unasked(reason, detail);
            let checked = Checked { detail, ..Checked::unasked(Verdict::Unknown, reason, url) };
            return Found { network, checked, display_name: None };
        }
        Way::Asked(asking) => asking,
    };
    let path = (asking.path)(name);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut question = Question::new(source, asking.provider, &path).header("accept", asking.accept);
    for (parameter, value) in (asking.parameters)(name) {
        question = question.with(parameter, value);
    }
    let asked = enquiry.ask_fully(&question, |answer| proof::read(asking, answer, name)).await;
    found(network, url, asked)
}

impl Found {
    /// The row of the collector's output.
    pub fn row(&self) -> Value {
        let tags: Vec<String> = self.network.tags.iter().map(|tag| (*tag).to_owned()).collect();
        let mut row = self.checked.row(self.network.title, self.network.how(), &tags);
        if let (Some(name), Value::Object(row)) = (&self.display_name, &mut row) {
            row.insert("display_name".to_owned(), json!(name));
        }
        row
    }

    /// How much the account is to be believed: an answer made for programs more than a page.
    pub fn confidence(&self) -> f32 {
        if self.network.how() == "api" { 0.95 } else { 0.85 }
    }

    /// The account as a fact.
    pub fn finding(&self, name: &str, confidence: f32) -> Finding {
        let mut attributes = Map::new();
        attributes.insert("site".to_owned(), json!(self.network.title));
        attributes.insert("username".to_owned(), json!(name));
        if let Some(display_name) = &self.display_name {
            attributes.insert("display_name".to_owned(), json!(display_name));
        }
        Finding {
            kind: "account".to_owned(),
            value: self.checked.url.clone(),
            source: format!("social:{}", self.network.name),
            source_url: Some(self.checked.url.clone()),
            confidence,
            attributes,
            evidence: Vec::new(),
        }
    }
}

fn found(network: &'static Network, url: String, asked: Asked<Option<String>>) -> Found {
    let (verdict, refusal, display_name) = match asked.outcome {
        Ok(Some(display_name)) => (Verdict::Claimed, None, display_name),
        Ok(None) => (Verdict::Available, None, None),
        Err(refusal) => (verdict_of(&refusal), Some(refusal), None),
    };
    let checked = Checked {
        verdict,
        passing: refusal.as_ref().is_some_and(|refusal| refusal.passing),
        retry_after: refusal.as_ref().and_then(Refusal::retry_after),
        reason: refusal.as_ref().map(|refusal| refusal.reason.clone()),
        detail: refusal.map(|refusal| refusal.detail),
        url,
        http: asked.http_status,
        ms: asked.ms,
        requests: asked.requests,
        proof: (verdict == Verdict::Claimed).then_some(Proof::Words),
    };
    Found { network, checked, display_name }
}

fn verdict_of(refusal: &Refusal) -> Verdict {
    match refusal.status {
        // It is we who do not go there, not the network that keeps us out.
        SourceStatus::Blocked if refusal.reason.starts_with("forbidden-") => Verdict::Unknown,
        SourceStatus::Blocked | SourceStatus::RateLimited => Verdict::Blocked,
        _ => Verdict::Unknown,
    }
}

fn skipped(source: &str, reason: &str, detail: &str) -> SourceReport {
    SourceReport {
        source: source.to_owned(),
        status: SourceStatus::Skipped,
        reason: Some(reason.to_owned()),
        detail: Some(detail.to_owned()),
        http_status: None,
        requests: 0,
        ms: 0,
        retry_after: None,
        passing: false,
    }
}

fn told(counts: &BTreeMap<Verdict, u32>) -> Value {
    let count = |verdict: Verdict| json!(counts.get(&verdict).copied().unwrap_or_default());
    Value::Object(Verdict::ALL.into_iter().map(|verdict| (verdict.as_str().to_owned(), count(verdict))).collect())
}
