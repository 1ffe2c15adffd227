//! The in-memory ports, watched: what was asked is counted, and chosen calls fail, hang or wait for a gate.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::broadcast::{Broadcast, Ear, Topic};
use apium_core::broker::QueueDepth;
use apium_core::chords::Chords;
use apium_core::fleet::Revocations;
use apium_core::limits::{Admission, Admitted, Definitions, Limit, LimitUse, Limits, Spent};
use apium_core::memory::Memory;
use apium_core::protocol::ResultRecord;
use apium_core::protocol::control::ReplyTo;
use apium_core::schedules::Schedules;
use apium_core::shares::{Shares, Sorted};
use apium_core::unique::{AtStart, Claimed, Holder, UniqueClaim, Uniques};
use apium_core::{
    BackendError, Broker, Claim, DeadFilter, DeadLetter, Delivery, Fleet, Lookup, Outgoing, Receipt, ResultStore,
    Settled, Settlement, StoredResult, WorkerCard,
};
use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use crate::kit::PATIENCE;

/// What happens to a call.
pub(crate) enum Fault {
    /// It fails before anything is done.
    Before,
    /// It is done, but the answer is lost.
    After,
    /// It fails before anything is done, with these words.
    Says(&'static str),
    /// It is refused for good.
    Broken,
    /// It is never answered.
    Hangs,
    /// It panics.
    Panics,
    /// It is done; the answer comes when the gate opens.
    Gate(Arc<Notify>),
}

/// Broker, fleet and result store that tell on their caller.
pub(crate) struct Probe {
    inner: Memory,
    /// Nothing is answered but with an error.
    down: AtomicBool,
    /// Nothing is answered.
    silent: AtomicBool,
    faults: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    /// No settlement is written whose result contains this text.
    poison: Mutex<Option<(&'static str, BackendError)>>,
    seen: watch::Sender<Seen>,
}

/// What was asked so far.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    /// Calls by name.
    pub(crate) calls: HashMap<&'static str, usize>,
    /// The `max` of each claim, and how many deliveries the worker had in its hands then.
    pub(crate) claims: Vec<(usize, usize)>,
    /// The size of each batch of settlements that was answered.
    pub(crate) batches: Vec<usize>,
    /// Settlements written with a receipt; a receipt that is written twice fails the test at once.
    pub(crate) written: HashSet<Receipt>,
    /// Settlements answered, of any kind.
    pub(crate) settled: usize,
    in_hand: HashSet<Receipt>,
}

impl Probe {
    pub(crate) fn new(inner: Memory) -> Self {
        Self {
            inner,
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            faults: Mutex::default(),
            poison: Mutex::default(),
            seen: watch::channel(Seen::default()).0,
        }
    }

    /// The next call of this name goes so.
    pub(crate) fn plan(&self, call: &'static str, fault: Fault) {
        self.faults.lock().unwrap().entry(call).or_default().push_back(fault);
    }

    /// The next call of this name is answered when the gate is opened with `notify_one`.
    pub(crate) fn gate(&self, call: &'static str) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        self.plan(call, Fault::Gate(gate.clone()));
        gate
    }

    /// From now on a result that contains this text makes its whole batch fail so. No text that an id may contain.
    pub(crate) fn poison(&self, text: &'static str, error: BackendError) {
        *self.poison.lock().unwrap() = Some((text, error));
    }

    /// Nothing is poison any more.
    pub(crate) fn cure(&self) {
        *self.poison.lock().unwrap() = None;
    }

    fn poisoned(&self, settlements: &[Settlement]) -> Option<BackendError> {
        let poison = self.poison.lock().unwrap();
        let (text, error) = poison.as_ref()?;
        let mut results = settlements.iter().flat_map(|settlement| &settlement.results);
        results.any(|result| String::from_utf8_lossy(&result.record).contains(text)).then(|| error.clone())
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn set_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    pub(crate) fn calls(&self, call: &'static str) -> usize {
        self.seen.borrow().calls.get(call).copied().unwrap_or_default()
    }

    /// Waits until so many settlements were answered.
    pub(crate) async fn settled(&self, count: usize) {
        self.until(|seen| seen.settled >= count).await;
    }

    /// Waits until this was called so often.
    pub(crate) async fn called(&self, call: &'static str, count: usize) {
        self.until(|seen| seen.calls.get(call).copied().unwrap_or_default() >= count).await;
    }

    async fn until(&self, enough: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(enough)).await.is_ok();
        assert!(waited, "only these calls: {:?}", self.seen().calls);
    }

    async fn through<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        self.seen.send_modify(|seen| *seen.calls.entry(call).or_default() += 1);
        if self.silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::Relaxed) {
            return away(call);
        }
        let fault = self.faults.lock().unwrap().get_mut(call).and_then(VecDeque::pop_front);
        match fault {
            None => work.await,
            Some(Fault::Before) => away(call),
            Some(Fault::After) => {
                work.await?;
                away(call)
            }
            Some(Fault::Says(words)) => Err(BackendError::Unavailable(words.to_owned())),
            Some(Fault::Broken) => Err(BackendError::Broken(format!("{call} is refused"))),
            Some(Fault::Panics) => panic!("{call} fell over"),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Gate(gate)) => {
                let answer = work.await;
                gate.notified().await;
                answer
            }
        }
    }
}

fn away<T>(call: &str) -> Result<T, BackendError> {
    Err(BackendError::Unavailable(format!("{call}: the broker is away")))
}

#[async_trait]
impl Broadcast for Probe {
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError> {
        self.through("say", self.inner.broadcast().say(topic, bytes)).await
    }

    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError> {
        self.through("listen", self.inner.broadcast().listen(topics)).await
    }

    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError> {
        self.through("open_inbox", self.inner.broadcast().open_inbox(id)).await
    }

    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError> {
        self.through("answer", self.inner.broadcast().answer(to, bytes)).await
    }
}

#[async_trait]
impl Broker for Probe {
    fn home(&self) -> &str {
        Broker::home(&self.inner)
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
        self.inner.schedules()
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        self.through("publish", self.inner.publish(messages)).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        self.seen.send_modify(|seen| seen.claims.push((claim.max, seen.in_hand.len())));
        let deliveries = self.through("claim", self.inner.claim(claim)).await?;
        self.seen.send_modify(|seen| seen.in_hand.extend(deliveries.iter().map(|delivery| delivery.receipt.clone())));
        Ok(deliveries)
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        self.through("wait", Broker::wait(&self.inner, queues, at_most)).await
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        self.through("renew", self.inner.renew(receipts, lease)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        let receipts: Vec<_> = settlements.iter().map(|settlement| settlement.receipt.clone()).collect();
        let poisoned = self.poisoned(&settlements);
        let work = async {
            if let Some(error) = poisoned {
                return Err(error);
            }
            let settled = self.inner.settle(settlements).await?;
            let done = receipts.iter().zip(&settled).filter(|(_, settled)| **settled == Settled::Done);
            for receipt in done.filter_map(|(receipt, _)| receipt.clone()) {
                let tag = receipt.tag.clone();
                self.seen.send_modify(|seen| assert!(seen.written.insert(receipt), "{tag} was settled twice"));
            }
            Ok(settled)
        };
        let settled = self.through("settle", work).await?;
        self.seen.send_modify(|seen| {
            seen.batches.push(receipts.len());
            seen.settled += receipts.len();
            for receipt in receipts.iter().flatten() {
                seen.in_hand.remove(receipt);
            }
        });
        Ok(settled)
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        self.through("recover", self.inner.recover()).await
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        self.inner.depths(queues).await
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        self.inner.purge(queue).await
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        self.inner.dead_letters(filter).await
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        self.inner.dead_letter(id).await
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        self.inner.dead_ids(filter).await
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        self.inner.replay(id, instead).await
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        self.inner.drop_dead(ids).await
    }
}

#[async_trait]
impl Uniques for Probe {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        self.through("publish_unique", self.inner.publish_unique(messages, claim)).await
    }

    async fn begin(&self, queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        self.through("begin", self.inner.begin(queue, key, task_id, then)).await
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        self.inner.holder(key).await
    }
}

#[async_trait]
impl Shares for Probe {
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError> {
        self.through("sort", self.inner.sort(sorted)).await
    }

    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let deliveries = self.through("take", self.inner.take(claim)).await?;
        self.seen.send_modify(|seen| seen.in_hand.extend(deliveries.iter().map(|delivery| delivery.receipt.clone())));
        Ok(deliveries)
    }

    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        self.through("wait_sorted", self.inner.wait_sorted(queues, at_most)).await
    }

    async fn unsort(&self, queue: &str) -> Result<u64, BackendError> {
        self.through("unsort", self.inner.unsort(queue)).await
    }
}

#[async_trait]
impl Limits for Probe {
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError> {
        self.through("declare", self.inner.declare(limits)).await
    }

    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError> {
        self.inner.set_limit(name, limit).await
    }

    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError> {
        self.inner.drop_limit(name).await
    }

    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError> {
        self.through("limits_set", self.inner.limits_set(known, at_most)).await
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        self.inner.limit_uses().await
    }

    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError> {
        let admitted = self.through("admit", self.inner.admit(ask)).await?;
        if admitted != Admitted::Now {
            self.seen.send_modify(|seen| seen.in_hand.retain(|receipt| *receipt != ask.receipt));
        }
        Ok(admitted)
    }

    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        self.through("spend", self.inner.spend(limits, starts)).await
    }
}

#[async_trait]
impl Fleet for Probe {
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        self.through("beat", self.inner.beat(card, ttl)).await
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        self.through("leave", self.inner.leave(card)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        self.inner.workers().await
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.inner.revoke(task_id, keep).await
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        self.through("revocations", self.inner.revocations(cursor, at_most)).await
    }
}

#[async_trait]
impl ResultStore for Probe {
    fn home(&self) -> &str {
        ResultStore::home(&self.inner)
    }

    fn chords(&self) -> &dyn Chords {
        self.inner.chords()
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        self.through("store", self.inner.store(result)).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        self.inner.lookup(task_id).await
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        ResultStore::wait(&self.inner, task_id, at_most).await
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.inner.forget(task_id).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.inner.remember(task_id, keep).await
    }
}
