//! The clock port: what time it is, so that tests step time instead of sleeping.

mod drift;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use drift::Drift;

/// Tells the time of day. The embedded backends ask it, and the worker for ETA, expiry and retries; for leases and
/// delays on Redis the server's own clock counts.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// How long it is since a moment that means nothing, by a clock that nobody sets and that goes on while the machine
    /// is suspended: what tells that [`Self::now`], or the clock of a store, was set (see [`Drift`]).
    fn steady(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = rustix::time::ClockId::Monotonic;
        rustix::time::clock_gettime(id).try_into().unwrap_or_default()
    }
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
pub struct TestClock(Mutex<(Timestamp, Duration)>);

impl TestClock {
    /// A clock standing at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Mutex::new((start, Duration::ZERO)))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut stands = self.stands();
        *stands = (after(stands.0, by), stands.1 + by);
    }

    /// Sets the clock, as somebody sets that of a machine: no time passes.
    pub fn set(&self, by: SignedDuration) {
        let mut stands = self.stands();
        stands.0 = stands.0.saturating_add(by).unwrap_or(Timestamp::MAX);
    }

    fn stands(&self) -> MutexGuard<'_, (Timestamp, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::at(Timestamp::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.stands().0
    }

    fn steady(&self) -> Duration {
        self.stands().1
    }
}

/// `moment + span`, kept inside what a timestamp can hold.
pub fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.saturating_add(SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}
