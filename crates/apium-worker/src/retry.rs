//! The retry policy: whether an error is tried again, when, and with what arguments.

use std::time::Duration;

use apium_core::argument::{Parameter, ParameterKind};
use apium_core::clock::after;
use apium_core::error::Remedy;
use apium_core::protocol::{Headers, RawJson};
use apium_core::retry::Moment;
use apium_core::{DeadReason, Retry, TaskError, TaskOptions};
use jiff::Timestamp;
use rand::RngExt as _;

use crate::outcome::Outcome;

/// Turns an error into an outcome, by its own remedy and the task's options.
pub(crate) fn decide(options: &TaskOptions, headers: &Headers, error: TaskError, now: Timestamp) -> Outcome {
    let delay = match error.remedy() {
        Remedy::ByOptions if options.autoretry => None,
        Remedy::Retry(delay) => delay,
        Remedy::ByOptions | Remedy::Fail => return Outcome::Failure(error),
        Remedy::Reject => return Outcome::Dead(DeadReason::Rejected, error),
        Remedy::Refuse => return Outcome::Dead(DeadReason::Arguments, error),
        Remedy::Requeue => return Outcome::Requeued,
        Remedy::Ignore => return Outcome::Ignored,
        Remedy::Replace => {
            return error
                .into_replacement()
                .map_or(Outcome::Ignored, |signature| Outcome::Replaced(Box::new(signature)));
        }
    };
    let asked = error.another_try();
    if headers.retries >= asked.and_then(Retry::limit).unwrap_or(options.max_retries) {
        let error = if error.is_bare_retry() { retries_exceeded(headers) } else { error };
        return Outcome::Dead(DeadReason::RetriesExhausted, error);
    }
    let usual = || match asked {
        Some(_) => options.default_retry_delay.unwrap_or_else(|| backoff(options, headers.retries)),
        None => delay.unwrap_or_else(|| backoff(options, headers.retries)),
    };
    let due = asked.and_then(Retry::when).map_or_else(|| after(now, usual()), |when| moment(when, now));
    let delay = Duration::try_from(due.duration_since(now)).unwrap_or_default();
    Outcome::Retry { error, due, delay }
}

/// The moment that is meant by one told now.
pub(crate) fn moment(told: Moment, now: Timestamp) -> Timestamp {
    match told {
        Moment::In(span) => after(now, span),
        Moment::At(at) => at,
    }
}

/// The arguments of another try: those it names take the place of the message's. As in Celery since 5.7, what is kept
/// of the message gives way to what is given now in the other way, by position or by name.
pub(crate) fn arguments(
    retry: &Retry,
    parameters: &[Parameter],
    args: Vec<RawJson>,
    kwargs: Vec<(String, RawJson)>,
) -> (Vec<RawJson>, Vec<(String, RawJson)>) {
    let plain: Vec<&str> =
        parameters.iter().take_while(|p| p.kind == ParameterKind::Plain).map(|parameter| parameter.name).collect();
    match (retry.args(), retry.kwargs()) {
        (None, None) => (args, kwargs),
        (Some(new), Some(named)) => (new.to_vec(), named.to_vec()),
        (Some(new), None) => {
            let taken = &plain[..new.len().min(plain.len())];
            let kept = kwargs.into_iter().filter(|(name, _)| !taken.contains(&name.as_str()));
            (new.to_vec(), kept.collect())
        }
        (None, Some(named)) => {
            let (mut args, mut others) = (args, Vec::new());
            for (name, value) in named {
                match plain.iter().position(|known| known == name).and_then(|place| args.get_mut(place)) {
                    Some(kept) => *kept = value.clone(),
                    None => others.push((name.clone(), value.clone())),
                }
            }
            (args, others)
        }
    }
}

/// Celery's `MaxRetriesExceededError`, for a retry that has no error of its own.
fn retries_exceeded(headers: &Headers) -> TaskError {
    let shown = |repr: &Option<String>, none: &str| repr.clone().unwrap_or_else(|| none.to_owned());
    let (args, kwargs) = (shown(&headers.argsrepr, "()"), shown(&headers.kwargsrepr, "{}"));
    let sentence = format!("Can't retry {}[{}] args:{args} kwargs:{kwargs}", headers.task, headers.id);
    TaskError::exception("celery.exceptions", "MaxRetriesExceededError", sentence)
}

/// Exponential, capped, and with full jitter: anything from nothing to the whole back-off.
fn backoff(options: &TaskOptions, retries: u32) -> Duration {
    let doubled = 2u32.checked_pow(retries).and_then(|factor| options.retry_backoff.checked_mul(factor));
    let longest = doubled.unwrap_or(options.retry_backoff_max).min(options.retry_backoff_max);
    if options.retry_jitter { longest.mul_f64(rand::rng().random::<f64>()) } else { longest }
}

/// Growing pauses between tries to reach a backend, from 50 ms to 5 s.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn reconnecting() -> Self {
        Self { failures: 0 }
    }

    /// The next pause, jittered so that a fleet does not come back as one.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let longest = Duration::from_millis(100 << self.failures.min(6)).min(Duration::from_secs(5));
        self.failures += 1;
        longest.mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// The backend answered.
    pub(crate) fn over(&mut self) {
        self.failures = 0;
    }
}
