//! What a store tells of itself and of a sample of what it holds, for whoever looks for risks (`apium doctor`).
//!
//! Looking changes nothing, and costs a bounded amount of work however much the store holds.

use async_trait::async_trait;

use crate::error::BackendError;
use crate::fleet::WorkerCard;

/// Messages looked at from either end of one queue, and from either end of what workers hold.
pub const SAMPLE: u32 = 50;
/// A message of more bytes than this is not read, only measured.
pub const READ_UP_TO: u32 = 64 << 10;
/// Results looked at.
pub const RESULTS: u32 = 500;

/// Messages that are looked through.
pub const MESSAGES: usize = 1_000_000;

/// The part of a broker or result store that tells how it is kept. Every backend that outlives its process passes the
/// suite in `conformance/inspection.rs`.
#[async_trait]
pub trait Inspection: Send + Sync + 'static {
    /// Looks around.
    async fn examine(&self) -> Result<Facts, BackendError>;

    /// Shows each message that waits, for its turn or its time, or that a worker holds, once or more often, up to
    /// [`MESSAGES`] of them; false when there are more. What is sent meanwhile may not be shown.
    async fn look_through(&self, look: &mut (dyn for<'a> FnMut(&'a [u8]) + Send)) -> Result<bool, BackendError>;
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The store itself.
    pub store: Store,
    /// The store's own clock, in seconds since 1970.
    pub now: f64,
    /// The queues that are known, with what is ready in them.
    pub queues: Vec<(String, u64)>,
    /// Which exchange leads to which queue, as Python peers look it up.
    pub bindings: Vec<(String, String)>,
    /// Some messages: those next in line and those that came last, and some that workers hold.
    pub messages: Vec<Sample>,
    /// Messages that are registered as held in one place and not in the other, so that nobody puts them back.
    pub orphans: u64,
    /// Dead letters.
    pub dead: u64,
    /// The Apium workers alive, by name.
    pub workers: Vec<WorkerCard>,
    /// Results looked at, and how many of them are kept for ever.
    pub results: (u64, u64),
    /// Whether every queue, binding and key was looked at; false where there are more than a look may cost.
    pub whole: bool,
}

/// How messages are kept.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// `Redis` or `SQLite`.
    pub kind: &'static str,
    /// Its version.
    pub version: String,
    /// What is thrown away when memory is full: a policy of Redis.
    pub eviction: Option<String>,
    /// Bytes of memory it may use, where there is a limit.
    pub memory_limit: Option<u64>,
    /// Bytes of memory it uses.
    pub memory_used: u64,
    /// What survives its end.
    pub durability: Durability,
    /// Why the last attempt to write to disk failed.
    pub trouble: Option<String>,
}

/// What survives a store's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It does not tell.
    #[default]
    Unknown,
    /// Nothing.
    None,
    /// What was there at the last snapshot.
    Snapshots,
    /// All but perhaps the last moment.
    Log,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its queue; empty where it does not tell.
    pub queue: String,
    /// Its size.
    pub bytes: u64,
    /// The envelope; `None` when it is larger than [`READ_UP_TO`].
    pub envelope: Option<Vec<u8>>,
    /// Who holds it.
    pub held: Held,
}

/// In whose hands a message is. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Held {
    /// In nobody's: it waits in line.
    Waiting,
    /// The store's own: it waits for its time.
    Delayed,
    /// An Apium worker's, until its lease ends.
    Leased {
        /// When that is.
        until: f64,
    },
    /// A Python worker's.
    Taken {
        /// Since when.
        since: f64,
    },
}
