//! Unique tasks: a row for each key that is held, and one for each task that was called off for a newer one.

use apium_core::unique::{AtStart, Claimed, Holder, KEEP, UniqueClaim, UniqueEnd, Uniques};
use apium_core::{BackendError, Outgoing};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::writer::{Weight, Work};
use crate::{line, results};

const HELD: &str = "SELECT holder, runs FROM uniques WHERE name = ?1 AND until > ?2";

const HOLD: &str = "INSERT OR REPLACE INTO uniques (name, holder, runs, until) VALUES (?1, ?2, ?3, ?4)";

const FREE: &str = "DELETE FROM uniques WHERE name = ?1 AND holder = ?2";

const CALL_OFF: &str = "INSERT OR REPLACE INTO called_off (task_id, until) VALUES (?1, ?2)";

const SWEEP: &str = "DELETE FROM uniques WHERE name IN (SELECT name FROM uniques WHERE until <= ?1 LIMIT ?2)";

const SWEEP_CALLED_OFF: &str =
    "DELETE FROM called_off WHERE task_id IN (SELECT task_id FROM called_off WHERE until <= ?1 LIMIT ?2)";

#[async_trait]
impl Uniques for SqliteBackend {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        let room = self.writer.room(messages.iter().map(|message| message.bytes.len()).sum()).await;
        let rows = 2 + messages.iter().map(line::weight).sum::<usize>();
        let (messages, claim) = (messages.to_vec(), claim.clone());
        let publish = move |work: &Work<'_>| {
            let _room = room;
            let claimed = match take(work, &claim)? {
                None => return Ok(Claimed::Ours),
                Some(Claimed::Held(holder)) => return Ok(Claimed::Held(holder)),
                Some(claimed) => claimed,
            };
            messages.iter().try_for_each(|message| line::put(work, message))?;
            Ok(claimed)
        };
        self.writer.write(Weight::flushed(rows), publish).await
    }

    async fn begin(&self, _queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        let (key, task_id) = (key.to_owned(), task_id.to_owned());
        // Light: in a power cut the attempt is forgotten too.
        self.writer.write(Weight::light(1), move |work| begin(work, &key, &task_id, then)).await
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        let (key, now) = (key.to_owned(), self.now());
        self.readers.read(move |db| held(db, &key, now)).await
    }
}

/// What a settlement does to the key of its task.
pub(crate) fn end(work: &Work<'_>, end: &UniqueEnd) -> Result<(), Fault> {
    match end.keep {
        None => work.db.prepare_cached(FREE)?.execute([&end.key, &end.task_id])?,
        Some(keep) => {
            let sql = "UPDATE uniques SET runs = 0, until = ?3 WHERE name = ?1 AND holder = ?2";
            work.db.prepare_cached(sql)?.execute(params![end.key, end.task_id, work.after(keep)])?
        }
    };
    Ok(())
}

/// Throws away some of what is over.
pub(crate) fn sweep(work: &Work<'_>) -> Result<(), Fault> {
    let limit = i64::try_from(results::SWEPT).unwrap_or(i64::MAX);
    work.db.prepare_cached(SWEEP)?.execute([work.now, limit])?;
    work.db.prepare_cached(SWEEP_CALLED_OFF)?.execute([work.now, limit])?;
    Ok(())
}

/// `None` when the task holds the key already.
fn take(work: &Work<'_>, claim: &UniqueClaim) -> Result<Option<Claimed>, Fault> {
    let standing = held(work.db, &claim.key, work.now)?;
    let claimed = match standing.filter(|holder| claim.over.as_ref() != Some(&holder.task_id)) {
        Some(holder) if holder.task_id == claim.task_id => return Ok(None),
        Some(holder) if holder.runs || !claim.replace => return Ok(Some(Claimed::Held(holder))),
        Some(holder) => {
            let until = work.after(claim.keep.max(KEEP));
            work.db.prepare_cached(CALL_OFF)?.execute(params![holder.task_id, until])?;
            Claimed::Replaced(holder.task_id)
        }
        None => Claimed::Ours,
    };
    let row = params![claim.key, claim.task_id, false, work.after(claim.keep)];
    work.db.prepare_cached(HOLD)?.execute(row)?;
    Ok(Some(claimed))
}

fn begin(work: &Work<'_>, key: &str, task_id: &str, then: AtStart) -> Result<bool, Fault> {
    let asked = "SELECT EXISTS (SELECT 1 FROM called_off WHERE task_id = ?1 AND until > ?2)";
    if work.db.prepare_cached(asked)?.query_row(params![task_id, work.now], |row| row.get(0))? {
        return Ok(false);
    }
    let ours = held(work.db, key, work.now)?.map(|holder| holder.task_id == task_id);
    match (then, ours) {
        (AtStart::Hold(keep), None | Some(true)) => {
            work.db.prepare_cached(HOLD)?.execute(params![key, task_id, true, work.after(keep)])?;
        }
        (AtStart::Release, Some(true)) => {
            work.db.prepare_cached(FREE)?.execute([key, task_id])?;
        }
        (AtStart::Note, Some(true)) => {
            work.db.prepare_cached("UPDATE uniques SET runs = 1 WHERE name = ?1")?.execute([key])?;
        }
        (_, None | Some(false)) => {}
    }
    Ok(true)
}

fn held(db: &Connection, key: &str, now: i64) -> Result<Option<Holder>, Fault> {
    let read = |row: &rusqlite::Row<'_>| Ok(Holder { task_id: row.get(0)?, runs: row.get(1)? });
    Ok(db.prepare_cached(HELD)?.query_row(params![key, now], read).optional()?)
}
