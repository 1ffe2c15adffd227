//! What is done every few minutes: learn how scans ended that nobody told the history of, and delete what is old.

use std::time::Duration;

use apium_beat::{Catalogue, CatalogueError, Entry, Interval, Missed};
use apium_core::protocol::ResultRecord;
use apium_core::{BackendError, Client, Lookup, TaskState};
use apium_sql::SqlError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::HOUSEKEEPING;
use crate::settings::Osint;
use crate::store::{Finished, Scan, Store};
use crate::view;

/// The name of the schedule by which it is done.
pub const SCHEDULE: &str = "osint-housekeeping";
/// How often.
const EVERY: Duration = Duration::from_mins(10);
/// A scan this young may still be on its way.
const YOUNG: Duration = Duration::from_mins(10);
/// A scan that nobody has heard of for so long will not be heard of.
const GIVEN_UP: Duration = Duration::from_hours(24);
/// Scans looked at in one go.
const AT_ONCE: u32 = 500;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Scans of which it was learnt how they ended.
    pub learnt: u64,
    /// Scans that are remembered no more.
    pub scans: u64,
    /// Raw answers that are kept no more.
    pub answers: u64,
    /// Deeds that are remembered no more.
    pub deeds: u64,
}

/// Does it all.
///
/// # Errors
/// When the history or the engine's results cannot be asked.
pub async fn keep_house(osint: &Osint, client: &Client) -> Result<Kept, SqlError> {
    let (store, now) = (&osint.store, Timestamp::now());
    let mut kept = Kept::default();
    for scan in store.unfinished(now - YOUNG, AT_ONCE).await? {
        match learn(store, client, &scan).await {
            Ok(learnt) => kept.learnt += u64::from(learnt),
            Err(error) => tracing::warn!(id = scan.id, %error, "it is not known how a scan ended"),
        }
    }
    let old = now - osint.settings.retention;
    kept.scans = store.forget_scans(old).await?;
    kept.deeds = store.forget_deeds(old).await?;
    kept.answers = store.forget_answers(now - osint.settings.evidence).await?;
    Ok(kept)
}

/// Sees to it that the house is kept from now on: once in a process, with its first scan. Where nobody scans there is
/// nothing to keep, and a schedule would stand there for a task that no worker has. One that an operator has paused or
/// changed stays as it is.
pub(crate) async fn see_to_schedule(osint: &Osint, client: &Client) {
    let seen = osint.scheduled.get_or_try_init(async || schedule(&Catalogue::new(client)).await);
    if let Err(error) = seen.await {
        tracing::warn!(%error, "the housekeeping of scans could not be scheduled; the next scan sees to it");
    }
}

async fn schedule(entries: &Catalogue<'_>) -> Result<(), CatalogueError> {
    match entries.get(SCHEDULE).await {
        Err(CatalogueError::Unknown(_)) => {
            let mut entry = Entry::new(SCHEDULE, HOUSEKEEPING, Interval::new(EVERY)?);
            entry.missed = Missed::Skip;
            entries.put(&entry).await.map(drop)
        }
        known => known.map(drop),
    }
}

/// Learns how one scan ended, if it did.
async fn learn(store: &Store, client: &Client, scan: &Scan) -> Result<bool, BackendError> {
    let broken = |error: SqlError| BackendError::Unavailable(error.to_string());
    match client.pending(scan.id.as_str()).lookup().await? {
        Lookup::Stored(record) => note(store, scan, &record).await.map_err(broken),
        Lookup::Expired | Lookup::Unknown if Timestamp::now() > scan.created + GIVEN_UP => {
            let error = "No se sabe cómo terminó el escaneo: su resultado se perdió o nunca llegó a encolarse.";
            let at = Timestamp::now();
            let how = Finished { state: "FAILURE", error: Some(error), result: None, cached_from: None, at };
            store.ended(&scan.id, &how).await.map_err(broken)?;
            Ok(true)
        }
        Lookup::Waiting | Lookup::Expired | Lookup::Unknown => Ok(false),
    }
}

/// Notes how a scan ended by its record; false when it has not.
pub(crate) async fn note(store: &Store, scan: &Scan, record: &ResultRecord) -> Result<bool, SqlError> {
    if !TaskState::from_name(&record.status).is_ready() {
        return Ok(false);
    }
    let Ok(status) = view::stored(&record.task_id, record) else { return Ok(false) };
    let status = view::called_off(scan, status);
    let cached_from = status.result.as_ref().and_then(|result| result.pointer("/metadata/cached_from")?.as_str());
    let how = Finished {
        state: &status.status,
        error: status.error.as_deref(),
        result: status.result.as_ref(),
        cached_from,
        at: Timestamp::now(),
    };
    store.ended(&record.task_id, &how).await?;
    Ok(true)
}
