//! The children of one worker: started when an attempt needs one, kept for the next, and ended when they have done
//! enough, hold too much, or have nothing to do.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::protocol::{Message, Payload, RawJson};
use apium_core::{BackendError, Call, Context, TaskError, TaskOptions};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::PREPARED;
use super::child::Child;
use super::errand;
use super::frame::{Down, Ended, How, Start, Up};
use crate::job::CallOff;
use crate::limits::{Ending, LETTING_GO, Limits};
use crate::points::point;
use crate::retry::Backoff;
use crate::trouble::Errand as Trouble;
use crate::vitals::Vitals;

/// How long a child that has nothing to do is kept.
const IDLE: Duration = Duration::from_mins(1);

/// How long a child that was told to stop what runs has beyond what the task has to let go.
const MARGIN: Duration = Duration::from_secs(1);

/// The children that have nothing to do; those that do are with their attempts, so there are as many as slots.
#[derive(Default)]
pub(crate) struct Children {
    idle: Mutex<Vec<Child>>,
    /// Attempts after which a child is replaced.
    most_tasks: Option<u32>,
    /// Bytes in use beyond which a child is replaced.
    most_memory: Option<u64>,
}

/// How a child's part in an attempt ended.
enum Part {
    Ended(Box<Ended>),
    HardLimit(Duration),
    CalledOff,
    Died,
}

impl Children {
    /// None yet; these are the worker's own bounds for each.
    pub(crate) fn new(most_tasks: Option<u32>, most_memory: Option<u64>) -> Self {
        Self { idle: Mutex::default(), most_tasks, most_memory }
    }

    /// Ends those that have had nothing to do for long.
    pub(crate) fn retire_idle(&self) {
        let retired: Vec<_> = self.open().extract_if(.., |child| child.idle_since.elapsed() >= IDLE).collect();
        drop(retired);
    }

    /// Runs a call in a child. The hard limit, and whatever calls it off, ends the child with all it has started; at the
    /// soft limit the child itself acts.
    pub(crate) async fn run(
        &self,
        call: Call,
        options: &TaskOptions,
        limits: Limits,
        call_off: &CallOff,
        vitals: &Vitals,
    ) -> Ending {
        let context = call.context.clone();
        let start = match start(call, options, limits) {
            Ok(start) => Down::Start(Box::new(start)),
            Err(error) => return Ending::Returned(Err(error)),
        };
        point!(ChildAsked);
        let mut child = tokio::select! {
            biased;
            reason = call_off.called_off() => return Ending::CalledOff(reason),
            child = self.take(vitals) => child,
        };
        point!(ChildTaken);
        let told = child.tell(&start).await;
        point!(ChildTold);
        let part = match told {
            Ok(()) => converse(&mut child, &context, limits, call_off).await,
            Err(_) => Part::Died,
        };
        match part {
            Part::Ended(ended) => {
                context
                    .attempt()
                    .workflow
                    .children
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone_from(&ended.children);
                point!(ChildPutBack);
                self.put_back(child, &ended, options).await;
                point!(ChildBack);
                ending(ended.how, call_off)
            }
            Part::HardLimit(limit) => {
                kill(child).await;
                Ending::HardLimit(limit)
            }
            Part::CalledOff => {
                kill(child).await;
                Ending::CalledOff(call_off.called_off().await)
            }
            Part::Died => {
                point!(ChildDying);
                let (id, death) = (child.id(), child.died().await);
                point!(ChildDied);
                tracing::error!(
                    task = context.headers().task,
                    id = context.task_id(),
                    pid = id,
                    "the child died under its task: {}",
                    death.with_words()
                );
                match options.max_memory.filter(|_| death.out_of_memory) {
                    Some(most) => Ending::Returned(Err(out_of_memory(most))),
                    None => Ending::Died(death.how),
                }
            }
        }
    }

    /// One that has nothing to do, else a new one, however often it has to be tried.
    async fn take(&self, vitals: &Vitals) -> Child {
        while let Some(mut child) = self.pop() {
            if !child.has_ended() {
                return child;
            }
        }
        let mut trouble = Backoff::reconnecting();
        loop {
            let started = match PREPARED.get() {
                Some(launch) => Child::start(launch).await,
                None => Err(std::io::Error::other("its executable is not known")),
            };
            match started {
                Ok(child) => {
                    vitals.troubles.well(Trouble::Child);
                    tracing::debug!(pid = child.id(), "a child started");
                    return child;
                }
                Err(error) => {
                    let error = BackendError::Unavailable(format!("a child of the worker: {error}"));
                    vitals.troubles.failed(Trouble::Child, &error);
                    point!(ChildAgain);
                    tokio::time::sleep(trouble.next_delay()).await;
                }
            }
        }
    }

    fn pop(&self) -> Option<Child> {
        self.open().pop()
    }

    async fn put_back(&self, mut child: Child, ended: &Ended, options: &TaskOptions) {
        child.done = child.done.saturating_add(1);
        let tasks = [options.max_tasks_per_child, self.most_tasks].into_iter().flatten().min();
        let memory = [options.max_memory, self.most_memory].into_iter().flatten().min();
        let too_many = tasks.is_some_and(|most| child.done >= most);
        let too_large = memory.is_some_and(|most| ended.resident > most);
        if too_many || too_large || ended.stuck {
            let (pid, done, resident) = (child.id(), child.done, ended.resident);
            tracing::debug!(pid, done, resident, stuck = ended.stuck, "a child is replaced");
            child.kill().await;
            return;
        }
        child.idle_since = Instant::now();
        self.open().push(child);
    }

    fn open(&self) -> MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attempt as it goes to the child; the message is written anew, with a plain body, whatever form it came in.
fn start(call: Call, options: &TaskOptions, limits: Limits) -> Result<Start, TaskError> {
    let Call { args, kwargs, context } = call;
    let attempt = context.attempt();
    let embed = (*attempt.workflow.embed).clone();
    let payload = Payload { args: RawJson::array(&args), kwargs: RawJson::object(&kwargs), embed };
    let message = Message::new((*attempt.headers).clone(), &payload, (*attempt.properties).clone()).encode();
    let message = String::from_utf8(message).map_err(TaskError::from)?;
    Ok(Start {
        message: RawJson::parse(&message).map_err(TaskError::from)?,
        queue: attempt.queue.to_string(),
        worker: attempt.worker.clone(),
        redelivered: attempt.redelivered,
        result_expires: attempt.result_expires,
        extended: attempt.extended.clone(),
        ignore_result: attempt.ignore_result,
        soft_limit: limits.soft_limit(),
        max_memory: options.max_memory,
    })
}

/// Hears the child until the attempt is over, and runs its errands meanwhile.
async fn converse(child: &mut Child, context: &Context, limits: Limits, call_off: &CallOff) -> Part {
    let mut errands = FuturesUnordered::new();
    let hard = limits.hard_limit();
    tokio::pin!(hard);
    let mut told = false;
    let deadline = tokio::time::sleep(Duration::MAX);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            biased;
            up = child.hear() => match up {
                Some(Up::Ask(number, errand)) => {
                    errands.push(async move {
                        point!(ErrandAsked);
                        let answer = errand::run(context.client(), errand).await;
                        point!(ErrandRun);
                        (number, answer)
                    });
                }
                Some(Up::Ended(ended)) => return Part::Ended(ended),
                Some(Up::Ready) => {}
                None => return if told { Part::CalledOff } else { Part::Died },
            },
            limit = &mut hard => return Part::HardLimit(limit),
            () = &mut deadline, if told => return Part::CalledOff,
            _ = call_off.called_off(), if !told => {
                told = true;
                deadline.as_mut().reset(Instant::now() + LETTING_GO + MARGIN);
                point!(ChildCalledOff);
                // One that cannot be told is killed soon.
                let _ = child.tell(&Down::CallOff).await;
                point!(ChildToldOff);
            }
            Some((number, answer)) = errands.next(), if !errands.is_empty() => {
                let _ = child.tell(&Down::Answer(number, answer.map_err(Into::into))).await;
                point!(ErrandTold);
            }
        }
    }
}

async fn kill(child: Child) {
    point!(ChildKilling);
    child.kill().await;
    point!(ChildKilled);
}

fn ending(how: How, call_off: &CallOff) -> Ending {
    match how {
        How::Value(value) => Ending::Returned(Ok(value)),
        How::Error(crossing) => Ending::Returned(Err(TaskError::from_crossing(&crossing)
            .unwrap_or_else(|error| TaskError::new("RuntimeError", format!("an error of a child: {error}"))))),
        How::Panicked(text) => Ending::Panicked(text),
        How::SoftLimit => Ending::SoftLimit,
        How::CalledOff => match call_off.reason() {
            Some(reason) => Ending::CalledOff(reason),
            None => Ending::Died("a call-off nobody asked for".to_owned()),
        },
    }
}

fn out_of_memory(most: u64) -> TaskError {
    TaskError::new("MemoryError", format!("the task wanted more than its max_memory of {} MiB", most >> 20))
}
