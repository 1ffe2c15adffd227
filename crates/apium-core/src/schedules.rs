//! What is kept of schedules: the entries, how far each is decided, who leads the schedulers, and what they decided.
//!
//! The store knows nothing of time zones or due times: an entry and its state are texts to it, which `apium-beat` reads
//! and writes. What the store promises is that a decision counts once: [`Schedules::record`] writes what was decided and
//! publishes what it sends in one step, and only if who asks still leads and the entry is still as it was when decided.
//!
//! The election goes by no clock of the store, whose time may jump. A leader *renews*, which counts up a number; a
//! candidate that has seen the same number for a whole lease, by its own steady clock, may take over, and only while it is
//! still the same. Every leader has a term of its own (the fencing token), and what is asked under an older one is refused.
//!
//! Every backend passes the suite in `conformance/schedules.rs`.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::broker::Outgoing;
use crate::error::BackendError;

/// Entries told of at once.
pub const PAGE: usize = 1_000;

/// Lines of history that are kept, of all entries together: the latest.
pub const HISTORY: usize = 100_000;

/// An entry, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name, at most a few hundred bytes.
    pub name: String,
    /// What is sent and when.
    pub entry: String,
    /// How far it is decided; empty: not at all.
    pub state: String,
    /// Another number after each change of either.
    pub version: u64,
}

/// What has become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Ask on from here.
    pub edition: u64,
    /// Whose.
    pub name: String,
    /// As it is now; `None`: it was dropped.
    pub kept: Option<Kept>,
}

/// An entry that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its name.
    pub name: String,
    /// What is sent and when.
    pub entry: String,
    /// How far it is decided; `None`: as it was, or not at all if it is new.
    pub state: Option<String>,
    /// Only if it is of this version still (0: only if it is new); `None`: whatever is there.
    pub over: Option<u64>,
}

/// What was decided of one entry.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Whose name it is.
    pub name: String,
    /// The version it was decided on.
    pub version: u64,
    /// How far it is decided now.
    pub state: String,
    /// What is sent.
    pub send: Vec<Outgoing>,
    /// What is told of it, a line each; see [`Line`].
    pub told: Vec<String>,
}

/// What came of recording it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is written, and what it sends is published; the entry is of this version now.
    Done(u64),
    /// The entry was changed or dropped since: decide again.
    Changed,
    /// Who asks leads no more.
    Deposed,
}

/// Who leads, as far as can be told from one look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Another number for each leader, greater than those before.
    pub term: u64,
    /// How often it has renewed: the same number for a whole lease means that it does no more.
    pub renewed: u64,
    /// What it calls itself.
    pub name: String,
}

/// A line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Of which entry.
    pub entry: String,
    /// What was decided, as text.
    pub told: String,
}

/// The schedule port, a part of every broker.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Keeps entries, each in one step; true for each that was written.
    async fn put(&self, entries: &[Put]) -> Result<Vec<bool>, BackendError>;

    /// Drops entries; returns how many of them there were.
    async fn drop_entries(&self, names: &[String]) -> Result<u64, BackendError>;

    /// These entries as they are now; those that are not kept are left out.
    async fn entries(&self, names: &[String]) -> Result<Vec<Kept>, BackendError>;

    /// What was put or dropped after an edition (0: all that is kept), the oldest change first, at most [`PAGE`] of them.
    /// Returns at once if there is something, else waits for it, at the latest until `at_most` has passed (zero: does not
    /// wait). An entry is told once, as it is now; what is only recorded is no change.
    async fn changes(&self, since: u64, at_most: Duration) -> Result<Vec<Change>, BackendError>;

    /// Writes what was decided, each with what it sends in one step; the answers come in the same order. `term`: only
    /// while that leads; `None` is for what somebody does by hand.
    async fn record(&self, term: Option<u64>, decided: Vec<Decided>) -> Result<Vec<Recorded>, BackendError>;

    /// Who leads, without a word in it.
    async fn leader(&self) -> Result<Option<Leader>, BackendError>;

    /// Becomes leader in place of `seen`, if that is still who leads and has not renewed since; tells who leads then.
    async fn lead(&self, name: &str, seen: Option<&Leader>) -> Result<Leader, BackendError>;

    /// Tells that the leader of this term is alive; false when it leads no more.
    async fn renew_lead(&self, term: u64) -> Result<bool, BackendError>;

    /// Gives the lead up, so that another can take it at once.
    async fn resign(&self, term: u64) -> Result<(), BackendError>;

    /// The latest lines of history, the newest first, of one entry or of all.
    async fn history(&self, entry: Option<&str>, most: usize) -> Result<Vec<Line>, BackendError>;
}
