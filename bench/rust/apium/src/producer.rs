//! Sends what it is told to, in the client's own ways, and says when that is done.

use std::time::Duration;

use apium::Client;
use apium::core::client::{Pending, fresh_id};
use apium::core::signature::{chain, chord};
use apium::prelude::*;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::ledger::Ledger;
use crate::roles::{self, Mishap, Order};
use crate::store;
use crate::tasks::{app, noop, pause, step};

/// Messages to a publication.
const AT_ONCE: u64 = 500;
/// Results waited for at once.
const WAITING: usize = 1_000;
/// A result that has not come by then is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// The client.
pub(crate) struct Producer {
    client: Client,
    next: u64,
    /// What is to be fetched.
    sent: Vec<Pending>,
}

impl roles::Producer for Producer {
    async fn open() -> Result<Self, Mishap> {
        let client = app().client(&store::open().await?);
        Ok(Self { client, next: 0, sent: Vec::new() })
    }

    async fn obey(&mut self, order: &Order<'_>) -> Result<u64, Mishap> {
        match order.verb() {
            "single" => self.single(order.number(1)?).await,
            "send" => self.bulk(order.number(1)?, |index| noop::s(index).ignore_result(true)).await,
            "stored" => self.bulk(order.number(1)?, noop::s).await,
            "results" => self.results(order.number(1)?).await,
            "fetch" => self.fetch().await,
            "pause" => self.bulk(order.number(1)?, |index| pause::s(index).ignore_result(true)).await,
            "paced" => self.paced(order.number(1)?, Duration::from_micros(order.number(2)?)).await,
            "delayed" => {
                let due = Timestamp::from_nanosecond(order.number(2)?.into())?;
                self.bulk(order.number(1)?, |index| noop::s(index).ignore_result(true).eta(due)).await
            }
            "chains" => self.chains(order.number(1)?, order.number(2)?).await,
            "chords" => self.chords(order.number(1)?, order.number(2)?).await,
            _ => order.unknown(),
        }
    }
}

impl Producer {
    fn index(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// One message a round trip.
    async fn single(&mut self, count: u64) -> Result<u64, Mishap> {
        for _ in 0..count {
            let signature = noop::s(self.index()).ignore_result(true);
            self.client.send(&signature).await?;
        }
        Ok(count)
    }

    /// Many messages a round trip.
    async fn bulk(&mut self, count: u64, signature: impl Fn(u64) -> Signature) -> Result<u64, Mishap> {
        let mut left = count;
        while left > 0 {
            let part = left.min(AT_ONCE);
            let mut messages = Vec::with_capacity(usize::try_from(part)?);
            for _ in 0..part {
                let signature = signature(self.index());
                messages.extend(self.client.outgoing(&signature).await?);
            }
            self.client.broker().publish(&messages).await?;
            left -= part;
        }
        Ok(count)
    }

    /// The same, and keeps the way to each result.
    async fn results(&mut self, count: u64) -> Result<u64, Mishap> {
        let ids: Vec<String> = (0..count).map(|_| fresh_id()).collect();
        let first = self.next;
        let named = |index: u64| {
            let id = usize::try_from(index - first).ok().and_then(|place| ids.get(place));
            noop::s(index).task_id(id.map(String::as_str).unwrap_or_default())
        };
        let sent = self.bulk(count, named).await?;
        self.sent = ids.iter().map(|id| self.client.pending(id.as_str())).collect();
        Ok(sent)
    }

    /// Waits for every result, many at once.
    async fn fetch(&mut self) -> Result<u64, Mishap> {
        let sent = std::mem::take(&mut self.sent);
        let got = iter(&sent).map(|pending| pending.get::<u64>(PATIENCE)).buffer_unordered(WAITING);
        Ok(u64::try_from(got.try_collect::<Vec<u64>>().await?.len())?)
    }

    /// One message each so often, with the time noted before it is sent.
    async fn paced(&mut self, count: u64, every: Duration) -> Result<u64, Mishap> {
        let sent = Ledger::open("BENCH_SENT")?;
        let mut at = Instant::now();
        for _ in 0..count {
            at += every;
            sleep_until(at).await;
            let index = self.index();
            sent.note(index)?;
            self.client.send(&noop::s(index).ignore_result(true)).await?;
        }
        Ok(count)
    }

    /// Chains of so many steps, one after the other, each until its result is there.
    async fn chains(&mut self, count: u64, steps: u64) -> Result<u64, Mishap> {
        let mut right = 0;
        for _ in 0..count {
            let first = step::s(0, self.index());
            let rest =
                (1..steps).map(|_| Signature::new("bench.step").kwarg("index", self.index())).collect::<Vec<_>>();
            let last: u64 = self.client.send(&chain(std::iter::once(first).chain(rest))).await?.get(PATIENCE).await?;
            right += u64::from(last == steps);
        }
        Ok(right)
    }

    /// Chords of so many parts, likewise.
    async fn chords(&mut self, count: u64, parts: u64) -> Result<u64, Mishap> {
        let mut right = 0;
        for _ in 0..count {
            let header = (0..parts).map(|_| noop::s(self.index())).collect::<Vec<_>>();
            let body = Signature::new("bench.tally").kwarg("index", self.index());
            let tallied: u64 = self.client.send(&chord(header, body)).await?.get(PATIENCE).await?;
            right += u64::from(tallied == parts);
        }
        Ok(right)
    }
}
