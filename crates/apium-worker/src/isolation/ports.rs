//! The child's side of the ports: what a task does with them is an errand for the worker.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::broadcast::Broadcast;
use apium_core::broker::QueueDepth;
use apium_core::chords::{ChordPart, Chords, Counted};
use apium_core::fleet::Revocations;
use apium_core::limits::{Admission, Admitted, Definitions, Limit, LimitUse, Limits, Spent};
use apium_core::memory::Memory;
use apium_core::protocol::{RawJson, ResultRecord};
use apium_core::schedules::Schedules;
use apium_core::shares::Shares;
use apium_core::state::Overwrite;
use apium_core::unique::{AtStart, Claimed, Holder, UniqueClaim, Uniques};
use apium_core::{
    BackendError, Broker, Claim, DeadFilter, DeadLetter, Delivery, Fleet, Lookup, Outgoing, Receipt, ResultStore,
    Settled, Settlement, StoredResult, WorkerCard,
};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::frame::{Errand, Known, Parcel, Record, Refused, Up, pack};

/// The way to the worker. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ports(Arc<Line>);

struct Line {
    stream: Mutex<UnixStream>,
    last: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<RawJson, Refused>>>>,
    /// Where what is said to everybody goes: nobody is here to hear it.
    nobody: Memory,
}

impl Ports {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (stream, nobody) = (Mutex::new(stream), Memory::default());
        Self(Arc::new(Line { stream, last: AtomicU64::new(0), waiting: Mutex::default(), nobody }))
    }

    /// Tells the worker something. It fails when the worker is gone, and with it soon this process.
    pub(super) fn tell(&self, up: &Up) -> Result<(), BackendError> {
        let frame = pack(up).map_err(|error| BackendError::Broken(error.to_string()))?;
        let written = open(&self.0.stream).write_all(&frame);
        written.map_err(|error| BackendError::Unavailable(format!("the worker does not hear its child: {error}")))
    }

    /// Gives an answer to whoever waits for it.
    pub(super) fn answered(&self, errand: u64, answer: Result<RawJson, Refused>) {
        if let Some(waiting) = open(&self.0.waiting).remove(&errand) {
            // It may have been given up meanwhile.
            let _ = waiting.send(answer);
        }
    }

    async fn ask<T: DeserializeOwned>(&self, errand: Errand) -> Result<T, BackendError> {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        open(&self.0.waiting).insert(number, answer);
        self.tell(&Up::Ask(number, errand))?;
        let gone = |_| BackendError::Unavailable("the worker does not answer its child".to_owned());
        let answer = answered.await.map_err(gone)?.map_err(BackendError::from)?;
        answer.to().map_err(|error| BackendError::Broken(format!("the worker's answer to its child: {error}")))
    }
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parcels(messages: &[Outgoing]) -> Result<Vec<Parcel>, BackendError> {
    let parcel = |message: &Outgoing| {
        Ok(Parcel {
            queue: message.queue.clone(),
            priority: message.priority,
            message: text(&message.bytes)?,
            not_before: message.not_before,
        })
    };
    messages.iter().map(parcel).collect()
}

fn text(bytes: &[u8]) -> Result<String, BackendError> {
    let misfit = |error| BackendError::Broken(format!("only text goes from an isolated task to its worker: {error}"));
    String::from_utf8(bytes.to_vec()).map_err(misfit)
}

fn refused<T>() -> Result<T, BackendError> {
    let sentence = "an isolated task can send, revoke, store, look up and spend; for anything else of the broker it \
                    needs a connection of its own";
    Err(BackendError::Broken(sentence.to_owned()))
}

fn record(text: &str) -> Result<ResultRecord, BackendError> {
    ResultRecord::decode(text.as_bytes()).map_err(|error| BackendError::Broken(error.to_string()))
}

#[async_trait]
impl Broker for Ports {
    fn home(&self) -> &'static str {
        "the worker of this child"
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self.0.nobody.broadcast()
    }

    fn uniques(&self) -> &dyn Uniques {
        self
    }

    fn limits(&self) -> &dyn Limits {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self.0.nobody.shares()
    }

    fn schedules(&self) -> &dyn Schedules {
        self.0.nobody.schedules()
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        self.ask(Errand::Publish(parcels(messages)?)).await
    }

    async fn claim(&self, _claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        refused()
    }

    async fn wait(&self, _queues: &[String], _at_most: Duration) -> Result<(), BackendError> {
        refused()
    }

    async fn renew(&self, _receipts: &[Receipt], _lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        refused()
    }

    async fn settle(&self, _settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        refused()
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        refused()
    }

    async fn depths(&self, _queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        refused()
    }

    async fn purge(&self, _queue: &str) -> Result<u64, BackendError> {
        refused()
    }

    async fn dead_letters(&self, _filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        refused()
    }

    async fn dead_letter(&self, _id: &str) -> Result<Option<DeadLetter>, BackendError> {
        refused()
    }

    async fn dead_ids(&self, _filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        refused()
    }

    async fn replay(&self, _id: &str, _instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        refused()
    }

    async fn drop_dead(&self, _ids: &[String]) -> Result<u64, BackendError> {
        refused()
    }
}

#[async_trait]
impl Fleet for Ports {
    async fn beat(&self, _card: &WorkerCard, _ttl: Duration) -> Result<(), BackendError> {
        refused()
    }

    async fn leave(&self, _card: &WorkerCard) -> Result<(), BackendError> {
        refused()
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        refused()
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.ask(Errand::Revoke(task_id.to_owned(), keep)).await
    }

    async fn revocations(&self, _cursor: u64, _at_most: Duration) -> Result<Revocations, BackendError> {
        refused()
    }
}

#[async_trait]
impl Limits for Ports {
    async fn declare(&self, _limits: &[(String, Limit)]) -> Result<(), BackendError> {
        refused()
    }

    async fn set_limit(&self, _name: &str, _limit: &Limit) -> Result<(), BackendError> {
        refused()
    }

    async fn drop_limit(&self, _name: &str) -> Result<bool, BackendError> {
        refused()
    }

    async fn limits_set(&self, _known: Option<u64>, _at_most: Duration) -> Result<Definitions, BackendError> {
        refused()
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        refused()
    }

    async fn admit(&self, _ask: &Admission) -> Result<Admitted, BackendError> {
        refused()
    }

    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        self.ask(Errand::Spend(limits.to_vec(), starts)).await
    }
}

#[async_trait]
impl Uniques for Ports {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        self.ask(Errand::PublishUnique(parcels(messages)?, claim.clone())).await
    }

    async fn begin(&self, _queue: &str, _key: &str, _task_id: &str, _then: AtStart) -> Result<bool, BackendError> {
        refused()
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        self.ask(Errand::Holder(key.to_owned())).await
    }
}

#[async_trait]
impl ResultStore for Ports {
    fn home(&self) -> &str {
        Broker::home(self)
    }

    fn chords(&self) -> &dyn Chords {
        self
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        let record = Record {
            task_id: result.task_id.clone(),
            state: result.state.name().to_owned(),
            text: text(&result.record)?,
            expires: result.expires,
            only_over_waiting: result.over == Overwrite::Waiting,
            remember: result.remember,
        };
        self.ask(Errand::Store(record)).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        Ok(match self.ask(Errand::Lookup(task_id.to_owned())).await? {
            Known::Stored(text) => Lookup::Stored(Box::new(record(&text)?)),
            Known::Waiting => Lookup::Waiting,
            Known::Expired => Lookup::Expired,
            Known::Unknown => Lookup::Unknown,
        })
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        let text: Option<String> = self.ask(Errand::Wait(task_id.to_owned(), at_most)).await?;
        text.as_deref().map(record).transpose()
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.ask(Errand::Forget(task_id.to_owned())).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.ask(Errand::Remember(task_id.to_owned(), keep)).await
    }
}

#[async_trait]
impl Chords for Ports {
    async fn announce(&self, group: &str, size: u64, keep: Duration) -> Result<(), BackendError> {
        self.ask(Errand::AnnounceChord(group.to_owned(), size, keep)).await
    }

    async fn grow(&self, group: &str, by: u64, keep: Duration) -> Result<(), BackendError> {
        self.ask(Errand::GrowChord(group.to_owned(), by, keep)).await
    }

    async fn count(
        &self,
        _group: &str,
        _place: Option<u64>,
        _part: &ChordPart,
        _token: &str,
        _keep: Duration,
    ) -> Result<Counted, BackendError> {
        refused()
    }

    async fn end(&self, _group: &str, _token: &str) -> Result<bool, BackendError> {
        refused()
    }

    async fn save_group(&self, group: &str, record: &RawJson, keep: Option<Duration>) -> Result<(), BackendError> {
        self.ask(Errand::SaveGroup(group.to_owned(), record.clone(), keep)).await
    }

    async fn group(&self, group: &str) -> Result<Option<RawJson>, BackendError> {
        let record: RawJson = self.ask(Errand::Group(group.to_owned())).await?;
        Ok(Some(record).filter(|record| !record.is_null()))
    }

    async fn forget_group(&self, group: &str) -> Result<(), BackendError> {
        self.ask(Errand::ForgetGroup(group.to_owned())).await
    }
}
