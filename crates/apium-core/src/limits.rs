//! Shared limits: how often, how many at once, and whether at all, held over all workers by the store.
//!
//! A worker asks for admission before an attempt ([`Limits::admit`]). What is not admitted goes back into the store in
//! the same step and stands in the line of the limit that held it up: it takes no slot, costs no attempt, and is called
//! when its turn has come, by the settlement that frees a place or by the clock. A place is held by the claim of the
//! message and counts only as long as that claim lives, so that a worker that dies gives it back with its lease.
//! What is finer than an attempt, such as asking a provider again and again, is counted by [`Limits::spend`].
//! Every backend passes the suites in `conformance/limits.rs` and `conformance/spending.rs`; [`office`] and [`Meter`]
//! are the rules that those share which are written in Rust.

mod limit;
mod meter;
pub mod office;
mod task;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::broker::Receipt;
use crate::error::BackendError;
use crate::unique::UniqueEnd;

pub use limit::{Breaker, Limit, MOST_STARTS, Pace, check_name};
pub use meter::Meter;
pub use task::TaskLimit;

/// However far off its turn is, a message that waits comes back to a worker after this long at least, or after this much
/// for each that waits in the same line: what would have called it may have been lost, and looking must stay cheap.
pub const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// See [`LOOK_AGAIN`].
pub const LOOK_EACH: Duration = Duration::from_millis(50);

/// How long a place is kept for a message that was called and does not come.
pub const GRACE: Duration = Duration::from_secs(10);

/// As many are called at once at most, where there is room for all.
pub const MOST_CALLED: u64 = 250;

/// Who has set a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A task's own options: installed by the worker that starts, unless an operator has set the name.
    Code,
    /// Somebody at the command line.
    Operator,
}

/// A limit as it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What it limits: see [`check_name`].
    pub name: String,
    /// To how much.
    pub limit: Limit,
    /// Who says so.
    pub origin: Origin,
}

/// All limits that are set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definitions {
    /// Another one after every change.
    pub version: u64,
    /// By name.
    pub all: Vec<Definition>,
}

/// A message that is about to be attempted.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// Its claim, whose tag holds the places.
    pub receipt: Receipt,
    /// The task's id, by which it is known again when it comes back.
    pub task_id: String,
    /// The limits it is under; no name with a `*`. Those that are not set do not limit it.
    pub limits: Vec<String>,
    /// What becomes of the key of a unique task if it has to wait; the wait is added to how long it is kept.
    pub unique: Option<UniqueEnd>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It has its place with every limit.
    Now,
    /// It has none with any: the message is back in the store.
    Waits {
        /// The limit in whose line it stands.
        limit: String,
        /// How long it waits if nobody calls it.
        at_most: Duration,
    },
    /// The claim was lost; nothing was done.
    Lost,
}

/// What came of spending starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spent {
    /// They are counted.
    Now {
        /// How many more the tightest of the limits has now; `None` where none of them limits.
        left: Option<u32>,
    },
    /// Nothing was counted.
    After {
        /// Which limit has not so many left; of several, the one that takes longest.
        limit: String,
        /// It has room for so many again after this at the earliest.
        wait: Duration,
    },
}

/// What a settlement does to the places of its attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitEnd {
    /// The limits that admitted it.
    pub limits: Vec<String>,
    /// The tag of the claim that holds the places.
    pub holder: String,
    /// What becomes of them.
    pub place: PlaceEnd,
}

/// What becomes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceEnd {
    /// Free: the task succeeded.
    Good,
    /// Free: the task failed, for good or not.
    Bad,
    /// Free: nothing can be told of the task from how it ended (revoked, given back, put off).
    Neither,
    /// Of one that was not admitted and will not come back: `holder` is the task's id, and it leaves the lines.
    Gone,
    /// Held on for so long at most, also without the claim: the message is acknowledged before its attempt.
    Keep(Duration),
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// All may start.
    Closed,
    /// Nothing may.
    Open,
    /// One may, or does, to see whether it goes well.
    HalfOpen,
}

/// How a limit is used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitUse {
    /// The name: that of a definition, or a value in use of one for every value.
    pub name: String,
    /// The definition that counts for it.
    #[serde(flatten)]
    pub limit: Limit,
    /// Who has set that.
    pub origin: Origin,
    /// Attempts that hold a place.
    pub running: u64,
    /// Messages that wait for one.
    pub waiting: u64,
    /// How its breaker stands, if it has one.
    pub state: Option<BreakerState>,
}

/// What a broker keeps of limits.
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Installs what tasks say of themselves; a name that an operator has set stays as it is.
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError>;

    /// Sets a limit as its operator; it holds at once for whoever waits.
    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError>;

    /// Takes a limit away; false when there was none of this name. One that tasks declare is back with the next worker
    /// that starts.
    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError>;

    /// What is set. Returns at once if that is of another version than `known`, else waits for a change, at the latest
    /// until `at_most` has passed; what is told under the version `known` is not to be looked at.
    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError>;

    /// How the limits that are set are used, by name; of one for every value, also each value in use (at most a
    /// thousand).
    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError>;

    /// Takes a place with every limit of a message; or, when one of them has none, with none of them, and puts the
    /// message into the line of that one. All in one step.
    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError>;

    /// Takes `starts` starts from the rate of each of these limits, or, when one has not so many left, none from any.
    /// With 0 it only looks. A name that is not set, or has no rate, does not limit; one that is told twice counts once;
    /// none has a `*`. For what an attempt does several times, such as asking a provider; nobody stands in a line for it.
    ///
    /// In no window of a pace are more starts than it has, over all workers and with those that [`Self::admit`] takes
    /// under the same name. What is kept free for a message that was called is not to be had. More than a pace has
    /// altogether (see [`MOST_STARTS`]) is never to be had: that is [`Spent::After`] its whole window, at every asking.
    /// A change counts at once, on the latest starts, of which the pace before kept as many as it had itself. Nothing
    /// gives starts back, and when the answer is lost they may be counted all the same.
    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError>;
}

impl Definitions {
    /// The definition that counts for a name: its own before that of its kind.
    pub fn of(&self, name: &str) -> Option<&Definition> {
        let named = |wanted: &str| self.all.iter().find(|definition| definition.name == wanted);
        named(name).or_else(|| named(&every(name)?))
    }
}

/// The name for every value of the kind that this is a value of.
pub fn every(name: &str) -> Option<String> {
    let (kind, _) = name.split_once('=')?;
    (!kind.contains(':')).then(|| format!("{kind}=*"))
}

/// How long a message waits at most in a line of so many.
pub fn patience(waiting: u64) -> Duration {
    LOOK_AGAIN.max(LOOK_EACH.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX)))
}
