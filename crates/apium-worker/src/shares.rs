//! Shared queues: the sorting loop gives what comes its turns, and the consumer claims by these.
//!
//! Which queues are shared, and by which argument, is set at run time and known to [`crate::shared_limits`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apium_core::protocol::Message;
use apium_core::shares::Sorted;
use apium_core::{BackendError, Claim, Delivery, Disposition, Settlement};
use tokio::time::Instant;

use crate::retry::Backoff;
use crate::shared_limits::Known;
use crate::station::Station;
use crate::stop::Stop;
use crate::trouble::Errand;

/// Messages sorted at once: their bodies are in memory meanwhile.
const AT_ONCE: usize = 50;

/// Which kind of queue is looked at first.
#[derive(Default)]
pub(crate) struct Turns(AtomicBool);

/// A worker's queues, by where their messages are claimed.
struct Split {
    /// From the queue itself.
    plain: Vec<String>,
    /// By turns.
    shared: Vec<String>,
}

impl Split {
    fn of(station: &Station, queues: &[String]) -> Self {
        let known = station.shared_limits.now();
        let (shared, plain) = queues.iter().cloned().partition(|queue| known.shared.contains_key(queue));
        Self { plain, shared }
    }
}

/// Claims from queues of both kinds, each time from the other kind first.
pub(crate) async fn claim(station: &Station, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
    let broker = station.broker();
    let Split { plain, shared } = Split::of(station, claim.queues);
    if shared.is_empty() {
        return broker.claim(claim).await;
    }
    if plain.is_empty() {
        return broker.shares().take(claim).await;
    }
    let sorted_first = station.turns.0.fetch_xor(true, Ordering::Relaxed);
    let first = if sorted_first { &shared } else { &plain };
    let second = if sorted_first { &plain } else { &shared };
    let mut deliveries = Vec::new();
    for (queues, sorted) in [(first, sorted_first), (second, !sorted_first)] {
        let claim = Claim { queues, max: claim.max - deliveries.len(), lease: claim.lease };
        if claim.max == 0 {
            break;
        }
        let found = if sorted { broker.shares().take(&claim).await } else { broker.claim(&claim).await };
        match found {
            Ok(found) => deliveries.extend(found),
            // What was claimed before is ours, and is told next time.
            Err(error) if deliveries.is_empty() => return Err(error),
            Err(error) => station.vitals.troubles.failed(Errand::Claim, &error),
        }
    }
    Ok(deliveries)
}

/// Waits until one of the queues may have something to claim.
pub(crate) async fn wait(station: &Station, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
    let mut changes = station.shared_limits.watch();
    let Split { plain, shared } = Split::of(station, queues);
    let broker = station.broker();
    let in_plain =
        async { if plain.is_empty() { std::future::pending().await } else { broker.wait(&plain, at_most).await } };
    let in_shared = async {
        if shared.is_empty() {
            std::future::pending().await
        } else {
            broker.shares().wait_sorted(&shared, at_most).await
        }
    };
    tokio::select! {
        waited = in_plain => waited,
        waited = in_shared => waited,
        // Another kind of queue is to be waited on.
        _ = changes.changed() => Ok(()),
    }
}

/// Sorts until a stop is asked for.
pub(crate) async fn run(station: Arc<Station>, stop: Stop) {
    let mut trouble = Backoff::reconnecting();
    let (mut set, mut queues) = (station.shared_limits.watch(), station.queues.watch());
    let mut shared = None;
    while !stop.is_requested() {
        if set.has_changed().unwrap_or(false) || queues.has_changed().unwrap_or(false) {
            shared = None;
        }
        set.mark_unchanged();
        queues.mark_unchanged();
        // Not cancelled half-way: what is claimed and not sorted comes back only when its lease ends.
        let worked = match &shared {
            None => settle_in(&station).await.map(|known| shared = Some(known)),
            Some(shared) => look(&station, shared).await,
        };
        let pause = async {
            match (worked, &shared) {
                (Ok(()), Some(shared)) if !shared.is_empty() => {
                    trouble.over();
                    station.vitals.troubles.well(Errand::Sort);
                    // An error is met again by the claim.
                    drop(station.broker().wait(shared, station.options.poll_interval).await);
                }
                (Ok(()), _) => std::future::pending().await,
                (Err(error), _) => {
                    station.vitals.troubles.failed(Errand::Sort, &error);
                    tokio::time::sleep(trouble.next_delay()).await;
                }
            }
        };
        tokio::select! {
            () = stop.requested() => {}
            _ = set.changed() => set.mark_changed(),
            _ = queues.changed() => queues.mark_changed(),
            () = pause => {}
        }
    }
}

/// Which queues are shared now; what is sorted in the others is put back.
async fn settle_in(station: &Station) -> Result<Vec<String>, BackendError> {
    let Split { plain, shared } = Split::of(station, &station.queues.names());
    for queue in &plain {
        let unsorted = station.broker().shares().unsort(queue).await?;
        if unsorted > 0 {
            tracing::info!(queue, messages = unsorted, "the queue is not shared any more");
        }
    }
    Ok(shared)
}

/// Sorts what there is.
async fn look(station: &Station, shared: &[String]) -> Result<(), BackendError> {
    loop {
        let claim = Claim { queues: shared, max: AT_ONCE, lease: station.options.lease };
        let found = station.broker().claim(&claim).await?;
        if found.is_empty() {
            return Ok(());
        }
        let known = station.shared_limits.now();
        let sorted: Vec<_> = found.iter().map(|delivery| sorted(station, &known, delivery)).collect();
        sort(station, &sorted).await?;
    }
}

/// Gives claimed messages their turns, or, when the broker will not, gives them back.
async fn sort(station: &Station, sorted: &[Sorted]) -> Result<(), BackendError> {
    let mut trouble = Backoff::reconnecting();
    // Nobody renews the leases meanwhile.
    let patience = Instant::now() + station.options.lease / 3;
    loop {
        let Err(error) = station.broker().shares().sort(sorted).await else { return Ok(()) };
        station.vitals.troubles.failed(Errand::Sort, &error);
        if !error.is_transient() || Instant::now() >= patience {
            let back = |sorted: &Sorted| Settlement::of(sorted.receipt.clone(), Disposition::Requeue);
            station.broker().settle(sorted.iter().map(back).collect()).await?;
            return Err(error);
        }
        tokio::time::sleep(trouble.next_delay()).await;
    }
}

/// Whose share a delivery is. One that cannot be read has its turn like any other, and is judged then.
fn sorted(station: &Station, known: &Known, delivery: &Delivery) -> Sorted {
    let queue = &delivery.receipt.queue;
    let mut sorted = Sorted {
        receipt: delivery.receipt.clone(),
        share: String::new(),
        weight: 1.0,
        next: delivery.redelivered || !delivery.deaths.is_empty(),
        redelivered: delivery.redelivered,
        task_id: String::new(),
        limits: Vec::new(),
    };
    let Ok(message) = Message::decode(&delivery.bytes) else { return sorted };
    let Ok(payload) = station.client.bodies().open(&message) else { return sorted };
    let (limits, task) = (&station.shared_limits, station.registry.get(&message.headers.task));
    let share = known.shared.get(&**queue).and_then(|argument| limits.share(task, argument, &payload));
    if let Some(share) = share {
        (sorted.weight, sorted.share) = (known.weight(&share), share);
    }
    sorted.limits = task.map_or_else(Vec::new, |task| limits.of(task, queue, &payload));
    sorted.task_id = message.headers.id;
    sorted
}
