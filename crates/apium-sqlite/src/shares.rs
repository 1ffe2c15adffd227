//! Shared queues: sorting gives a message its turn, taking serves by turns.

use std::time::Duration;

use apium_core::shares::{self, Shares, Sorted};
use apium_core::{BackendError, Claim, Delivery, Settled};
use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use crate::backend::SqliteBackend;
use crate::broker::give_back;
use crate::fault::Fault;
use crate::limits;
use crate::line::{self, rows};
use crate::writer::{Weight, Work};

/// Messages put back by one transaction of `unsort`: others write in between.
const UNSORTED: usize = 2_000;

const SERVED: &str = "SELECT served FROM share_turns WHERE queue = ?1";
const SERVE: &str = "INSERT INTO share_turns (queue, served) VALUES (?1, ?2)
    ON CONFLICT (queue) DO UPDATE SET served = max(served, excluded.served)";

const REACHED: &str = "SELECT reached FROM share_reached WHERE queue = ?1 AND share = ?2";
const REACH: &str = "INSERT OR REPLACE INTO share_reached (queue, share, reached) VALUES (?1, ?2, ?3)";
const FORGET: &str = "DELETE FROM share_reached WHERE queue = ?1 AND reached <= ?2";

const SORT: &str = "UPDATE messages SET state = 5, due = ?3 WHERE id = ?1 AND state = 4 AND tag = ?2";

const NEXT: &str = "SELECT id, priority, redelivered, bytes, due FROM messages
    WHERE state = 5 AND queue = ?1 ORDER BY due, id LIMIT ?2";

const ANY: &str = "SELECT EXISTS (SELECT 1 FROM messages WHERE state = 5 AND queue = ?1)";

const UNSORT: &str = "UPDATE messages SET state = 2, due = published WHERE id IN
    (SELECT id FROM messages WHERE state = 5 AND queue = ?1 ORDER BY due, id LIMIT ?2)";

#[async_trait]
impl Shares for SqliteBackend {
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError> {
        let (changed, sorted) = (2 * sorted.len(), sorted.to_vec());
        let sort = move |work: &Work<'_>| sorted.iter().map(|sorted| sort(work, sorted)).collect();
        // Light: in a power cut the claim is forgotten with the sorting, or comes to its end.
        self.writer.write(Weight::light(changed), sort).await
    }

    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let (queues, max, lease) = (claim.queues.to_vec(), claim.max, claim.lease);
        let take = move |work: &Work<'_>| take(work, &queues, max, lease);
        self.writer.write_heard(Weight::light(max), take, Some(give_back)).await
    }

    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        let names = queues.to_vec();
        let any = move |db: &rusqlite::Connection| {
            for queue in &names {
                if db.prepare_cached(ANY)?.query_row([queue], |row| row.get(0))? {
                    return Ok(Some(i64::MIN));
                }
            }
            Ok(None)
        };
        self.until_due(at_most, any).await
    }

    async fn unsort(&self, queue: &str) -> Result<u64, BackendError> {
        let mut unsorted = 0;
        loop {
            let name = queue.to_owned();
            let now = self.writer.write(Weight::light(UNSORTED), move |work| unsort(work, &name)).await?;
            unsorted += now as u64;
            if now < UNSORTED {
                return Ok(unsorted);
            }
        }
    }
}

fn sort(work: &Work<'_>, sorted: &Sorted) -> Result<Settled, Fault> {
    let Some((id, tag)) = line::read_tag(&sorted.receipt) else { return Ok(Settled::Lost) };
    let queue = &sorted.receipt.queue;
    let mut next = sorted.next;
    for limit in &sorted.limits {
        next = next || limits::is_called(work, limit, &sorted.task_id)?;
    }
    let served: Option<i64> = work.db.prepare_cached(SERVED)?.query_row([queue], |row| row.get(0)).optional()?;
    let served = served.unwrap_or(0);
    let reached = || -> Result<Option<i64>, Fault> {
        let mut asked = work.db.prepare_cached(REACHED)?;
        Ok(asked.query_row([&**queue, &sorted.share], |row| row.get(0)).optional()?)
    };
    let turn = if next { None } else { Some(shares::turn(served, reached()?, sorted.weight)) };
    let due = turn.map_or_else(|| shares::next(served), |(turn, _)| turn);
    if work.db.prepare_cached(SORT)?.execute([id, tag, due])? == 0 {
        return Ok(Settled::Lost);
    }
    if let Some((_, reached)) = turn {
        work.db.prepare_cached(REACH)?.execute(params![queue, sorted.share, reached])?;
    }
    work.rung.messages();
    Ok(Settled::Done)
}

fn take(work: &Work<'_>, queues: &[String], max: usize, lease: Duration) -> Result<Vec<Delivery>, Fault> {
    let until = work.after(lease);
    let mut taken = Vec::new();
    for queue in queues {
        let room = max - taken.len();
        if room == 0 {
            break;
        }
        let mut next = work.db.prepare_cached(NEXT)?;
        // Read to the end before the first is taken: the index read from must not change meanwhile.
        let found: Vec<(line::Found, i64)> = next
            .query_map(params![queue, rows(room)], |row| Ok((line::Found::read(row)?, row.get(4)?)))?
            .collect::<Result<_, _>>()?;
        let Some(served) = found.last().map(|(_, turn)| *turn) else { continue };
        work.db.prepare_cached(SERVE)?.execute(params![queue, served])?;
        work.db.prepare_cached(FORGET)?.execute(params![queue, served])?;
        for (found, _) in found {
            taken.push(line::hand_out(work, queue, found, until)?);
        }
    }
    Ok(taken)
}

fn unsort(work: &Work<'_>, queue: &str) -> Result<usize, Fault> {
    let unsorted = work.db.prepare_cached(UNSORT)?.execute(params![queue, rows(UNSORTED)])?;
    if unsorted > 0 {
        work.rung.messages();
    }
    if unsorted < UNSORTED {
        work.db.prepare_cached("DELETE FROM share_reached WHERE queue = ?1")?.execute([queue])?;
        work.db.prepare_cached("DELETE FROM share_turns WHERE queue = ?1")?.execute([queue])?;
    }
    Ok(unsorted)
}
