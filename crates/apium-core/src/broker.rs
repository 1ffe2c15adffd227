//! The promise in between: publish, claim, and a delivery settled exactly once.
//!
//! A message comes here from [`crate::client`] and goes on to a worker's consumer
//! (`apium-worker/src/consumer.rs`), which claims it, and to `apium-worker/src/outcome.rs`, which settles it.
//! Every backend passes the suite in `conformance/broker.rs`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Broadcast;
use crate::chords::ChordEnd;
#[allow(unused_imports, reason = "named in the documentation")]
use crate::dead::MOST_DEATHS;
use crate::dead::{DeadFilter, DeadLetter};
use crate::error::BackendError;
use crate::fleet::Fleet;
use crate::inspection::Inspection;
use crate::limits::{LimitEnd, Limits};
use crate::results::StoredResult;
use crate::schedules::Schedules;
use crate::sharded::Shard;
use crate::shares::Shares;
use crate::unique::{UniqueEnd, Uniques};

/// A message on its way into a queue. Its bytes are never touched again.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The queue, by the name a Celery worker would `-Q`.
    pub queue: String,
    /// 0 to 9; served lowest first on Redis and here alike. Above 9 counts as 9.
    pub priority: u8,
    /// The envelope, as [`apium_protocol::Message::encode`] writes it.
    pub bytes: Vec<u8>,
    /// Kept in the store until then; `None` means now.
    pub not_before: Option<Timestamp>,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The queues, in the order they are to be looked at.
    pub queues: &'a [String],
    /// How many messages at the most: never more than the worker has free slots.
    pub max: usize,
    /// How long each is the worker's own before it must be renewed.
    pub lease: Duration,
}

/// The proof that a delivery is ours: void once the lease ran out and another took it. Cheap to clone, because whoever
/// keeps, renews or settles a lease has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The queue it was claimed from.
    pub queue: Arc<str>,
    /// The backend's mark on this one claim; no two claims share it.
    pub tag: Arc<str>,
}

/// A message in a worker's hands, with a lease.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What settles it.
    pub receipt: Receipt,
    /// The envelope, byte for byte as it was published.
    pub bytes: Arc<[u8]>,
    /// Its priority step, for a requeue.
    pub priority: u8,
    /// True when it was handed out before and came back.
    pub redelivered: bool,
    /// The workers whose lease on it ran out, oldest first, one each time and at most [`MOST_DEATHS`]: they died with
    /// it, stood still for too long, or lost the broker. Not who gave it back, unless as [`Disposition::Died`].
    /// Forgotten once it is done with; kept while it is requeued or waits for its time.
    pub deaths: Vec<String>,
}

/// Everything an attempt causes, written in one step: all of it, or, when the lease was lost, none. Without a receipt
/// there is no message to dispose of: the result, a dead letter and what is sent are written all the same.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The delivery; `None` when it was acknowledged before the attempt (early ack).
    pub receipt: Option<Receipt>,
    /// What becomes of the message.
    pub disposition: Disposition,
    /// What to store, if results live here: the task's own result, and those of tasks that fail because it did.
    pub results: Vec<StoredResult>,
    /// Messages sent on: a retry, the next step of a workflow.
    pub send: Vec<Outgoing>,
    /// Chords of which this attempt was the last part.
    pub chords: Vec<ChordEnd>,
    /// What becomes of the key of a unique task.
    pub unique: Option<UniqueEnd>,
    /// What becomes of its places with shared limits.
    pub limits: Option<LimitEnd>,
    /// Without a receipt: the queue the message was claimed from, where its key and its places are kept.
    pub queue: Option<Arc<str>>,
}

/// What becomes of a settled message.
#[derive(Debug, Clone)]
pub enum Disposition {
    /// Done with it.
    Ack,
    /// Back to the front of its queue, for whoever is free.
    Requeue,
    /// The same with one death more, of whom this names: what ran it has died, and who held it lives on.
    Died(String),
    /// Back to the end of its queue.
    RequeueLast,
    /// Kept in the store until its time, then handed out again.
    Defer(Timestamp),
    /// Given up and kept, with the reason.
    DeadLetter(Box<DeadLetter>),
}

/// What came of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written.
    Done,
    /// The lease had been lost: another holds the message, nothing was written.
    Lost,
}

/// How a queue stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct QueueDepth {
    /// The queue's name.
    pub queue: String,
    /// Messages ready to be claimed.
    pub ready: u64,
    /// Messages waiting for their time.
    pub delayed: u64,
    /// Messages in some worker's hands.
    pub claimed: u64,
    /// Seconds the oldest ready message has waited. On Redis, where a message does not tell when it came: since
    /// somebody first asked for depths while it was next in line.
    pub oldest_age_seconds: Option<f64>,
}

/// The broker port.
#[async_trait]
pub trait Broker: Fleet {
    /// Where this broker lives, without secrets; equal for a result store that settles in the same step.
    fn home(&self) -> &str;

    /// The stores it is made of, the home first; none of a broker that is one store itself.
    fn shards(&self) -> &[Shard] {
        &[]
    }

    /// In which of its stores a queue lives, counted from 0, the home. What is settled of one has nothing to do with the
    /// others, and fails alone if it is asked for alone.
    fn shard_of(&self, _queue: &str) -> usize {
        0
    }

    /// What this broker carries to everyone at once: remote control and events.
    fn broadcast(&self) -> &dyn Broadcast;

    /// What this broker tells of how it is kept; `None` where nothing outlives the process.
    fn inspection(&self) -> Option<&dyn Inspection> {
        None
    }

    /// What this broker keeps of unique tasks.
    fn uniques(&self) -> &dyn Uniques;

    /// What this broker keeps of shared limits.
    fn limits(&self) -> &dyn Limits;

    /// What this broker keeps of queues that are shared.
    fn shares(&self) -> &dyn Shares;

    /// What this broker keeps of schedules.
    fn schedules(&self) -> &dyn Schedules;

    /// Puts messages into their queues, all or none.
    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError>;

    /// Takes up to `max` due messages, each with its lease, in one step; empty when there are none.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError>;

    /// Returns when one of `queues` may have a due message, at the latest after `at_most` (zero: at once). Takes
    /// nothing.
    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError>;

    /// Prolongs leases by `lease` from now; returns the receipts that were lost meanwhile.
    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError>;

    /// Settles deliveries, each in one step with its consequences; the answers come in the same order.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError>;

    /// Puts back what dead workers left (leases run out), a bounded batch a call; returns how many. Sees to it as well
    /// that nobody waits for a limit who has a turn.
    async fn recover(&self) -> Result<usize, BackendError>;

    /// Carries what one of its stores holds for another, until `end`: the crossing loop, which every program runs that
    /// lives longer than one command. A broker that is one store has nothing to carry, and returns at once.
    async fn carry(&self, _end: &CancellationToken) {}

    /// How the named queues stand; without names, every queue known.
    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError>;

    /// Throws away every waiting message of a queue (not those in a worker's hands); returns how many.
    async fn purge(&self, queue: &str) -> Result<u64, BackendError>;

    /// Dead letters that match, newest first.
    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError>;

    /// One dead letter.
    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError>;

    /// The ids of dead letters that match, newest first.
    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError>;

    /// Puts the original bytes of a dead letter, or those given `instead`, back into its queue and forgets it, in one
    /// step; false when there is none. See [`crate::replay::instead`].
    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError>;

    /// Forgets dead letters for good; returns how many of them there were.
    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError>;
}

impl Settlement {
    /// Acknowledges a delivery and nothing else.
    pub fn ack(receipt: Receipt) -> Self {
        Self::of(receipt, Disposition::Ack)
    }

    /// Settles a delivery as told, with no other consequence.
    pub fn of(receipt: Receipt, disposition: Disposition) -> Self {
        Self { receipt: Some(receipt), ..Self::without_delivery(disposition) }
    }

    /// The same without a receipt: there is no message to dispose of.
    pub fn without_delivery(disposition: Disposition) -> Self {
        let (results, send, chords) = (Vec::new(), Vec::new(), Vec::new());
        Self { receipt: None, disposition, results, send, chords, unique: None, limits: None, queue: None }
    }

    /// The queue whose message this settles, or did before it was acknowledged: where it is written.
    pub fn came_from(&self) -> Option<&str> {
        let of_receipt = self.receipt.as_ref().map(|receipt| &*receipt.queue);
        let of_letter = || match &self.disposition {
            Disposition::DeadLetter(letter) => Some(&*letter.queue),
            _ => None,
        };
        of_receipt.or(self.queue.as_deref()).or_else(of_letter)
    }

    /// Adds a result to store in the same step.
    pub fn with_result(mut self, result: Option<StoredResult>) -> Self {
        self.results.extend(result);
        self
    }

    /// Adds a message to send in the same step.
    pub fn sending(mut self, message: Outgoing) -> Self {
        self.send.push(message);
        self
    }
}
