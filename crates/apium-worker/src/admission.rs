//! The step before an attempt: a place with every shared limit of the task, or a turn in a line.
//!
//! A job comes here from [`crate::consumer`]. Where no limit is set that is its own, nothing is asked of the broker.

use std::time::Duration;

use apium_core::clock::after;
use apium_core::limits::{Admission, Admitted, LimitEnd, PlaceEnd};
use tokio::time::Instant;

use crate::job::Job;
use crate::judge::Verdict;
use crate::limits::Limits;
use crate::outcome::{Outcome, Subject};
use crate::points::point;
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;
use crate::{narration, outcome, unique};

/// How long a message is put off that could not be admitted because the broker will not answer.
const LATER: Duration = Duration::from_secs(5);

/// How long the place of a task is kept that is acknowledged before it runs and has no hard time limit: with the message
/// gone, nothing tells that its worker died.
const UNBOUNDED: Duration = Duration::from_hours(1);

/// How much longer than its hard time limit.
const MARGIN: Duration = Duration::from_mins(1);

/// Takes its places; `None` when it waits for them, or is lost: then it is in the store and nothing is left to do.
pub(crate) async fn pass(station: &Station, job: Box<Job>) -> Option<Box<Job>> {
    let limits = station.shared_limits.of(&job.task, &job.delivery.receipt.queue, &job.payload);
    if limits.is_empty() || station.at_once.is_some() {
        return Some(job);
    }
    Box::pin(ask(station, job, limits)).await
}

/// Asks the broker for them, until it answers.
async fn ask(station: &Station, job: Box<Job>, limits: Vec<String>) -> Option<Box<Job>> {
    let unique = unique::waits(&job.headers);
    let ask = Admission { receipt: job.delivery.receipt.clone(), task_id: job.id().to_owned(), limits, unique };
    let mut trouble = Backoff::reconnecting();
    // Nobody renews the lease meanwhile.
    let patience = Instant::now() + station.options.lease / 3;
    loop {
        point!(AdmitAsked);
        let answer = station.broker().limits().admit(&ask).await;
        point!(AdmitAnswered);
        match answer {
            Ok(admitted) => {
                station.vitals.troubles.well(Errand::Admit);
                return told(station, job, ask, admitted);
            }
            Err(error) => {
                station.vitals.troubles.failed(Errand::Admit, &error);
                if !error.is_transient() || Instant::now() >= patience {
                    break;
                }
            }
        }
        point!(AdmitAgain);
        tokio::time::sleep(trouble.next_delay()).await;
    }
    // Put off, it costs no attempt. If it was admitted all the same, its places end with the claim.
    let Job { delivery, headers, .. } = *job;
    let outcome = Outcome::Deferred(after(station.now(), LATER));
    point!(AdmitGivenUp);
    outcome::without_attempt(station, Verdict { delivery, headers, outcome }).await;
    None
}

fn told(station: &Station, mut job: Box<Job>, ask: Admission, admitted: Admitted) -> Option<Box<Job>> {
    let (task, id, queue) = (&job.headers.task, &job.headers.id, &*job.delivery.receipt.queue);
    match admitted {
        Admitted::Now => {
            job.limits = ask.limits;
            return Some(job);
        }
        Admitted::Waits { limit, at_most } => {
            tracing::debug!(task, id, queue, limit, "task waits for its turn");
            station.vitals.count(task, "DEFERRED");
            narration::waits(station, &job, after(station.now(), at_most));
        }
        Admitted::Lost => {
            tracing::debug!(task, id, queue, "not admitted: {}", outcome::NO_LONGER_KNOWN);
            station.vitals.lost();
        }
    }
    None
}

/// What an outcome does to the places.
pub(crate) fn end(subject: Subject<'_>, outcome: &Outcome) -> Option<LimitEnd> {
    // It did not run, and is nobody's to wait for any more.
    if subject.call_off.is_none() {
        return of(subject.limits, &subject.headers.id, PlaceEnd::Gone);
    }
    let place = match outcome {
        Outcome::Success(_) | Outcome::Replaced(_) => PlaceEnd::Good,
        Outcome::Failure(_) | Outcome::Retry { .. } | Outcome::Dead(..) | Outcome::Died(_) => PlaceEnd::Bad,
        Outcome::Requeued
        | Outcome::Ignored
        | Outcome::Revoked(_)
        | Outcome::Deferred(_)
        | Outcome::GivenBack
        | Outcome::Lost => PlaceEnd::Neither,
    };
    of(subject.limits, &subject.delivery.receipt.tag, place)
}

/// What an acknowledgement before the attempt does to them.
pub(crate) fn keep(job: &Job) -> Option<LimitEnd> {
    let hard = Limits::of(&job.headers, &job.options).hard();
    let span = hard.map_or(UNBOUNDED, |hard| hard.saturating_add(MARGIN));
    of(&job.limits, &job.delivery.receipt.tag, PlaceEnd::Keep(span))
}

fn of(limits: &[String], holder: &str, place: PlaceEnd) -> Option<LimitEnd> {
    let end = || LimitEnd { limits: limits.to_vec(), holder: holder.to_owned(), place };
    (!limits.is_empty()).then(end)
}
