//! The ports kept in memory: for tests and for programs whose tasks may die with them.

mod broadcast;
mod chords;
mod limits;
mod schedules;
mod shares;
mod unique;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apium_protocol::ResultRecord;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::broadcast::Broadcast;
use crate::broker::{Broker, Claim, Delivery, Disposition, Outgoing, QueueDepth, Receipt, Settled, Settlement};
use crate::chords::Chords;
use crate::clock::{Clock, Drift, SystemClock, after};
use crate::dead::{DeadFilter, DeadLetter, MOST_DEATHS, UNNAMED};
use crate::error::BackendError;
use crate::fleet::{Fleet, Revocations, WorkerCard};
use crate::limits::Limits;
use crate::results::{Lookup, ResultStore, StoredResult};
use crate::schedules::Schedules;
use crate::shares::Shares;
use crate::unique::Uniques;

/// Broker, fleet and result store in one, gone when the last clone is dropped.
#[derive(Clone)]
pub struct Memory {
    shelves: Arc<Mutex<Shelves>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
    home: Arc<str>,
}

#[derive(Default)]
struct Shelves {
    /// Every message not yet settled, by its place in line; requeues go below zero.
    messages: BTreeMap<i64, Held>,
    first: i64,
    last: i64,
    claims: u64,
    results: HashMap<String, Kept>,
    remembered: HashMap<String, Remembered>,
    dead: Vec<DeadLetter>,
    workers: BTreeMap<String, (WorkerCard, Timestamp)>,
    /// The name of the worker that beat last: who claims, as far as is known.
    named: Option<String>,
    revoked: Vec<(String, Timestamp)>,
    chords: chords::Shelf,
    uniques: unique::Shelf,
    limits: limits::Shelf,
    schedules: schedules::Shelf,
    shares: shares::Shelf,
    ears: broadcast::Ears,
    drift: Drift,
}

struct Held {
    queue: String,
    priority: u8,
    bytes: Arc<[u8]>,
    published: Timestamp,
    /// Long ago, once it has been due: a clock that is set back takes nothing out of the line.
    due: Timestamp,
    claim: Option<Claimed>,
    redelivered: bool,
    deaths: Vec<String>,
    /// In a shared queue, once it is sorted.
    turn: Option<i64>,
}

struct Claimed {
    tag: Arc<str>,
    /// When it was taken or renewed, and until when.
    since: Timestamp,
    until: Timestamp,
}

struct Kept {
    result: StoredResult,
    until: Option<Timestamp>,
}

struct Remembered {
    until: Timestamp,
    ended: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

impl Memory {
    /// Ports that read the time from `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let mut shelves = Shelves::default();
        shelves.drift.look_at(&*clock);
        Self {
            shelves: Arc::new(Mutex::new(shelves)),
            changed: Arc::default(),
            clock,
            home: format!("memory:{}", crate::client::fresh_id()).into(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What `look` finds, looking again at every change; registers before looking, so that none is missed.
    async fn until<T>(&self, at_most: Duration, mut look: impl FnMut(&mut Shelves) -> Option<T>) -> Option<T> {
        let found = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = look(&mut self.open()) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(at_most, found).await.ok()
    }

    /// Returns when a message of these queues is due, also one that came after the waiting began.
    async fn until_due(&self, queues: &[String]) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let soonest = self.open().soonest(queues);
            let pause = soonest.map(|due| Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default());
            match pause {
                None => changed.await,
                Some(pause) if pause.is_zero() => return,
                Some(pause) if tokio::time::timeout(pause, changed).await.is_err() => return,
                Some(_) => {}
            }
        }
    }
}

impl Claimed {
    fn now(tag: &Arc<str>, now: Timestamp, lease: Duration) -> Self {
        Self { tag: tag.clone(), since: now, until: after(now, lease) }
    }

    fn lease(&self) -> Duration {
        Duration::try_from(self.until.duration_since(self.since)).unwrap_or_default()
    }

    /// Whether it has run out. One from the future is of a clock that was set back since: it begins now.
    fn is_over(&mut self, drift: &Drift, now: Timestamp) -> bool {
        if self.since > now {
            *self = Self::now(&self.tag, now, self.lease());
        }
        let lease = self.lease();
        drift.may_judge(lease) && after(self.until, drift.gained(lease)) <= now
    }
}

impl Held {
    fn died(&mut self, who: String) {
        self.deaths.push(who);
        let more = self.deaths.len().saturating_sub(MOST_DEATHS);
        self.deaths.drain(..more);
    }
}

impl Shelves {
    fn put(&mut self, message: &Outgoing, now: Timestamp) {
        self.last += 1;
        let held = Held {
            queue: message.queue.clone(),
            priority: message.priority.min(9),
            bytes: message.bytes.as_slice().into(),
            published: now,
            due: message.not_before.unwrap_or(Timestamp::MIN),
            claim: None,
            redelivered: false,
            deaths: Vec::new(),
            turn: None,
        };
        self.messages.insert(self.last, held);
    }

    fn put_first(&mut self, held: Held) {
        self.first -= 1;
        self.messages.insert(self.first, Held { redelivered: true, ..held });
    }

    /// The best due message of a queue: lowest priority step, then first come.
    fn next(&self, queue: &str, now: Timestamp) -> Option<i64> {
        let free = self.messages.iter().filter(|(_, held)| held.claim.is_none() && held.turn.is_none());
        let due = free.filter(|(_, held)| held.queue == queue && held.due <= now);
        due.min_by_key(|(place, held)| (held.priority / 3, **place)).map(|(place, _)| *place)
    }

    /// Claims the message in this place.
    fn hand_out(&mut self, place: i64, now: Timestamp, lease: Duration) -> Option<Delivery> {
        let held = self.messages.get_mut(&place)?;
        self.claims += 1;
        let tag = self.claims.to_string().into();
        (held.claim, held.due, held.turn) = (Some(Claimed::now(&tag, now, lease)), Timestamp::MIN, None);
        Some(Delivery {
            receipt: Receipt { queue: held.queue.as_str().into(), tag },
            bytes: held.bytes.clone(),
            priority: held.priority,
            redelivered: held.redelivered,
            deaths: held.deaths.clone(),
        })
    }

    /// When the next unclaimed message of these queues is due.
    fn soonest(&self, queues: &[String]) -> Option<Timestamp> {
        let free = self.messages.values().filter(|held| held.claim.is_none() && held.turn.is_none());
        let waiting = free.filter(|held| queues.contains(&held.queue));
        waiting.map(|held| held.due).min()
    }

    /// A lease that ran out is good until another takes the message: nobody is served by work thrown away.
    fn place_of(&self, tag: &str) -> Option<i64> {
        let held_by = |held: &Held| held.claim.as_ref().is_some_and(|claim| *claim.tag == *tag);
        self.messages.iter().find(|(_, held)| held_by(held)).map(|(place, _)| *place)
    }

    fn settle(&mut self, settlement: Settlement, now: Timestamp) -> Settled {
        if let Some(receipt) = &settlement.receipt {
            let Some(place) = self.place_of(&receipt.tag) else { return Settled::Lost };
            let Some(mut held) = self.messages.remove(&place) else { return Settled::Lost };
            held.claim = None;
            match settlement.disposition {
                Disposition::Ack => {}
                Disposition::DeadLetter(letter) => self.dead.push(*letter),
                Disposition::Defer(until) => {
                    held.due = until;
                    self.messages.insert(place, held);
                }
                Disposition::Requeue => self.put_first(held),
                Disposition::Died(who) => {
                    held.died(who);
                    self.put_first(held);
                }
                Disposition::RequeueLast => {
                    held.redelivered = true;
                    self.last += 1;
                    self.messages.insert(self.last, held);
                }
            }
        } else if let Disposition::DeadLetter(letter) = settlement.disposition {
            self.dead.push(*letter);
        }
        if let Some(end) = &settlement.unique {
            self.uniques.end(end, now);
        }
        if let Some(end) = &settlement.limits {
            self.end_limits(end, now);
        }
        let held = settlement.chords.into_iter().filter(|chord| self.chords.end(&chord.group, &chord.token));
        let held: Vec<_> = held.collect();
        for result in settlement.results.iter().chain(held.iter().flat_map(|chord| &chord.results)) {
            self.store(result, now);
        }
        for message in settlement.send.iter().chain(held.iter().flat_map(|chord| &chord.send)) {
            self.put(message, now);
        }
        Settled::Done
    }

    fn store(&mut self, result: &StoredResult, now: Timestamp) -> bool {
        let gives_way = self.kept(&result.task_id, now).is_none_or(|kept| kept.result.state.gives_way(result.over));
        if !gives_way {
            return false;
        }
        if let (true, Some(keep)) = (result.state.is_ready(), result.remember) {
            self.remembered.insert(result.task_id.clone(), Remembered { until: after(now, keep), ended: true });
        }
        let until = result.expires.map(|span| after(now, span));
        self.results.insert(result.task_id.clone(), Kept { result: result.clone(), until });
        true
    }

    fn kept(&mut self, id: &str, now: Timestamp) -> Option<&Kept> {
        if self.results.get(id)?.until.is_some_and(|until| until <= now) {
            self.results.remove(id);
        }
        self.results.get(id)
    }

    fn depth(&self, queue: &str, now: Timestamp) -> QueueDepth {
        let of_queue = || self.messages.values().filter(|held| held.queue == queue);
        let free = || of_queue().filter(|held| held.claim.is_none());
        let ready = || free().filter(|held| held.due <= now);
        QueueDepth {
            queue: queue.to_owned(),
            ready: ready().count() as u64,
            delayed: free().filter(|held| held.due > now).count() as u64,
            claimed: of_queue().filter(|held| held.claim.is_some()).count() as u64,
            oldest_age_seconds: ready()
                .map(|held| held.published)
                .min()
                .map(|oldest| now.duration_since(oldest).as_secs_f64()),
        }
    }
}

#[async_trait]
impl Broker for Memory {
    fn home(&self) -> &str {
        &self.home
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self
    }

    fn uniques(&self) -> &dyn Uniques {
        self
    }

    fn limits(&self) -> &dyn Limits {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self
    }

    fn schedules(&self) -> &dyn Schedules {
        self
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        for message in messages {
            shelves.put(message, now);
        }
        drop(shelves);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let mut deliveries = Vec::new();
        for queue in claim.queues {
            while deliveries.len() < claim.max
                && let Some(place) = shelves.next(queue, now)
            {
                deliveries.extend(shelves.hand_out(place, now, claim.lease));
            }
        }
        Ok(deliveries)
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        // Either way the caller looks again.
        let _ = tokio::time::timeout(at_most, self.until_due(queues)).await;
        Ok(())
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let mut lost = Vec::new();
        for receipt in receipts {
            let place = shelves.place_of(&receipt.tag);
            match place.and_then(|place| shelves.messages.get_mut(&place)) {
                Some(held) => held.claim = Some(Claimed::now(&receipt.tag, now, lease)),
                None => lost.push(receipt.clone()),
            }
        }
        Ok(lost)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        let now = self.clock.now();
        let settled = {
            let mut shelves = self.open();
            settlements.into_iter().map(|settlement| shelves.settle(settlement, now)).collect()
        };
        self.changed.notify_waiters();
        Ok(settled)
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        let mut shelves = self.open();
        let (now, set) = (self.clock.now(), shelves.drift.look_at(&*self.clock));
        let mut recovered = 0;
        let name = shelves.named.clone().unwrap_or_else(|| UNNAMED.to_owned());
        let Shelves { messages, drift, .. } = &mut *shelves;
        for held in messages.values_mut() {
            if held.claim.as_mut().is_some_and(|claim| claim.is_over(drift, now)) {
                held.claim = None;
                held.redelivered = true;
                held.died(name.clone());
                recovered += 1;
            }
        }
        shelves.tend_limits(now, set.is_some_and(|set| set.is_negative()));
        drop(shelves);
        self.changed.notify_waiters();
        Ok(recovered)
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        let now = self.clock.now();
        let shelves = self.open();
        let mut names: Vec<String> = queues.to_vec();
        if names.is_empty() {
            names = shelves.messages.values().map(|held| held.queue.clone()).collect();
            names.sort();
            names.dedup();
        }
        Ok(names.iter().map(|queue| shelves.depth(queue, now)).collect())
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        let mut shelves = self.open();
        let before = shelves.messages.len();
        shelves.messages.retain(|_, held| held.queue != queue || held.claim.is_some());
        Ok((before - shelves.messages.len()) as u64)
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        Ok(self
            .open()
            .dead
            .iter()
            .rev()
            .filter(|letter| filter.matches(letter))
            .take(filter.limit())
            .cloned()
            .collect())
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        Ok(self.open().dead.iter().find(|letter| letter.id == id).cloned())
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        let shelves = self.open();
        let found = shelves.dead.iter().rev().filter(|letter| filter.matches(letter)).take(filter.most_ids());
        Ok(found.map(|letter| letter.id.clone()).collect())
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let Some(at) = shelves.dead.iter().position(|letter| letter.id == id) else { return Ok(false) };
        let letter = shelves.dead.remove(at);
        let bytes = instead.unwrap_or(letter.message);
        shelves.put(&Outgoing { queue: letter.queue, priority: letter.priority, bytes, not_before: None }, now);
        drop(shelves);
        self.changed.notify_waiters();
        Ok(true)
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        let mut shelves = self.open();
        let before = shelves.dead.len();
        shelves.dead.retain(|letter| !ids.contains(&letter.id));
        Ok((before - shelves.dead.len()) as u64)
    }
}

#[async_trait]
impl Fleet for Memory {
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        let until = after(self.clock.now(), ttl);
        let mut shelves = self.open();
        shelves.named = Some(card.name.clone());
        shelves.workers.insert(card.instance(), (card.clone(), until));
        Ok(())
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        self.open().workers.remove(&card.instance());
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        shelves.workers.retain(|_, (_, until)| *until > now);
        let mut cards: Vec<_> = shelves.workers.values().map(|(card, _)| card.clone()).collect();
        cards.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cards)
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let until = after(self.clock.now(), keep);
        self.open().revoked.push((task_id.to_owned(), until));
        self.changed.notify_waiters();
        Ok(())
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        let from = usize::try_from(cursor).unwrap_or(usize::MAX);
        let news = |shelves: &mut Shelves| {
            let now = self.clock.now();
            let remembered = shelves.revoked.iter().skip(from).filter(|(_, until)| *until > now);
            let told = Revocations::read(remembered.map(|(text, _)| text.clone()), shelves.revoked.len() as u64);
            (!told.is_empty()).then_some(told)
        };
        Ok(self.until(at_most, news).await.unwrap_or(Revocations { cursor, ..Revocations::default() }))
    }
}

#[async_trait]
impl ResultStore for Memory {
    fn home(&self) -> &str {
        &self.home
    }

    fn chords(&self) -> &dyn Chords {
        self
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        let stored = self.open().store(result, self.clock.now());
        self.changed.notify_waiters();
        Ok(stored)
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        if let Some(kept) = shelves.kept(task_id, now) {
            return decode(&kept.result.record).map(|record| Lookup::Stored(Box::new(record)));
        }
        Ok(match shelves.remembered.get(task_id) {
            Some(remembered) if remembered.until <= now => Lookup::Unknown,
            Some(remembered) if remembered.ended => Lookup::Expired,
            Some(_) => Lookup::Waiting,
            None => Lookup::Unknown,
        })
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        let ready = |shelves: &mut Shelves| {
            let kept = shelves.kept(task_id, self.clock.now())?;
            kept.result.state.is_ready().then(|| decode(&kept.result.record))
        };
        self.until(at_most, ready).await.transpose()
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.open().results.remove(task_id);
        Ok(())
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        // What is still remembered to have ended stays so; what was known long ago does not count.
        let ended = shelves.remembered.get(task_id).is_some_and(|known| known.ended && known.until > now);
        shelves.remembered.insert(task_id.to_owned(), Remembered { until: after(now, keep), ended });
        Ok(())
    }
}

fn decode(record: &[u8]) -> Result<ResultRecord, BackendError> {
    ResultRecord::decode(record)
        .map_err(|error| BackendError::Broken(format!("a stored result cannot be read: {error}")))
}
