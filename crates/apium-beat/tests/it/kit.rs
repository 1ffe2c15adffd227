//! Schedulers on a store in memory, with time in the tests' hands: killed, frozen, their clocks set.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use apium_beat::{Catalogue, Entry, Pace, Scheduler};
use apium_core::clock::after;
use apium_core::memory::Memory;
use apium_core::protocol::Message;
use apium_core::{Broker, Claim, Client, Clock, Routes, Settlement, WorkerCard};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A time of day that goes with tokio's paused clock, and can be set.
pub(crate) struct SetClock {
    base: Timestamp,
    from: Instant,
    ahead: AtomicI64,
}

/// A store and what all of one world share.
pub(crate) struct World {
    pub(crate) memory: Memory,
    pub(crate) client: Client,
    base: Timestamp,
    from: Instant,
}

/// One scheduler, as a process is one.
pub(crate) struct Process {
    pub(crate) clock: Arc<SetClock>,
    stop: CancellationToken,
    frozen: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        after(self.base, self.from.elapsed()) + ahead
    }
}

impl SetClock {
    /// Sets it so many seconds ahead of the true time, or behind.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }
}

impl World {
    /// A world that begins at this moment.
    pub(crate) fn at(begin: &str) -> Self {
        let memory = Memory::default();
        let store = Arc::new(memory.clone());
        let client = Client::new(store.clone(), store, Routes::default());
        Self { memory, client, base: begin.parse().unwrap(), from: Instant::now() }
    }

    pub(crate) fn clock(&self) -> Arc<SetClock> {
        Arc::new(SetClock { base: self.base, from: self.from, ahead: AtomicI64::new(0) })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub(crate) fn catalogue(&self) -> Catalogue<'_> {
        Catalogue::new(&self.client).with_clock(self.clock())
    }

    pub(crate) async fn put(&self, json: &str) {
        self.catalogue().put(&Entry::parse(json).unwrap()).await.unwrap();
    }

    /// Starts a scheduler.
    pub(crate) fn start(&self, name: &str, pace: Pace) -> Process {
        let clock = self.clock();
        let scheduler = Scheduler::new(self.client.clone(), name).with_clock(clock.clone()).with_pace(pace);
        Process::of(scheduler, clock)
    }

    /// Starts one that declares these entries.
    pub(crate) fn declaring(&self, entries: &[&str]) -> Process {
        let clock = self.clock();
        let entries = entries.iter().map(|json| Entry::parse(json).unwrap()).collect();
        Process::of(Scheduler::new(self.client.clone(), "beat").with_clock(clock.clone()).declaring(entries), clock)
    }

    /// Takes what was sent since it was taken last: ids of tasks, with what the schedulers sent beside.
    pub(crate) async fn sent(&self) -> Vec<Message> {
        let claim = Claim { queues: &["celery".to_owned()], max: usize::MAX, lease: Duration::from_secs(9) };
        let found = self.memory.claim(&claim).await.unwrap();
        let messages = found.iter().map(|delivery| Message::decode(&delivery.bytes).unwrap()).collect();
        let acks = found.into_iter().map(|delivery| Settlement::ack(delivery.receipt)).collect();
        self.memory.settle(acks).await.unwrap();
        messages
    }

    /// The tasks that were sent since they were taken last.
    pub(crate) async fn tasks(&self) -> Vec<String> {
        self.sent().await.into_iter().map(|message| message.headers.task).collect()
    }

    /// Lets this time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        let span = Duration::from_secs(seconds);
        // What is due at that very moment has a moment more.
        drop(tokio::time::timeout(span + Duration::from_millis(1), std::future::pending::<()>()).await);
    }
}

impl Process {
    fn of(scheduler: Scheduler, clock: Arc<SetClock>) -> Self {
        let (stop, frozen) = (CancellationToken::new(), watch::Sender::new(false));
        let running = tokio::spawn(freezing(scheduler.run(stop.clone().cancelled_owned()), frozen.subscribe()));
        Self { clock, stop, frozen, running }
    }

    /// SIGSTOP and SIGCONT.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// kill -9.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    /// SIGTERM.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

/// What a worker tells of itself that registers these tasks.
pub(crate) fn card(tasks: &[&str]) -> WorkerCard {
    WorkerCard {
        name: "ours@here".to_owned(),
        queues: vec!["celery".to_owned()],
        tasks: tasks.iter().map(ToString::to_string).collect(),
        concurrency: 1,
        active: 0,
        processed: 0,
        pid: 1,
        started: "2026-06-01T08:00:00Z".to_owned(),
    }
}

/// Runs a future that does nothing while it is frozen.
async fn freezing<F: Future<Output = ()>>(inner: F, mut frozen: watch::Receiver<bool>) {
    let mut inner = pin!(inner);
    loop {
        {
            let mut thawed = pin!(frozen.wait_for(|frozen| !frozen));
            if poll_fn(|context| thawed.as_mut().poll(context).map(|thawed| thawed.is_err())).await {
                return;
            }
        }
        let mut froze = pin!(async {
            if frozen.wait_for(|frozen| *frozen).await.is_err() {
                // Nobody is left who could.
                std::future::pending::<()>().await;
            }
        });
        let done = poll_fn(|context| {
            if froze.as_mut().poll(context).is_ready() {
                return std::task::Poll::Ready(false);
            }
            inner.as_mut().poll(context).map(|()| true)
        });
        if done.await {
            return;
        }
    }
}
