//! The heartbeat: while it beats, the fleet sees this worker.

use std::sync::Arc;
use std::time::Duration;

use apium_core::WorkerCard;
use tokio_util::sync::CancellationToken;

use crate::station::Station;

/// Celery's interval (`worker-heartbeat` every 2 s).
const BEAT: Duration = Duration::from_secs(2);

/// How long a worker that has fallen silent is still shown.
const SILENCE: Duration = Duration::from_secs(8);

/// Beats until told to end, then says goodbye.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let started = station.now().to_string();
    let mut every = tokio::time::interval(BEAT);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(every.tick()).await.is_some() {
        match station.broker().beat(&card(&station, &started), SILENCE).await {
            // With every slot taken there is nothing to claim: the heartbeat's answer stands in for a claim's.
            Ok(()) if station.is_full() => station.vitals.heard(),
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "the heartbeat was not heard"),
        }
    }
    if let Err(error) = station.broker().leave(&station.options.name).await {
        tracing::debug!(%error, "nobody heard the goodbye");
    }
}

fn card(station: &Station, started: &str) -> WorkerCard {
    WorkerCard {
        name: station.options.name.clone(),
        queues: station.options.queues.clone(),
        tasks: station.registry.names(),
        concurrency: u32::try_from(station.options.concurrency).unwrap_or(u32::MAX),
        active: station.vitals.active(),
        processed: station.vitals.processed(),
        pid: std::process::id(),
        started: started.to_owned(),
    }
}
