//! The retry policy: whether an error is tried again, and when.

use std::time::Duration;

use apium_core::clock::after;
use apium_core::error::Remedy;
use apium_core::{DeadReason, TaskError, TaskOptions};
use jiff::Timestamp;
use rand::RngExt as _;

use crate::outcome::Outcome;

/// Turns an error into an outcome, by its own remedy and the task's options.
pub(crate) fn decide(options: &TaskOptions, retries: u32, error: TaskError, now: Timestamp) -> Outcome {
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
    if retries >= options.max_retries {
        return Outcome::Dead(DeadReason::RetriesExhausted, error);
    }
    let delay = delay.unwrap_or_else(|| backoff(options, retries));
    Outcome::Retry { error, due: after(now, delay), delay }
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
