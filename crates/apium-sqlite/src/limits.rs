//! Shared limits: rows for what is set, who holds a place, and who stands in which line. The rules are those of
//! [`office`], which every embedded store shares.

use std::time::Duration;

use apium_core::limits::{
    Admission, Admitted, Definition, Definitions, Limit, LimitEnd, LimitUse, Limits, Meter, Origin, Spent, office,
    patience,
};
use apium_core::unique::UniqueEnd;
use apium_core::{BackendError, Receipt};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::limit_rows::Rows;
use crate::wake::deadline;
use crate::writer::{Weight, Work};
use crate::{line, results, settle, uniques};

/// Rows an admission or a change writes, about; a change calls up to a few hundred.
const ROWS: usize = 6;
const CHANGED: usize = 500;

/// Values in use that are told of at most.
const SHOWN: i64 = 1_000;

/// Lines looked at in one call of `recover`, and after a change.
const TENDED: i64 = 500;

const DECLARE: &str = "INSERT INTO limits (name, bounds, origin) VALUES (?1, ?2, 'code')
    ON CONFLICT (name) DO UPDATE SET bounds = excluded.bounds WHERE origin = 'code' AND bounds <> excluded.bounds";

const SET: &str = "INSERT OR REPLACE INTO limits (name, bounds, origin) VALUES (?1, ?2, 'operator')";

/// Whose turn it is to be looked at is left to chance.
const LINES: &str = "SELECT name FROM limit_counts ORDER BY random() LIMIT ?1";

const USED: &str = "SELECT name FROM limits UNION SELECT name FROM limit_places UNION SELECT name FROM limit_meters
    UNION SELECT name FROM limit_counts LIMIT ?1";

const RUNNING: &str = "SELECT count(*) FROM limit_places WHERE name = ?1 AND (until > ?2 OR (until IS NULL AND EXISTS
    (SELECT 1 FROM messages WHERE id = message AND state = 4 AND messages.tag = limit_places.tag)))";

const FORGET_METERS: &str =
    "DELETE FROM limit_meters WHERE name IN (SELECT name FROM limit_meters WHERE until <= ?1 LIMIT ?2)";

/// What was counted under a name, or under every value of its kind, is kept for as long as the rate counts it now.
const KEEP_METERS: &str = "UPDATE limit_meters SET until = max(until, ?2) WHERE name = ?1";
const KEEP_KIND: &str = "UPDATE limit_meters SET until = max(until, ?3) WHERE name > ?1 AND name < ?2";

/// Places whose claim or time has ended.
const FORGET_PLACES: &str = "DELETE FROM limit_places WHERE until <= ?1 OR (until IS NULL AND NOT EXISTS
    (SELECT 1 FROM messages WHERE id = message AND state = 4 AND messages.tag = limit_places.tag))";

#[async_trait]
impl Limits for SqliteBackend {
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError> {
        if limits.is_empty() {
            return Ok(());
        }
        let limits = limits.to_vec();
        let declare = move |work: &Work<'_>| {
            let mut changed = 0;
            for (name, limit) in &limits {
                if work.db.prepare_cached(DECLARE)?.execute(params![name, written(limit)?])? > 0 {
                    keep_counted(work, name)?;
                    changed += 1;
                }
            }
            if changed > 0 { tell(work) } else { Ok(()) }
        };
        self.writer.write(Weight::flushed(CHANGED), declare).await
    }

    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError> {
        let (name, limit) = (name.to_owned(), limit.clone());
        let set = move |work: &Work<'_>| {
            work.db.prepare_cached(SET)?.execute(params![name, written(&limit)?])?;
            keep_counted(work, &name)?;
            tell(work)
        };
        self.writer.write(Weight::flushed(CHANGED), set).await
    }

    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError> {
        let name = name.to_owned();
        let forget = move |work: &Work<'_>| {
            let gone = work.db.prepare_cached("DELETE FROM limits WHERE name = ?1")?.execute([&name])? > 0;
            if gone {
                keep_counted(work, &name)?;
                tell(work)?;
            }
            Ok(gone)
        };
        self.writer.write(Weight::flushed(CHANGED), forget).await
    }

    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError> {
        let deadline = deadline(at_most);
        loop {
            // Registered before looking, so that a change in between is not missed.
            let rung = self.bell.limits().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let set = self.readers.read(set).await?;
            if known != Some(set.version) || timeout_at(deadline, rung).await.is_err() {
                return Ok(set);
            }
        }
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        let now = self.now();
        self.readers.read(move |db| uses(db, now)).await
    }

    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError> {
        let ask = ask.clone();
        // Light: in a power cut the attempt is forgotten too, and what was put back is claimed no more.
        self.writer.write(Weight::light(ROWS), move |work| admit(work, &ask)).await
    }

    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        let limits = limits.to_vec();
        // Flushed: whoever is asked with these starts counts on after a power cut.
        let weight = if starts > 0 { Weight::flushed(ROWS) } else { Weight::light(ROWS) };
        self.writer.write(weight, move |work| office::spend(&mut Rows { work }, &limits, starts)).await
    }
}

/// What a settlement does to the places of its attempt.
pub(crate) fn end(work: &Work<'_>, end: &LimitEnd) -> Result<(), Fault> {
    office::end(&mut Rows { work }, end)
}

/// Calls whoever has a turn where nothing else has done so, those who were called too if their turns are to be reckoned
/// `anew`, and forgets some of what is over.
pub(crate) fn tend(work: &Work<'_>, anew: bool) -> Result<(), Fault> {
    let limit = i64::try_from(results::SWEPT).unwrap_or(i64::MAX);
    work.db.prepare_cached(FORGET_METERS)?.execute([work.now, limit])?;
    work.db.prepare_cached(FORGET_PLACES)?.execute([work.now])?;
    let mut rows = Rows { work };
    for name in lines(work)? {
        if anew {
            office::Shelf::recall(&mut rows, &name)?;
        }
        office::call(&mut rows, &name)?;
    }
    Ok(())
}

/// Whether a task stands in the line of a limit and was called.
pub(crate) fn is_called(work: &Work<'_>, limit: &str, task_id: &str) -> Result<bool, Fault> {
    Ok(office::Shelf::standing(&Rows { work }, limit, task_id)?.is_some_and(|(_, called)| called))
}

/// The bounds that count for a name.
pub(crate) fn bounds(db: &Connection, name: &str) -> Result<Option<Limit>, Fault> {
    let sql = "SELECT bounds FROM limits WHERE name = ?1";
    let of = |name: &str| db.prepare_cached(sql)?.query_row([name], |row| row.get::<_, String>(0)).optional();
    let found = match of(name)? {
        Some(found) => Some(found),
        None => apium_core::limits::every(name).map(|every| of(&every)).transpose()?.flatten(),
    };
    found.map(|text| read(&text)).transpose()
}

/// What a limit has counted.
pub(crate) fn meter(db: &Connection, name: &str) -> Result<Meter, Fault> {
    let mut asked = db.prepare_cached("SELECT meter FROM limit_meters WHERE name = ?1")?;
    let found: Option<String> = asked.query_row([name], |row| row.get(0)).optional()?;
    Ok(found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// How many stand in a line.
pub(crate) fn waiting(db: &Connection, name: &str) -> Result<u64, Fault> {
    let mut asked = db.prepare_cached("SELECT waiting FROM limit_counts WHERE name = ?1")?;
    let count: Option<i64> = asked.query_row([name], |row| row.get(0)).optional()?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

fn admit(work: &Work<'_>, ask: &Admission) -> Result<Admitted, Fault> {
    if !is_held(work, &ask.receipt)? {
        return Ok(Admitted::Lost);
    }
    let mut rows = Rows { work };
    let Some((limit, since)) = office::admit(&mut rows, ask)? else { return Ok(Admitted::Now) };
    let at_most = patience(waiting(work.db, &limit)?);
    settle::defer(work, &ask.receipt, work.after(at_most))?;
    rows.join(&limit, &ask.task_id, since, &ask.receipt)?;
    if let Some(end) = &ask.unique {
        let keep = end.keep.map(|keep| keep + at_most);
        uniques::end(work, &UniqueEnd { keep, ..end.clone() })?;
    }
    office::call(&mut rows, &limit)?;
    Ok(Admitted::Waits { limit, at_most })
}

fn is_held(work: &Work<'_>, receipt: &Receipt) -> Result<bool, Fault> {
    let Some((id, tag)) = line::read_tag(receipt) else { return Ok(false) };
    let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND state = 4 AND tag = ?2)";
    Ok(work.db.prepare_cached(sql)?.query_row([id, tag], |row| row.get(0))?)
}

/// After a change: everyone is told, and who waits is reckoned with anew.
fn tell(work: &Work<'_>) -> Result<(), Fault> {
    work.db.prepare_cached("UPDATE limits_version SET version = version + 1")?.execute([])?;
    work.rung.limits();
    for name in lines(work)? {
        let mut rows = Rows { work };
        office::Shelf::recall(&mut rows, &name)?;
        office::call(&mut rows, &name)?;
    }
    Ok(())
}

/// After a change under this name: a rate may count for longer now than before.
fn keep_counted(work: &Work<'_>, name: &str) -> Result<(), Fault> {
    let Some(pace) = bounds(work.db, name)?.and_then(|limit| limit.rate) else { return Ok(()) };
    let until = work.after(pace.within);
    match name.strip_suffix("=*") {
        // What begins with `kind=` stands before the next character after the `=`.
        Some(kind) => {
            let (from, to) = (format!("{kind}="), format!("{kind}>"));
            work.db.prepare_cached(KEEP_KIND)?.execute(params![from, to, until])?
        }
        None => work.db.prepare_cached(KEEP_METERS)?.execute(params![name, until])?,
    };
    Ok(())
}

/// Names in whose lines somebody stands, a bounded number.
fn lines(work: &Work<'_>) -> Result<Vec<String>, Fault> {
    let mut asked = work.db.prepare_cached(LINES)?;
    Ok(asked.query_map([TENDED], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn set(db: &Connection) -> Result<Definitions, Fault> {
    let version: i64 = db.prepare_cached("SELECT version FROM limits_version")?.query_row([], |row| row.get(0))?;
    let mut asked = db.prepare_cached("SELECT name, bounds, origin FROM limits ORDER BY name")?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
    let mut all = Vec::new();
    for found in asked.query_map([], row)? {
        let (name, bounds, origin) = found?;
        let origin = if origin == "code" { Origin::Code } else { Origin::Operator };
        all.push(Definition { name, limit: read(&bounds)?, origin });
    }
    Ok(Definitions { version: version.unsigned_abs(), all })
}

fn uses(db: &Connection, now: i64) -> Result<Vec<LimitUse>, Fault> {
    let set = set(db)?;
    let mut asked = db.prepare_cached(USED)?;
    let names = asked.query_map([SHOWN], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut uses = Vec::new();
    for name in names {
        let Some(by) = set.of(&name) else { continue };
        let running: i64 = db.prepare_cached(RUNNING)?.query_row(params![name, now], |row| row.get(0))?;
        uses.push(LimitUse {
            limit: by.limit.clone(),
            origin: by.origin,
            running: running.unsigned_abs(),
            waiting: waiting(db, &name)?,
            state: meter(db, &name)?.state(&by.limit, now),
            name,
        });
    }
    Ok(uses)
}

fn written(limit: &Limit) -> Result<String, Fault> {
    serde_json::to_string(limit).map_err(|error| Fault::Broken(format!("a limit cannot be written: {error}")))
}

fn read(text: &str) -> Result<Limit, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Broken(format!("a limit that is set cannot be read: {error}")))
}
