//! Poison: a message whose processes died is run again so often and no more.
//!
//! What a process held when it died has one death more, whichever of it was to blame. Before a death that would be its
//! last, a message therefore runs beside no other of that kind: what merely ran beside a killer is spared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apium_core::{Delivery, TaskError};

/// How long one whose next death would be its last waits while another of them runs here.
pub(crate) const WAIT: Duration = Duration::from_secs(2);

/// How long one waits before it begins, for others that were claimed along with it to be put off: what is still held here
/// when it kills has died with it.
pub(crate) const ASIDE: Duration = Duration::from_secs(1);

/// Names of workers that an error tells.
const TOLD: usize = 5;

/// What the deaths of a delivery make of it.
pub(crate) enum Suspicion {
    /// It may run.
    None,
    /// It may run, and its next death is its last.
    Last(LastChance),
    /// Another whose next death is its last runs here: later.
    Wait,
    /// It has had its deaths.
    Poison(TaskError),
}

/// Whether one whose next death is its last runs in this process.
#[derive(Default)]
pub(crate) struct Suspects(Arc<AtomicBool>);

/// Held while it runs.
pub(crate) struct LastChance(Arc<AtomicBool>);

impl Suspects {
    /// Weighs the deaths of a delivery against the most there may be; 0 is any number.
    pub(crate) fn weigh(&self, delivery: &Delivery, most: u32) -> Suspicion {
        let (deaths, most) = (delivery.deaths.len(), usize::try_from(most).unwrap_or(usize::MAX));
        if most == 0 || deaths == 0 || deaths + 1 < most {
            return Suspicion::None;
        }
        if deaths >= most {
            return Suspicion::Poison(error(&delivery.deaths));
        }
        if self.0.swap(true, Ordering::AcqRel) { Suspicion::Wait } else { Suspicion::Last(LastChance(self.0.clone())) }
    }
}

impl Drop for LastChance {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// What a Python caller gets where a child of the pool died.
fn error(deaths: &[String]) -> TaskError {
    let latest = &deaths[deaths.len().saturating_sub(TOLD)..];
    let sentence = format!(
        "{} workers died while they held this task, or lost their lease on it; the latest: {}",
        deaths.len(),
        latest.join(", ")
    );
    TaskError::exception("billiard.exceptions", "WorkerLostError", sentence)
}
