//! What becomes of a task, told as events in Celery's words: received, started, and how it ended.

use std::time::Duration;

use apium_core::protocol::event::{
    EventKind, TaskFailed, TaskReceived, TaskRejected, TaskRetried, TaskRevoked, TaskStarted, TaskSucceeded,
    exception_repr,
};
use apium_core::protocol::{Headers, Message, Payload, RawJson, python_repr};
use apium_core::{DeadReason, TaskError};
use jiff::Timestamp;

use crate::job::Job;
use crate::judge::Verdict;
use crate::outcome::{EXPIRED, Outcome};
use crate::put_off::Why;
use crate::station::Station;

/// The end of an attempt as it will be told once it is written.
pub(crate) struct Ending {
    /// The state it is to have then.
    state: &'static str,
    kinds: Vec<EventKind>,
}

/// A delivery is about to run.
pub(crate) fn taken(station: &Station, job: &Job) {
    let known = station.put_off.came_back(job.id());
    if station.events.of_tasks() && !known {
        station.say(received(&job.headers, Some(&job.payload)));
    }
}

/// An attempt begins.
pub(crate) fn started(station: &Station, job: &Job) {
    station.vitals.took(&job.headers.task);
    if station.events.of_tasks() {
        station.say(EventKind::TaskStarted(TaskStarted { uuid: job.id().to_owned() }));
    }
}

/// An attempt has ended and its outcome is about to be written.
pub(crate) fn ended(station: &Station, job: &Job, outcome: &Outcome, took: Duration) -> Ending {
    let wanted = station.events.of_tasks();
    let kinds = if wanted { of_attempt(job, outcome, took) } else { Vec::new() };
    Ending { state: outcome.state(), kinds }
}

impl Ending {
    /// Tells it, unless it came otherwise.
    pub(crate) fn tell(self, station: &Station, state: &str) {
        if state == self.state {
            self.kinds.into_iter().for_each(|kind| station.say(kind));
        }
    }
}

/// A delivery is settled without an attempt; what is returned is to be told afterwards.
pub(crate) fn not_run(station: &Station, verdict: &Verdict) -> Option<EventKind> {
    let Verdict { delivery, headers, outcome } = verdict;
    if let Outcome::Deferred(until) = outcome {
        let over_rate = station.rates.limits(&headers.task) && !is_early(station, headers);
        let why = if over_rate { Why::OverRate } else { Why::NotDue };
        let new = station.put_off.note(&headers.id, delivery, *until, why, station.now());
        return (new && station.events.of_tasks()).then(|| {
            let message = Message::decode(&delivery.bytes).ok();
            let payload = message.and_then(|message| station.client.bodies().open(&message).ok());
            received(headers, payload.as_ref())
        });
    }
    station.put_off.came_back(&headers.id);
    if !station.events.of_tasks() || headers.id.is_empty() {
        return None;
    }
    match outcome {
        Outcome::Revoked(why) => Some(EventKind::TaskRevoked(TaskRevoked {
            uuid: headers.id.clone(),
            expired: *why == EXPIRED,
            ..TaskRevoked::default()
        })),
        // It never ran: there is nothing to trace back.
        Outcome::Dead(_, error) | Outcome::Failure(error) => Some(failed(&headers.id, error, None)),
        _ => None,
    }
}

/// A delivery waits for a shared limit.
pub(crate) fn waits(station: &Station, job: &Job, until: Timestamp) {
    let new = station.put_off.note(job.id(), &job.delivery, until, Why::OverRate, station.now());
    if new && station.events.of_tasks() {
        station.say(received(&job.headers, Some(&job.payload)));
    }
}

fn is_early(station: &Station, headers: &Headers) -> bool {
    let eta = headers.eta.as_deref().and_then(apium_core::client::parse_iso);
    eta.is_some_and(|eta| eta > station.now())
}

fn of_attempt(job: &Job, outcome: &Outcome, took: Duration) -> Vec<EventKind> {
    let uuid = job.id().to_owned();
    let rejected = |requeue| EventKind::TaskRejected(TaskRejected { uuid: uuid.clone(), requeue });
    match outcome {
        Outcome::Success(value) => {
            vec![EventKind::TaskSucceeded(TaskSucceeded::new(uuid, value, took.as_secs_f64()))]
        }
        Outcome::Dead(DeadReason::Rejected, error) => {
            vec![rejected(false), failed(&uuid, error, Some(error.traceback()))]
        }
        Outcome::Failure(error) | Outcome::Dead(_, error) => vec![failed(&uuid, error, Some(error.traceback()))],
        Outcome::Retry { error, .. } => {
            let (exception, traceback) = (exception_repr(error.record()), Some(error.traceback()));
            vec![EventKind::TaskRetried(TaskRetried { uuid, exception, traceback })]
        }
        Outcome::Requeued => vec![rejected(true)],
        Outcome::Revoked(_) => {
            let signum = job.call_off.signal().and_then(|signal| RawJson::from(&signal).ok()).unwrap_or_default();
            vec![EventKind::TaskRevoked(TaskRevoked { uuid, terminated: true, signum, expired: false })]
        }
        _ => Vec::new(),
    }
}

fn received(headers: &Headers, payload: Option<&Payload>) -> EventKind {
    let shown = |sent: &Option<String>, repr: fn(&RawJson) -> String, part: fn(&Payload) -> &RawJson| {
        sent.clone().or_else(|| payload.map(|payload| repr(part(payload))))
    };
    EventKind::TaskReceived(TaskReceived {
        uuid: headers.id.clone(),
        name: headers.shadow.clone().unwrap_or_else(|| headers.task.clone()),
        args: shown(&headers.argsrepr, python_repr::args, |payload| &payload.args),
        kwargs: shown(&headers.kwargsrepr, python_repr::kwargs, |payload| &payload.kwargs),
        root_id: headers.root_id.clone(),
        parent_id: headers.parent_id.clone(),
        retries: headers.retries.into(),
        eta: headers.eta.clone(),
        expires: headers.expires.clone(),
    })
}

fn failed(uuid: &str, error: &TaskError, traceback: Option<String>) -> EventKind {
    let exception = exception_repr(error.record());
    EventKind::TaskFailed(TaskFailed { uuid: uuid.to_owned(), exception, traceback })
}
