//! The revocation loop: what is called off anywhere in the fleet does not start here, and stops if it runs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::protocol::Headers;
use apium_core::protocol::control::StampedHeaders;
use apium_core::revocation::stamps;
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
    /// Values by the name of the stamp.
    stamps: HashMap<String, HashSet<String>>,
}

impl Revoked {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.open().ids.contains(id)
    }

    /// Whether a task was called off, by its id or by a stamp it carries.
    pub(crate) fn reaches(&self, headers: &Headers) -> bool {
        let known = self.open();
        let stamped = |(name, values): (&String, &HashSet<String>)| {
            stamps(headers, name).iter().any(|stamp| values.contains(stamp))
        };
        known.ids.contains(&headers.id) || known.stamps.iter().any(stamped)
    }

    /// The ids, the oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.open().order.iter().cloned().collect()
    }

    /// Calls off what carries one of these stamps. Kept for as long as the worker lives, and told to nobody, as in Celery.
    pub(crate) fn insert_stamps(&self, headers: &StampedHeaders) {
        let mut known = self.open();
        for (name, values) in headers.pairs() {
            let kept = known.stamps.values().map(HashSet::len).sum::<usize>();
            known.stamps.entry(name).or_default().extend(values.into_iter().take(KEPT.saturating_sub(kept)));
        }
    }

    fn open(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, id: String) {
        let mut known = self.open();
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
pub(crate) fn revoke(station: &Station, id: &str) {
    station.revoked.insert(id.to_owned());
    station.leases.call_off(id, Reason::Revoked);
}
