//! A clock that goes as the machine's does, and can be stepped forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use apium::core::clock::after;
use apium::core::{Clock, SystemClock};

/// The machine's clock and so many milliseconds, which a Redis is told to add to its own as well.
#[derive(Clone, Default)]
pub(crate) struct Stepped(pub(crate) Arc<AtomicI64>);

impl Stepped {
    pub(crate) fn ahead(millis: i64) -> Self {
        Self(Arc::new(AtomicI64::new(millis)))
    }

    pub(crate) fn step(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn ahead_by(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis()).unwrap())
    }
}

impl Clock for Stepped {
    fn now(&self) -> jiff::Timestamp {
        after(SystemClock.now(), self.ahead_by())
    }

    /// What is stepped is time that passes: nobody sets a clock here.
    fn steady(&self) -> Duration {
        SystemClock.steady() + self.ahead_by()
    }
}
