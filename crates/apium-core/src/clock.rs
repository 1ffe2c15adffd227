//! The clock port: what time it is, so that tests step time instead of sleeping.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time of day. The embedded backends ask it, and the worker for ETA, expiry and retries; for leases and
/// delays on Redis the server's own clock counts.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is stepped.
#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// A clock standing at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = after(*now, by);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(Timestamp::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `moment + span`, kept inside what a timestamp can hold.
pub fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment
        .saturating_add(jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}
