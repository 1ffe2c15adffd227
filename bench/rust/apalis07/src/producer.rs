//! Sends what it is told to, in the crate's own ways, and says when that is done.

use std::time::Duration;

use apalis::prelude::*;
use apalis_redis::RedisStorage;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep_until};

use crate::ledger::Ledger;
use crate::open;
use crate::roles::{self, Mishap, Order};

/// Tasks on their way at once: there is no call for many.
const AT_ONCE: usize = 100;

/// The client.
pub(crate) struct Producer {
    storage: RedisStorage<u64>,
    next: u64,
}

impl roles::Producer for Producer {
    async fn open() -> Result<Self, Mishap> {
        Ok(Self { storage: open().await?, next: 0 })
    }

    async fn obey(&mut self, order: &Order<'_>) -> Result<u64, Mishap> {
        match order.verb() {
            "single" => self.single(order.number(1)?).await,
            "send" | "stored" | "pause" => self.many(order.number(1)?, None).await,
            "paced" => self.paced(order.number(1)?, Duration::from_micros(order.number(2)?)).await,
            "delayed" => {
                let due = Duration::from_nanos(order.number(2)?).as_secs();
                self.many(order.number(1)?, Some(i64::try_from(due)?)).await
            }
            _ => order.unknown(),
        }
    }
}

impl Producer {
    fn take(&mut self, count: u64) -> std::ops::Range<u64> {
        self.next += count;
        self.next - count..self.next
    }

    async fn single(&mut self, count: u64) -> Result<u64, Mishap> {
        for index in self.take(count) {
            self.storage.push(index).await?;
        }
        Ok(count)
    }

    /// Many at once, on one connection; with a time in seconds where they are due later.
    async fn many(&mut self, count: u64, due: Option<i64>) -> Result<u64, Mishap> {
        let sent = stream::iter(self.take(count)).map(|index| {
            let mut storage = self.storage.clone();
            async move {
                match due {
                    Some(due) => storage.schedule(index, due).await.map(drop),
                    None => storage.push(index).await.map(drop),
                }
            }
        });
        sent.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(count)
    }

    /// One task each so often, with the time noted before it is sent.
    async fn paced(&mut self, count: u64, every: Duration) -> Result<u64, Mishap> {
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
