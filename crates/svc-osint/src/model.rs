//! The words of a scan: what a collector gathers, where it came from, and the shape callers read.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// How one source answered while a scan ran; the reader learns what could *not* be asked and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Answered and parsed, with something in it.
    Ok,
    /// Answered and parsed, with nothing in it.
    Empty,
    /// Could not be asked or did not make sense.
    Failed,
    /// Refused because of too many requests.
    RateLimited,
    /// Not asked: no key is configured.
    MissingKey,
    /// Not asked, for the reason given.
    Skipped,
    /// Did not answer in time.
    Timeout,
    /// Refused by policy: ours (a forbidden address) or the source's.
    Blocked,
}

/// The reason of a source that knows nothing of the target, only whom to ask.
pub const REFERRAL: &str = "referral";
/// The reason of one that does not even know whom.
pub const NO_REFERRAL: &str = "no-referral";

/// One row of the report a scan gives about its sources.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SourceReport {
    /// What was asked, e.g. `dns:MX` or `https://example.com/robots.txt`.
    pub source: String,
    /// How it answered.
    pub status: SourceStatus,
    /// Why, when it is not plainly `ok`: a word for programs such as `missing-key`, `http-503` or `nxdomain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same as a sentence for people, where the word does not say it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The HTTP status, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Requests sent to it in this attempt; 0 also where an earlier attempt had its answer already.
    pub requests: u32,
    /// Milliseconds spent on it.
    pub ms: u64,
    /// Seconds until it is worth asking again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Whether the same question may be answered another time.
    #[serde(skip)]
    pub passing: bool,
}

/// One fact found, in the vocabulary of analysts (`dns_record`, `subdomain`, `email`, `document` …).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// The kind of fact.
    #[serde(rename = "type")]
    pub kind: String,
    /// The fact itself.
    pub value: String,
    /// The source it was read from.
    pub source: String,
    /// Where to see it again, if it has an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// 0.0 to 1.0.
    pub confidence: f32,
    /// Whatever else is known about it.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub attributes: Map<String, Value>,
    /// Everybody who says so; a collector leaves it empty, and it is filled in when the scan ends.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<Evidence>,
}

/// Who says that a fact is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The source.
    pub source: String,
    /// Where to see it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The SHA-256 of the answer it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Where a collector puts what it finds while it runs, so that a scan cut short at its soft time
/// limit still answers with the part that was done.
#[derive(Default)]
pub struct Gathering {
    inner: Mutex<Gathered>,
    on_progress: Option<Box<dyn Fn(u32, u32) + Send + Sync>>,
}

/// Everything gathered so far.
#[derive(Debug, Default, Clone)]
pub struct Gathered {
    /// The collector's own object: its keys are the collector's documented output.
    pub data: Map<String, Value>,
    /// How each source answered.
    pub sources: Vec<SourceReport>,
    /// The facts, flat.
    pub findings: Vec<Finding>,
    /// True when a cap or a time limit cut the gathering short.
    pub truncated: bool,
    /// Steps done and steps known.
    pub progress: (u32, u32),
    /// The SHA-256 of what sources answered.
    pub digests: HashMap<String, String>,
}

impl Gathering {
    /// A gathering that calls `on_progress(done, total)` whenever a step ends.
    pub fn with_progress(on_progress: impl Fn(u32, u32) + Send + Sync + 'static) -> Self {
        Self { inner: Mutex::default(), on_progress: Some(Box::new(on_progress)) }
    }

    /// Sets one key of the collector's output, replacing what was there.
    pub fn set(&self, key: &str, value: Value) {
        self.edit(|g| {
            g.data.insert(key.to_owned(), value);
        });
    }

    /// Adds one entry to a list of the collector's output; whatever else was there gives way.
    pub fn push(&self, key: &str, value: Value) {
        self.edit(|g| match g.data.get_mut(key) {
            Some(Value::Array(list)) => list.push(value),
            _ => {
                g.data.insert(key.to_owned(), Value::Array(vec![value]));
            }
        });
    }

    /// Adds the report of one source.
    pub fn source(&self, report: SourceReport) {
        self.edit(|g| g.sources.push(report));
    }

    /// Notes the digest of what a source answered.
    pub fn digest(&self, source: &str, sha256: String) {
        self.edit(|g| {
            g.digests.insert(source.to_owned(), sha256);
        });
    }

    /// Adds one fact.
    pub fn finding(&self, finding: Finding) {
        self.edit(|g| g.findings.push(finding));
    }

    /// Says that something was left out because of a cap.
    pub fn truncated(&self) {
        self.edit(|g| g.truncated = true);
    }

    /// Says that `done` of `total` steps are behind us.
    pub fn progress(&self, done: u32, total: u32) {
        self.edit(|g| g.progress = (done, total));
        if let Some(tell) = &self.on_progress {
            tell(done, total);
        }
    }

    /// What has been gathered until now.
    pub fn so_far(&self) -> Gathered {
        self.edit(|g| g.clone())
    }

    /// What has been gathered, given away: it may be large, and at the end nobody needs it twice.
    pub fn taken(&self) -> Gathered {
        self.edit(std::mem::take)
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Gathered) -> T) -> T {
        // A collector that panicked while holding the lock has lost one entry at most; the rest stands.
        let mut guard = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut guard)
    }
}
