//! Who answered in a scan, so that what a silent source has not said is not taken for gone.

use std::collections::HashMap;

use serde_json::Value;

use crate::contract::{CollectorResult, Unanswered};
use crate::model::{Finding, NO_REFERRAL, REFERRAL, SourceReport, SourceStatus};

/// How the reason of a source begins that answered, and not on everything.
const PARTLY: &str = "partly-";
/// What says whom to ask, and nothing of the target.
const BOOTSTRAP: &str = "rdap:bootstrap";

/// One of the two scans, by what its sources did.
pub(super) struct Answers<'r> {
    /// `old` or `new`.
    name: &'static str,
    result: &'r CollectorResult,
    rows: HashMap<&'r str, &'r SourceReport>,
    /// How each site came out in a search for a name, by the address of the account.
    sites: HashMap<&'r str, &'r Value>,
}

impl<'r> Answers<'r> {
    pub(super) fn of(name: &'static str, result: &'r CollectorResult) -> Self {
        let mut rows: HashMap<&str, &SourceReport> = HashMap::new();
        for report in &result.metadata.sources {
            // Told of twice, it counts as the one that could not be asked.
            let worse = |known: &&SourceReport| answered(known) && !answered(report);
            let known = rows.entry(&report.source).or_insert(report);
            if worse(known) {
                *known = report;
            }
        }
        let own = result.data.get("username").and_then(Value::as_object).unwrap_or(&result.data);
        let listed = own.get("sites").and_then(Value::as_array).into_iter().flatten();
        let sites = listed.filter_map(|row| Some((row.get("url")?.as_str()?, row))).collect();
        Self { name, result, rows, sites }
    }

    /// Why this scan may lack a fact though it is one: sources that told it elsewhere did not answer here, or were cut
    /// short. Empty: they were asked, and it is not there.
    pub(super) fn doubts(&self, fact: &Finding) -> Vec<Unanswered> {
        sources(fact).into_iter().filter_map(|source| self.silence(fact, source)).collect()
    }

    /// Whether nobody who tells this fact elsewhere could have told it here.
    pub(super) fn could_not_tell(&self, fact: &Finding) -> bool {
        self.doubts(fact).len() >= sources(fact).len()
    }

    /// Sources that fill in each other's records, and did not answer here though they did there: a fact of the registries
    /// is put together from all of them, and names only the first.
    pub(super) fn absent(&self, fact: &Finding, there: &Self) -> Vec<Unanswered> {
        if !sources(fact).into_iter().all(is_registry) {
            return Vec::new();
        }
        let mut others: Vec<_> = there.rows.values().filter(|row| is_registry(&row.source) && answered(row)).collect();
        others.sort_unstable_by_key(|row| &row.source);
        others.into_iter().filter_map(|row| self.by_row(&row.source)).collect()
    }

    /// Why a source could not tell this fact here.
    pub(super) fn silence(&self, fact: &Finding, source: &str) -> Option<Unanswered> {
        let silence = match source {
            "metadata" => self.by_file(fact),
            _ if source.starts_with("username:") => self.by_site(fact, source),
            _ => self.by_row(source),
        };
        silence.or_else(|| self.cut(source))
    }

    fn by_row(&self, source: &str) -> Option<Unanswered> {
        match self.rows.get(source) {
            Some(row) => (!answered(row)).then(|| self.told(row)),
            // A name that does not exist has no records of any type; only the first question is told of.
            None if source.starts_with("dns:") && self.has_no_domain() => None,
            None => Some(self.unasked(source)),
        }
    }

    /// Of a file: whether it was read, or is no longer there.
    fn by_file(&self, fact: &Finding) -> Option<Unanswered> {
        let named = fact.attributes.get("document").and_then(Value::as_str);
        let file = named.unwrap_or(&fact.value);
        if let Some(reading) = self.rows.get(format!("parse:{file}").as_str()) {
            return (!answered(reading)).then(|| self.told(reading));
        }
        match self.rows.get(file) {
            Some(row) if row.status == SourceStatus::Empty => None,
            Some(row) if !answered(row) => Some(self.told(row)),
            _ => Some(self.unasked(file)),
        }
    }

    /// Of a site: whether it said that there is no such account.
    fn by_site(&self, fact: &Finding, source: &str) -> Option<Unanswered> {
        let site = self.sites.get(fact.value.as_str());
        let word = |name: &str| site.and_then(|row| row.get(name)).and_then(Value::as_str);
        match word("status") {
            Some("claimed" | "available" | "illegal") => None,
            None => Some(self.unasked(source)),
            Some(status) => Some(Unanswered {
                source: word("site").unwrap_or(source).to_owned(),
                scan: self.name.to_owned(),
                status: status.to_owned(),
                reason: word("reason").map(str::to_owned),
                detail: None,
            }),
        }
    }

    fn has_no_domain(&self) -> bool {
        self.rows.get("dns:SOA").is_some_and(|row| row.reason.as_deref() == Some("nxdomain"))
    }

    /// That what this source said was cut short by a cap or a time limit. A scan of several types tells of each; where
    /// one does not, it is the whole scan that was cut.
    fn cut(&self, source: &str) -> Option<Unanswered> {
        let metadata = &self.result.metadata;
        let types = types_of(source);
        let mut parts = metadata.parts.iter().filter(|part| types.contains(&part.collector_type.as_str())).peekable();
        let told = parts.peek().is_some() && parts.all(|part| part.truncated == Some(false));
        (metadata.truncated && !told).then(|| Unanswered {
            source: source.to_owned(),
            scan: self.name.to_owned(),
            status: "truncated".to_owned(),
            reason: self.result.error.clone(),
            detail: None,
        })
    }

    fn told(&self, row: &SourceReport) -> Unanswered {
        let partly = row.reason.as_deref().is_some_and(|reason| reason.starts_with(PARTLY));
        let status = serde_json::to_value(row.status).ok().and_then(|word| word.as_str().map(str::to_owned));
        Unanswered {
            source: row.source.clone(),
            scan: self.name.to_owned(),
            status: if partly { "partial".to_owned() } else { status.unwrap_or_default() },
            reason: row.reason.clone(),
            detail: row.detail.clone(),
        }
    }

    fn unasked(&self, source: &str) -> Unanswered {
        Unanswered {
            source: source.to_owned(),
            scan: self.name.to_owned(),
            status: "not_asked".to_owned(),
            reason: None,
            detail: None,
        }
    }
}

/// Everybody who tells a fact, each once.
pub(super) fn sources(fact: &Finding) -> Vec<&str> {
    let mut all = vec![];
    for source in fact.evidence.iter().map(|evidence| evidence.source.as_str()) {
        if !all.contains(&source) {
            all.push(source);
        }
    }
    if all.is_empty() { vec![fact.source.as_str()] } else { all }
}

/// Whether a source said all it knows: that it has nothing counts, that it keeps it to itself does not.
fn answered(row: &SourceReport) -> bool {
    let reason = row.reason.as_deref().unwrap_or_default();
    match row.status {
        SourceStatus::Ok | SourceStatus::Empty => {
            let refused = row.source.starts_with("dns:AXFR") && row.status == SourceStatus::Empty;
            !refused && !reason.starts_with(PARTLY) && !matches!(reason, REFERRAL | NO_REFERRAL)
        }
        SourceStatus::Failed
        | SourceStatus::RateLimited
        | SourceStatus::MissingKey
        | SourceStatus::Skipped
        | SourceStatus::Timeout
        | SourceStatus::Blocked => false,
    }
}

/// The types of scan that ask a source.
fn types_of(source: &str) -> &'static [&'static str] {
    match source.split(':').next().unwrap_or_default() {
        "dns" => &["dns"],
        "rdap" | "whois" => &["whois"],
        "crtsh" => &["crtsh"],
        "shodan" | "internetdb" => &["shodan"],
        "virustotal" => &["virustotal"],
        "haveibeenpwned" => &["haveibeenpwned"],
        "securitytrails" => &["securitytrails"],
        "username" => &["username"],
        "social" => &["social", "identity"],
        "gravatar" | "github" | "keyserver" => &["identity"],
        "metadata" => &["metadata"],
        _ => &[],
    }
}

fn is_registry(source: &str) -> bool {
    (source.starts_with("rdap:") || source.starts_with("whois:")) && source != BOOTSTRAP
}
