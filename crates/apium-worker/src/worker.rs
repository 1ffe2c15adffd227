//! A worker: its loops started in order, and ended in the order that loses nothing.

use std::sync::Arc;

use apium_core::context::States;
use apium_core::{Client, Registry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::leases::Leases;
use crate::options::WorkerOptions;
use crate::retry::Backoff;
use crate::revoked::Revoked;
use crate::settler::{Settler, SettlerLoop};
use crate::station::Station;
use crate::stop::Stop;
use crate::vitals::Vitals;
use crate::{consumer, heart, leases, recovery, revoked};

/// One process's worker, ready to run.
pub struct Worker {
    station: Arc<Station>,
    settling: SettlerLoop,
}

impl Worker {
    /// A worker for these tasks on the client's broker and result store.
    pub fn new(options: WorkerOptions, registry: Registry, states: States, client: Client) -> Self {
        let vitals = Arc::new(Vitals::default());
        let (settler, settling) = Settler::new(client.broker().clone(), client.results().clone(), vitals.clone());
        let station = Station {
            options,
            registry,
            states,
            client,
            leases: Leases::default(),
            revoked: Revoked::default(),
            settler,
            vitals,
        };
        Self { station: Arc::new(station), settling }
    }

    /// What the worker can say of itself while it runs.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.station.vitals.clone()
    }

    /// Works until asked to stop, then drains: returns when every attempt is settled or given back.
    pub async fn run(self, stop: Stop) {
        let Self { station, settling } = self;
        let settling = tokio::spawn(settling.run());
        let Some(cursor) = catch_up(&station, &stop).await else { return };
        let end = CancellationToken::new();
        let loops = TaskTracker::new();
        loops.spawn(heart::run(station.clone(), end.clone()));
        loops.spawn(leases::run(station.clone(), end.clone()));
        loops.spawn(revoked::run(station.clone(), cursor, end.clone()));
        loops.spawn(recovery::run(station.clone(), end.clone()));
        consumer::run(station.clone(), stop).await;
        end.cancel();
        loops.close();
        loops.wait().await;
        // With the last station goes the last settler, and so the settling loop ends.
        drop(station);
        if tokio::time::timeout(std::time::Duration::from_secs(1), settling).await.is_err() {
            tracing::error!("some outcomes could not be written; their messages will be delivered again");
        }
    }
}

/// A worker that does not know what was revoked must not begin: it waits for its backend.
async fn catch_up(station: &Station, stop: &Stop) -> Option<u64> {
    let mut trouble = Backoff::reconnecting();
    loop {
        match revoked::catch_up(station).await {
            Ok(cursor) => return Some(cursor),
            Err(error) => {
                let delay = trouble.next_delay();
                tracing::warn!(%error, retry_in_seconds = delay.as_secs_f64(), "the broker does not answer; trying again");
                tokio::select! {
                    () = stop.requested() => return None,
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
    }
}
