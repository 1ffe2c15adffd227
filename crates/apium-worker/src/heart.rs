//! The heartbeat: while it beats, the fleet sees this worker.

use std::sync::Arc;
use std::time::Duration;

use apium_core::WorkerCard;
use tokio_util::sync::CancellationToken;

use crate::isolation::Children;
use crate::station::Station;
use crate::trouble::Errand;

/// Celery's interval (`worker-heartbeat` every 2 s).
const BEAT: Duration = Duration::from_secs(2);

/// How long a worker that has fallen silent is still shown.
const SILENCE: Duration = Duration::from_secs(8);

/// Beats once, before anything is claimed: whoever dies a moment later has told its name. No more depends on it, so what
/// fails here is left to the loop. Returns since when this worker lives, as the fleet has it.
pub(crate) async fn introduce(station: &Station) -> String {
    let started = station.now().to_string();
    let card = card(station, &started);
    let beat = tokio::time::timeout(BEAT, station.broker().beat(&card, SILENCE)).await;
    if !matches!(beat, Ok(Ok(()))) {
        tracing::debug!("nobody heard the first beat");
    }
    started
}

/// Beats until told to end, then says goodbye.
pub(crate) async fn run(station: Arc<Station>, started: String, end: CancellationToken) {
    let mut every = tokio::time::interval(BEAT);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut introduced = false;
    while end.run_until_cancelled(every.tick()).await.is_some() {
        station.children.iter().for_each(Children::retire_idle);
        let card = card(&station, &started);
        match station.broker().beat(&card, SILENCE).await {
            Ok(()) => {
                station.vitals.wrote();
                station.vitals.troubles.well(Errand::Beat);
                // With every slot taken, or no queue, nothing is claimed: this answer stands in for a claim's.
                if station.claims_nothing() {
                    station.vitals.heard();
                }
                introduced = introduced || meet(&station, &card).await;
            }
            Err(error) => station.vitals.troubles.failed(Errand::Beat, &error),
        }
    }
    if let Err(error) = station.broker().leave(&card(&station, &started)).await {
        tracing::debug!(%error, "nobody heard the goodbye");
    }
}

/// Looks once for a namesake, after the first beat, so that of two that start together one sees the other. Celery
/// warns of that too: whoever asks after one of them is told of either. True once the fleet has answered.
async fn meet(station: &Station, card: &WorkerCard) -> bool {
    let Ok(fleet) = station.broker().workers().await else { return false };
    let namesake = |other: &&WorkerCard| other.name == card.name && other.instance() != card.instance();
    if let Some(other) = fleet.iter().find(namesake) {
        tracing::warn!(
            pid = other.pid,
            started = other.started,
            "another worker is named {}, or was until it died just now; give each its own name with -n",
            card.name
        );
    }
    true
}

fn card(station: &Station, started: &str) -> WorkerCard {
    WorkerCard {
        name: station.options.name.clone(),
        queues: station.queues.names(),
        tasks: station.registry.names(),
        concurrency: u32::try_from(station.slots.count()).unwrap_or(u32::MAX),
        active: station.vitals.active(),
        processed: station.vitals.processed(),
        pid: std::process::id(),
        started: started.to_owned(),
    }
}
