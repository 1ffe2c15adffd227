//! The lease loop: what this worker holds is renewed every third of the lease; what was lost is called off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use apium_core::Receipt;
use tokio_util::sync::CancellationToken;

use crate::job::{CallOff, Job, Reason};
use crate::station::Station;
use crate::trouble::Errand;

/// Every delivery in an attempt, by its receipt.
#[derive(Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    held: HashMap<Receipt, Held>,
    /// Once everything was called off, whatever comes after is too.
    closed: Option<Reason>,
}

struct Held {
    task_id: String,
    call_off: CallOff,
    /// False once it is to be acknowledged early: it can still be called off, but there is nothing to renew.
    leased: bool,
}

/// Forgets the delivery when the attempt ends, however it ends.
pub(crate) struct Hold {
    leases: Leases,
    receipt: Receipt,
}

impl Leases {
    /// Keeps a delivery's lease alive until the hold is dropped.
    pub(crate) fn hold(&self, job: &Job) -> Hold {
        let receipt = job.delivery.receipt.clone();
        let held = Held { task_id: job.id().to_owned(), call_off: job.call_off.clone(), leased: true };
        let mut book = self.open();
        if let Some(reason) = book.closed {
            held.call_off.because(reason);
        }
        book.held.insert(receipt.clone(), held);
        Hold { leases: self.clone(), receipt }
    }

    /// Stops renewing a delivery that is about to be acknowledged early. It must be told before, or a renewal that
    /// finds the message gone would take it for lost.
    pub(crate) fn release(&self, receipt: &Receipt) {
        if let Some(held) = self.open().held.get_mut(receipt) {
            held.leased = false;
        }
    }

    /// Calls off every attempt of a task.
    pub(crate) fn call_off(&self, task_id: &str, reason: Reason) {
        self.open().held.values().filter(|held| held.task_id == task_id).for_each(|held| held.call_off.because(reason));
    }

    /// Calls off everything, and whatever is still to be held.
    pub(crate) fn call_off_all(&self, reason: Reason) {
        let mut book = self.open();
        book.closed = Some(reason);
        book.held.values().for_each(|held| held.call_off.because(reason));
    }

    fn receipts(&self) -> Vec<Receipt> {
        self.open().held.iter().filter(|(_, held)| held.leased).map(|(receipt, _)| receipt.clone()).collect()
    }

    fn lost(&self, receipt: &Receipt) {
        // One that was settled while the renewal was under way is not lost: it is no longer here, or its attempt is
        // over and hears nothing any more.
        if let Some(held) = self.open().held.get(receipt).filter(|held| held.leased) {
            held.call_off.because(Reason::LeaseLost);
        }
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.leases.open().held.remove(&self.receipt);
    }
}

/// Renews until told to end; runs on through a drain, because what drains still holds its leases.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let mut every = tokio::time::interval(station.options.lease / 3);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(every.tick()).await.is_some() {
        let receipts = station.leases.receipts();
        if receipts.is_empty() {
            continue;
        }
        match station.broker().renew(&receipts, station.options.lease).await {
            Ok(lost) => {
                station.vitals.troubles.well(Errand::Renew);
                for receipt in &lost {
                    station.leases.lost(receipt);
                }
            }
            Err(error) => station.vitals.troubles.failed(Errand::Renew, &error),
        }
    }
}
