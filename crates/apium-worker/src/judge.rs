//! Before an attempt: may this delivery run at all, and if not, what becomes of it.

use std::sync::Arc;

use apium_core::client::parse_iso;
use apium_core::clock::after;
use apium_core::protocol::{DecodeError, ExceptionRecord, Headers, Message};
use apium_core::{DeadReason, Delivery, TaskError};
use jiff::Timestamp;

use crate::job::{CallOff, Job};
use crate::outcome::{EXPIRED, Outcome};
use crate::poison::{self, Suspicion};
use crate::station::Station;

/// What is to be done with a delivery.
pub(crate) enum Judgement {
    /// Run it.
    Run(Box<Job>),
    /// Do not: settle it so.
    Settle(Box<Verdict>),
}

/// A delivery that does not run, and why.
pub(crate) struct Verdict {
    pub(crate) delivery: Delivery,
    /// The headers, or as much of them as could be read.
    pub(crate) headers: Arc<Headers>,
    pub(crate) outcome: Outcome,
}

/// Judges in Celery's order: readable, no poison, known, not expired, not revoked, due, within the limit of its task.
pub(crate) fn judge(station: &Station, delivery: Delivery) -> Judgement {
    let message = match Message::decode(&delivery.bytes) {
        Ok(message) => message,
        Err(error) => return undecodable(delivery, unread(&error), &error),
    };
    // Before anything else is done with it: whatever kills is not tried again.
    let last_chance = match station.suspects.weigh(&delivery, station.options.max_deaths) {
        Suspicion::None => None,
        Suspicion::Last(chance) => Some(chance),
        Suspicion::Wait => {
            let later = after(station.now(), poison::WAIT);
            return settle(delivery, message.headers, Outcome::Deferred(later));
        }
        Suspicion::Poison(error) => {
            return settle(delivery, message.headers, Outcome::Dead(DeadReason::Poison, error));
        }
    };
    let Some(task) = station.registry.get(&message.headers.task).cloned() else {
        return unknown(delivery, message.headers);
    };
    let times = (moment(&message.headers, "eta"), moment(&message.headers, "expires"));
    let (eta, expires) = match times {
        (Ok(eta), Ok(expires)) => (eta, expires),
        (Err(error), _) | (_, Err(error)) => return invalid(delivery, message.headers, error),
    };
    let mut payload = match station.client.bodies().open(&message) {
        Ok(payload) => payload,
        Err(error) => return undecodable(delivery, message.headers, &error),
    };
    let now = station.now();
    if expires.is_some_and(|at| at <= now) {
        return settle(delivery, message.headers, Outcome::Revoked(EXPIRED));
    }
    if station.revoked.reaches(&message.headers, &payload, task.parameters(), now) {
        return settle(delivery, message.headers, Outcome::Revoked("revoked"));
    }
    if let Some(due) = eta.filter(|due| *due > now && station.at_once.is_none()) {
        return settle(delivery, message.headers, Outcome::Deferred(due));
    }
    if let Some(delay) = station.rates.wait(&message.headers.task, &message.headers.id) {
        return settle(delivery, message.headers, Outcome::Deferred(after(now, delay)));
    }
    let options = station.bounds.of(&message.headers.task, task.options());
    let call_off = CallOff::default();
    // The body is in the payload now, and in the delivery's own bytes.
    let (headers, properties) = (Arc::new(message.headers), Arc::new(message.properties));
    let (embed, children) = (Arc::new(std::mem::take(&mut payload.embed)), Vec::new());
    let acknowledged = false;
    let job = Job {
        delivery,
        headers,
        properties,
        payload,
        embed,
        children,
        task,
        options,
        call_off,
        acknowledged,
        limits: Vec::new(),
        last_chance,
    };
    Judgement::Run(Box::new(job))
}

fn settle(delivery: Delivery, headers: Headers, outcome: Outcome) -> Judgement {
    Judgement::Settle(Box::new(Verdict { delivery, headers: Arc::new(headers), outcome }))
}

fn unknown(delivery: Delivery, headers: Headers) -> Judgement {
    let error = TaskError::exception("celery.exceptions", "NotRegistered", &headers.task);
    settle(delivery, headers, Outcome::Dead(DeadReason::Unknown, error))
}

fn invalid(delivery: Delivery, headers: Headers, sentence: String) -> Judgement {
    let error = TaskError::exception("celery.exceptions", "InvalidTaskError", sentence);
    settle(delivery, headers, Outcome::Dead(DeadReason::Undecodable, error))
}

/// A message that cannot be read may still tell its id, and then its caller gets an answer.
fn undecodable(delivery: Delivery, headers: Headers, error: &DecodeError) -> Judgement {
    let exc_type = match error {
        DecodeError::ContentType { .. } | DecodeError::NotAccepted { .. } => "ContentDisallowed",
        _ => "DecodeError",
    };
    let told = ExceptionRecord::new("kombu.exceptions", exc_type, &error.to_string());
    settle(delivery, headers, Outcome::Dead(DeadReason::Undecodable, TaskError::from_exception(told)))
}

fn unread(error: &DecodeError) -> Headers {
    Headers::new(error.task_name().unwrap_or_default(), error.task_id().unwrap_or_default())
}

fn moment(headers: &Headers, name: &str) -> Result<Option<Timestamp>, String> {
    let text = if name == "eta" { &headers.eta } else { &headers.expires };
    let read =
        |text: &String| parse_iso(text).ok_or_else(|| format!("invalid {name} value {text:?}: not an ISO 8601 time"));
    text.as_ref().map(read).transpose()
}
