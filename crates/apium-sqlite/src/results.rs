//! The result port: records with their time to live, and who waits for them.

use std::time::Duration;

use apium_core::chords::Chords;
use apium_core::inspection::Inspection;
use apium_core::state::TaskState;
use apium_core::{BackendError, Lookup, ResultStore, StoredResult};
use apium_protocol::ResultRecord;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::wake::deadline;
use crate::writer::{Weight, Work};

/// Expired rows of each kind thrown away by one call of `recover`.
pub(crate) const SWEPT: usize = 500;

const STATE: &str = "SELECT state FROM results WHERE task_id = ?1 AND (expires IS NULL OR expires > ?2)";

const RECORD: &str = "SELECT record FROM results WHERE task_id = ?1 AND (expires IS NULL OR expires > ?2)";

const STORE: &str = "INSERT INTO results (task_id, state, expires, record) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (task_id) DO UPDATE SET state = excluded.state, expires = excluded.expires, record = excluded.record";

const REMEMBER: &str = "INSERT INTO remembered (task_id, until, ended) VALUES (?1, ?2, ?3)
    ON CONFLICT (task_id) DO UPDATE SET until = excluded.until,
        ended = CASE WHEN until <= ?4 THEN excluded.ended ELSE max(ended, excluded.ended) END";

const REMEMBERED: &str = "SELECT ended FROM remembered WHERE task_id = ?1 AND until > ?2";

const SWEEP_RESULTS: &str = "DELETE FROM results WHERE id IN
    (SELECT id FROM results WHERE expires IS NOT NULL AND expires <= ?1 ORDER BY expires LIMIT ?2)";

const SWEEP_REMEMBERED: &str = "DELETE FROM remembered WHERE task_id IN
    (SELECT task_id FROM remembered WHERE until <= ?1 ORDER BY until LIMIT ?2)";

#[async_trait]
impl ResultStore for SqliteBackend {
    fn home(&self) -> &str {
        &self.home
    }

    fn chords(&self) -> &dyn Chords {
        self
    }

    fn inspection(&self) -> Option<&dyn Inspection> {
        Some(self)
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        let result = result.clone();
        self.writer.write(Weight::flushed(1), move |work| store(work, &result)).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        let (task_id, now) = (task_id.to_owned(), self.now());
        self.readers.read(move |db| lookup(db, &task_id, now)).await
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        let deadline = deadline(at_most);
        let place = self.bell.wait_for(task_id);
        loop {
            // Registered before looking, so that a record stored in between is not missed.
            let rung = place.ready.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let (id, now) = (task_id.to_owned(), self.now());
            let found = self.readers.read(move |db| ready_record(db, &id, now)).await?;
            if found.is_some() || timeout_at(deadline, rung).await.is_err() {
                return Ok(found);
            }
        }
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        let task_id = task_id.to_owned();
        let forget = move |work: &Work<'_>| {
            work.db.prepare_cached("DELETE FROM results WHERE task_id = ?1")?.execute([&task_id])?;
            Ok(())
        };
        self.writer.write(Weight::flushed(1), forget).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let task_id = task_id.to_owned();
        self.writer.write(Weight::light(1), move |work| remember(work, &task_id, keep, false)).await
    }
}

/// Stores a record if the one there gives way.
pub(crate) fn store(work: &Work<'_>, result: &StoredResult) -> Result<bool, Fault> {
    let id = &result.task_id;
    let there: Option<String> =
        work.db.prepare_cached(STATE)?.query_row(params![id, work.now], |row| row.get(0)).optional()?;
    if there.is_some_and(|state| !TaskState::from_name(&state).gives_way(result.over)) {
        return Ok(false);
    }
    let expires = result.expires.map(|span| work.after(span));
    work.db.prepare_cached(STORE)?.execute(params![id, result.state.name(), expires, result.record])?;
    if result.state.is_ready() {
        if let Some(keep) = result.remember {
            remember(work, id, keep, true)?;
        }
        work.rung.ready(id);
    }
    Ok(true)
}

/// Throws away some of what has expired; true when there may be more.
pub(crate) fn sweep(work: &Work<'_>) -> Result<bool, Fault> {
    let limit = i64::try_from(SWEPT).unwrap_or(i64::MAX);
    let results = work.db.prepare_cached(SWEEP_RESULTS)?.execute([work.now, limit])?;
    let remembered = work.db.prepare_cached(SWEEP_REMEMBERED)?.execute([work.now, limit])?;
    Ok(results.max(remembered) == SWEPT)
}

/// Whether a record is there that ends the waiting.
pub(crate) fn is_ready(db: &Connection, task_id: &str) -> Result<bool, Fault> {
    let mut asked = db.prepare_cached("SELECT state FROM results WHERE task_id = ?1")?;
    let state: Option<String> = asked.query_row([task_id], |row| row.get(0)).optional()?;
    Ok(state.is_some_and(|state| TaskState::from_name(&state).is_ready()))
}

fn lookup(db: &Connection, task_id: &str, now: i64) -> Result<Lookup, Fault> {
    if let Some(bytes) = record(db, task_id, now)? {
        return Ok(Lookup::Stored(Box::new(decode(task_id, &bytes)?)));
    }
    let ended: Option<bool> =
        db.prepare_cached(REMEMBERED)?.query_row(params![task_id, now], |row| row.get(0)).optional()?;
    Ok(match ended {
        Some(true) => Lookup::Expired,
        Some(false) => Lookup::Waiting,
        None => Lookup::Unknown,
    })
}

fn ready_record(db: &Connection, task_id: &str, now: i64) -> Result<Option<ResultRecord>, Fault> {
    if !is_ready(db, task_id)? {
        return Ok(None);
    }
    record(db, task_id, now)?.map(|bytes| decode(task_id, &bytes)).transpose()
}

fn record(db: &Connection, task_id: &str, now: i64) -> Result<Option<Vec<u8>>, Fault> {
    Ok(db.prepare_cached(RECORD)?.query_row(params![task_id, now], |row| row.get(0)).optional()?)
}

fn decode(task_id: &str, bytes: &[u8]) -> Result<ResultRecord, Fault> {
    ResultRecord::decode(bytes)
        .map_err(|error| Fault::Broken(format!("the stored result of task {task_id} cannot be read: {error}")))
}

fn remember(work: &Work<'_>, task_id: &str, keep: Duration, ended: bool) -> Result<(), Fault> {
    work.db.prepare_cached(REMEMBER)?.execute(params![task_id, work.after(keep), ended, work.now])?;
    Ok(())
}
