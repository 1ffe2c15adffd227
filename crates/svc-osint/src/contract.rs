//! All that others may know of this service: its task names and queue, what its tasks take and give
//! back, and the shapes of its HTTP API.
//!
//! Names and shapes are those of the FastAPI and Celery service that Apium takes the place of, so
//! Python programs send to it and read from it unchanged.

mod diff;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use diff::{ComparedScan, DiffFact, DiffSummary, FactChange, FactState, ScanDiff, Unanswered};

use crate::model::{SourceReport, SourceStatus};
use crate::shapes;

/// The scan task: `perform_osint_scan(target, collector_type, options=None)`. Of several types, with commas between, or
/// of `all` that take such a target, it becomes a chord with a part for each, which ends under its id.
pub const SCAN: &str = "app.tasks.scan_tasks.perform_osint_scan";
/// What puts the parts of a scan of several types together.
pub const GATHER: &str = "app.tasks.scan_tasks.gather_osint_scan";
/// What deletes what is old, and learns how scans ended that nobody told of.
pub const HOUSEKEEPING: &str = "app.tasks.scan_tasks.osint_housekeeping";
/// The type that stands for every type that takes such a target.
pub const ALL: &str = "all";
/// The task that shows that a worker works: `health_check()`.
pub const HEALTH_CHECK: &str = "app.tasks.scan_tasks.health_check";
/// The scan task's short name.
pub const SCAN_ALIAS: &str = "perform_osint_scan";
/// The health check's short name.
pub const HEALTH_CHECK_ALIAS: &str = "health_check";
/// The queue both go to.
pub const QUEUE: &str = "osint_scans";
/// How long an id is remembered, so that an expired scan can be told from one that never was.
pub const REMEMBER: Duration = Duration::from_hours(7 * 24);
/// The state of a scan at work; its metadata is a [`Processing`].
pub const PROCESSING: &str = "PROCESSING";
/// What a result that was cut short gives as its `error`.
pub const SOFT_TIME_LIMIT: &str = "soft time limit";
/// Largest uploaded file, in bytes: 10 MiB.
pub const MAX_UPLOAD: usize = 10 << 20;

/// The third argument of [`SCAN`]. A name it does not know is refused, so that a typo cannot pass
/// for a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScanOptions {
    /// `dns`: whether to try a zone transfer. Default: the operator's setting; it can only be taken
    /// away here, not granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axfr: Option<bool>,
    /// `securitytrails`: whether to ask about the past of a domain, which takes six requests of the month's. Default:
    /// false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<bool>,
    /// `metadata`: the file to look at, instead of one on the web; the target is its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<SentFile>,
    /// Whether everything is asked anew, though a result is there that is young enough. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The name of the token for which a schedule has it done; nothing is done once that is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The scan of several types that this one is a part of: it then gives a result also where it has found nobody to
    /// answer, so that the other parts are not lost with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A file that travels inside the message.
///
/// Inside, and not as a path: a worker on another machine shares no folder with the API, and a path
/// in a message would let any sender read any file of the worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentFile {
    /// The content in base64, [`MAX_UPLOAD`] bytes at the most before encoding.
    pub content_base64: String,
}

/// Steps of a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Steps behind us.
    pub done: u32,
    /// Steps known so far; it may grow.
    pub total: u32,
}

/// The metadata of the state [`PROCESSING`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Processing {
    /// What is scanned.
    pub target: String,
    /// By which collector.
    pub collector_type: String,
    /// How far it is.
    pub progress: Progress,
    /// The worker's node name.
    pub worker: String,
}

/// What a scan gives back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CollectorResult {
    /// The task id.
    pub id: String,
    /// The collector's type.
    #[schema(example = "dns")]
    pub collector_name: String,
    /// What was scanned, as it was asked for.
    #[schema(example = "example.com")]
    pub target: String,
    /// True: at least one source answered and was understood.
    pub success: bool,
    /// The collector's output, and all facts flat in `findings`.
    pub data: Map<String, Value>,
    /// Why the result is not whole: `soft time limit`; else null.
    pub error: Option<String>,
    /// When the scan ended, ISO 8601.
    pub timestamp: String,
    /// Where it all came from.
    pub metadata: ResultMetadata,
}

/// Where a result came from.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ResultMetadata {
    /// How each source answered, those that could not be asked included.
    pub sources: Vec<SourceReport>,
    /// Facts in `data.findings`.
    pub findings_total: usize,
    /// True when a cap or a time limit left something out.
    pub truncated: bool,
    /// Seconds from the start of the attempt.
    pub duration: f64,
    /// Seconds since everything was asked, where the result of an earlier scan was good enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cache_age_s: Option<u64>,
    /// That earlier scan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cached_from: Option<String>,
    /// Of a scan of several types: how each came out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub parts: Vec<PartReport>,
}

/// How one type came out in a scan of several.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartReport {
    /// The type.
    #[serde(rename = "type")]
    #[schema(example = "dns")]
    pub collector_type: String,
    /// Its own scan, which can be asked for by itself.
    pub task_id: String,
    /// The best that one of its sources gave: `ok`, `empty`, or else why there is nothing.
    pub status: SourceStatus,
    /// The word for why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The sentence for why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Facts it found.
    pub findings: usize,
    /// True when a cap or a time limit left something out of it; absent where nobody noted that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub truncated: Option<bool>,
    /// Requests it sent.
    pub requests: u32,
    /// Seconds it took.
    pub duration: f64,
}

/// `POST /api/v1/scan`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanRequest {
    /// A domain, an address, a URL, an `AS` number: what the collector accepts.
    #[schema(example = "example.com", min_length = 1, max_length = 2048)]
    pub target: String,
    /// The collector, one of `GET /api/v1/collectors`; or `all` that take such a target.
    #[serde(rename = "type", default)]
    #[schema(schema_with = shapes::one_type)]
    pub collector_type: Option<String>,
    /// Several collectors, in place of `type`.
    #[serde(default)]
    #[schema(schema_with = shapes::several_types)]
    pub types: Option<Types>,
    /// Whether everything is asked anew, though a young result is there. Default: false.
    #[serde(default)]
    pub force: bool,
    /// What the collector lets one choose.
    #[serde(default)]
    pub options: RequestOptions,
}

/// Several collectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Types {
    /// These.
    Named(Vec<String>),
    /// `all`, or names with commas between.
    Text(String),
}

/// The options of `POST /api/v1/scan`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestOptions {
    /// `dns`: false leaves out the zone transfer.
    pub axfr: Option<bool>,
    /// `securitytrails`: true asks for the history of a domain too, which takes six requests of the month's.
    pub history: Option<bool>,
}

/// `POST /api/v1/repeats`: a scan that is done again and again.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatRequest {
    /// A domain, an address, a URL, an `AS` number: what the collector accepts.
    #[schema(example = "example.com", min_length = 1, max_length = 2048)]
    pub target: String,
    /// The collector, one of `GET /api/v1/collectors`; or `all` that take such a target.
    #[serde(rename = "type", default)]
    #[schema(schema_with = shapes::one_type)]
    pub collector_type: Option<String>,
    /// Several collectors, in place of `type`.
    #[serde(default)]
    #[schema(schema_with = shapes::several_types)]
    pub types: Option<Types>,
    /// When; at most every five minutes.
    pub schedule: When,
    /// The time zone of its clock, such as `Europe/Madrid`. Default: UTC.
    #[serde(default)]
    #[schema(example = "Europe/Madrid")]
    pub zone: Option<String>,
    /// What the collector lets one choose.
    #[serde(default)]
    pub options: RequestOptions,
}

/// When something is due.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum When {
    /// A line of a crontab: minute, hour, day of the month, month, day of the week.
    #[schema(example = "0 9 * * 1-5")]
    Line(String),
    /// Every so many seconds.
    Seconds(f64),
    /// A table with one of `crontab`, `interval`, `once` and `solar`, as `apium beat` takes it.
    Table(Map<String, Value>),
}

/// A scan that is done again and again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Repeat {
    /// By which to ask for it.
    pub repeat_id: String,
    /// What is scanned.
    #[schema(example = "example.com")]
    pub target: String,
    /// By which collector; several have commas between, or are `all`.
    #[schema(example = "dns")]
    pub collector_type: String,
    /// What else was chosen.
    pub options: RequestOptions,
    /// When, as a table.
    #[schema(value_type = Object)]
    pub schedule: Value,
    /// The time zone of its clock.
    #[schema(example = "Europe/Madrid")]
    pub zone: String,
    /// Whether nothing is done for now.
    pub paused: bool,
    /// When it is due next, ISO 8601; null while it is paused, and when it is due no more.
    pub next: Option<String>,
    /// How often it was done.
    pub runs: u64,
    /// The newest of its scans, once a worker has begun it.
    pub last_task_id: Option<String>,
    /// The name of the token it was asked for with; empty where none was.
    pub owner: String,
}

/// `GET /api/v1/repeats`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RepeatList {
    /// By their names.
    pub repeats: Vec<Repeat>,
}

/// The form of `POST /api/v1/scan/upload`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadForm {
    /// The file, 10 MiB at the most.
    #[schema(value_type = String, format = Binary, min_length = 1)]
    pub file: Vec<u8>,
    /// The collector, if at all: `metadata`, the only one that takes files.
    #[serde(rename = "type", default)]
    #[schema(schema_with = shapes::file_type, required = false)]
    pub collector_type: Option<String>,
}

/// A scan that was queued.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScanAccepted {
    /// By which to ask for it.
    pub task_id: String,
    /// `PENDING`; a later state when an `Idempotency-Key` is used again.
    #[schema(example = "PENDING")]
    pub status: String,
    /// A sentence for people: what that state means.
    #[schema(example = "Escaneo encolado")]
    pub message: String,
    /// What will be scanned.
    #[schema(example = "example.com")]
    pub target: String,
    /// By which collector.
    #[schema(example = "dns")]
    pub collector_type: String,
}

/// How a scan stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScanStatus {
    /// The scan.
    pub task_id: String,
    /// PENDING, STARTED, PROCESSING, SUCCESS, FAILURE, RETRY or REVOKED.
    #[schema(example = "SUCCESS")]
    pub status: String,
    /// The whole result at SUCCESS.
    #[schema(value_type = Option<CollectorResult>)]
    pub result: Option<Value>,
    /// Why it failed (FAILURE), is tried again (RETRY) or was called off (REVOKED).
    pub error: Option<String>,
    /// How far it is, at PROCESSING.
    pub progress: Option<Progress>,
    /// At PROCESSING what is being scanned; at FAILURE and RETRY the exception's `exc_type` and
    /// `exc_module`, and `sources`: how each source answered.
    #[schema(value_type = Option<Object>)]
    pub meta: Option<Value>,
    /// When it ended, ISO 8601.
    pub date_done: Option<String>,
    /// Of a scan of several types: how each stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStatus>,
}

/// How one type of several stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PartStatus {
    /// The type.
    #[serde(rename = "type")]
    #[schema(example = "dns")]
    pub collector_type: String,
    /// Its own scan.
    pub task_id: String,
    /// PENDING, STARTED, PROCESSING, SUCCESS, FAILURE, RETRY or REVOKED.
    #[schema(example = "PROCESSING")]
    pub status: String,
    /// Why it gave nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A scan in the history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScanEntry {
    /// By which to ask for it.
    pub task_id: String,
    /// What was scanned.
    #[schema(example = "example.com")]
    pub target: String,
    /// What that is: `domain`, `ip`, `asn`, `url`, `email`, `username`, `hash` or `file`.
    #[schema(example = "domain")]
    pub target_type: String,
    /// By which collector; several have commas between, or are `all`.
    #[schema(example = "dns")]
    pub collector_type: String,
    /// PENDING until it is known how it ended: SUCCESS, FAILURE or REVOKED.
    #[schema(example = "SUCCESS")]
    pub status: String,
    /// Why it gave nothing.
    pub error: Option<String>,
    /// The name of the token it was asked for with; empty where none was.
    pub owner: String,
    /// When it was asked for, ISO 8601.
    pub created: String,
    /// When it ended, ISO 8601.
    pub finished: Option<String>,
    /// Who called it off.
    pub cancelled_by: Option<String>,
}

/// `GET /api/v1/scans`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScanList {
    /// The newest first.
    pub scans: Vec<ScanEntry>,
    /// What to give as `before` for the next page; null on the last.
    pub next: Option<String>,
}

/// What came of calling a scan off.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cancelled {
    /// The scan.
    pub task_id: String,
    /// Its state now: REVOKED, or the one it is being stopped in.
    #[schema(example = "REVOKED")]
    pub status: String,
    /// A sentence for people.
    #[schema(example = "Escaneo cancelado")]
    pub message: String,
}

/// One collector.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CollectorCard {
    /// The word to give as `type`.
    #[serde(rename = "type")]
    #[schema(example = "dns")]
    pub collector_type: &'static str,
    /// The name of its class.
    #[schema(example = "DNSCollector")]
    pub class: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
    /// The kinds of target it takes: `domain`, `ip`, `url`, `asn`, `email`, `hash`, `file` (by upload).
    pub accepts: Vec<&'static str>,
    /// Whether it needs a key of some provider.
    pub needs_key: bool,
    /// Whether everything it needs is there.
    pub configured: bool,
    /// Requests left now of its provider's quota, over all workers: the tightest of its windows of an hour or longer. Null where
    /// there is none, or no key, or nobody can tell.
    pub quota_left: Option<u32>,
    /// When there are some again, ISO 8601, where the provider has said that none is left.
    pub quota_resets: Option<String>,
}

/// `GET /api/v1/collectors`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CollectorList {
    /// Every collector that works.
    pub collectors: Vec<CollectorCard>,
    /// How many there are.
    pub total: usize,
}

/// `GET /api/v1/health`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`, or `unhealthy` when no worker takes scans.
    #[schema(example = "healthy")]
    pub status: &'static str,
    /// Workers that take scans.
    pub workers: usize,
    /// Their node names.
    pub worker_names: Vec<String>,
    /// By node name: `concurrency`, `active`, `processed`, `pid`, `started`, `queues`.
    #[schema(value_type = Object)]
    pub stats: Map<String, Value>,
}

/// What [`HEALTH_CHECK`] gives back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerHealth {
    /// Always `healthy`: an unhealthy worker does not answer.
    pub status: String,
    /// The worker's node name.
    pub worker: String,
    /// The collectors it has.
    pub collectors: Vec<String>,
    /// When it answered, ISO 8601.
    pub timestamp: String,
}

/// Shows the size only: the content is somebody's file.
impl std::fmt::Debug for SentFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SentFile").field("base64_len", &self.content_base64.len()).finish()
    }
}
