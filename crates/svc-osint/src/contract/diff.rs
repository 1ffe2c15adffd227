//! What two scans of the same say differently, as the API tells it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// `GET /api/v1/scan/{task_id}/diff`. What the sources of a scan have not said, because they did not answer, is never
/// told as gone or as new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScanDiff {
    /// What was scanned.
    #[schema(example = "example.com")]
    pub target: String,
    /// By which collector; several have commas between, or are `all`.
    #[schema(example = "dns")]
    pub collector_type: String,
    /// The scan that is compared against.
    pub old: ComparedScan,
    /// The scan that is compared.
    pub new: ComparedScan,
    /// How much there is of each.
    pub summary: DiffSummary,
    /// Facts of the new scan that a source which answered both times has not told before.
    pub added: Vec<DiffFact>,
    /// Facts of the new scan all of whose sources had not answered in the old one: they may have been there before.
    pub newly_visible: Vec<DiffFact>,
    /// Facts of the old scan that are told no more, though all their sources have answered.
    pub removed: Vec<DiffFact>,
    /// Facts of the old scan that are not told, and of whose sources not all have answered: they may still be there.
    pub unconfirmed: Vec<DiffFact>,
    /// Facts that are told otherwise, by sources that answered both times.
    pub changed: Vec<FactChange>,
    /// Facts that are told otherwise, where one of the sources answered only once: the difference may be just that.
    pub perhaps_changed: Vec<FactChange>,
}

/// One of the two scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedScan {
    /// By which to ask for it.
    pub task_id: String,
    /// When it ended, ISO 8601.
    pub timestamp: String,
    /// True when a cap or a time limit left something out of it.
    pub truncated: bool,
}

/// How many facts there are of each kind of difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffSummary {
    /// In `added`.
    pub added: usize,
    /// In `newly_visible`.
    pub newly_visible: usize,
    /// In `removed`.
    pub removed: usize,
    /// In `unconfirmed`.
    pub unconfirmed: usize,
    /// In `changed`.
    pub changed: usize,
    /// In `perhaps_changed`.
    pub perhaps_changed: usize,
    /// Told alike by both.
    pub unchanged: usize,
}

/// A fact that only one of the two scans tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffFact {
    /// The kind of fact.
    #[serde(rename = "type")]
    #[schema(example = "subdomain")]
    pub kind: String,
    /// The fact itself.
    pub value: String,
    /// 0.0 to 1.0.
    pub confidence: f32,
    /// Who says so.
    pub sources: Vec<String>,
    /// Whatever else is known about it.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub attributes: Map<String, Value>,
    /// Who of them has not answered in the other scan.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unanswered: Vec<Unanswered>,
}

/// A fact that both scans tell, and not alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FactChange {
    /// The kind of fact.
    #[serde(rename = "type")]
    #[schema(example = "domain")]
    pub kind: String,
    /// The fact itself.
    pub value: String,
    /// What differs: `confidence`, or names of attributes.
    pub fields: Vec<String>,
    /// As the old scan tells it.
    pub old: FactState,
    /// As the new scan tells it.
    pub new: FactState,
    /// Who has answered in one of the two only.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unanswered: Vec<Unanswered>,
}

/// What a scan says of a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FactState {
    /// 0.0 to 1.0.
    pub confidence: f32,
    /// Whatever else is known about it.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
}

/// A source that told a fact in one scan, and could not have told it in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unanswered {
    /// The source.
    #[schema(example = "crtsh")]
    pub source: String,
    /// In which of the two: `old` or `new`.
    #[schema(example = "new")]
    pub scan: String,
    /// A status of `metadata.sources`; `not_asked` where it is not there at all, `partial` where it answered in part, or
    /// `truncated` where the scan was cut short.
    #[schema(example = "timeout")]
    pub status: String,
    /// The word for why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The sentence for why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}
