//! The rows, counts, findings and source reports of a scan for a name.
//!
//! With thousands of sites a report for each would bury what matters, and all of it already stands in the rows. So each
//! list is one source, and only the sites that could not be asked have a report of their own, up to a number.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::lists::SiteLists;
use super::site::Site;
use super::verdict::{Checked, Verdict};
use crate::model::{Finding, Gathering, SourceReport, SourceStatus};

/// The most sites that have a report of their own.
const MOST_REPORTS: usize = 200;

/// What a scan for a name has come to so far.
pub(super) struct Tally<'a> {
    out: &'a Gathering,
    lists: Vec<ListTally>,
    all: Counts,
    reports: usize,
    began: Instant,
}

/// The same of one list.
struct ListTally {
    source: String,
    sites: usize,
    counts: Counts,
    requests: u32,
    passing: bool,
}

#[derive(Default)]
struct Counts(BTreeMap<Verdict, usize>);

impl<'a> Tally<'a> {
    pub(super) fn new(lists: &SiteLists, out: &'a Gathering) -> Self {
        let tallies = lists.lists().iter().map(|list| ListTally {
            source: format!("username:{}", list.name),
            sites: list.sites.len(),
            counts: Counts::default(),
            requests: 0,
            passing: false,
        });
        out.set("lists", lists.told());
        out.set("sites", json!([]));
        let tally = Self { out, lists: tallies.collect(), all: Counts::default(), reports: 0, began: Instant::now() };
        out.set("counts", tally.all.told());
        tally
    }

    /// Adds what came of one site of list number `list`.
    pub(super) fn add(&mut self, list: usize, site: &Site, name: &str, checked: &Checked) {
        let mut tags = site.tags.clone();
        if site.nsfw && !tags.iter().any(|tag| tag == "nsfw") {
            tags.push("nsfw".to_owned());
        }
        self.out.push("sites", checked.row(&site.name, site.rule.by.as_str(), &tags));
        self.all.add(checked.verdict);
        self.out.set("counts", self.all.told());
        let Some(tally) = self.lists.get_mut(list) else { return };
        tally.counts.add(checked.verdict);
        tally.requests = tally.requests.saturating_add(checked.requests);
        tally.passing |= checked.passing;
        let source = format!("{}:{}", tally.source, site.name);
        match checked.verdict {
            Verdict::Claimed => self.out.finding(finding(&tally.source, site, name, checked, &tags)),
            Verdict::Unknown | Verdict::Blocked if self.reports < MOST_REPORTS => {
                self.reports += 1;
                self.out.source(report(source, checked));
            }
            Verdict::Unknown | Verdict::Blocked | Verdict::Available | Verdict::Illegal => {}
        }
    }
}

/// However the scan ends, also where it is cut short, its lists are told of.
impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        for tally in &self.lists {
            self.out.source(tally.report(ms));
        }
    }
}

impl ListTally {
    fn report(&self, ms: u64) -> SourceReport {
        let count = |verdict| self.counts.of(verdict);
        let (unknown, blocked) = (count(Verdict::Unknown), count(Verdict::Blocked));
        let asked: usize = Verdict::ALL.into_iter().map(count).sum();
        let status = match () {
            () if count(Verdict::Claimed) > 0 => SourceStatus::Ok,
            () if count(Verdict::Available) > 0 => SourceStatus::Empty,
            () if unknown == 0 && blocked == 0 => SourceStatus::Skipped,
            () if unknown == 0 => SourceStatus::Blocked,
            () => SourceStatus::Failed,
        };
        let reason = match status {
            SourceStatus::Skipped if asked > 0 => Some("illegal-name"),
            SourceStatus::Skipped => Some("not-asked"),
            _ if unknown + blocked > 0 => Some("partly-unknown"),
            _ => None,
        };
        let detail = format!(
            "De {} sitios: {} con cuenta, {} sin ella, {unknown} que no aclaran nada, {blocked} que no se dejan consultar, \
             {} que no admiten ese nombre y {} sin consultar.",
            self.sites,
            count(Verdict::Claimed),
            count(Verdict::Available),
            count(Verdict::Illegal),
            self.sites.saturating_sub(asked),
        );
        SourceReport {
            source: self.source.clone(),
            status,
            reason: reason.map(str::to_owned),
            detail: Some(detail),
            http_status: None,
            requests: self.requests,
            ms,
            retry_after: None,
            passing: self.passing,
        }
    }
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        *self.0.entry(verdict).or_default() += 1;
    }

    fn of(&self, verdict: Verdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    fn told(&self) -> Value {
        let counts = Verdict::ALL.into_iter().map(|verdict| (verdict.as_str().to_owned(), json!(self.of(verdict))));
        Value::Object(counts.collect())
    }
}

/// The account as a fact.
fn finding(source: &str, site: &Site, name: &str, checked: &Checked, tags: &[String]) -> Finding {
    let attributes = [("site", json!(site.name)), ("username", json!(name)), ("tags", json!(tags))];
    let attributes: Map<_, _> = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Finding {
        kind: "account".to_owned(),
        value: checked.url.clone(),
        source: source.to_owned(),
        source_url: Some(checked.url.clone()),
        confidence: checked.proof.map_or(0.5, super::verdict::Proof::confidence),
        attributes,
        evidence: Vec::new(),
    }
}

/// Why one site could not be asked.
fn report(source: String, checked: &Checked) -> SourceReport {
    let status = match (checked.verdict, checked.reason.as_deref()) {
        (_, Some("http-429")) => SourceStatus::RateLimited,
        (Verdict::Blocked, _) | (_, Some("forbidden-address" | "forbidden-port" | "forbidden-scheme")) => {
            SourceStatus::Blocked
        }
        (_, Some("timeout")) => SourceStatus::Timeout,
        _ => SourceStatus::Failed,
    };
    SourceReport {
        source,
        status,
        reason: checked.reason.clone(),
        detail: checked.detail.clone(),
        http_status: checked.http,
        requests: checked.requests,
        ms: checked.ms,
        retry_after: checked.retry_after,
        passing: checked.passing,
    }
}
