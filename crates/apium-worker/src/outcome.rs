//! The verdict table: for each way an attempt can end, what is stored, what is sent again, what becomes of the message.
//!
//! The last of the six files: a verdict goes to the broker as one settlement (`apium-core/src/broker.rs`).

use std::time::Duration;

use apium_core::argument::Parameter;
use apium_core::bodies::Asked;
use apium_core::client::{REMEMBER_HEADER, fresh_id, iso};
use apium_core::protocol::canvas;
use apium_core::protocol::{Embed, ExceptionRecord, Headers, Message, Payload, RawJson, ResultRecord};
use apium_core::{
    DeadLetter, DeadReason, Delivery, Disposition, Outgoing, Retry, Settlement, StoredResult, TaskError, TaskOptions,
    TaskState,
};
use jiff::Timestamp;

use crate::admission;
use crate::errbacks;
use crate::extended;
use crate::job::CallOff;
use crate::judge::Verdict;
use crate::points::point;
use crate::retry;
use crate::settler::Answer;
use crate::station::Station;
use crate::unique;
use crate::workflow::{self, Aside, Causes};

/// Characters of an error that a log line shows.
const LOGGED: usize = 300;

/// The word for an attempt of which nothing was written.
pub(crate) const LOST: &str = "LOST";

/// Why a task was called off that had expired.
pub(crate) const EXPIRED: &str = "expired";

/// All that is known when a lease is lost.
pub(crate) const NO_LONGER_KNOWN: &str = "the broker no longer knows this delivery: it was purged or flushed, or another worker took it after its lease ran out";

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
    /// The task is replaced by a canvas, which ends under its id.
    Replaced(Box<canvas::Signature>),
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
    /// Its child died, in this way; the worker lives on.
    Died(String),
    /// The broker no longer knows the delivery: nothing of this attempt counts.
    Lost,
}

/// Whose outcome it is.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) delivery: &'a Delivery,
    /// The headers, or as much of them as could be read.
    pub(crate) headers: &'a Headers,
    /// What is to follow it.
    pub(crate) embed: &'a Embed,
    /// What it has sent itself.
    pub(crate) children: &'a [RawJson],
    pub(crate) options: &'a TaskOptions,
    /// What the task takes, as far as is known.
    pub(crate) parameters: &'a [Parameter],
    /// Of an attempt: tells that it is over whatever comes.
    pub(crate) call_off: Option<&'a CallOff>,
    /// True when the message is gone already: there is nothing to acknowledge, nothing to give back.
    pub(crate) acknowledged: bool,
    /// The shared limits that have given it a place, or in whose lines it may have stood.
    pub(crate) limits: &'a [String],
}

impl Outcome {
    /// The word for logs and metrics.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Success(_) => "SUCCESS",
            Self::Failure(_) | Self::Dead(..) => "FAILURE",
            Self::Retry { .. } => "RETRY",
            Self::Revoked(_) => "REVOKED",
            Self::Ignored | Self::Replaced(_) => "IGNORED",
            Self::Requeued | Self::GivenBack | Self::Died(_) => "REQUEUED",
            Self::Deferred(_) => "DEFERRED",
            Self::Lost => LOST,
        }
    }

    /// The error, for the log: its beginning, because a line must stay a line. The whole is in the result.
    pub(crate) fn error(&self) -> Option<String> {
        let mut text = self.error_in_full()?;
        if let Some((end, _)) = text.char_indices().nth(LOGGED) {
            text.replace_range(end.., "…");
        }
        Some(text)
    }

    fn error_in_full(&self) -> Option<String> {
        match self {
            Self::Failure(error) | Self::Retry { error, .. } => Some(error.to_string()),
            Self::Dead(reason, error) => Some(format!("{reason}: {error}")),
            Self::Revoked(why) => Some((*why).to_owned()),
            Self::Lost => Some(NO_LONGER_KNOWN.to_owned()),
            Self::Died(how) => Some(format!("its child died: {how}")),
            Self::Success(_)
            | Self::Replaced(_)
            | Self::Requeued
            | Self::Ignored
            | Self::Deferred(_)
            | Self::GivenBack => None,
        }
    }
}

/// Writes what an outcome causes; returns the state that this leaves the task in. What the backend refuses for good is
/// kept as a dead letter: its message would come back, and be run again, without end.
pub(crate) async fn conclude(station: &Station, subject: Subject<'_>, outcome: Outcome) -> &'static str {
    let state = outcome.state();
    let verdict = match &outcome {
        Outcome::Dead(reason, error) => Some((*reason, error.clone())),
        _ => None,
    };
    let comes_back =
        matches!(outcome, Outcome::Requeued | Outcome::GivenBack | Outcome::Died(_) | Outcome::Deferred(_));
    point!(FollowAsked);
    // Boxed, as all that few outcomes need: its room would else be in the future of every attempt.
    let followed = if workflow::leads_on(subject, &outcome) {
        Box::pin(workflow::follow(station, subject, outcome)).await
    } else {
        Some((outcome, Causes::default()))
    };
    point!(Followed);
    let written = followed.and_then(|(outcome, causes)| record(station, subject, outcome, causes));
    let Some((settlement, aside)) = written else {
        station.vitals.lost();
        return LOST;
    };
    if is_told_first(&settlement, &aside) {
        Box::pin(tell_first(station, &settlement)).await;
    }
    if !aside.errbacks.is_empty() {
        Box::pin(errbacks::call(station, aside.errbacks)).await;
    }
    let alert = alert(station, &settlement);
    point!(Settling);
    let answer = station.settler.settle(&subject.headers.id, settlement).await;
    point!(Settled);
    match answer {
        Answer::Written | Answer::Unclear | Answer::Overdue => {
            station.alerts.tell(alert);
            if !aside.revoked.is_empty() {
                Box::pin(workflow::call_off(station, &aside.revoked)).await;
            }
            state
        }
        Answer::Refused(sentence) if !comes_back => {
            let (reason, error) = verdict.unwrap_or_else(|| (DeadReason::Rejected, TaskError::reject(sentence)));
            Box::pin(give_up(station, subject, reason, error)).await
        }
        Answer::Refused(_) | Answer::Lost | Answer::Abandoned => LOST,
    }
}

/// Whether anybody looks at both, what failed and what fails because of it: errbacks look at the failure they are called
/// for, and Celery's clients at the header of a chord before its body, whose error is less telling.
fn is_told_first(settlement: &Settlement, aside: &Aside) -> bool {
    !aside.errbacks.is_empty() || settlement.chords.iter().any(|end| !end.results.is_empty())
}

/// Tells what failed before what fails because of it. Told once more by the settlement, which may still be lost: a
/// failure gives way to a later attempt.
async fn tell_first(station: &Station, settlement: &Settlement) {
    // One that went well fails nothing. It is told with its settlement alone: whose result is there does not run again.
    for result in settlement.results.iter().filter(|result| result.state != TaskState::Success) {
        point!(FirstTelling);
        if let Err(error) = station.client.results().store(result).await {
            tracing::warn!(id = result.task_id, %error, "a failure was not told before what fails because of it");
        }
        point!(FirstTold);
    }
}

/// The table, and what goes on beside the settlement. `None`: nothing is to be written.
fn record(station: &Station, subject: Subject<'_>, outcome: Outcome, causes: Causes) -> Option<(Settlement, Aside)> {
    if let Some(at_once) = &station.at_once {
        at_once.note(&outcome);
    }
    let unique = unique::end(subject.headers, &outcome, station.now());
    let limits = admission::end(subject, &outcome);
    // Nothing is stored where the sender or the task wants no result, or where no id could be read.
    let wanted = !subject.ignores_result() && !subject.headers.id.is_empty();
    let told = |state: TaskState, value| wanted.then(|| record_of(station, subject, &state, value));
    let (disposition, record, send) = match outcome {
        Outcome::Success(value) => (Disposition::Ack, told(TaskState::Success, value), None),
        Outcome::Failure(error) => (Disposition::Ack, Some(failed(station, subject, &error)), None),
        Outcome::Retry { error, due, delay } => {
            let again = again(station, subject, &error, due, station.now());
            (Disposition::Ack, Some(retrying(station, subject, &error, delay)), again)
        }
        Outcome::Dead(reason, error) => {
            let letter = letter(station, subject, reason, &error);
            (Disposition::DeadLetter(Box::new(letter)), Some(failed(station, subject, &error)), None)
        }
        Outcome::Revoked(why @ EXPIRED) if station.options.dead_letter_expired => {
            let error = TaskError::exception("celery.exceptions", "TaskRevokedError", why);
            let letter = letter(station, subject, DeadReason::Expired, &error);
            (Disposition::DeadLetter(Box::new(letter)), told(TaskState::Revoked, revoked(why)), None)
        }
        Outcome::Revoked(why) => (Disposition::Ack, told(TaskState::Revoked, revoked(why)), None),
        Outcome::Ignored | Outcome::Replaced(_) => (Disposition::Ack, None, None),
        Outcome::Requeued if subject.acknowledged => (Disposition::Ack, None, Some(anew(subject))),
        Outcome::Requeued => (Disposition::RequeueLast, None, None),
        Outcome::GivenBack => (Disposition::Requeue, None, None),
        Outcome::Died(how) => (Disposition::Died(format!("a child of {} ({how})", station.options.name)), None, None),
        Outcome::Deferred(due) => (Disposition::Defer(due), None, None),
        Outcome::Lost => return None,
    };
    let record = record.map(|mut record| {
        record.children = RawJson::array(&[subject.children, &causes.children].concat());
        record
    });
    let settlement = Settlement {
        receipt: (!subject.acknowledged).then(|| subject.delivery.receipt.clone()),
        disposition,
        results: record
            .filter(|_| wanted)
            .map(|record| stored(station, subject, &record))
            .into_iter()
            .chain(causes.results)
            .collect(),
        send: send.into_iter().chain(causes.send).collect(),
        chords: causes.chords,
        unique,
        limits,
        queue: subject.acknowledged.then(|| subject.delivery.receipt.queue.clone()),
    };
    Some((settlement, causes.aside))
}

/// Settles a delivery that was judged not to run.
pub(crate) async fn without_attempt(station: &Station, verdict: Verdict) {
    let Verdict { delivery, headers, outcome } = verdict;
    let (state, error) = (outcome.state(), outcome.error());
    let known = station.registry.get(&headers.task);
    let options = known.map(|task| task.options());
    let (task, id, queue) = (&headers.task, &headers.id, &*delivery.receipt.queue);
    match &outcome {
        Outcome::Deferred(due) => tracing::debug!(task, id, queue, state, %due, "task not due yet"),
        Outcome::Dead(..) => tracing::error!(task, id, queue, state, error, "message kept as a dead letter"),
        _ => tracing::info!(task, id, queue, state, error, "task not run"),
    }
    station.vitals.count(if options.is_some() { task } else { "(unknown)" }, state);
    let options = &options.unwrap_or_default();
    let opened = || Message::decode(&delivery.bytes).and_then(|message| station.client.bodies().open(&message));
    // What comes back is followed by nothing yet, and keeps its turns.
    let comes_back = matches!(outcome, Outcome::Deferred(_));
    let payload = if comes_back { Payload::default() } else { opened().unwrap_or_default() };
    let limits = known.filter(|_| !comes_back).map(|task| station.shared_limits.of(task, queue, &payload));
    let limits = limits.unwrap_or_default();
    let subject = Subject {
        delivery: &delivery,
        headers: &headers,
        embed: &payload.embed,
        children: &[],
        options,
        parameters: &[],
        call_off: None,
        acknowledged: false,
        limits: &limits,
    };
    conclude(station, subject, outcome).await;
}

/// Keeps a message whose outcome was refused. Its caller is told if that can be written: it may be the result that is
/// refused, or all results.
async fn give_up(station: &Station, subject: Subject<'_>, reason: DeadReason, error: TaskError) -> &'static str {
    let id = &subject.headers.id;
    tracing::error!(id, %error, "the outcome was refused; the message is kept as a dead letter");
    let outcome = Outcome::Dead(reason, error);
    let state = outcome.state();
    let Some((settlement, _)) = record(station, subject, outcome, Causes::default()) else { return LOST };
    let alert = alert(station, &settlement);
    let without_result = Settlement { results: Vec::new(), ..settlement.clone() };
    point!(Refused);
    let mut answer = station.settler.settle(id, settlement).await;
    if matches!(answer, Answer::Refused(_)) {
        point!(RefusedAgain);
        answer = station.settler.settle(id, without_result).await;
    }
    if !matches!(answer, Answer::Written | Answer::Unclear | Answer::Overdue) {
        return LOST;
    }
    station.alerts.tell(alert);
    state
}

/// The dead letter that is about to be kept, if somebody is to be told of it.
fn alert(station: &Station, settlement: &Settlement) -> Option<Box<DeadLetter>> {
    match &settlement.disposition {
        Disposition::DeadLetter(letter) => station.alerts.of(letter),
        _ => None,
    }
}

impl Subject<'_> {
    /// The sender's word counts before the task's, as in Celery since 5.6.
    pub(crate) fn ignores_result(&self) -> bool {
        self.headers.ignore_result.unwrap_or(self.options.ignore_result)
    }
}

/// How long it is kept: as the sender says, or the task, or the worker.
fn stored(station: &Station, subject: Subject<'_>, record: &ResultRecord) -> StoredResult {
    let other = &subject.headers.other;
    let remember = other.iter().find(|(name, _)| name == REMEMBER_HEADER).and_then(|(_, value)| value.to::<u64>().ok());
    let expires = subject.options.result_expires.or(station.options.result_expires);
    StoredResult { remember: remember.map(Duration::from_secs), ..StoredResult::of(record, expires) }
}

fn record_of(station: &Station, subject: Subject<'_>, state: &TaskState, value: RawJson) -> ResultRecord {
    let mut record = ResultRecord::new(&subject.headers.id, state.name(), value);
    record.group_id.clone_from(&subject.headers.group);
    record.parent_id.clone_from(&subject.headers.parent_id);
    record.date_done = state.is_ready().then(|| iso(station.now()));
    record.other = extended::fields(station, subject);
    record
}

fn failed(station: &Station, subject: Subject<'_>, error: &TaskError) -> ResultRecord {
    let mut record = record_of(station, subject, &TaskState::Failure, error.to_result());
    record.traceback = Some(error.traceback());
    record
}

fn retrying(station: &Station, subject: Subject<'_>, error: &TaskError, delay: Duration) -> ResultRecord {
    let mut record = record_of(station, subject, &TaskState::Retry, error.to_result());
    record.traceback = Some(format!("{}Retry in {}s: {error}\n", error.traceback(), delay.as_secs_f64()));
    record
}

fn revoked(why: &str) -> RawJson {
    ExceptionRecord::new("celery.exceptions", "TaskRevokedError", why).to_json()
}

/// The call once more, later: everything unknown is kept, and the body too unless the task names other arguments
/// (Celery's `Task.retry`).
fn again(
    station: &Station,
    subject: Subject<'_>,
    error: &TaskError,
    due: Timestamp,
    now: Timestamp,
) -> Option<Outgoing> {
    let mut message = Message::decode(&subject.delivery.bytes).ok()?;
    let retry = error.another_try();
    let other = retry.filter(|retry| retry.args().is_some() || retry.kwargs().is_some());
    // Protocol 1 keeps retries and ETA in the body, where we would not reach them.
    if message.protocol == 1 || other.is_some() {
        let bodies = station.client.bodies();
        let mut payload = bodies.open(&message).ok()?;
        if let Some(retry) = other {
            let (args, kwargs) = (payload.args.elements().ok()?, payload.kwargs.members().ok()?);
            let (args, kwargs) = retry::arguments(retry, subject.parameters, args, kwargs);
            (payload.args, payload.kwargs) = (RawJson::array(&args), RawJson::object(&kwargs));
            message.headers.argsrepr = None;
            message.headers.kwargsrepr = None;
        }
        let (headers, properties) = (message.headers.clone(), message.properties.clone());
        let packed = bodies.pack(headers, &payload, properties, &Asked::default());
        // What does not fit into the serializer that is set still fits into JSON.
        message = packed.unwrap_or_else(|_| Message::new(message.headers, &payload, message.properties));
    }
    if let Some(expiry) = retry.and_then(Retry::expiry) {
        let expires = retry::moment(expiry, now);
        message.headers.expires = Some(iso(expires));
        message.properties.expiration = Some(expires.duration_since(now).as_millis().max(0).to_string());
    }
    let headers = &mut message.headers;
    headers.retries = headers.retries.saturating_add(1);
    headers.eta = Some(iso(due));
    headers.parent_id = Some(headers.id.clone());
    headers.redelivered = false;
    message.properties.delivery_tag = fresh_id();
    message.properties.delivery_info.redelivered = false;
    Some(Outgoing { bytes: message.encode(), not_before: Some(due), ..as_it_came(subject) })
}

/// The message once more, as another: a settlement without a delivery is known again by what it sends, and a task may put
/// its message back more than once.
fn anew(subject: Subject<'_>) -> Outgoing {
    let came = as_it_came(subject);
    let Ok(mut message) = Message::decode(&came.bytes) else { return came };
    message.properties.delivery_tag = fresh_id();
    Outgoing { bytes: message.encode(), ..came }
}

fn as_it_came(subject: Subject<'_>) -> Outgoing {
    let Delivery { receipt, priority, bytes, .. } = subject.delivery;
    Outgoing { queue: receipt.queue.to_string(), priority: *priority, bytes: bytes.to_vec(), not_before: None }
}

fn letter(station: &Station, subject: Subject<'_>, reason: DeadReason, error: &TaskError) -> DeadLetter {
    let readable = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    DeadLetter {
        id: fresh_id(),
        queue: subject.delivery.receipt.queue.to_string(),
        priority: subject.delivery.priority,
        reason,
        error: error.to_string(),
        task: readable(&subject.headers.task),
        task_id: readable(&subject.headers.id),
        attempts: subject.headers.retries.saturating_add(1),
        worker: station.options.name.clone(),
        died_with: subject.delivery.deaths.clone(),
        at: station.now().to_string(),
        message: subject.delivery.bytes.to_vec(),
    }
}
