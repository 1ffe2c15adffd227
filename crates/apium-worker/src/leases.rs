//! The lease loop: what this worker holds is renewed every third of the lease; what was lost is called off.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use apium_core::{Delivery, Receipt};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::{CallOff, Job, Reason};
use crate::points::point;
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
    delivery: Delivery,
    since: Timestamp,
    call_off: CallOff,
    /// False once it is to be acknowledged early: it can still be called off, but there is nothing to renew.
    leased: bool,
    /// When the store was last asked for the lease it has given.
    renewed: Instant,
}

/// A delivery in an attempt, for whoever asks what this worker does.
pub(crate) struct InHand {
    pub(crate) delivery: Delivery,
    /// When the attempt began.
    pub(crate) since: Timestamp,
    pub(crate) acknowledged: bool,
    pub(crate) call_off: CallOff,
}

/// Forgets the delivery when the attempt ends, however it ends.
pub(crate) struct Hold {
    leases: Leases,
    receipt: Receipt,
}

impl Leases {
    /// Keeps a delivery's lease alive until the hold is dropped.
    pub(crate) fn hold(&self, job: &Job, since: Timestamp) -> Hold {
        let (delivery, receipt) = (job.delivery.clone(), job.delivery.receipt.clone());
        let (task_id, call_off, renewed) = (job.id().to_owned(), job.call_off.clone(), Instant::now());
        let held = Held { task_id, delivery, since, call_off, leased: true, renewed };
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

    /// Whether an attempt of this task runs here.
    pub(crate) fn runs(&self, task_id: &str) -> bool {
        self.open().held.values().any(|held| held.task_id == task_id)
    }

    /// All that is in an attempt, the oldest first.
    pub(crate) fn in_hand(&self) -> Vec<InHand> {
        let shown = |held: &Held| InHand {
            delivery: held.delivery.clone(),
            since: held.since,
            acknowledged: !held.leased,
            call_off: held.call_off.clone(),
        };
        let mut in_hand: Vec<_> = self.open().held.values().map(shown).collect();
        in_hand.sort_by_key(|held| held.since);
        in_hand
    }

    /// Calls off everything, and whatever is still to be held.
    pub(crate) fn call_off_all(&self, reason: Reason) {
        let mut book = self.open();
        book.closed = Some(reason);
        book.held.values().for_each(|held| held.call_off.because(reason));
    }

    /// What is to be renewed of these queues.
    fn receipts(&self, of: impl Fn(&str) -> bool) -> Vec<Receipt> {
        let book = self.open();
        let leased = book.held.iter().filter(|(receipt, held)| held.leased && of(&receipt.queue));
        leased.map(|(receipt, _)| receipt.clone()).collect()
    }

    /// When its lease was last given, if it is renewed.
    pub(crate) fn renewed(&self, receipt: &Receipt) -> Option<Instant> {
        self.open().held.get(receipt).map(|held| held.renewed)
    }

    fn note_renewal(&self, receipts: &[Receipt], asked: Instant) {
        let mut book = self.open();
        for receipt in receipts {
            if let Some(held) = book.held.get_mut(receipt) {
                held.renewed = asked;
            }
        }
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

/// Renews until told to end; runs on through a drain, because what drains still holds its leases. Each store is asked by
/// itself: one that does not answer must not cost the leases in another.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let stores: Vec<_> = (0..station.broker().shards().len().max(1)).map(|_| AtomicBool::new(true)).collect();
    join_all((0..stores.len()).map(|store| renew_in(store, &stores, &station, &end))).await;
}

/// `stores`: which of them have answered.
async fn renew_in(store: usize, stores: &[AtomicBool], station: &Station, end: &CancellationToken) {
    let lives_here = |queue: &str| stores.len() == 1 || station.broker().shard_of(queue) == store;
    let mut every = tokio::time::interval(station.options.lease / 3);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(every.tick()).await.is_some() {
        let receipts = station.leases.receipts(lives_here);
        if receipts.is_empty() {
            stores[store].store(true, Ordering::Relaxed);
            continue;
        }
        let asked = Instant::now();
        point!(RenewAsked);
        let renewed = station.broker().renew(&receipts, station.options.lease).await;
        point!(Renewed);
        stores[store].store(renewed.is_ok(), Ordering::Relaxed);
        match renewed {
            Ok(lost) => {
                station.leases.note_renewal(&receipts, asked);
                if stores.iter().all(|answers| answers.load(Ordering::Relaxed)) {
                    station.vitals.troubles.well(Errand::Renew);
                }
                for receipt in &lost {
                    station.leases.lost(receipt);
                }
            }
            Err(error) => station.vitals.troubles.failed(Errand::Renew, &error),
        }
    }
}
