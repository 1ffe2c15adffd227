//! Schedules: a row an entry, a row for who leads, and lines of history.

use std::time::Duration;

use apium_core::BackendError;
use apium_core::schedules::{Change, Decided, HISTORY, Kept, Leader, Line, PAGE, Put, Recorded, Schedules};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::line::{self, rows};
use crate::wake;
use crate::writer::{Weight, Work};

const KEPT: &str = "SELECT name, entry, state, version FROM schedules WHERE name = ?1";

const PUT: &str = "INSERT OR REPLACE INTO schedules (name, entry, state, version) VALUES (?1, ?2, ?3, ?4)";

const CHANGED: &str = "INSERT OR REPLACE INTO schedule_changes (name) VALUES (?1)";

const CHANGES: &str = "SELECT schedule_changes.name, entry, state, version, edition
    FROM schedule_changes LEFT JOIN schedules USING (name) WHERE edition > ?1 ORDER BY edition LIMIT ?2";

const RECORD: &str = "UPDATE schedules SET state = ?3, version = ?4 WHERE name = ?1 AND version = ?2";

const TELL: &str = "INSERT INTO schedule_history (entry, told) VALUES (?1, ?2)";
const FORGET: &str = "DELETE FROM schedule_history WHERE id <= (SELECT max(id) FROM schedule_history) - ?1";

const TOLD: &str = "SELECT entry, told FROM schedule_history ORDER BY id DESC LIMIT ?1";
const TOLD_OF: &str = "SELECT entry, told FROM schedule_history WHERE entry = ?2 ORDER BY id DESC LIMIT ?1";

const LEADER: &str = "SELECT term, renewed, name FROM schedule_leader";

#[async_trait]
impl Schedules for SqliteBackend {
    async fn put(&self, entries: &[Put]) -> Result<Vec<bool>, BackendError> {
        let mut written = Vec::with_capacity(entries.len());
        for part in entries.chunks(PAGE) {
            let part = part.to_vec();
            let put = move |work: &Work<'_>| part.iter().map(|entry| put(work, entry)).collect::<Result<Vec<_>, _>>();
            written.extend(self.writer.write(Weight::flushed(2 * PAGE.min(entries.len())), put).await?);
        }
        Ok(written)
    }

    async fn drop_entries(&self, names: &[String]) -> Result<u64, BackendError> {
        let names = names.to_vec();
        let forget = move |work: &Work<'_>| {
            let mut dropped = 0;
            for name in &names {
                if work.db.prepare_cached("DELETE FROM schedules WHERE name = ?1")?.execute([name])? > 0 {
                    work.db.prepare_cached(CHANGED)?.execute([name])?;
                    work.rung.schedules();
                    dropped += 1;
                }
            }
            Ok(dropped)
        };
        self.writer.write(Weight::flushed(PAGE), forget).await
    }

    async fn entries(&self, names: &[String]) -> Result<Vec<Kept>, BackendError> {
        let names = names.to_vec();
        let look = move |db: &Connection| {
            let mut asked = db.prepare_cached(KEPT)?;
            let found = names.iter().map(|name| Ok(asked.query_row([name], kept).optional()?));
            found.filter_map(Result::transpose).collect()
        };
        self.readers.read(look).await
    }

    async fn changes(&self, since: u64, at_most: Duration) -> Result<Vec<Change>, BackendError> {
        let deadline = wake::deadline(at_most);
        loop {
            // Registered before looking, so that a change in between is not missed.
            let rung = self.bell.schedules().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let news = self.readers.read(move |db| changes(db, since)).await?;
            if !news.is_empty() || timeout_at(deadline, rung).await.is_err() {
                return Ok(news);
            }
        }
    }

    async fn record(&self, term: Option<u64>, decided: Vec<Decided>) -> Result<Vec<Recorded>, BackendError> {
        let sent: usize = decided.iter().flat_map(|one| &one.send).map(line::weight).sum();
        let weight = Weight::flushed(2 * decided.len() + sent);
        let record = move |work: &Work<'_>| {
            if !leads(work.db, term)? {
                return Ok(vec![Recorded::Deposed; decided.len()]);
            }
            let recorded = decided.iter().map(|one| record(work, one)).collect();
            work.db.prepare_cached(FORGET)?.execute([rows(HISTORY)])?;
            recorded
        };
        self.writer.write(weight, record).await
    }

    async fn leader(&self) -> Result<Option<Leader>, BackendError> {
        self.readers.read(leader).await
    }

    async fn lead(&self, name: &str, seen: Option<&Leader>) -> Result<Leader, BackendError> {
        let (name, seen) = (name.to_owned(), seen.cloned());
        let lead = move |work: &Work<'_>| {
            if let Some(leader) = leader(work.db)?.filter(|leader| Some(leader) != seen.as_ref()) {
                return Ok(leader);
            }
            let term = count(work, "UPDATE schedule_counts SET term = term + 1 RETURNING term")?;
            let sql = "INSERT OR REPLACE INTO schedule_leader (id, term, renewed, name) VALUES (1, ?1, 0, ?2)";
            work.db.prepare_cached(sql)?.execute(params![term, name])?;
            Ok(Leader { term: term.unsigned_abs(), renewed: 0, name })
        };
        self.writer.write(Weight::flushed(2), lead).await
    }

    async fn renew_lead(&self, term: u64) -> Result<bool, BackendError> {
        let renew = move |work: &Work<'_>| {
            let sql = "UPDATE schedule_leader SET renewed = renewed + 1 WHERE term = ?1";
            Ok(work.db.prepare_cached(sql)?.execute([number(term)])? > 0)
        };
        self.writer.write(Weight::light(1), renew).await
    }

    async fn resign(&self, term: u64) -> Result<(), BackendError> {
        let resign = move |work: &Work<'_>| {
            work.db.prepare_cached("DELETE FROM schedule_leader WHERE term = ?1")?.execute([number(term)])?;
            Ok(())
        };
        self.writer.write(Weight::flushed(1), resign).await
    }

    async fn history(&self, entry: Option<&str>, most: usize) -> Result<Vec<Line>, BackendError> {
        let (entry, most) = (entry.map(ToOwned::to_owned), rows(most));
        let look = move |db: &Connection| {
            let told = |row: &Row<'_>| Ok(Line { entry: row.get(0)?, told: row.get(1)? });
            let lines = match &entry {
                None => db.prepare_cached(TOLD)?.query_map([most], told)?.collect::<Result<_, _>>()?,
                Some(of) => {
                    db.prepare_cached(TOLD_OF)?.query_map(params![most, of], told)?.collect::<Result<_, _>>()?
                }
            };
            Ok(lines)
        };
        self.readers.read(look).await
    }
}

fn put(work: &Work<'_>, put: &Put) -> Result<bool, Fault> {
    let known = work.db.prepare_cached(KEPT)?.query_row([&put.name], kept).optional()?;
    if put.over.is_some_and(|over| known.as_ref().map_or(0, |known| known.version) != over) {
        return Ok(false);
    }
    let state = put.state.clone().or_else(|| known.map(|known| known.state)).unwrap_or_default();
    let version = next_version(work)?;
    work.db.prepare_cached(PUT)?.execute(params![put.name, put.entry, state, version])?;
    work.db.prepare_cached(CHANGED)?.execute([&put.name])?;
    work.rung.schedules();
    Ok(true)
}

fn record(work: &Work<'_>, decided: &Decided) -> Result<Recorded, Fault> {
    let version = next_version(work)?;
    let written = params![decided.name, number(decided.version), decided.state, version];
    if work.db.prepare_cached(RECORD)?.execute(written)? == 0 {
        return Ok(Recorded::Changed);
    }
    for told in &decided.told {
        work.db.prepare_cached(TELL)?.execute([&decided.name, told])?;
    }
    decided.send.iter().try_for_each(|message| line::put(work, message))?;
    Ok(Recorded::Done(version.unsigned_abs()))
}

fn changes(db: &Connection, since: u64) -> Result<Vec<Change>, Fault> {
    let change = |row: &Row<'_>| {
        let kept = if row.get::<_, Option<String>>(1)?.is_some() { Some(kept(row)?) } else { None };
        Ok(Change { edition: row.get::<_, i64>(4)?.unsigned_abs(), name: row.get(0)?, kept })
    };
    Ok(db.prepare_cached(CHANGES)?.query_map(params![number(since), rows(PAGE)], change)?.collect::<Result<_, _>>()?)
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let version = row.get::<_, i64>(3)?.unsigned_abs();
    Ok(Kept { name: row.get(0)?, entry: row.get(1)?, state: row.get(2)?, version })
}

fn leader(db: &Connection) -> Result<Option<Leader>, Fault> {
    let leader = |row: &Row<'_>| {
        let (term, renewed) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs());
        Ok(Leader { term, renewed, name: row.get(2)? })
    };
    Ok(db.prepare_cached(LEADER)?.query_row([], leader).optional()?)
}

fn leads(db: &Connection, term: Option<u64>) -> Result<bool, Fault> {
    let Some(term) = term else { return Ok(true) };
    Ok(leader(db)?.is_some_and(|leader| leader.term == term))
}

fn next_version(work: &Work<'_>) -> Result<i64, Fault> {
    count(work, "UPDATE schedule_counts SET version = version + 1 RETURNING version")
}

fn count(work: &Work<'_>, sql: &str) -> Result<i64, Fault> {
    Ok(work.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
