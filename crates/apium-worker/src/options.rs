//! What can be set about a worker; the command line, the environment and `apium.toml` fill it in.

use std::time::Duration;

use apium_core::client::hostname;
use apium_core::dead::MOST_DEATHS;
use apium_core::routing::QueueOrder;
use apium_core::task::Rate;
use tokio::sync::Semaphore;

/// Renewed every third of it, a shorter lease would keep the broker busy with nothing else.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// A shorter sleep would be none.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// A worker's settings, with Celery's defaults where it has one.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "Celery's options, each a switch of its own")]
pub struct WorkerOptions {
    /// The node name. Default `celery@<host>`.
    pub name: String,
    /// The queues to consume, looked at in the order that `queue_order` names. Default `celery`.
    pub queues: Vec<String>,
    /// Attempts at once, at least one. Default: the number of cores.
    pub concurrency: usize,
    /// How long a claim lasts unless renewed (it is, every third of it): after this long the work of a worker
    /// that died is taken up by another. At least 100 ms. Default 30 s.
    pub lease: Duration,
    /// With how many workers a message may die before it is given up as poison; 0: with any number. A worker counts too
    /// that stood still or was cut off from the broker for longer than its lease. At most
    /// [`apium_core::dead::MOST_DEATHS`]. Default 3.
    pub max_deaths: u32,
    /// With how many tasks that do not let go of their threads at once the worker leaves; 0: with any number. It takes
    /// nothing more, lets what runs finish for `stop_timeout`, gives back the rest, and ends with
    /// [`WorkerError::Stuck`](crate::WorkerError): only the end of its process frees the threads. Default 10.
    pub max_stuck: u32,
    /// After how many attempts a child that runs isolated tasks is replaced (Celery's `worker_max_tasks_per_child`); a
    /// task may say fewer. Default: never.
    pub max_tasks_per_child: Option<u32>,
    /// Bytes in use beyond which a child is replaced once its task has ended (Celery's `worker_max_memory_per_child`,
    /// which counts in KiB). Default: none.
    pub max_memory_per_child: Option<u64>,
    /// What is told of new dead letters: a program and its arguments, run without a shell. On its standard input it gets
    /// one JSON object for each group of letters with the same task, reason and class of error, without their messages.
    /// Default: nothing.
    pub dead_letter_command: Vec<String>,
    /// How often it is called at most for one such group; letters that come in between are told of together. Default one
    /// minute.
    pub dead_letter_interval: Duration,
    /// Keep messages that have expired as dead letters; their callers get REVOKED all the same. Default false.
    pub dead_letter_expired: bool,
    /// How long results are kept; `None`: for ever. Default one day.
    pub result_expires: Option<Duration>,
    /// Tell in each result the task's name, its arguments, the worker, the retries and the queue (Celery's
    /// `result_extended`). Default false.
    pub result_extended: bool,
    /// Store STARTED when an attempt begins. Default false.
    pub track_started: bool,
    /// How long a warm stop waits for what runs before it is given back. Default 30 s.
    pub stop_timeout: Duration,
    /// The longest an idle worker sleeps before it looks again, should a wake-up get lost. At least 10 ms.
    /// Default 5 s.
    pub poll_interval: Duration,
    /// How often a task without a `rate_limit` of its own is started at most, each for itself (Celery's
    /// `task_default_rate_limit`). Default: no limit.
    pub default_rate_limit: Option<Rate>,
    /// In which order the queues are looked at. Default: each first in its turn.
    pub queue_order: QueueOrder,
    /// Send events of tasks from the start (Celery's `-E`), and go on whatever remote control says. Default false: only
    /// once `enable_events` asks for them.
    pub task_events: bool,
    /// Obey and answer remote control (Celery's `worker_enable_remote_control`). Default true.
    pub enable_remote_control: bool,
    /// Do not listen to the events of other workers. Default false.
    pub without_gossip: bool,
    /// Do not ask other workers at the start what was revoked. Default false.
    pub without_mingle: bool,
    /// Send no events of this worker's coming, living and going; Flower and `celery events` then do not see it.
    /// Default false.
    pub without_heartbeat: bool,
}

impl WorkerOptions {
    /// The same, with what cannot work brought to the nearest that can.
    pub(crate) fn within_bounds(self) -> Self {
        Self {
            concurrency: self.concurrency.clamp(1, Semaphore::MAX_PERMITS),
            lease: self.lease.max(SHORTEST_LEASE),
            max_deaths: self.max_deaths.min(u32::try_from(MOST_DEATHS).unwrap_or(u32::MAX)),
            poll_interval: self.poll_interval.max(SHORTEST_POLL),
            ..self
        }
    }
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            name: format!("celery@{}", hostname()),
            queues: vec!["celery".to_owned()],
            concurrency: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            lease: Duration::from_secs(30),
            max_deaths: 3,
            max_stuck: 10,
            max_tasks_per_child: None,
            max_memory_per_child: None,
            dead_letter_command: Vec::new(),
            dead_letter_interval: Duration::from_mins(1),
            dead_letter_expired: false,
            result_expires: Some(Duration::from_hours(24)),
            result_extended: false,
            track_started: false,
            stop_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_secs(5),
            default_rate_limit: None,
            queue_order: QueueOrder::default(),
            task_events: false,
            enable_remote_control: true,
            without_gossip: false,
            without_mingle: false,
            without_heartbeat: false,
        }
    }
}
