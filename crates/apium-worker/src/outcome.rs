//! The verdict table: for each way an attempt can end, what is stored, what is sent again, what becomes of the message.
//!
//! The last of the six files: a verdict goes to the broker as one settlement (`apium-core/src/broker.rs`).

use std::sync::Arc;
use std::time::Duration;

use apium_core::client::{REMEMBER_HEADER, fresh_id, iso};
use apium_core::protocol::{ExceptionRecord, Headers, Message, RawJson, ResultRecord};
use apium_core::{
    DeadLetter, DeadReason, Delivery, Disposition, Outgoing, Settlement, StoredResult, TaskError, TaskOptions,
    TaskState,
};
use jiff::Timestamp;

use crate::judge::Verdict;
use crate::station::Station;

/// The verdict on an attempt, or on a delivery that was not attempted.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The task returned this.
    Success(RawJson),
    /// The task failed for good.
    Failure(TaskError),
    /// The task failed and is to be tried again.
    Retry { error: TaskError, due: Timestamp, delay: Duration },
    /// The message is given up and kept.
    Dead(DeadReason, TaskError),
    /// The task put its message back.
    Requeued,
    /// The task wants nothing stored.
    Ignored,
    /// Called off: `revoked`, `expired` or `terminated`.
    Revoked(&'static str),
    /// Not due yet.
    Deferred(Timestamp),
    /// Cut off because this worker stops.
    GivenBack,
    /// Another worker holds the message: nothing of this attempt counts.
    Lost,
}

/// Whose outcome it is.
pub(crate) struct Subject {
    pub(crate) delivery: Delivery,
    /// The headers, or as much of them as could be read.
    pub(crate) headers: Headers,
    /// The message, if it could be read.
    pub(crate) message: Option<Message>,
}

impl Outcome {
    /// The word for logs and metrics.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Success(_) => "SUCCESS",
            Self::Failure(_) | Self::Dead(..) => "FAILURE",
            Self::Retry { .. } => "RETRY",
            Self::Revoked(_) => "REVOKED",
            Self::Ignored => "IGNORED",
            Self::Requeued | Self::GivenBack => "REQUEUED",
            Self::Deferred(_) => "DEFERRED",
            Self::Lost => "LOST",
        }
    }

    /// The error, for the log.
    pub(crate) fn error(&self) -> Option<String> {
        match self {
            Self::Failure(error) | Self::Retry { error, .. } => Some(error.to_string()),
            Self::Dead(reason, error) => Some(format!("{reason}: {error}")),
            Self::Revoked(why) => Some((*why).to_owned()),
            Self::Success(_) | Self::Requeued | Self::Ignored | Self::Deferred(_) | Self::GivenBack | Self::Lost => {
                None
            }
        }
    }
}

/// The table. `None`: nothing is to be written.
pub(crate) fn verdict(
    station: &Station,
    subject: &Subject,
    options: &TaskOptions,
    outcome: Outcome,
) -> Option<Settlement> {
    let record = |state: TaskState, value: RawJson| Some(record(subject, &state, value));
    let (disposition, record) = match outcome {
        Outcome::Success(value) => (Disposition::Ack, record(TaskState::Success, value)),
        Outcome::Failure(error) => (Disposition::Ack, failed(subject, &error)),
        Outcome::Retry { error, due, delay } => {
            let told = retrying(subject, &error, delay);
            let stored = stored(station, subject, options, Some(told));
            let settlement = Settlement::of(subject.delivery.receipt.clone(), Disposition::Ack).with_result(stored);
            return Some(match again(subject, due) {
                Some(message) => settlement.sending(message),
                None => settlement,
            });
        }
        Outcome::Dead(reason, error) => {
            let letter = letter(station, subject, reason, &error);
            (Disposition::DeadLetter(letter), failed(subject, &error))
        }
        Outcome::Revoked(why) => (Disposition::Ack, record(TaskState::Revoked, revoked(why))),
        Outcome::Ignored => (Disposition::Ack, None),
        Outcome::Requeued => (Disposition::RequeueLast, None),
        Outcome::GivenBack => (Disposition::Requeue, None),
        Outcome::Deferred(due) => (Disposition::Defer(due), None),
        Outcome::Lost => return None,
    };
    let stored = stored(station, subject, options, record);
    Some(Settlement::of(subject.delivery.receipt.clone(), disposition).with_result(stored))
}

/// Settles a delivery that was judged not to run.
pub(crate) async fn without_attempt(station: &Arc<Station>, verdict_on: Verdict) {
    let Verdict { subject, outcome } = verdict_on;
    let (state, error) = (outcome.state(), outcome.error());
    let options = station.registry.get(&subject.headers.task).map(|task| task.options());
    let known = options.is_some();
    let (task, id, queue) = (&subject.headers.task, &subject.headers.id, &subject.delivery.receipt.queue);
    match &outcome {
        Outcome::Deferred(due) => tracing::debug!(task, id, queue, state, %due, "task not due yet"),
        Outcome::Dead(..) => tracing::error!(task, id, queue, state, error, "message kept as a dead letter"),
        _ => tracing::info!(task, id, queue, state, error, "task not run"),
    }
    station.vitals.count(if known { task } else { "(unknown)" }, state);
    if let Some(settlement) = verdict(station, &subject, &options.unwrap_or_default(), outcome) {
        station.settler.settle(settlement).await;
    }
}

/// Nothing is stored where the sender or the task wants no result, or where no id could be read.
fn stored(
    station: &Station,
    subject: &Subject,
    options: &TaskOptions,
    record: Option<ResultRecord>,
) -> Option<StoredResult> {
    let headers = &subject.headers;
    let unwanted = headers.ignore_result.unwrap_or(options.ignore_result) || headers.id.is_empty();
    let record = record.filter(|_| !unwanted)?;
    let remember =
        headers.other.iter().find(|(name, _)| name == REMEMBER_HEADER).and_then(|(_, value)| value.to::<u64>().ok());
    let expires = options.result_expires.or(station.options.result_expires);
    Some(StoredResult { remember: remember.map(Duration::from_secs), ..StoredResult::of(&record, expires) })
}

fn record(subject: &Subject, state: &TaskState, value: RawJson) -> ResultRecord {
    let mut record = ResultRecord::new(&subject.headers.id, state.name(), value);
    record.children = RawJson::array(&[]);
    record.group_id.clone_from(&subject.headers.group);
    record.parent_id.clone_from(&subject.headers.parent_id);
    record.date_done = state.is_ready().then(|| iso(Timestamp::now()));
    record
}

fn failed(subject: &Subject, error: &TaskError) -> Option<ResultRecord> {
    let mut record = record(subject, &TaskState::Failure, error.to_result());
    record.traceback = Some(error.traceback());
    Some(record)
}

fn retrying(subject: &Subject, error: &TaskError, delay: Duration) -> ResultRecord {
    let mut record = record(subject, &TaskState::Retry, error.to_result());
    record.traceback = Some(format!("Retry in {}s: {}", delay.as_secs_f64(), error.traceback()));
    record
}

fn revoked(why: &str) -> RawJson {
    ExceptionRecord::new("celery.exceptions", "TaskRevokedError", why).to_json()
}

/// The same call once more, later: the body is not touched, everything unknown is kept (Celery's `Task.retry`).
fn again(subject: &Subject, due: Timestamp) -> Option<Outgoing> {
    let mut message = subject.message.clone()?;
    let headers = &mut message.headers;
    headers.retries += 1;
    headers.eta = Some(iso(due));
    headers.parent_id = Some(headers.id.clone());
    headers.redelivered = false;
    message.properties.delivery_tag = fresh_id();
    message.properties.delivery_info.redelivered = false;
    let Delivery { receipt, priority, .. } = &subject.delivery;
    Some(Outgoing { queue: receipt.queue.clone(), priority: *priority, bytes: message.encode(), not_before: Some(due) })
}

fn letter(station: &Station, subject: &Subject, reason: DeadReason, error: &TaskError) -> DeadLetter {
    let readable = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    DeadLetter {
        id: fresh_id(),
        queue: subject.delivery.receipt.queue.clone(),
        priority: subject.delivery.priority,
        reason,
        error: error.to_string(),
        task: readable(&subject.headers.task),
        task_id: readable(&subject.headers.id),
        attempts: subject.headers.retries + 1,
        worker: station.options.name.clone(),
        at: Timestamp::now().to_string(),
        message: subject.delivery.bytes.to_vec(),
    }
}
