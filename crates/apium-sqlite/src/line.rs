//! The line of messages: how one joins it, is taken from it and comes back.
//!
//! Every statement here finds its rows by one of the partial indexes or by the row id, whatever the length
//! of the line: the literal `state = …` in each is what lets SQLite use them.

use std::sync::Arc;
use std::time::Duration;

use apium_core::broker::QueueDepth;
use apium_core::{Delivery, Outgoing, Receipt};
use rusqlite::{Connection, Row, named_params, params};

use crate::deaths;
use crate::fault::Fault;
use crate::judge::Judge;
use crate::writer::{Work, pages};

/// Delayed messages brought into line by one claim (or as many as it asks for), leases given back in one call of
/// `recover`, messages thrown away in one transaction of `purge`: bounded, so that nobody waits long behind them.
const PROMOTED: usize = 500;
pub(crate) const RECOVERED: usize = 500;
pub(crate) const PURGED: usize = 5_000;

pub(crate) const READY: i64 = 2;
pub(crate) const DELAYED: i64 = 3;

const PUT: &str = "INSERT INTO messages
    (queue, step, state, published, due, lease, tag, redelivered, priority, bytes)
    VALUES (:queue, :step, :state, :now, :due, :due, :now, 0, :priority, :bytes)";

const PROMOTE: &str = "UPDATE messages SET state = 2 WHERE id IN
    (SELECT id FROM messages WHERE state = 3 AND queue = ?1 AND due <= ?2 ORDER BY due LIMIT ?3)";

const NEXT: &str = "SELECT id, priority, redelivered, bytes FROM messages
    WHERE state = 2 AND queue = ?1 ORDER BY step, id LIMIT ?2";

const TAKE: &str = "UPDATE messages SET state = 4, tag = ?2, due = ?3, lease = ?4 WHERE id = ?1";
const RENEW: &str = "UPDATE messages SET due = ?3, lease = ?4 WHERE id = ?1 AND state = 4 AND tag = ?2";

const OVERDUE: &str =
    "SELECT id, tag, due, lease FROM messages WHERE state = 4 AND lease <= ?1 ORDER BY lease LIMIT ?2";
const RECOVER: &str = "UPDATE messages SET state = 2, redelivered = 1 WHERE id = ?1";

/// Claims from the future: the clock was set back since. Their leases begin now.
const LOWER: &str = "UPDATE messages SET due = ?1, lease = ?1 + (lease - due) WHERE id IN
    (SELECT id FROM messages WHERE state = 4 AND lease > ?1 AND due > ?1 LIMIT ?2)";

const PURGE_READY: &str =
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE state = 2 AND queue = ?1 LIMIT ?2)";
const PURGE_DELAYED: &str =
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE state = 3 AND queue = ?1 LIMIT ?2)";
const PURGE_SORTED: &str =
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE state = 5 AND queue = ?1 LIMIT ?2)";

const ANY_READY: &str = "SELECT EXISTS (SELECT 1 FROM messages WHERE state = 2 AND queue = ?1)";
const FIRST_DUE: &str = "SELECT min(due) FROM messages WHERE state = 3 AND queue = ?1";

/// The names are jumped over, one seek each, instead of reading every message for them.
const QUEUES: &str = "WITH RECURSIVE
    lined(name) AS (SELECT min(queue) FROM messages WHERE state = 2 UNION ALL
        SELECT (SELECT min(queue) FROM messages WHERE state = 2 AND queue > name) FROM lined WHERE name NOT NULL),
    late(name) AS (SELECT min(queue) FROM messages WHERE state = 3 UNION ALL
        SELECT (SELECT min(queue) FROM messages WHERE state = 3 AND queue > name) FROM late WHERE name NOT NULL),
    turned(name) AS (SELECT min(queue) FROM messages WHERE state = 5 UNION ALL
        SELECT (SELECT min(queue) FROM messages WHERE state = 5 AND queue > name) FROM turned WHERE name NOT NULL)
    SELECT name FROM lined WHERE name NOT NULL UNION SELECT name FROM late WHERE name NOT NULL
    UNION SELECT name FROM turned WHERE name NOT NULL UNION SELECT queue FROM messages WHERE state = 4";

/// Ready is what stands in line and what has become due in the meantime. The oldest is the first of each
/// priority step: to know it exactly, every message would have to be read.
const DEPTH: &str = "SELECT
    (SELECT count(*) FROM messages WHERE state = 2 AND queue = :queue)
        + (SELECT count(*) FROM messages WHERE state = 5 AND queue = :queue)
        + (SELECT count(*) FROM messages WHERE state = 3 AND queue = :queue AND due <= :now),
    (SELECT count(*) FROM messages WHERE state = 3 AND queue = :queue AND due > :now),
    (SELECT count(*) FROM messages WHERE state = 4 AND queue = :queue),
    (SELECT min(published) FROM messages WHERE id IN (
        SELECT min(id) FROM messages WHERE state = 2 AND queue = :queue AND step = 0 UNION ALL
        SELECT min(id) FROM messages WHERE state = 2 AND queue = :queue AND step = 1 UNION ALL
        SELECT min(id) FROM messages WHERE state = 2 AND queue = :queue AND step = 2 UNION ALL
        SELECT min(id) FROM messages WHERE state = 2 AND queue = :queue AND step = 3 UNION ALL
        SELECT id FROM (SELECT id FROM messages WHERE state = 5 AND queue = :queue ORDER BY due LIMIT 1) UNION ALL
        SELECT id FROM (SELECT id FROM messages WHERE state = 3 AND queue = :queue AND due <= :now
            ORDER BY due LIMIT 1)))";

/// A message in line.
pub(crate) struct Found {
    id: i64,
    priority: u8,
    redelivered: bool,
    bytes: Arc<[u8]>,
}

impl Found {
    /// Reads the first columns of what [`NEXT`] selects.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bytes = Arc::from(row.get_ref(3)?.as_blob()?);
        Ok(Self { id: row.get(0)?, priority: row.get(1)?, redelivered: row.get(2)?, bytes })
    }
}

/// Puts a message at the end of the line, or aside until it is due.
pub(crate) fn put(work: &Work<'_>, message: &Outgoing) -> Result<(), Fault> {
    let due = match &message.not_before {
        Some(moment) => moment.as_microsecond(),
        None => work.now,
    };
    let priority = message.priority.min(9);
    work.db.prepare_cached(PUT)?.execute(named_params! {
        ":queue": message.queue,
        ":step": priority / 3,
        ":state": if due > work.now { DELAYED } else { READY },
        ":now": work.now,
        ":due": due,
        ":priority": priority,
        ":bytes": message.bytes,
    })?;
    work.rung.messages();
    Ok(())
}

/// About how many rows a new message counts for, a large one by its pages.
pub(crate) fn weight(message: &Outgoing) -> usize {
    1 + pages(message.bytes.len())
}

/// Takes up to `max` messages from the front of the queues, in their order.
pub(crate) fn claim(work: &Work<'_>, queues: &[String], max: usize, lease: Duration) -> Result<Vec<Delivery>, Fault> {
    let until = work.after(lease);
    let mut promote = work.db.prepare_cached(PROMOTE)?;
    let mut next = work.db.prepare_cached(NEXT)?;
    let mut deliveries = Vec::new();
    for queue in queues {
        let room = max - deliveries.len();
        if room == 0 {
            break;
        }
        promote.execute(params![queue, work.now, rows(room.max(PROMOTED))])?;
        // Read to the end before the first is taken: the index read from must not change meanwhile.
        let found: Vec<Found> = next.query_map(params![queue, rows(room)], Found::read)?.collect::<Result<_, _>>()?;
        for found in found {
            deliveries.push(hand_out(work, queue, found, until)?);
        }
    }
    Ok(deliveries)
}

/// Claims a message that was found in line.
pub(crate) fn hand_out(work: &Work<'_>, queue: &str, found: Found, until: i64) -> Result<Delivery, Fault> {
    let Found { id, priority, redelivered, bytes } = found;
    let tag = work.fresh_tag();
    work.db.prepare_cached(TAKE)?.execute(params![id, tag, work.now, until])?;
    let deaths = if redelivered { deaths::of(work, id)? } else { Vec::new() };
    let receipt = Receipt { queue: queue.into(), tag: write_tag(id, tag).into() };
    Ok(Delivery { receipt, bytes, priority, redelivered, deaths })
}

/// Prolongs a lease; false when it was lost.
pub(crate) fn renew(work: &Work<'_>, receipt: &Receipt, until: i64) -> Result<bool, Fault> {
    let Some((id, tag)) = read_tag(receipt) else { return Ok(false) };
    Ok(work.db.prepare_cached(RENEW)?.execute(params![id, tag, work.now, until])? == 1)
}

/// Puts a claimed message back where it stood, as if it had never been handed out.
pub(crate) fn unclaim(work: &Work<'_>, receipt: &Receipt) -> Result<(), Fault> {
    if let Some((id, tag)) = read_tag(receipt) {
        let sql = "UPDATE messages SET state = 2 WHERE id = ?1 AND state = 4 AND tag = ?2";
        work.db.prepare_cached(sql)?.execute(params![id, tag])?;
        work.rung.messages();
    }
    Ok(())
}

/// Puts messages whose lease has run out for certain back where they stood, a bounded number; returns how many.
pub(crate) fn recover(work: &Work<'_>, judge: &Judge) -> Result<usize, Fault> {
    let mut overdue = work.db.prepare_cached(OVERDUE)?;
    // Read to the end before the first is given back: the index read from must not change meanwhile.
    let found: Vec<(i64, i64, bool)> = overdue
        .query_map(params![work.now, rows(RECOVERED)], |row| {
            Ok((row.get(0)?, row.get(1)?, judge.is_over(row.get(2)?, row.get(3)?)))
        })?
        .collect::<Result<_, _>>()?;
    let found: Vec<_> = found.into_iter().filter(|(_, _, over)| *over).collect();
    let mut recover = work.db.prepare_cached(RECOVER)?;
    for (id, tag, _) in &found {
        recover.execute([id])?;
        deaths::note(work, *id, *tag)?;
    }
    if !found.is_empty() {
        work.rung.messages();
    }
    Ok(found.len())
}

/// Lets leases that reach further ahead than they can begin now; fewer than [`RECOVERED`] means that none is left.
pub(crate) fn lower(work: &Work<'_>) -> Result<usize, Fault> {
    Ok(work.db.prepare_cached(LOWER)?.execute(params![work.now, rows(RECOVERED)])?)
}

/// Throws away some of what waits in a queue; fewer than [`PURGED`] means that nothing is left.
pub(crate) fn purge(work: &Work<'_>, queue: &str) -> Result<usize, Fault> {
    let ready = work.db.prepare_cached(PURGE_READY)?.execute(params![queue, rows(PURGED)])?;
    let delayed = work.db.prepare_cached(PURGE_DELAYED)?.execute(params![queue, rows(PURGED - ready)])?;
    let sorted = work.db.prepare_cached(PURGE_SORTED)?.execute(params![queue, rows(PURGED - ready - delayed)])?;
    Ok(ready + delayed + sorted)
}

/// When one of the queues has something to claim: in the past for now, `None` for not that we know.
pub(crate) fn next_due(db: &Connection, queues: &[String]) -> Result<Option<i64>, Fault> {
    let mut first = None;
    for queue in queues {
        if db.prepare_cached(ANY_READY)?.query_row([queue], |row| row.get(0))? {
            return Ok(Some(i64::MIN));
        }
        let due: Option<i64> = db.prepare_cached(FIRST_DUE)?.query_row([queue], |row| row.get(0))?;
        first = [first, due].into_iter().flatten().min();
    }
    Ok(first)
}

/// Every queue that has messages, by name.
pub(crate) fn queues(db: &Connection) -> Result<Vec<String>, Fault> {
    let mut asked = db.prepare_cached(QUEUES)?;
    let mut names: Vec<String> = asked.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}

/// How one queue stands at `now`.
pub(crate) fn depth(db: &Connection, queue: &str, now: i64) -> Result<QueueDepth, Fault> {
    let mut asked = db.prepare_cached(DEPTH)?;
    Ok(asked.query_row(named_params! { ":queue": queue, ":now": now }, |row| {
        let oldest: Option<i64> = row.get(3)?;
        let age = |published: i64| u64::try_from(now.saturating_sub(published)).unwrap_or(0);
        Ok(QueueDepth {
            queue: queue.to_owned(),
            ready: row.get::<_, i64>(0)?.unsigned_abs(),
            delayed: row.get::<_, i64>(1)?.unsigned_abs(),
            claimed: row.get::<_, i64>(2)?.unsigned_abs(),
            oldest_age_seconds: oldest.map(|published| Duration::from_micros(age(published)).as_secs_f64()),
        })
    })?)
}

/// The message a receipt names and the claim that may settle it.
pub(crate) fn read_tag(receipt: &Receipt) -> Option<(i64, i64)> {
    split_tag(&receipt.tag)
}

/// The same of the tag alone.
pub(crate) fn split_tag(tag: &str) -> Option<(i64, i64)> {
    let (id, tag) = tag.split_once('.')?;
    Some((id.parse().ok()?, tag.parse().ok()?))
}

fn write_tag(id: i64, tag: i64) -> String {
    format!("{id}.{tag}")
}

pub(crate) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
