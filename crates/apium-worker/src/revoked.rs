//! The revocation loop: what is called off anywhere in the fleet does not start here, and stops if it runs.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::BackendError;
use tokio_util::sync::CancellationToken;

use crate::job::Reason;
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// As many ids as a Celery worker keeps (`REVOKES_MAX`).
const KEPT: usize = 50_000;

/// How long one question to the backend stays open.
const LISTEN: Duration = Duration::from_secs(20);

/// The ids called off, oldest forgotten first. Forgotten by number and not by age: the backend tells a worker that
/// starts only of the last day, but one that runs on goes by what it was told for longer.
#[derive(Default)]
pub(crate) struct Revoked(Mutex<Known>);

#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Revoked {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ids.contains(id)
    }

    fn insert(&self, id: String) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.ids.insert(id.clone()) {
            known.order.push_back(id);
        }
        if known.order.len() > KEPT
            && let Some(oldest) = known.order.pop_front()
        {
            known.ids.remove(&oldest);
        }
    }
}

/// Learns what was called off before this worker began; returns from where to listen on.
pub(crate) async fn catch_up(station: &Station) -> Result<u64, BackendError> {
    let known = station.broker().revocations(0, Duration::ZERO).await?;
    known.ids.into_iter().for_each(|id| station.revoked.insert(id));
    Ok(known.cursor)
}

/// Listens until told to end.
pub(crate) async fn run(station: Arc<Station>, mut cursor: u64, end: CancellationToken) {
    let mut trouble = Backoff::reconnecting();
    loop {
        let Some(told) = end.run_until_cancelled(station.broker().revocations(cursor, LISTEN)).await else { return };
        match told {
            Ok(told) => {
                trouble.over();
                station.vitals.troubles.well(Errand::Revocations);
                cursor = told.cursor;
                told.ids.iter().for_each(|id| revoke(&station, id));
            }
            Err(error) => {
                let delay = trouble.next_delay();
                station.vitals.troubles.failed(Errand::Revocations, &error);
                if end.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// Remembered first, called off second: an attempt that begins in between looks in what is remembered.
fn revoke(station: &Station, id: &str) {
    station.revoked.insert(id.to_owned());
    station.leases.call_off(id, Reason::Revoked);
}
