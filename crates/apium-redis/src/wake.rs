//! How a waiter learns that something changed in Redis without taking anything and without asking again and
//! again: server-assisted tracking.
//!
//! On its own connection (`CLIENT TRACKING ON`, RESP3) a waiter reads the keys it cares for; from then on Redis
//! pushes one message as soon as any client (a Python producer's plain LPUSH too) changes one of them.
//! The other way, `BLMOVE q q RIGHT RIGHT`, waits on one list a connection, so a worker would need a
//! connection for each queue and priority step, and it moves messages about; here one connection serves every
//! queue, the delayed sets, the revocations and every waiting caller of a result, and an idle worker sends two
//! commands every few seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::BackendError;
use redis::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::connection::{Link, Pushes};
use crate::reads::Reads;

/// How long a waiter trusts a silent connection: a half-open one pushes nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The pause after a look that failed, besides the connection's own back-off: a Redis that is loading answers at once.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// A first look is finished even by a caller with less time, so that what is there already is found: two questions over a
/// line on which each answer takes two seconds, or a worker there would never learn what it must know before it begins.
const FIRST_LOOK: Duration = Duration::from_millis(4500);
/// Longer than anyone waits; keeps the arithmetic of moments from overflowing.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// The tracked connection and those who wait on it.
pub(crate) struct Wake {
    /// Everything a waiter looks at is read through this, or it is not tracked.
    pub(crate) link: Link,
    reads: Reads,
    home: String,
    watchers: Arc<Watchers>,
}

/// The waiters of each key, each with its number.
type ByKey = HashMap<String, Vec<(u64, Arc<Notify>)>>;

/// Who wants to know of which key.
#[derive(Default)]
pub(crate) struct Watchers {
    by_key: Mutex<ByKey>,
    last: AtomicU64,
}

/// What a look at the tracked keys showed.
pub(crate) enum Look<T> {
    /// What was waited for.
    Found(T),
    /// Nothing yet.
    Nothing,
    /// Nothing yet; and should the connection be half-open, others that wait on it notice.
    Quiet,
    /// Nothing yet, and something will be there after this long without any key changing.
    After(Duration),
}

/// One waiter's registration, withdrawn when dropped.
struct Watch<'a> {
    watchers: &'a Watchers,
    number: u64,
    keys: Vec<String>,
    told: Arc<Notify>,
}

impl Wake {
    /// A waiting room that connects when the first waiter comes.
    pub(crate) fn new(address: &Address) -> Self {
        let watchers = Arc::new(Watchers::default());
        let link = Link::new(address, Pushes::Changed(watchers.clone()));
        Self { link, reads: Reads::default(), home: address.home.clone(), watchers }
    }

    /// A string to wait for.
    pub(crate) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, BackendError> {
        self.reads.get(&self.link, key).await
    }

    /// Looks at once, and again whenever one of `keys` changes, until there is something or `at_most` has passed.
    pub(crate) async fn until<T, F>(
        &self,
        keys: Vec<String>,
        at_most: Duration,
        look: impl Fn() -> F,
    ) -> Result<Option<T>, BackendError>
    where
        F: Future<Output = Result<Look<T>, BackendError>>,
    {
        self.look_until(keys, at_most, look, || None).await
    }

    /// Looks at once, and then until one of `keys` changes, whatever that brought: for who looks there itself, and is
    /// spared a round trip.
    pub(crate) async fn until_change<F>(
        &self,
        keys: Vec<String>,
        at_most: Duration,
        look: impl Fn() -> F,
    ) -> Result<(), BackendError>
    where
        F: Future<Output = Result<Look<()>, BackendError>>,
    {
        self.look_until(keys, at_most, look, || Some(())).await.map(|_| ())
    }

    /// While Redis is away it keeps trying; the error is told only if it is still away at the end. `None` means
    /// that nothing was there when Redis was last asked: a Redis that never answered is an error, because silence
    /// must not be taken for nothing.
    async fn look_until<T, F>(
        &self,
        keys: Vec<String>,
        at_most: Duration,
        look: impl Fn() -> F,
        changed: impl Fn() -> Option<T>,
    ) -> Result<Option<T>, BackendError>
    where
        F: Future<Output = Result<Look<T>, BackendError>>,
    {
        let start = Instant::now();
        let deadline = start + at_most.min(FOR_EVER);
        let mut patience = deadline.max(start + FIRST_LOOK);
        // Registered before looking: a change after the look is never missed.
        let watch = self.watchers.watch(keys);
        let mut unseen = Some(BackendError::Unavailable(format!("Redis at {} did not answer in time", self.home)));
        loop {
            let mut pause = LOOK_AGAIN;
            let mut failure = None;
            match timeout_at(patience, look()).await {
                Ok(Ok(Look::Found(found))) => return Ok(Some(found)),
                Ok(Ok(Look::Nothing)) => unseen = None,
                Ok(Ok(Look::Quiet)) => (pause, unseen) = (FOR_EVER, None),
                Ok(Ok(Look::After(span))) => (pause, unseen) = (pause.min(span), None),
                Ok(Err(error)) if !error.is_transient() => return Err(error),
                Ok(Err(error)) => (pause, failure) = (TRY_AGAIN, Some(error)),
                Err(_) => return unseen.map_or(Ok(None), Err),
            }
            patience = deadline;
            let told = timeout_at(deadline.min(Instant::now() + pause), watch.told.notified()).await.is_ok();
            if told && let Some(found) = changed() {
                return Ok(Some(found));
            }
            // Whether told or out of patience, the next look decides.
            if Instant::now() >= deadline {
                return failure.map_or(Ok(None), Err);
            }
        }
    }
}

impl Watchers {
    /// Redis says that keys have changed; without a list, all of them (a flush).
    pub(crate) fn changed(&self, push: &[Value]) {
        let Some(Value::Array(keys)) = push.first() else { return self.all_changed() };
        let waiting = self.waiting();
        for key in keys {
            let Value::BulkString(bytes) = key else { continue };
            let Ok(name) = std::str::from_utf8(bytes) else { continue };
            for (_, told) in waiting.get(name).into_iter().flatten() {
                told.notify_one();
            }
        }
    }

    /// Nothing read before can be trusted any more.
    pub(crate) fn all_changed(&self) {
        for (_, told) in self.waiting().values().flatten() {
            told.notify_one();
        }
    }

    fn watch(&self, keys: Vec<String>) -> Watch<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let told = Arc::new(Notify::new());
        let mut waiting = self.waiting();
        for key in &keys {
            waiting.entry(key.clone()).or_default().push((number, told.clone()));
        }
        drop(waiting);
        Watch { watchers: self, number, keys, told }
    }

    fn waiting(&self) -> MutexGuard<'_, ByKey> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.watchers.waiting();
        for key in &self.keys {
            let Some(watches) = waiting.get_mut(key) else { continue };
            watches.retain(|(number, _)| *number != self.number);
            if watches.is_empty() {
                waiting.remove(key);
            }
        }
    }
}
