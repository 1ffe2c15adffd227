//! Time limits and calling off: how an attempt ends when it does not end by itself.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::protocol::{ExceptionRecord, Headers, RawJson};
use apium_core::task::grip::Grip;
use apium_core::{Call, Context, Task, TaskError, TaskOptions, TaskResult};

use crate::handover::{Ended, Running};
use crate::job::{CallOff, Reason};
use crate::points::point;
use crate::stuck::Stuck;
use crate::threads::Seat;

/// How long a dropped attempt gets to let go before it counts as stuck, and is settled without it.
pub(crate) const LETTING_GO: Duration = Duration::from_secs(1);

/// The limits of one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    soft: Option<Duration>,
    hard: Option<Duration>,
}

/// The limits that remote control has given tasks, by name; they take the place of the task's own from the next
/// attempt, and the message's own still count before them.
#[derive(Default)]
pub(crate) struct Bounds(Mutex<HashMap<String, Limits>>);

/// How an attempt ended.
pub(crate) enum Ending {
    /// By itself.
    Returned(TaskResult),
    /// By a panic, with its text.
    Panicked(String),
    /// At the soft limit, which the task did not heed.
    SoftLimit,
    /// At the hard limit.
    HardLimit(Duration),
    /// From outside.
    CalledOff(Reason),
    /// Stuck tasks hold every thread it could have gone on with.
    Stranded,
    /// The child it ran in died, in this way.
    Died(String),
}

impl Limits {
    /// The message's limits where it has them, else the task's.
    pub(crate) fn of(headers: &Headers, options: &TaskOptions) -> Self {
        Self {
            soft: given(headers.timelimit.1).or(options.soft_time_limit),
            hard: given(headers.timelimit.0).or(options.time_limit),
        }
    }

    /// The soft limit alone; somebody else keeps the hard one.
    pub(crate) fn soft(soft: Option<Duration>) -> Self {
        Self { soft, hard: None }
    }

    pub(crate) fn soft_limit(self) -> Option<Duration> {
        self.soft
    }

    /// Resolves with the hard limit once it has passed.
    pub(crate) async fn hard_limit(self) -> Duration {
        pass(self.hard).await
    }
}

impl Limits {
    /// When the attempt is cut off, if it is.
    pub(crate) fn hard(self) -> Option<Duration> {
        self.hard
    }
}

impl Bounds {
    /// Sets the limits of a task in seconds; `None`, or what no clock can measure, is no limit.
    pub(crate) fn set(&self, task: &str, hard: Option<f64>, soft: Option<f64>) {
        self.open().insert(task.to_owned(), Limits { soft: given(soft), hard: given(hard) });
    }

    /// The options of a task with the limits it has now.
    pub(crate) fn of(&self, task: &str, options: TaskOptions) -> TaskOptions {
        match self.open().get(task) {
            Some(limits) => TaskOptions { time_limit: limits.hard, soft_time_limit: limits.soft, ..options },
            None => options,
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Limits>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn given(seconds: Option<f64>) -> Option<Duration> {
    seconds.filter(|seconds| *seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Runs a call on a task of its own, so that limits hold even while it does not await, and a panic stays its own. Tells
/// how it ended, and what did not end with it.
pub(crate) async fn run(
    seat: &Seat,
    task: Arc<dyn Task>,
    call: Call,
    limits: Limits,
    call_off: &CallOff,
) -> (Ending, Option<Stuck>) {
    if let Some(reason) = call_off.reason() {
        return (Ending::CalledOff(reason), None);
    }
    let context = call.context.clone();
    let grip = Grip::new();
    let mut running = seat.run(grip.clone().on(async move { task.call(call).await }));
    let ending = tokio::select! {
        biased;
        ended = running.ended() => return (returned(ended), None),
        reason = call_off.called_off() => Ending::CalledOff(reason),
        limit = pass(limits.hard) => Ending::HardLimit(limit),
        () = soft(limits.soft, &context) => Ending::SoftLimit,
        () = seat.stranded(&grip) => Ending::Stranded,
    };
    context.cancelled().cancel();
    point!(CutOff);
    let stuck = let_go(running, grip, matches!(ending, Ending::Stranded)).await;
    point!(LetGo);
    (ending, stuck)
}

/// Celery's `SoftTimeLimitExceeded`.
pub(crate) fn soft_limit_exceeded() -> TaskError {
    billiard("SoftTimeLimitExceeded", &[])
}

/// Celery's `TimeLimitExceeded`, whose one argument is the limit in seconds.
pub(crate) fn time_limit_exceeded(limit: Duration) -> TaskError {
    let whole = limit.subsec_nanos() == 0;
    let seconds = if whole { RawJson::from(&limit.as_secs()) } else { RawJson::from(&limit.as_secs_f64()) };
    billiard("TimeLimitExceeded", &[seconds.unwrap_or_else(|_| RawJson::null())])
}

/// Celery's `WorkerLostError`, for an attempt that was cut off and has no message left to be given back.
pub(crate) fn worker_stopped() -> TaskError {
    let sentence = "the worker stopped before the task ended, and its message had been acknowledged before it began";
    billiard("WorkerLostError", &[RawJson::string(sentence)])
}

/// The same for one whose thread is held by another.
pub(crate) fn threads_held() -> TaskError {
    let sentence = "tasks that do not let go hold every thread this one could have gone on with, and its message had \
                    been acknowledged before it began";
    billiard("WorkerLostError", &[RawJson::string(sentence)])
}

/// The same for one whose child died: Celery's words, of its pool.
pub(crate) fn child_died(how: &str) -> TaskError {
    billiard("WorkerLostError", &[RawJson::string(&format!("Worker exited prematurely: {how}."))])
}

pub(crate) fn acknowledgement_unanswered() -> TaskError {
    let sentence = "the broker did not answer the acknowledgement that goes before the task, and does not know the \
                    message now: the task was not run, because it may run once only";
    billiard("WorkerLostError", &[RawJson::string(sentence)])
}

fn billiard(exc_type: &str, arguments: &[RawJson]) -> TaskError {
    TaskError::from_exception(ExceptionRecord {
        exc_type: exc_type.to_owned(),
        exc_message: RawJson::array(arguments),
        exc_module: Some("billiard.exceptions".to_owned()),
    })
}

/// Resolves when the soft limit cuts the attempt off; never, when the task has asked to end by itself.
async fn soft(limit: Option<Duration>, context: &Context) {
    pass(limit).await;
    let attempt = context.attempt();
    attempt.soft_limit.cancel();
    if attempt.heeds_soft_limit.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

async fn pass(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

fn returned(ended: Option<Ended>) -> Ending {
    match ended {
        Some(Ok(result)) => Ending::Returned(result),
        Some(Err(panic)) => Ending::Panicked(panic_text(&*panic)),
        None => Ending::CalledOff(Reason::Stopping),
    }
}

/// Drops the call at its next await, and waits a little for that. One that is stranded cannot be waited for: it is
/// dropped where it would be gone on with, and never gone on with.
async fn let_go(mut running: Running, grip: Grip, stranded: bool) -> Option<Stuck> {
    running.abort();
    let letting_go = async {
        let _ = running.ended().await;
        grip.unblocked().await;
    };
    if stranded || tokio::time::timeout(LETTING_GO, letting_go).await.is_ok() {
        return None;
    }
    Stuck::find(running, grip)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "the task panicked".to_owned())
}
