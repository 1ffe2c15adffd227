//! A look around that changes nothing, for whoever searches for risks.

use std::time::Duration;

use apium_core::BackendError;
use apium_core::inspection::{
    Durability, Facts, Held, Inspection, MESSAGES, READ_UP_TO, RESULTS, SAMPLE, Sample, Store,
};
use async_trait::async_trait;
use rusqlite::{Connection, params};

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::{fleet, line};

/// Some of the oldest and of the newest messages; a large one is measured and not read.
const SOME: &str =
    "SELECT queue, state, lease, length(bytes), CASE WHEN length(bytes) <= ?2 THEN bytes END FROM messages
    WHERE id IN (SELECT id FROM (SELECT id FROM messages ORDER BY id LIMIT ?1)
        UNION SELECT id FROM (SELECT id FROM messages ORDER BY id DESC LIMIT ?1))";

/// The newest results, and how many of them are kept for ever.
const RESULTS_KEPT: &str = "SELECT count(*), count(*) - count(expires) FROM
    (SELECT expires FROM results ORDER BY id DESC LIMIT ?1)";

/// Messages read at once by whoever looks through all of them.
const PAGE_ROWS: i64 = 500;
const PAGE: &str = "SELECT id, bytes FROM messages WHERE id > ?1 ORDER BY id LIMIT ?2";

/// The places in `messages.state`.
const CLAIMED: i64 = 4;

#[async_trait]
impl Inspection for SqliteBackend {
    async fn examine(&self) -> Result<Facts, BackendError> {
        let now = self.now();
        self.readers.read(move |db| look(db, now)).await
    }

    async fn look_through(&self, look: &mut (dyn for<'a> FnMut(&'a [u8]) + Send)) -> Result<bool, BackendError> {
        let (mut after, mut seen) = (i64::MIN, 0);
        loop {
            let page = self.readers.read(move |db| page(db, after)).await?;
            let Some((last, _)) = page.last() else { return Ok(true) };
            after = *last;
            for (_, bytes) in &page {
                look(bytes);
            }
            seen += page.len();
            if seen >= MESSAGES {
                return Ok(false);
            }
        }
    }
}

fn page(db: &Connection, after: i64) -> Result<Vec<(i64, Vec<u8>)>, Fault> {
    let mut asked = db.prepare_cached(PAGE)?;
    let rows = asked.query_map(params![after, PAGE_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn look(db: &Connection, now: i64) -> Result<Facts, Fault> {
    let depth = |queue: String| line::depth(db, &queue, now).map(|depth| (queue, depth.ready));
    let mut some = db.prepare_cached(SOME)?;
    let messages = some.query_map(params![SAMPLE, READ_UP_TO], |row| {
        let held = match row.get(1)? {
            CLAIMED => Held::Leased { until: seconds(row.get(2)?) },
            line::DELAYED => Held::Delayed,
            _ => Held::Waiting,
        };
        Ok(Sample { queue: row.get(0)?, bytes: count(row, 3)?, envelope: row.get(4)?, held })
    })?;
    Ok(Facts {
        store: Store {
            kind: "SQLite",
            version: rusqlite::version().to_owned(),
            durability: Durability::Log,
            ..Store::default()
        },
        now: seconds(now),
        queues: line::queues(db)?.into_iter().map(depth).collect::<Result<_, _>>()?,
        messages: messages.collect::<Result<_, _>>()?,
        dead: db.query_row("SELECT count(*) FROM dead", [], |row| count(row, 0))?,
        workers: fleet::workers(db, now)?,
        results: db.query_row(RESULTS_KEPT, [RESULTS], |row| Ok((count(row, 0)?, count(row, 1)?)))?,
        whole: true,
        ..Facts::default()
    })
}

fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

/// Microseconds since 1970 as seconds.
fn seconds(micros: i64) -> f64 {
    Duration::from_micros(micros.unsigned_abs()).as_secs_f64()
}
