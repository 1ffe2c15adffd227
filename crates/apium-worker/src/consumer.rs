//! The loop: claim deliveries while there is room, judge each, hand it on.
//!
//! A delivery comes here from the broker (`apium-core/src/broker.rs`) and goes on to [`crate::executor`], or, when it
//! must not run, straight to [`crate::settler`] with the verdict of [`crate::judge`].

use std::sync::Arc;
use std::time::Duration;

use apium_core::protocol::control::ActiveQueue;
use apium_core::routing::QueueCycle;
use apium_core::{BackendError, Claim, Delivery};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::job::Reason;
use crate::judge::{Judgement, judge};
use crate::points::point;
use crate::queues;
use crate::retry::Backoff;
use crate::slots::{Slot, Slots};
use crate::station::Station;
use crate::stop::Stop;
use crate::trouble::Errand;
use crate::{admission, executor, narration, outcome, shares};

/// How long attempts that were told to stop get to be settled, and the broker to answer a last claim, before the
/// worker leaves without them.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The most that one claim asks for: more would make one answer large, and gain nothing.
const AT_ONCE: usize = 100;

/// Sees the queues change.
type Changes = watch::Receiver<Vec<ActiveQueue>>;

/// Claims and hands on until asked to stop.
pub(crate) async fn run(station: &Arc<Station>, attempts: &TaskTracker, stop: &Stop) {
    let mut trouble = Backoff::reconnecting();
    let mut changes = station.queues.watch();
    let mut cycle = cycle(station, &mut changes);
    while let Some(free) = free_slots(&station.slots, stop).await {
        if changes.has_changed().unwrap_or(false) {
            cycle = self::cycle(station, &mut changes);
        }
        if cycle.queues().is_empty() {
            drop(free);
            idle(station, &cycle, &mut changes, stop, &mut trouble).await;
            continue;
        }
        let claimed = claim(station, cycle.queues(), free.len(), stop).await;
        cycle.turn();
        match claimed {
            Ok(deliveries) if deliveries.is_empty() => {
                drop(free);
                idle(station, &cycle, &mut changes, stop, &mut trouble).await;
            }
            Ok(deliveries) => {
                trouble.over();
                hand_on(station, attempts, deliveries.into_iter().zip(free));
            }
            Err(error) => {
                drop(free);
                rest(station, stop, &mut trouble, &error).await;
            }
        }
    }
}

/// The queues as they are now, in the order to look at them.
fn cycle(station: &Station, changes: &mut Changes) -> QueueCycle {
    QueueCycle::new(station.options.queue_order, queues::names(&changes.borrow_and_update()))
}

/// Waits for at least one free slot and takes what is free, up to a claim's worth; `None` once a stop is asked for.
async fn free_slots(slots: &Slots, stop: &Stop) -> Option<Vec<Slot>> {
    let first = tokio::select! {
        biased;
        () = stop.requested() => return None,
        slot = slots.take() => slot?,
    };
    let rest = std::iter::from_fn(|| slots.take_now());
    Some(std::iter::once(first).chain(rest).take(AT_ONCE).collect())
}

/// Not cancelled half-way: a claim whose answer is dropped is nobody's until its lease runs out. Only a broker that
/// keeps a stopping worker waiting is not listened to any longer.
async fn claim(station: &Station, queues: &[String], max: usize, stop: &Stop) -> Result<Vec<Delivery>, BackendError> {
    let claim = Claim { queues, max, lease: station.options.lease };
    let patience = async {
        stop.requested().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    station.looks.begin();
    point!(ClaimAsked);
    let claimed = tokio::select! {
        claimed = shares::claim(station, &claim) => claimed,
        () = patience => Err(BackendError::Unavailable("no answer to a claim".to_owned())),
    };
    point!(Claimed);
    station.looks.end(claimed.as_ref().map_or(0, Vec::len));
    let claimed = claimed?;
    station.vitals.heard();
    station.vitals.troubles.well(Errand::Claim);
    Ok(claimed)
}

/// In a turn of their own, which comes before that of the next claim's connection, and theirs after it: the broker is
/// asked for more while these are looked at.
fn hand_on(
    station: &Arc<Station>,
    attempts: &TaskTracker,
    deliveries: impl Iterator<Item = (Delivery, Slot)> + Send + 'static,
) {
    let (station, each) = (station.clone(), attempts.clone());
    attempts.spawn(async move {
        for (delivery, slot) in deliveries {
            let station = station.clone();
            each.spawn(async move { handle(&station, delivery, Some(slot)).await });
        }
    });
}

/// Judges a delivery, and sees it to its settlement. Whoever claims has a slot for it.
pub(crate) async fn handle(station: &Station, delivery: Delivery, slot: Option<Slot>) {
    let handling = async {
        let found = station.looks.found();
        point!(HandedOn);
        match judge(station, delivery) {
            Judgement::Run(job) => {
                point!(Judged);
                let Some(job) = admission::pass(station, job).await else { return };
                narration::taken(station, &job);
                drop(found);
                executor::attempt(station, job, slot).await;
                point!(Attempted);
            }
            Judgement::Settle(verdict) => {
                let told = narration::not_run(station, &verdict);
                drop(found);
                point!(NotToRun);
                // Its room need not be in every attempt.
                Box::pin(outcome::without_attempt(station, *verdict)).await;
                drop(slot);
                point!(NotRun);
                if let Some(kind) = told {
                    station.say(kind);
                }
            }
        }
    };
    // A task's own panic is an outcome; one out here leaves a delivery that nobody settles.
    station.alarm.guard("the handling of a delivery", handling).await;
}

/// Waits for a message, or for another set of queues to wait on.
async fn idle(station: &Station, cycle: &QueueCycle, changes: &mut Changes, stop: &Stop, trouble: &mut Backoff) {
    let message = async {
        match cycle.queues() {
            [] => std::future::pending().await,
            queues => shares::wait(station, queues, station.options.poll_interval).await,
        }
    };
    let woken = tokio::select! {
        () = stop.requested() => return,
        () = station.looks.asked() => return,
        // Seen here, heeded by the loop.
        _ = changes.changed() => return changes.mark_changed(),
        woken = message => woken,
    };
    match woken {
        Ok(()) => trouble.over(),
        Err(error) => rest(station, stop, trouble, &error).await,
    }
}

async fn rest(station: &Station, stop: &Stop, trouble: &mut Backoff, error: &BackendError) {
    let delay = trouble.next_delay();
    station.vitals.troubles.failed(Errand::Claim, error);
    tokio::select! {
        () = stop.requested() => {}
        () = tokio::time::sleep(delay) => {}
    }
}

/// Warm: wait for what runs, to the deadline. Then, or at once when cold: stop it and give it back.
pub(crate) async fn drain(station: &Station, attempts: &TaskTracker, stop: &Stop) {
    attempts.close();
    if !attempts.is_empty() {
        tracing::info!(running = attempts.len(), "stopping: waiting for running tasks");
    }
    point!(Draining);
    tokio::select! {
        () = attempts.wait() => return,
        () = stop.cold() => {}
        () = tokio::time::sleep(station.options.stop_timeout) => {}
    }
    station.leases.call_off_all(Reason::Stopping);
    point!(CalledAllOff);
    tracing::warn!(running = attempts.len(), "stopping: giving running tasks back to their queues");
    if tokio::time::timeout(LAST_WORDS, attempts.wait()).await.is_err() {
        tracing::error!(running = attempts.len(), "stopped without settling; others take over when the leases run out");
    }
    point!(Drained);
}
