//! Fair shares: in a queue that many share, whoever has little to do does not wait behind whoever has much.
//!
//! An operator says by which argument a queue is shared (`apium limits set queue:imports --share tenant`). The workers
//! that serve it then *sort* what comes: each message leaves the queue's own list and gets a turn. The turns of one
//! tenant lie one apart, or less with a greater weight, and begin no sooner than the turn that was served last; who has
//! the lowest is served next. So a tenant that has a million messages waiting delays the first of another by no more
//! than the one that is served at that moment. This is start-time fair queueing (Goyal, Vin and Cheng, 1996), whose
//! cost does not depend on how many share.
//!
//! Every backend passes the suite in `conformance/shares.rs`.

use std::time::Duration;

use async_trait::async_trait;

use crate::broker::{Claim, Delivery, Receipt, Settled};
use crate::error::BackendError;

/// Between two turns of a share with weight 1.
pub const TURN: i64 = 1_000_000;

/// How long a sorted message waits at most before it comes back to its queue to be sorted again, where the store is one
/// that others serve too (Redis): should all who can sort be gone, these find it then.
pub const PATIENCE: Duration = Duration::from_hours(24);

/// A claimed message, and whose share it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted {
    /// Its claim, which ends with the sorting.
    pub receipt: Receipt,
    /// Whose share it counts to; what tells none counts to one share together.
    pub share: String,
    /// How many turns that gets while one of weight 1 gets one.
    pub weight: f64,
    /// Its turn is next and costs its share nothing: it was served before, and came back.
    pub next: bool,
    /// It was handed out before, for [`Delivery::redelivered`].
    pub redelivered: bool,
    /// The task's id and the limits it is under: one of them may have called it, which makes its turn the next as well.
    pub task_id: String,
    /// See `task_id`.
    pub limits: Vec<String>,
}

/// What a broker keeps of shared queues.
#[async_trait]
pub trait Shares: Send + Sync + 'static {
    /// Gives claimed messages their turns, each in one step; the answers come in the same order.
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError>;

    /// Claims sorted messages by their turns, as [`crate::Broker::claim`] claims those that are not sorted.
    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError>;

    /// Returns when one of `queues` may have a sorted message, at the latest after `at_most` (zero: at once).
    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError>;

    /// Puts what is sorted back into its queue, by turns; returns how many. For a queue that is not shared any more.
    async fn unsort(&self, queue: &str) -> Result<u64, BackendError>;
}

/// The turn of a message that is next: before all that have one, and behind those that were next before it.
pub fn next(served: i64) -> i64 {
    served.saturating_sub(1)
}

/// The turn of a share's next message, and the earliest of the one after it: `served` is the turn that was served last,
/// `reached` what was answered as earliest the last time, if that is still ahead.
pub fn turn(served: i64, reached: Option<i64>, weight: f64) -> (i64, i64) {
    let turn = reached.map_or(served, |reached| reached.max(served));
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "weights are 0.01 to 1000")]
    let apart = (TURN as f64 / weight) as i64;
    (turn, turn.saturating_add(apart.max(1)))
}
