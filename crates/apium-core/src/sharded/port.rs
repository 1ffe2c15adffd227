//! The broker port over all shards: each question goes to those that it concerns, all at once, and their answers are put
//! together.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::crossing::CROSSING;
use super::dealt::{Answers, Dealt, in_order};
use super::looking::Line;
use super::{Shard, Sharded};
use crate::broadcast::Broadcast;
use crate::broker::{Broker, Claim, Delivery, Outgoing, QueueDepth, Receipt, Settled, Settlement};
use crate::dead::{DeadFilter, DeadLetter};
use crate::error::BackendError;
use crate::inspection::Inspection;
use crate::limits::Limits;
use crate::schedules::Schedules;
use crate::shares::Shares;
use crate::unique::Uniques;

/// Ids of dead letters of several shards that are put into the order of their time; more come shard by shard.
const SORTED: usize = 10_000;

#[async_trait]
impl Broker for Sharded {
    fn home(&self) -> &str {
        self.home().home()
    }

    fn shards(&self) -> &[Shard] {
        &self.shards
    }

    fn shard_of(&self, queue: &str) -> usize {
        self.place(queue)
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self.home().broadcast()
    }

    fn inspection(&self) -> Option<&dyn Inspection> {
        self.home().inspection().map(|_| self as &dyn Inspection)
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

    /// All or none, also over several shards: then all is put into one of them, and what belongs elsewhere crosses.
    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        if let Some(only) = self.one_place(messages) {
            return self.shards[only].broker.publish(messages).await.map_err(|error| self.told(only, error));
        }
        let mut messages = messages.to_vec();
        let from = self.seat(&messages);
        self.divert(from, &mut messages)?;
        self.shards[from].broker.publish(&messages).await.map_err(|error| self.told(from, error))?;
        self.carry_now(from).await;
        Ok(())
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        self.claim_in(Line::Plain, claim).await
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        self.wait_in(Line::Plain, queues, at_most).await
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        let dealt = Dealt::out(receipts.iter().cloned(), |receipt| self.place(&receipt.queue));
        let renewed = dealt.hands().map(|(at, receipts, _)| async move {
            self.shards[at].broker.renew(&receipts, lease).await.map_err(|error| self.told(at, error))
        });
        let (mut lost, mut failed) = (Vec::new(), None);
        for renewed in join_all(renewed).await {
            match renewed {
                Ok(receipts) => lost.extend(receipts),
                Err(error) => failed = Some(error),
            }
        }
        // What is known to be lost is told at once; the error will be met again by the next renewal.
        failed.filter(|_| lost.is_empty()).map_or(Ok(lost), Err)
    }

    /// Each shard writes its own in its own steps. After an error of one, what the others have written answers `Lost` when
    /// it is asked for again: who settles for several shards had better ask for each by itself.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        let dealt = Dealt::out(settlements, |settlement| self.place_of(settlement));
        let settled = dealt.hands().map(|(at, settlements, places)| async move {
            let answers = self.settle_at(at, settlements).await.map_err(|error| self.told(at, error))?;
            Ok::<_, BackendError>(Answers { answers, places })
        });
        try_join_every(settled).await.map(in_order)
    }

    /// Of all shards, also of one that was left alone: this finds out that it answers again.
    async fn recover(&self) -> Result<usize, BackendError> {
        let recovered = join_all(self.shards.iter().map(|shard| shard.ask(shard.broker.recover()))).await;
        let (mut messages, mut failed) = (0, None);
        for recovered in recovered {
            match recovered {
                Ok(more) => messages += more,
                Err(error) => failed = Some(error),
            }
        }
        failed.filter(|_| messages == 0).map_or(Ok(messages), Err)
    }

    async fn carry(&self, end: &CancellationToken) {
        self.carry_on(end).await;
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        if queues.is_empty() {
            let all = self.all(|shard| shard.broker.depths(&[])).await?;
            let mut known: BTreeMap<String, QueueDepth> = BTreeMap::new();
            // A crossing is in several, and so is what was left behind where a queue lived before.
            for depth in all.into_iter().flatten() {
                let merged = known.remove(&depth.queue).map_or_else(|| depth.clone(), |other| together(&other, &depth));
                known.insert(depth.queue, merged);
            }
            return Ok(known.into_values().collect());
        }
        let dealt = Dealt::out(queues.iter().cloned(), |queue| self.place(queue));
        let counted = dealt.hands().map(|(at, queues, places)| async move {
            let answers = self.shards[at].broker.depths(&queues).await.map_err(|error| self.told(at, error))?;
            Ok::<_, BackendError>(Answers { answers, places })
        });
        try_join_all(counted).await.map(in_order)
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        if queue.starts_with(CROSSING) {
            return Ok(self.all(|shard| shard.broker.purge(queue)).await?.into_iter().sum());
        }
        let at = self.place(queue);
        self.shards[at].broker.purge(queue).await.map_err(|error| self.told(at, error))
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        let mut letters = self.all(|shard| shard.broker.dead_letters(filter)).await?.concat();
        letters.sort_by_key(|letter| std::cmp::Reverse(letter.at.parse::<Timestamp>().ok()));
        letters.truncate(filter.limit());
        Ok(letters)
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        let mut found = self.all(|shard| shard.broker.dead_letter(id)).await?;
        Ok(found.iter_mut().find_map(Option::take))
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        let ids = self.all(|shard| shard.broker.dead_ids(filter)).await?;
        if ids.iter().filter(|ids| !ids.is_empty()).count() < 2 {
            return Ok(ids.concat());
        }
        // Which of several shards' are the newest, only the letters tell.
        let found = ids.iter().map(Vec::len).sum::<usize>().min(filter.most_ids());
        if found > SORTED {
            return Ok(ids.concat().into_iter().take(filter.most_ids()).collect());
        }
        let letters = self.dead_letters(&DeadFilter { limit: Some(found), ..filter.clone() }).await?;
        Ok(letters.into_iter().map(|letter| letter.id).collect())
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        let mut failed = None;
        for (at, shard) in self.shards.iter().enumerate() {
            match shard.broker.replay(id, instead.clone()).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => failed = Some(self.told(at, error)),
            }
        }
        failed.map_or(Ok(false), Err)
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        Ok(self.all(|shard| shard.broker.drop_dead(ids)).await?.into_iter().sum())
    }
}

impl Sharded {
    /// Asks all shards at once; an error when one of them does not answer, for half would look like all.
    pub(super) async fn all<'a, T, F>(&'a self, ask: impl Fn(&'a Shard) -> F) -> Result<Vec<T>, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let asked = self.shards.iter().enumerate().map(|(at, shard)| {
            let asked = ask(shard);
            async move { asked.await.map_err(|error| self.told(at, error)) }
        });
        try_join_all(asked).await
    }

    async fn settle_at(&self, at: usize, mut settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        let mut crosses = false;
        for settlement in &mut settlements {
            crosses |= self.divert(at, &mut settlement.send)?;
            for chord in &mut settlement.chords {
                crosses |= self.divert(at, &mut chord.send)?;
            }
        }
        let settled = self.shards[at].broker.settle(settlements).await?;
        if crosses {
            self.carry_now(at).await;
        }
        Ok(settled)
    }

    /// The shard in which messages for several are published: the one that most of them are for, if it answers.
    fn seat(&self, messages: &[Outgoing]) -> usize {
        let mut counts = vec![0_usize; self.shards.len()];
        for message in messages {
            counts[self.place(&message.queue)] += 1;
        }
        let living = (0..counts.len()).filter(|at| !self.shards[*at].is_away());
        living.max_by_key(|at| (counts[*at], std::cmp::Reverse(*at))).unwrap_or_default()
    }
}

/// Waits for all of them, also after an error: none is to be given up half-way.
async fn try_join_every<T>(
    asked: impl Iterator<Item = impl Future<Output = Result<T, BackendError>>>,
) -> Result<Vec<T>, BackendError> {
    join_all(asked).await.into_iter().collect()
}

fn together(one: &QueueDepth, other: &QueueDepth) -> QueueDepth {
    let ages = one.oldest_age_seconds.into_iter().chain(other.oldest_age_seconds);
    QueueDepth {
        queue: one.queue.clone(),
        ready: one.ready + other.ready,
        delayed: one.delayed + other.delayed,
        claimed: one.claimed + other.claimed,
        oldest_age_seconds: ages.reduce(f64::max),
    }
}
