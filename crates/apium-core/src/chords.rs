//! Chords and groups, as a result store keeps them: the parts that have ended are counted, once each, and whoever
//! counts the last one is to send the body.
//!
//! Celery keeps this in its result backend (`set_chord_size`, `on_chord_part_return`, `save_group`); on Redis the
//! keys are Celery's, so that parts may end on its workers and on ours. Every backend passes the suite in
//! `conformance/chords.rs`.

use std::time::Duration;

use apium_protocol::RawJson;
use async_trait::async_trait;

use crate::broker::Outgoing;
use crate::error::BackendError;
use crate::results::StoredResult;
use crate::state::TaskState;

/// How long whoever counted the last part has to send the body before another may: Celery's own span.
pub const CLAIM: Duration = Duration::from_secs(6);

/// How a part of a chord ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ChordPart {
    /// The task that ended.
    pub task_id: String,
    /// SUCCESS, FAILURE or REVOKED.
    pub state: TaskState,
    /// What it returned, or its exception.
    pub result: RawJson,
}

/// What is known once a part is counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Counted {
    /// Others are still to end.
    Waiting,
    /// It was the last; the body is to be sent under this claim.
    Complete(ChordClaim),
    /// All are in, and another is just sending the body. It may die before it has: whoever is told this asks again, and
    /// does not settle its part meanwhile, or nobody might be left to send it.
    Claimed,
    /// The body was sent.
    Sent,
}

/// The right to send the body of a chord, for [`CLAIM`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChordClaim {
    /// The group of the chord's header.
    pub group: String,
    /// The mark of this one claim.
    pub token: String,
    /// All parts in their order.
    pub parts: Vec<ChordPart>,
}

/// The end of a chord, written in one step with a settlement, and only while the claim is held.
#[derive(Debug, Clone)]
pub struct ChordEnd {
    /// The group of the chord's header.
    pub group: String,
    /// The mark of the claim.
    pub token: String,
    /// The body, or what follows from a part that failed.
    pub send: Vec<Outgoing>,
    /// The body's failure, if a part failed.
    pub results: Vec<StoredResult>,
}

/// What a result store keeps of chords and groups.
#[async_trait]
pub trait Chords: Send + Sync + 'static {
    /// Tells how many parts a chord has, before the last of them is sent; what an earlier chord of this group left
    /// behind counts no more. Kept for `keep`.
    async fn announce(&self, group: &str, size: u64, keep: Duration) -> Result<(), BackendError>;

    /// A part has added this many further parts (Celery's `add_to_chord`), before it ended itself.
    async fn grow(&self, group: &str, by: u64, keep: Duration) -> Result<(), BackendError>;

    /// Counts a part, however often it is told, once; `place` is where it stands among the parts, and those without
    /// one come last. When all are in, the body is claimed under `token` (a mark of the caller's own, which it gives
    /// again should it ask again because the answer was lost), unless another has claimed it.
    async fn count(
        &self,
        group: &str,
        place: Option<u64>,
        part: &ChordPart,
        token: &str,
        keep: Duration,
    ) -> Result<Counted, BackendError>;

    /// Forgets the parts of a chord whose body was sent under this claim; false when the claim is not held any more.
    /// Where messages live in the same store, a settlement does it in the same step (see [`ChordEnd`]).
    async fn end(&self, group: &str, token: &str) -> Result<bool, BackendError>;

    /// Keeps the ids of a group's members, as Celery's `GroupResult.save` writes them.
    async fn save_group(&self, group: &str, record: &RawJson, keep: Option<Duration>) -> Result<(), BackendError>;

    /// What was kept of a group.
    async fn group(&self, group: &str) -> Result<Option<RawJson>, BackendError>;

    /// Deletes what was kept of a group.
    async fn forget_group(&self, group: &str) -> Result<(), BackendError>;
}
