//! Sends what it is told to, in the crate's own ways, and says when that is done.

use std::time::Duration;

use apalis::prelude::*;
use apalis_redis::RedisStorage;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::time::{Instant, sleep_until};

use crate::ledger::Ledger;
use crate::{Mishap, open};

/// Tasks on their way at once: there is no call for many.
const AT_ONCE: usize = 100;

/// Numbers its tasks from 0 on, whatever they are.
struct Producer {
    storage: RedisStorage<u64>,
    next: u64,
}

/// Reads an order a line, and answers each with `done` and a count, until there are no more.
pub(crate) async fn obey() -> Result<(), Mishap> {
    let mut producer = Producer { storage: open().await?, next: 0 };
    println!("ready");
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        let words: Vec<&str> = order.split_whitespace().collect();
        let done = producer.obey(&words).await.map_err(|error| format!("`{order}`: {error}"))?;
        println!("done {done}");
    }
    Ok(())
}

impl Producer {
    async fn obey(&mut self, words: &[&str]) -> Result<u64, Mishap> {
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).ok_or("a number is missing");
        match words.first().copied() {
            Some("single") => self.single(number(1)?).await,
            Some("send" | "stored" | "pause") => self.many(number(1)?, None).await,
            Some("paced") => self.paced(number(1)?, Duration::from_micros(number(2)?)).await,
            Some("delayed") => {
                let due = Duration::from_nanos(number(2)?).as_secs();
                self.many(number(1)?, Some(i64::try_from(due)?)).await
            }
            _ => Err("this order is not known".into()),
        }
    }

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
