//! Sends what it is told to, in the crate's own ways, and says when that is done.

use std::time::{Duration, UNIX_EPOCH};

use apalis::prelude::*;
use apalis_redis::RedisStorage;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep_until};
use ulid::Ulid;

use crate::ledger::Ledger;
use crate::open;
use crate::roles::{self, Mishap, Order};

/// Tasks to a call.
const AT_ONCE: usize = 500;
/// Results waited for in one call, which asks for each of them again and again, and such calls at once.
const WAITED: usize = 100;
const WAITING: usize = 8;

/// The client.
pub(crate) struct Producer {
    storage: RedisStorage<u64>,
    next: u64,
    /// What is to be fetched.
    sent: Vec<TaskId>,
}

impl roles::Producer for Producer {
    async fn open() -> Result<Self, Mishap> {
        Ok(Self { storage: open().await?, next: 0, sent: Vec::new() })
    }

    async fn obey(&mut self, order: &Order<'_>) -> Result<u64, Mishap> {
        let count = usize::try_from(order.number(1).unwrap_or_default())?;
        let done = match order.verb() {
            "single" => self.single(count).await,
            "send" | "stored" | "pause" => self.bulk(count).await,
            "results" => self.built(count, |task| task).await,
            "fetch" => self.fetch().await,
            "paced" => self.paced(count, Duration::from_micros(order.number(2)?)).await,
            "delayed" => {
                let due = UNIX_EPOCH + Duration::from_nanos(order.number(2)?);
                self.built(count, |task| task.run_at_time(due)).await
            }
            _ => order.unknown(),
        }?;
        Ok(u64::try_from(done)?)
    }
}

impl Producer {
    fn take(&mut self, count: usize) -> Vec<u64> {
        let first = self.next;
        self.next += u64::try_from(count).unwrap_or_default();
        (first..self.next).collect()
    }

    async fn single(&mut self, count: usize) -> Result<usize, Mishap> {
        for index in self.take(count) {
            self.storage.push(index).await?;
        }
        Ok(count)
    }

    async fn bulk(&mut self, count: usize) -> Result<usize, Mishap> {
        for part in self.take(count).chunks(AT_ONCE) {
            self.storage.push_bulk(part.to_vec()).await?;
        }
        Ok(count)
    }

    /// The same with what a task is sent with besides, and remembers the ids.
    async fn built(
        &mut self,
        count: usize,
        with: impl Fn(TaskBuilder<u64>) -> TaskBuilder<u64>,
    ) -> Result<usize, Mishap> {
        for part in self.take(count).chunks(AT_ONCE) {
            let mut tasks = Vec::with_capacity(part.len());
            for index in part {
                let id = TaskId::from_ulid(Ulid::generate());
                tasks.push(with(TaskBuilder::new(*index).task_id(id.clone())).build());
                self.sent.push(id);
            }
            self.storage.push_all(stream::iter(tasks)).await?;
        }
        Ok(count)
    }

    /// Waits for every result.
    async fn fetch(&mut self) -> Result<usize, Mishap> {
        let sent = std::mem::take(&mut self.sent);
        let waits = sent.chunks(WAITED).map(|part| {
            let mut storage = self.storage.clone();
            let results = WaitForCompletion::<u64>::wait_for(&mut storage, part.to_vec());
            async move { results.filter(|one| std::future::ready(right(one))).count().await }
        });
        let counts: Vec<usize> = stream::iter(waits.collect::<Vec<_>>()).buffer_unordered(WAITING).collect().await;
        Ok(counts.into_iter().sum())
    }

    /// One task each so often, with the time noted before it is sent.
    async fn paced(&mut self, count: usize, every: Duration) -> Result<usize, Mishap> {
        let sent = Ledger::open("BENCH_SENT")?;
        let mut at = Instant::now();
        for index in self.take(count) {
            at += every;
            sleep_until(at).await;
            sent.note(index)?;
            self.storage.push(index).await?;
        }
        Ok(count)
    }
}

fn right<E>(one: &Result<TaskResult<u64>, E>) -> bool {
    one.as_ref().is_ok_and(|one| one.result().is_ok())
}
