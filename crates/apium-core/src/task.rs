//! A task: the code, known by its name, and the options Celery users know.

pub mod grip;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apium_protocol::RawJson;
pub use apium_protocol::control::Rate;
pub use futures_util::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;

use crate::argument::Parameter;
use crate::context::Context;
use crate::error::TaskError;
use crate::limits::TaskLimit;

/// What a task gives back: its value as JSON, or why there is none.
pub type TaskResult = Result<RawJson, TaskError>;

/// The code behind a name. `#[task]` writes this for an async function; it can as well be written by hand.
pub trait Task: Send + Sync + 'static {
    /// The name messages call it by, e.g. `app.tasks.scan_tasks.perform_osint_scan`.
    fn name(&self) -> &str;

    /// How it is retried, limited and acknowledged.
    fn options(&self) -> TaskOptions {
        TaskOptions::default()
    }

    /// What it takes, in order, where that is known: so that a retry with other arguments finds the one to replace.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// Runs it once. Dropping the future at an await calls the attempt off.
    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult>;
}

/// One call: arguments as they came, and the context of the attempt.
#[derive(Debug)]
pub struct Call {
    /// Positional arguments.
    pub args: Vec<RawJson>,
    /// Arguments by name.
    pub kwargs: Vec<(String, RawJson)>,
    /// The attempt.
    pub context: Context,
}

/// A task's options, by Celery's names where it has one.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "Celery's options, each a switch of its own")]
pub struct TaskOptions {
    /// The queue that clients of this program send it to; `None`: the routes decide.
    pub queue: Option<String>,
    /// An errback: when a task linked to it fails on this worker, it is called there with its own arguments and the
    /// [`Failed`](crate::context::Failed) task, instead of being sent. Default false.
    pub errback: bool,
    /// Retries after the first attempt, of errors that are to be retried. Default 3.
    pub max_retries: u32,
    /// How long a retry waits that the task asks for without saying how long. `None`: the back-off.
    pub default_retry_delay: Option<Duration>,
    /// Retry after every error that is not `fatal()` (Celery's `autoretry_for=(Exception,)`). Default false:
    /// only errors marked `retryable()` or `retry_in()` are.
    pub autoretry: bool,
    /// The back-off before the first retry, doubled each time. Default 1 s.
    pub retry_backoff: Duration,
    /// The longest back-off. Default 600 s.
    pub retry_backoff_max: Duration,
    /// Full jitter: wait anything from 0 to the back-off. Default true.
    pub retry_jitter: bool,
    /// Acknowledge after the attempt (at least once, the default) or before it (at most once).
    pub acks_late: bool,
    /// Where an attempt runs. Default: in the worker's process.
    pub isolation: Isolation,
    /// The most memory, in bytes, that an isolated attempt may allocate beyond what its child began with: more is refused,
    /// which ends the child, and the attempt fails with `MemoryError`. A child that holds more afterwards is replaced.
    /// Default none.
    pub max_memory: Option<u64>,
    /// After how many attempts the child that runs this task is replaced. `None`: the worker's setting decides (never).
    pub max_tasks_per_child: Option<u32>,
    /// Hard time limit of an attempt: it is cut off and fails. Default none.
    pub time_limit: Option<Duration>,
    /// Soft time limit: the task is told, or cut off if it does not listen. Default none.
    pub soft_time_limit: Option<Duration>,
    /// Store STARTED when an attempt begins. `None`: the worker's setting decides.
    pub track_started: Option<bool>,
    /// Store no result. Default false.
    pub ignore_result: bool,
    /// How often each worker starts it at most, as Celery's `rate_limit`. `None`: the worker's setting decides (no
    /// limit). What is over it waits in the store, and holds up no other task of its queue.
    pub rate_limit: Option<Rate>,
    /// How long its results are kept. `None`: the worker's setting decides (one day).
    pub result_expires: Option<Duration>,
    /// Limits that all workers keep together (see [`crate::limits`]): how often it starts, how many run at once, and a
    /// circuit breaker, as a whole or for each value of an argument. Default none.
    pub limits: Vec<TaskLimit>,
}

/// Where the attempts of a task run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// In the worker's process, on threads that it shares with other tasks.
    #[default]
    None,
    /// In a child process of the same program, which can be killed: for what may crash, leak, or never return.
    Process,
}

/// A limit in Celery's notation: starts a second, or with `/s`, `/m` or `/h` behind the number (`10/m`). `None` when it
/// is none.
pub fn rate_limit(text: &str) -> Option<Rate> {
    Rate::parse(&RawJson::string(text)).ok().filter(|rate| rate.per_second().is_some())
}

/// Runs blocking work on the pool kept for it, so that it never holds up the runtime. Once begun it cannot be cut
/// off: at a hard time limit the attempt ends, and the work goes on unheard until it returns; the worker counts it as
/// stuck.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let begun = grip::Blocking::begin();
    let working = tokio::task::spawn_blocking(move || {
        let _begun = begun;
        work()
    });
    // What nobody waits for any more need not begin.
    match AbortOnDropHandle::new(working).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is being dropped cancels blocking work: nobody is left to answer.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            queue: None,
            errback: false,
            max_retries: 3,
            default_retry_delay: None,
            autoretry: false,
            retry_backoff: Duration::from_secs(1),
            retry_backoff_max: Duration::from_mins(10),
            retry_jitter: true,
            acks_late: true,
            isolation: Isolation::default(),
            max_memory: None,
            max_tasks_per_child: None,
            time_limit: None,
            soft_time_limit: None,
            track_started: None,
            ignore_result: false,
            rate_limit: None,
            result_expires: None,
            limits: Vec::new(),
        }
    }
}

/// The tasks a program knows, by name.
#[derive(Clone, Default)]
pub struct Registry {
    tasks: HashMap<String, Arc<dyn Task>>,
}

impl Registry {
    /// Adds a task; one of the same name is replaced.
    pub fn register(&mut self, task: impl Task) {
        let task: Arc<dyn Task> = Arc::new(task);
        self.tasks.insert(task.name().to_owned(), task);
    }

    /// Makes a known task answer to a second name; false when the first is not known.
    pub fn alias(&mut self, name: &str, alias: &str) -> bool {
        let found = self.tasks.get(name).cloned();
        found.map(|task| self.tasks.insert(alias.to_owned(), task)).is_some()
    }

    /// The task of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Task>> {
        self.tasks.get(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.tasks.keys().cloned().collect();
        names.sort();
        names
    }

    /// Each name with its task, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Task>)> {
        self.tasks.iter().map(|(name, task)| (name.as_str(), task))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
