//! What a worker can say of itself at any moment: counts, durations, and when it last heard from its broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::trouble::Troubles;

/// A worker's counters. Registered once, read by `/metrics`, `/readyz` and the heartbeat.
#[derive(Debug)]
pub struct Vitals {
    born: Instant,
    heard_ms: AtomicI64,
    wrote_ms: AtomicI64,
    processed: AtomicU64,
    taken: Mutex<BTreeMap<String, u64>>,
    active: Gauge,
    ended: Family<Ended, Counter>,
    seconds: Family<Named, Histogram>,
    lost: Counter,
    recovered: Counter,
    stuck: Family<Named, Counter>,
    stuck_now: Gauge,
    pub(crate) troubles: Troubles,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    task: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    task: String,
}

/// An attempt that runs, or one that is stuck.
pub(crate) struct Active(Gauge);

impl Default for Vitals {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            heard_ms: AtomicI64::new(-1),
            wrote_ms: AtomicI64::new(-1),
            processed: AtomicU64::new(0),
            taken: Mutex::default(),
            active: Gauge::default(),
            ended: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 10))),
            lost: Counter::default(),
            recovered: Counter::default(),
            stuck: Family::default(),
            stuck_now: Gauge::default(),
            troubles: Troubles::default(),
        }
    }
}

impl Vitals {
    /// Names the metrics in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("apium_tasks", "Attempts ended, by task and state", self.ended.clone());
        registry.register("apium_task_duration_seconds", "How long attempts took", self.seconds.clone());
        registry.register("apium_tasks_active", "Attempts running now", self.active.clone());
        registry.register("apium_leases_lost", "Attempts whose delivery the broker no longer knew", self.lost.clone());
        registry.register("apium_deliveries_recovered", "Messages put back for dead workers", self.recovered.clone());
        registry.register(
            "apium_tasks_stuck",
            "Attempts that did not let go when they were to end",
            self.stuck.clone(),
        );
        registry.register("apium_tasks_stuck_now", "Ended attempts that still hold a thread", self.stuck_now.clone());
    }

    /// How long ago the broker last answered a claim (or, while every slot is taken and nothing can be claimed, a
    /// heartbeat); `None` before the first.
    pub fn last_claim_age(&self) -> Option<Duration> {
        self.age(&self.heard_ms)
    }

    /// How long ago the store last took a write: an outcome or a heartbeat.
    pub(crate) fn last_write_age(&self) -> Option<Duration> {
        self.age(&self.wrote_ms)
    }

    fn age(&self, moment: &AtomicI64) -> Option<Duration> {
        let at = u64::try_from(moment.load(Ordering::Relaxed)).ok()?;
        Some(self.born.elapsed().saturating_sub(Duration::from_millis(at)))
    }

    /// What keeps the worker from its work, as a sentence such as `settlements have failed for 12 s: …`: the oldest of
    /// its calls on the broker that have failed for ten seconds or more and are still being tried. `None` when all is
    /// well. Claims may go well all the while: a store whose disk is full can be read, not written.
    pub fn trouble(&self) -> Option<String> {
        self.troubles.oldest()
    }

    /// Attempts ended since the start.
    pub fn processed(&self) -> u64 {
        self.processed.load(Ordering::Relaxed)
    }

    /// Attempts running now.
    pub fn active(&self) -> u32 {
        u32::try_from(self.active.get()).unwrap_or(0)
    }

    /// Attempts that have ended for everybody else, and still hold a thread.
    pub fn stuck_now(&self) -> u32 {
        u32::try_from(self.stuck_now.get()).unwrap_or(0)
    }

    /// Counts an attempt as stuck until what is returned is dropped; `task` must be a registered name.
    pub(crate) fn stuck(&self, task: &str) -> Active {
        self.stuck.get_or_create(&Named { task: task.to_owned() }).inc();
        self.stuck_now.inc();
        Active(self.stuck_now.clone())
    }

    /// Attempts begun since the start, by the name of the task.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Attempts begun since the start.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// How long the worker has been there.
    pub(crate) fn uptime(&self) -> Duration {
        self.born.elapsed()
    }

    /// Counts an attempt that begins; `task` must be a registered name.
    pub(crate) fn took(&self, task: &str) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(task) {
            *count += 1;
        } else {
            taken.insert(task.to_owned(), 1);
        }
    }

    pub(crate) fn heard(&self) {
        self.heard_ms.store(self.moment(), Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self) {
        self.wrote_ms.store(self.moment(), Ordering::Relaxed);
    }

    fn moment(&self) -> i64 {
        i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Counts an attempt as running until what is returned is dropped.
    pub(crate) fn began(&self) -> Active {
        self.active.inc();
        Active(self.active.clone())
    }

    /// `task` must be a registered name: labels are bounded, so what nobody knows is counted as one.
    pub(crate) fn ended(&self, task: &str, state: &str, took: Duration) {
        self.processed.fetch_add(1, Ordering::Relaxed);
        self.count(task, state);
        self.seconds.get_or_create(&Named { task: task.to_owned() }).observe(took.as_secs_f64());
    }

    pub(crate) fn count(&self, task: &str, state: &str) {
        self.ended.get_or_create(&Ended { task: task.to_owned(), state: state.to_owned() }).inc();
    }

    pub(crate) fn lost(&self) {
        self.lost.inc();
    }

    pub(crate) fn recovered(&self, messages: usize) {
        self.recovered.inc_by(messages as u64);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}
