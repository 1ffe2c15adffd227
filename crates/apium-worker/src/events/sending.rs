//! The loop that publishes events: each at once while the broker is quick, in batches while it is not.

use std::sync::Arc;
use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::Topic;
use apium_core::client::fresh_id;
use apium_core::protocol::event::{Event, EventKind, EventMessage, EventNames};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{TASK, heartbeat};
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// Publishes, and keeps the worker alive in the eyes of others, until told to end; then says goodbye. The heartbeat is
/// made here, so that none comes after the goodbye.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let beats = !station.options.without_heartbeat;
    let every = Duration::from_secs(heartbeat::EVERY);
    let mut beat = tokio::time::interval_at(Instant::now() + every, every);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut trouble = Backoff::reconnecting();
    if beats {
        station.say(EventKind::WorkerOnline(heartbeat::now(&station)));
    }
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = station.events.some() => {}
            _ = beat.tick(), if beats => station.say(EventKind::WorkerHeartbeat(heartbeat::now(&station))),
        }
        while let Err(error) = publish_all(&station).await {
            station.vitals.troubles.failed(Errand::Events, &error);
            if end.run_until_cancelled(tokio::time::sleep(trouble.next_delay())).await.is_none() {
                break;
            }
        }
        trouble.over();
    }
    if beats {
        station.say(EventKind::WorkerOffline(heartbeat::now(&station)));
    }
    if let Err(error) = publish_all(&station).await {
        tracing::debug!(%error, "nobody heard the last events");
    }
}

async fn publish_all(station: &Station) -> Result<(), BackendError> {
    loop {
        let batch = station.events.next();
        if batch.is_empty() {
            return Ok(());
        }
        if let Err(error) = publish(station, &batch).await {
            station.events.put_back(batch);
            return Err(error);
        }
        station.vitals.troubles.well(Errand::Events);
        let dropped = station.events.dropped();
        if dropped > 0 {
            tracing::warn!(dropped, "the broker takes events again; the oldest were dropped meanwhile");
        }
    }
}

/// Events of tasks go in batches, as a Celery worker's do; others each alone.
async fn publish(station: &Station, batch: &[Event]) -> Result<(), BackendError> {
    let names = EventNames::default();
    let message = match batch {
        [only] if only.kind.group() != TASK => Some(EventMessage::single(only.clone(), &names, fresh_id())),
        events => EventMessage::batch(events.to_vec(), &names, fresh_id()),
    };
    let Some(message) = message else { return Ok(()) };
    let topic = Topic::Event(message.properties.delivery_info.routing_key.clone());
    station.broadcast().say(&topic, &message.encode()).await
}
