//! Waiting for what another process does: looking again and again, up to a deadline.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; nothing waits this long unless it is broken.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Looks until there is something to return.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(SOON, what, look)
}

/// Looks until there is something to return, at most this long.
pub(crate) fn until_within<T>(at_most: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {at_most:?} in vain for {what}");
        pause(Duration::from_millis(5));
    }
}

/// Lets another process have the machine. What a test asserts never depends on how long this takes.
pub(crate) fn pause(span: Duration) {
    let end = Instant::now() + span;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Has the machine to itself, as far as the tests of this process go that ask for it too: what is measured must not
/// be measured beside a storm. (nextest runs each test in a process of its own and sees to it by its settings.)
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
