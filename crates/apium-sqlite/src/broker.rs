//! The broker port: each promise as one job for the writer or one question for the readers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::broadcast::Broadcast;
use apium_core::broker::QueueDepth;
use apium_core::inspection::Inspection;
use apium_core::limits::Limits;
use apium_core::schedules::Schedules;
use apium_core::shares::Shares;
use apium_core::unique::Uniques;
use apium_core::{
    BackendError, Broker, Claim, DeadFilter, DeadLetter, Delivery, Outgoing, Receipt, Settled, Settlement,
};
use async_trait::async_trait;
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::judge::{self, Judge};
use crate::writer::{Job, Weight, Work, unattended};
use crate::{broadcast, chords, dead, fleet, limits, line, results, schema, settle, uniques, wake};

/// Sweeps of one recovery at the most: with a recovery every five seconds, thousands of results a second may expire.
const SWEEPS: usize = 40;

#[async_trait]
impl Broker for SqliteBackend {
    fn home(&self) -> &str {
        &self.home
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self
    }

    fn inspection(&self) -> Option<&dyn Inspection> {
        Some(self)
    }

    fn uniques(&self) -> &dyn Uniques {
        self
    }

    fn limits(&self) -> &dyn Limits {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self
    }

    fn schedules(&self) -> &dyn Schedules {
        self
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        let room = self.writer.room(messages.iter().map(|message| message.bytes.len()).sum()).await;
        let (rows, messages) = (messages.iter().map(line::weight).sum(), messages.to_vec());
        let put = move |work: &Work<'_>| {
            // Given up with the copy, not by the caller, who may leave before.
            let _room = room;
            messages.iter().try_for_each(|message| line::put(work, message))
        };
        self.writer.write(Weight::flushed(rows), put).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let (queues, max, lease) = (claim.queues.to_vec(), claim.max, claim.lease);
        self.writer
            .write_heard(Weight::light(max), move |work| line::claim(work, &queues, max, lease), Some(give_back))
            .await
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        let names = queues.to_vec();
        self.until_due(at_most, move |db| line::next_due(db, &names)).await
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        let (rows, receipts) = (receipts.len(), receipts.to_vec());
        let renew = move |work: &Work<'_>| {
            let until = work.after(lease);
            let mut lost = Vec::new();
            for receipt in receipts {
                if !line::renew(work, &receipt, until)? {
                    lost.push(receipt);
                }
            }
            Ok(lost)
        };
        self.writer.write(Weight::light(rows), renew).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        let rows = settlements.iter().map(settle::rows).sum();
        let settle =
            move |work: &Work<'_>| settlements.iter().map(|settlement| settle::settle(work, settlement)).collect();
        self.writer.write(Weight::flushed(rows), settle).await
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        // In transactions of their own: others write in between.
        for _ in 0..SWEEPS {
            if !self.writer.write(Weight::light(results::SWEPT), results::sweep).await? {
                break;
            }
        }
        let (judge, clock, home) = (self.judge.clone(), self.clock.clone(), self.home.clone());
        let asked = judge::moment();
        let recover = move |work: &Work<'_>| {
            let mut judge = open(&judge).clone();
            // Now, not before a wait for the writer: nothing is judged by a clock that was set unseen.
            let set_back = judge.look(asked, work.now, &*clock, &home);
            schema::rewrite_head(work.db)?;
            fleet::sweep(work)?;
            chords::sweep(work)?;
            uniques::sweep(work)?;
            broadcast::sweep(work)?;
            work.vacuum.ask();
            let recovered = line::recover(work, &judge)?;
            limits::tend(work, set_back)?;
            Ok((recovered, judge))
        };
        let (recovered, judge) = self.writer.write(Weight::light(line::RECOVERED), recover).await?;
        // Only now: on a full disk everybody gets his turn, and nobody can write.
        *open(&self.judge) = judge;
        while open(&self.judge).has_far_leases() {
            if self.writer.write(Weight::light(line::RECOVERED), line::lower).await? < line::RECOVERED {
                open(&self.judge).without_far_leases();
            }
        }
        Ok(recovered)
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        let (queues, now) = (queues.to_vec(), self.now());
        let look = move |db: &rusqlite::Connection| {
            let queues = if queues.is_empty() { line::queues(db)? } else { queues };
            queues.iter().map(|queue| line::depth(db, queue, now)).collect()
        };
        self.readers.read(look).await
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        let mut purged = 0;
        loop {
            let name = queue.to_owned();
            let now = self.writer.write(Weight::flushed(line::PURGED), move |work| line::purge(work, &name)).await?;
            purged += now as u64;
            if now < line::PURGED {
                return Ok(purged);
            }
        }
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        let filter = filter.clone();
        self.readers.read(move |db| dead::list(db, &filter)).await
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        let id = id.to_owned();
        self.readers.read(move |db| dead::find(db, &id)).await
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        let filter = filter.clone();
        self.readers.read(move |db| dead::ids(db, &filter)).await
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        let id = id.to_owned();
        self.writer.write(Weight::flushed(2), move |work| settle::replay(work, &id, instead)).await
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        let mut dropped = 0;
        for ids in ids.chunks(line::PURGED) {
            let ids = ids.to_vec();
            dropped += self.writer.write(Weight::flushed(ids.len()), move |work| dead::forget(work, &ids)).await?;
        }
        Ok(dropped)
    }
}

impl SqliteBackend {
    /// Returns when a look at the store tells of a moment that has come, at the latest after `at_most`.
    pub(crate) async fn until_due<F>(&self, at_most: Duration, look: F) -> Result<(), BackendError>
    where
        F: Fn(&rusqlite::Connection) -> Result<Option<i64>, Fault> + Clone + Send + 'static,
    {
        let deadline = wake::deadline(at_most);
        loop {
            // Registered before looking, so that a message put in between is not missed.
            let rung = self.bell.messages().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let due = self.readers.read(look.clone()).await?;
            let now = self.now();
            let due_or_over = match due {
                Some(due) if due <= now => return Ok(()),
                Some(due) => wake::deadline(Duration::from_micros(due.abs_diff(now))).min(deadline),
                None => deadline,
            };
            if timeout_at(due_or_over, rung).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn open(judge: &Mutex<Judge>) -> MutexGuard<'_, Judge> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who asked has left before the answer came: the messages go back as they were, instead of lying under a lease
/// that nobody holds.
pub(crate) fn give_back(deliveries: Vec<Delivery>) -> Option<Box<dyn Job>> {
    if deliveries.is_empty() {
        return None;
    }
    let rows = deliveries.len();
    let back = move |work: &Work<'_>| deliveries.iter().try_for_each(|delivery| line::unclaim(work, &delivery.receipt));
    Some(unattended(Weight::light(rows), back))
}
