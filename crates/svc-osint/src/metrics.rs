//! What this service counts for the operator: scans and how they ended, sources, refusals, uploads.
//!
//! One set of counters a process, because what counts is spread over the API, the tasks and the door to the web.
//! Labels are words of this service's own, never something a stranger wrote: there would be no end of them.

use std::sync::LazyLock;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::connector::FetchError;
use crate::error::ScanError;
use crate::model::{SourceReport, SourceStatus};

static COUNTED: LazyLock<Counted> = LazyLock::new(|| Counted {
    scans: Family::default(),
    seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 4.0, 8))),
    sources: Family::default(),
    blocked: Family::default(),
    quota: Family::default(),
    upload_bytes: Counter::default(),
    uploads_busy: Counter::default(),
});

struct Counted {
    scans: Family<Ended, Counter>,
    seconds: Family<By, Histogram>,
    sources: Family<Answered, Counter>,
    blocked: Family<Blocked, Counter>,
    quota: Family<Of, Gauge>,
    upload_bytes: Counter,
    uploads_busy: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    collector: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    collector: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    collector: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Blocked {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    provider: &'static str,
}

/// An attempt at a scan; counted when dropped, as `stopped` unless it came to an end of its own.
pub(crate) struct Attempt {
    collector: &'static str,
    state: &'static str,
    began: Instant,
}

/// Names the metrics of this service in a registry: `osint_scans_total{collector,state}` (an attempt each; `success`,
/// `partial`, `unavailable`, `failed`, `stopped`), `osint_scan_duration_seconds{collector}`,
/// `osint_source_requests_total{collector,outcome}`, `osint_ssrf_blocked_total{reason}` (`address`, `port`, `scheme`),
/// `osint_quota_remaining{provider}` (requests left in the tightest of its windows, as this process last saw it),
/// `osint_upload_bytes_total`, `osint_uploads_busy_total`.
pub fn register(registry: &mut Registry) {
    let counted = &*COUNTED;
    registry.register("osint_scans", "Attempts at scans, by how they ended", counted.scans.clone());
    let seconds = counted.seconds.clone();
    registry.register_with_unit("osint_scan_duration", "How long attempts at scans took", Unit::Seconds, seconds);
    registry.register("osint_source_requests", "Sources asked, by what came of it", counted.sources.clone());
    registry.register("osint_ssrf_blocked", "Contacts refused by policy, by reason", counted.blocked.clone());
    registry.register(
        "osint_quota_remaining",
        "Requests left of a quota: the tightest window of an hour or longer",
        counted.quota.clone(),
    );
    registry.register_with_unit(
        "osint_upload",
        "Size of the files taken in",
        Unit::Bytes,
        counted.upload_bytes.clone(),
    );
    registry.register("osint_uploads_busy", "Uploads sent away for want of room", counted.uploads_busy.clone());
}

impl Attempt {
    pub(crate) fn began(collector: &'static str) -> Self {
        Self { collector, state: "stopped", began: Instant::now() }
    }

    /// It came to its end with these sources asked.
    pub(crate) fn gathered(&self, sources: &[SourceReport]) {
        for report in sources {
            let outcome = outcome(report.status);
            COUNTED.sources.get_or_create(&Answered { collector: self.collector, outcome }).inc();
        }
    }

    /// It gave a result, whole or cut short.
    pub(crate) fn succeeded(mut self, cut: bool) {
        self.state = if cut { "partial" } else { "success" };
    }

    /// It gave none.
    pub(crate) fn failed(mut self, error: &ScanError) {
        self.state = if matches!(error, ScanError::Unavailable(_)) { "unavailable" } else { "failed" };
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        COUNTED.scans.get_or_create(&Ended { collector: self.collector, state: self.state }).inc();
        COUNTED.seconds.get_or_create(&By { collector: self.collector }).observe(self.began.elapsed().as_secs_f64());
    }
}

/// A fetch was refused, if `error` says so; true then.
pub(crate) fn blocked(error: &FetchError) -> bool {
    let reason = match error {
        FetchError::Forbidden { .. } => "address",
        FetchError::Scheme(_) => "scheme",
        FetchError::Port(_) => "port",
        _ => return false,
    };
    COUNTED.blocked.get_or_create(&Blocked { reason }).inc();
    true
}

/// An address was refused to those who talk to it without the door.
pub(crate) fn blocked_address() {
    COUNTED.blocked.get_or_create(&Blocked { reason: "address" }).inc();
}

/// So many requests are left of a provider's quota; `None`: it has none.
pub(crate) fn quota_left(provider: &'static str, left: Option<u32>) {
    if let Some(left) = left {
        COUNTED.quota.get_or_create(&Of { provider }).set(left.into());
    }
}

/// A file of this many bytes was taken in, for a new scan or for one that its key already had.
pub(crate) fn uploaded(bytes: usize) {
    COUNTED.upload_bytes.inc_by(bytes as u64);
}

/// An upload found no room.
pub(crate) fn upload_busy() {
    COUNTED.uploads_busy.inc();
}

fn outcome(status: SourceStatus) -> &'static str {
    match status {
        SourceStatus::Ok => "ok",
        SourceStatus::Empty => "empty",
        SourceStatus::Failed => "failed",
        SourceStatus::RateLimited => "rate_limited",
        SourceStatus::MissingKey => "missing_key",
        SourceStatus::Skipped => "skipped",
        SourceStatus::Timeout => "timeout",
        SourceStatus::Blocked => "blocked",
    }
}
