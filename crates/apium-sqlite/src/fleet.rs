//! The fleet port: who is alive, and what was called off.

use std::time::Duration;

use apium_core::fleet::Revocations;
use apium_core::{BackendError, Fleet, WorkerCard};
use async_trait::async_trait;
use rusqlite::{Connection, params};
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::deaths;
use crate::fault::Fault;
use crate::wake::deadline;
use crate::writer::{Weight, Work};

/// What stands in `name` is [`WorkerCard::instance`], by which two workers of one name are told apart.
const BEAT: &str = "INSERT INTO workers (name, until, card) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET until = excluded.until, card = excluded.card";

const NEWS: &str = "SELECT id, task_id FROM revoked WHERE id > ?1 AND until > ?2 ORDER BY id";

#[async_trait]
impl Fleet for SqliteBackend {
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        let card = card.clone();
        self.writer.write(Weight::light(1), move |work| beat(work, &card, ttl)).await
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        let instance = card.instance();
        let leave = move |work: &Work<'_>| {
            work.db.prepare_cached("DELETE FROM workers WHERE name = ?1")?.execute([&instance])?;
            Ok(())
        };
        self.writer.write(Weight::light(1), leave).await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        let now = self.now();
        self.readers.read(move |db| workers(db, now)).await
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let task_id = task_id.to_owned();
        let revoke = move |work: &Work<'_>| {
            let sql = "INSERT INTO revoked (task_id, until) VALUES (?1, ?2)";
            work.db.prepare_cached(sql)?.execute(params![task_id, work.after(keep)])?;
            work.rung.revocations();
            Ok(())
        };
        self.writer.write(Weight::flushed(1), revoke).await
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        let deadline = deadline(at_most);
        loop {
            // Registered before looking, so that a revoke in between is not missed.
            let rung = self.bell.revocations().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let now = self.now();
            let news = self.readers.read(move |db| news(db, cursor, now)).await?;
            if !news.is_empty() || timeout_at(deadline, rung).await.is_err() {
                return Ok(news);
            }
        }
    }
}

/// Throws away the silent workers and the revocations that need no longer be remembered.
pub(crate) fn sweep(work: &Work<'_>) -> Result<(), Fault> {
    work.db.prepare_cached("DELETE FROM workers WHERE until <= ?1")?.execute([work.now])?;
    work.db.prepare_cached("DELETE FROM revoked WHERE until <= ?1")?.execute([work.now])?;
    Ok(())
}

fn beat(work: &Work<'_>, card: &WorkerCard, ttl: Duration) -> Result<(), Fault> {
    let text = serde_json::to_string(card)
        .map_err(|error| Fault::Broken(format!("the card of worker {} cannot be written: {error}", card.name)))?;
    work.db.prepare_cached(BEAT)?.execute(params![card.instance(), work.after(ttl), text])?;
    deaths::introduce(work, &card.name)
}

pub(crate) fn workers(db: &Connection, now: i64) -> Result<Vec<WorkerCard>, Fault> {
    let mut asked = db.prepare_cached("SELECT card FROM workers WHERE until > ?1")?;
    let cards = asked.query_map([now], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let read = |card: &String| {
        serde_json::from_str(card).map_err(|error| Fault::Broken(format!("a worker's card cannot be read: {error}")))
    };
    let mut cards = cards.iter().map(read).collect::<Result<Vec<WorkerCard>, _>>()?;
    cards.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(cards)
}

fn news(db: &Connection, cursor: u64, now: i64) -> Result<Revocations, Fault> {
    let (mut texts, mut cursor) = (Vec::new(), cursor);
    let mut asked = db.prepare_cached(NEWS)?;
    let mut rows = asked.query(params![i64::try_from(cursor).unwrap_or(i64::MAX), now])?;
    while let Some(row) = rows.next()? {
        cursor = row.get::<_, i64>(0)?.unsigned_abs();
        texts.push(row.get(1)?);
    }
    Ok(Revocations::read(texts, cursor))
}
