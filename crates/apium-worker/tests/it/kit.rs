//! One worker on one in-memory backend, with what the tests need to see and to hold back.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use apium_core::clock::after;
use apium_core::context::States;
use apium_core::memory::Memory;
use apium_core::protocol::{ExceptionRecord, Message, ResultRecord};
use apium_core::{
    Broker, Claim, Client, Clock, DeadFilter, DeadLetter, Delivery, Lookup, Outgoing, Pending, Registry, Routes,
    Signature,
};
use apium_worker::{Stop, Vitals, Worker, WorkerError, WorkerOptions};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::probe::Probe;
use crate::tasks;

/// Longer than anything a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(20);

/// The time of day, driven by tokio's clock: a paused runtime steps both.
pub(crate) struct TokioClock {
    base: Timestamp,
    from: Instant,
}

/// A worker and its world.
pub(crate) struct Rig {
    pub(crate) memory: Memory,
    pub(crate) probe: Arc<Probe>,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: WorkerOptions,
    pub(crate) registry: Registry,
    pub(crate) states: States,
    pub(crate) stage: Stage,
    pub(crate) stop: Stop,
    /// Threads of the worker's own for its tasks.
    pub(crate) threads: Option<usize>,
    running: Option<JoinHandle<Result<(), WorkerError>>>,
}

/// Where tasks leave notes and wait for their cue.
#[derive(Clone)]
pub(crate) struct Stage {
    notes: watch::Sender<Vec<String>>,
    cue: watch::Sender<bool>,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        after(self.base, self.from.elapsed())
    }

    fn steady(&self) -> Duration {
        self.from.elapsed()
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self { base: Timestamp::now(), from: Instant::now() }
    }
}

impl Rig {
    /// A world without a worker yet.
    pub(crate) fn new() -> Self {
        Self::with_clock(Arc::new(TokioClock::default()))
    }

    pub(crate) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let memory = Memory::with_clock(clock.clone());
        let probe = Arc::new(Probe::new(memory.clone()));
        let stage = Stage::default();
        let options = WorkerOptions { name: "w@test".to_owned(), concurrency: 2, ..WorkerOptions::default() };
        Self {
            client: Client::new(probe.clone(), probe.clone(), Routes::default()),
            states: States::default().with(stage.clone()),
            registry: tasks::all(),
            stop: Stop::new(),
            threads: None,
            running: None,
            memory,
            probe,
            clock,
            options,
            stage,
        }
    }

    /// Another worker on the same backend, with the same settings, not started yet.
    pub(crate) fn on(other: &Self) -> Self {
        let mut rig = Self::with_clock(other.clock.clone());
        rig.memory = other.memory.clone();
        rig.probe = other.probe.clone();
        rig.client = other.client.clone();
        rig.options = other.options.clone();
        rig
    }

    /// A world with its worker.
    pub(crate) fn started() -> Self {
        let mut rig = Self::new();
        rig.start();
        rig
    }

    pub(crate) fn start(&mut self) -> Arc<Vitals> {
        let worker = Worker::new(self.options.clone(), self.registry.clone(), self.states.clone(), self.client.clone())
            .with_clock(self.clock.clone());
        let worker = match self.threads {
            Some(count) => worker.with_own_threads(count).unwrap(),
            None => worker,
        };
        let vitals = worker.vitals();
        self.running = Some(tokio::spawn(worker.run(self.stop.clone())));
        vitals
    }

    /// Waits until the worker has ended as it should.
    pub(crate) async fn ended(&mut self) {
        self.verdict().await.unwrap();
    }

    /// Waits until the worker has ended, however it does.
    pub(crate) async fn verdict(&mut self) -> Result<(), WorkerError> {
        self.running.take().unwrap().await.unwrap()
    }

    /// Stops the worker warm and waits for it.
    pub(crate) async fn stopped(&mut self) {
        self.stop.request();
        self.ended().await;
    }

    pub(crate) async fn send(&self, signature: &Signature) -> Pending {
        self.client.send(signature).await.unwrap()
    }

    /// Sends a call and waits for its record.
    pub(crate) async fn outcome(&self, signature: &Signature) -> ResultRecord {
        self.send(signature).await.record(PATIENCE).await.unwrap()
    }

    pub(crate) async fn record(&self, id: &str) -> ResultRecord {
        self.client.pending(id).record(PATIENCE).await.unwrap()
    }

    /// The status now; `None` when nothing is stored.
    pub(crate) async fn status(&self, id: &str) -> Option<String> {
        match self.client.pending(id).lookup().await.unwrap() {
            Lookup::Stored(record) => Some(record.status),
            Lookup::Waiting | Lookup::Expired | Lookup::Unknown => None,
        }
    }

    /// Puts bytes into the default queue as a foreign sender would.
    pub(crate) async fn publish(&self, bytes: impl Into<Vec<u8>>) {
        let outgoing = Outgoing { queue: "celery".to_owned(), priority: 0, bytes: bytes.into(), not_before: None };
        self.memory.publish(&[outgoing]).await.unwrap();
    }

    /// The dead letters, once there are as many.
    pub(crate) async fn dead(&self, count: usize) -> Vec<DeadLetter> {
        self.probe.settled(count).await;
        let letters = self.memory.dead_letters(&DeadFilter::default()).await.unwrap();
        assert_eq!(letters.len(), count, "{letters:?}");
        letters
    }

    /// Waits until no message is left.
    pub(crate) async fn emptied(&self) {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        while self.depth().await != (0, 0, 0) {
            look.tick().await;
        }
    }

    /// Ready, delayed and claimed messages of the default queue.
    pub(crate) async fn depth(&self) -> (u64, u64, u64) {
        let depth = self.memory.depths(&["celery".to_owned()]).await.unwrap().remove(0);
        (depth.ready, depth.delayed, depth.claimed)
    }

    /// Takes what is due in the default queue, as another worker would.
    pub(crate) async fn take(&self) -> Vec<Delivery> {
        let claim = Claim { queues: &["celery".to_owned()], max: 10, lease: self.options.lease };
        self.memory.claim(&claim).await.unwrap()
    }

    /// Takes the one message that is due, read.
    pub(crate) async fn take_message(&self) -> (Delivery, Message) {
        let mut deliveries = self.take().await;
        assert_eq!(deliveries.len(), 1);
        let delivery = deliveries.remove(0);
        let message = Message::decode(&delivery.bytes).unwrap();
        (delivery, message)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self { notes: watch::channel(Vec::new()).0, cue: watch::channel(false).0 }
    }
}

impl Stage {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.notes.send_modify(|notes| notes.push(text.into()));
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    /// Waits until somebody has noted this.
    pub(crate) async fn reached(&self, text: &str) {
        self.noted(|notes| notes.iter().any(|note| note == text)).await;
    }

    /// Waits until there are so many notes.
    pub(crate) async fn count(&self, count: usize) {
        self.noted(|notes| notes.len() >= count).await;
    }

    /// Lets everything that waits for its cue go on.
    pub(crate) fn cue(&self) {
        self.cue.send_replace(true);
    }

    pub(crate) async fn await_cue(&self) {
        self.cue.subscribe().wait_for(|given| *given).await.unwrap();
    }

    pub(crate) fn cued(&self) -> bool {
        *self.cue.borrow()
    }

    async fn noted(&self, enough: impl FnMut(&Vec<String>) -> bool) {
        let mut notes = self.notes.subscribe();
        let waited = tokio::time::timeout(PATIENCE, notes.wait_for(enough)).await;
        assert!(waited.is_ok(), "only these notes: {:?}", self.notes());
    }
}

/// The exception a record tells of: module, type, message.
pub(crate) fn exception(record: &ResultRecord) -> (String, String, String) {
    let told = ExceptionRecord::from_result(&record.result).expect("an exception");
    let message = told.message();
    (told.exc_module.unwrap_or_default(), told.exc_type, message)
}

/// Asserts what a record tells.
#[track_caller]
pub(crate) fn assert_told(record: &ResultRecord, status: &str, module: &str, exc_type: &str, message: &str) {
    assert_eq!(record.status, status, "{record:?}");
    let told = exception(record);
    assert_eq!((told.0.as_str(), told.1.as_str(), told.2.as_str()), (module, exc_type, message));
}

/// The log of this process so far, of all tests that run in it.
pub(crate) fn log() -> String {
    LOG.lock().unwrap().clone()
}

/// Begins to keep the log.
pub(crate) fn keep_log() {
    LazyLock::force(&KEPT);
}

static LOG: Mutex<String> = Mutex::new(String::new());

static KEPT: LazyLock<()> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Pen).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
});

struct Pen;

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
