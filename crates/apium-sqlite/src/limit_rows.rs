//! The rows of shared limits, as the rules of [`apium_core::limits::office`] look at them and change them.

use apium_core::Receipt;
use apium_core::limits::{Limit, Meter, office};
use rusqlite::{OptionalExtension, params};

use crate::fault::Fault;
use crate::limits;
use crate::line;
use crate::writer::Work;

const RUNNING: &str = "SELECT count(*) FROM limit_places WHERE name = ?1";

const FORGET: &str = "DELETE FROM limit_places WHERE name = ?1 AND (until <= ?2 OR (until IS NULL AND NOT EXISTS
    (SELECT 1 FROM messages WHERE id = message AND state = 4 AND messages.tag = limit_places.tag)))";

const HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM limit_places WHERE name = ?1 AND message = ?2 AND tag = ?3
    AND (until > ?4 OR (until IS NULL AND EXISTS
    (SELECT 1 FROM messages WHERE id = ?2 AND state = 4 AND messages.tag = ?3))))";

const HOLD: &str = "INSERT OR REPLACE INTO limit_places (name, message, tag, until) VALUES (?1, ?2, ?3, ?4)";

const CALLED: &str = "SELECT count(*) FROM limit_lines WHERE name = ?1 AND called IS NOT NULL";

const FIRST: &str =
    "SELECT task_id FROM limit_lines WHERE name = ?1 AND called IS NULL ORDER BY since, task_id LIMIT 1";

const CALL: &str = "UPDATE limit_lines SET called = ?3 WHERE name = ?1 AND task_id = ?2";

/// Only sooner than it would come anyway, and only while it waits as it was put back.
const DUE: &str = "UPDATE messages SET due = min(due, ?3) WHERE id = ?1 AND tag = ?2 AND state = 3 AND due > ?4";

/// Not "or replace", which would not tell the trigger that counts.
const JOIN: &str = "INSERT INTO limit_lines (name, task_id, since, called, message, tag)
    VALUES (?1, ?2, ?3, NULL, ?4, ?5) ON CONFLICT (name, task_id) DO UPDATE
    SET since = excluded.since, called = NULL, message = excluded.message, tag = excluded.tag";

/// All of them, inside one transaction.
pub(crate) struct Rows<'a> {
    pub(crate) work: &'a Work<'a>,
}

impl Rows<'_> {
    /// Puts a task into the line, whose message was put back under this receipt.
    pub(crate) fn join(&self, name: &str, task_id: &str, since: i64, receipt: &Receipt) -> Result<(), Fault> {
        let Some((message, tag)) = line::read_tag(receipt) else { return Ok(()) };
        self.work.db.prepare_cached(JOIN)?.execute(params![name, task_id, since, message, tag])?;
        Ok(())
    }
}

impl office::Shelf for Rows<'_> {
    type Error = Fault;

    fn now(&self) -> i64 {
        self.work.now
    }

    fn limit(&self, name: &str) -> Result<Option<Limit>, Fault> {
        limits::bounds(self.work.db, name)
    }

    fn meter(&self, name: &str) -> Result<Meter, Fault> {
        limits::meter(self.work.db, name)
    }

    fn keep_meter(&mut self, name: &str, meter: &Meter, until: i64) -> Result<(), Fault> {
        let text = serde_json::to_string(meter)
            .map_err(|error| Fault::Broken(format!("what a limit counts cannot be written: {error}")))?;
        let sql = "INSERT OR REPLACE INTO limit_meters (name, until, meter) VALUES (?1, ?2, ?3)";
        self.work.db.prepare_cached(sql)?.execute(params![name, until, text])?;
        Ok(())
    }

    fn running(&mut self, name: &str) -> Result<u64, Fault> {
        self.work.db.prepare_cached(FORGET)?.execute(params![name, self.work.now])?;
        let count: i64 = self.work.db.prepare_cached(RUNNING)?.query_row([name], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn holds(&self, name: &str, holder: &str) -> Result<bool, Fault> {
        let Some((message, tag)) = line::split_tag(holder) else { return Ok(false) };
        let mut asked = self.work.db.prepare_cached(HOLDS)?;
        Ok(asked.query_row(params![name, message, tag, self.work.now], |row| row.get(0))?)
    }

    fn hold(&mut self, name: &str, holder: &str, until: Option<i64>) -> Result<(), Fault> {
        let Some((message, tag)) = line::split_tag(holder) else { return Ok(()) };
        self.work.db.prepare_cached(HOLD)?.execute(params![name, message, tag, until])?;
        Ok(())
    }

    fn free(&mut self, name: &str, holder: &str) -> Result<(), Fault> {
        let Some((message, tag)) = line::split_tag(holder) else { return Ok(()) };
        let sql = "DELETE FROM limit_places WHERE name = ?1 AND message = ?2 AND tag = ?3";
        self.work.db.prepare_cached(sql)?.execute(params![name, message, tag])?;
        Ok(())
    }

    fn called(&mut self, name: &str, before: i64) -> Result<u64, Fault> {
        let sql = "DELETE FROM limit_lines WHERE name = ?1 AND called < ?2";
        self.work.db.prepare_cached(sql)?.execute(params![name, before])?;
        let count: i64 = self.work.db.prepare_cached(CALLED)?.query_row([name], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn standing(&self, name: &str, task_id: &str) -> Result<Option<(i64, bool)>, Fault> {
        let sql = "SELECT since, called IS NOT NULL FROM limit_lines WHERE name = ?1 AND task_id = ?2";
        let mut asked = self.work.db.prepare_cached(sql)?;
        Ok(asked.query_row([name, task_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn waiting(&self, name: &str) -> Result<u64, Fault> {
        limits::waiting(self.work.db, name)
    }

    fn leave(&mut self, name: &str, task_id: &str) -> Result<(), Fault> {
        let sql = "DELETE FROM limit_lines WHERE name = ?1 AND task_id = ?2";
        self.work.db.prepare_cached(sql)?.execute([name, task_id])?;
        Ok(())
    }

    fn first(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.work.db.prepare_cached(FIRST)?.query_row([name], |row| row.get(0)).optional()?)
    }

    fn call(&mut self, name: &str, task_id: &str, when: i64) -> Result<bool, Fault> {
        let (db, now) = (self.work.db, self.work.now);
        let sql = "SELECT message, tag FROM limit_lines WHERE name = ?1 AND task_id = ?2";
        let mut asked = db.prepare_cached(sql)?;
        let found: Option<(i64, i64)> =
            asked.query_row([name, task_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((message, tag)) = found else { return Ok(false) };
        if db.prepare_cached(DUE)?.execute(params![message, tag, when, now])? == 0 {
            return Ok(false);
        }
        db.prepare_cached(CALL)?.execute(params![name, task_id, when])?;
        self.work.rung.messages();
        Ok(true)
    }

    fn recall(&mut self, name: &str) -> Result<(), Fault> {
        let sql = "UPDATE limit_lines SET called = NULL WHERE name = ?1 AND called IS NOT NULL";
        self.work.db.prepare_cached(sql)?.execute([name])?;
        Ok(())
    }
}
