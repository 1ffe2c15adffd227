//! The parts of a broker over all shards: unique keys, limits and shares are kept where the queue is, the fleet and the
//! schedules in the home.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};

use super::Sharded;
use super::dealt::{Answers, Dealt, in_order};
use super::looking::Line;
use super::shard::{PATIENCE, Shard};
use crate::broker::{Claim, Delivery, Outgoing, Settled};
use crate::error::BackendError;
use crate::fleet::{Fleet, Revocations, WorkerCard};
use crate::inspection::{Facts, Inspection};
use crate::limits::{
    Admission, Admitted, BreakerState, Definition, Definitions, Limit, LimitUse, Limits, Origin, Spent,
};
use crate::schedules::{Change, Decided, Kept, Leader, Line as HistoryLine, Put, Recorded, Schedules};
use crate::shares::{Shares, Sorted};
use crate::unique::{AtStart, Claimed, Holder, UniqueClaim, Uniques};

/// Unique within the shard of the queue it is sent to: nobody is asked elsewhere.
#[async_trait]
impl Uniques for Sharded {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        let from = messages.first().map_or(0, |message| self.place(&message.queue));
        let mut messages = messages.to_vec();
        let crosses = self.divert(from, &mut messages)?;
        let claimed = self.shards[from].broker.uniques().publish_unique(&messages, claim).await;
        let claimed = claimed.map_err(|error| self.told(from, error))?;
        if crosses {
            self.carry_now(from).await;
        }
        Ok(claimed)
    }

    async fn begin(&self, queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        let at = self.place(queue);
        self.shards[at].broker.uniques().begin(queue, key, task_id, then).await.map_err(|error| self.told(at, error))
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        let holders = self.all(|shard| shard.broker.uniques().holder(key)).await?;
        // One that runs tells more than one that waits.
        Ok(holders.into_iter().flatten().max_by_key(|holder| holder.runs))
    }
}

/// Set in all shards, as in the home; each counts admissions for itself.
#[async_trait]
impl Limits for Sharded {
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError> {
        self.home().limits().declare(limits).await?;
        self.bring_limits().await;
        Ok(())
    }

    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError> {
        self.home().limits().set_limit(name, limit).await?;
        self.each_further(|shard| shard.broker.limits().set_limit(name, limit)).await.map(drop)
    }

    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError> {
        let dropped = self.home().limits().drop_limit(name).await?;
        let elsewhere = self.each_further(|shard| shard.broker.limits().drop_limit(name)).await?;
        Ok(dropped || elsewhere.contains(&true))
    }

    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError> {
        self.home().limits().limits_set(known, at_most).await
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        let mut uses: BTreeMap<String, LimitUse> = BTreeMap::new();
        for one in self.all(|shard| shard.broker.limits().limit_uses()).await?.into_iter().flatten() {
            match uses.get_mut(&one.name) {
                None => drop(uses.insert(one.name.clone(), one)),
                Some(known) => {
                    known.running += one.running;
                    known.waiting += one.waiting;
                    // Of breakers, the one that lets least through is told.
                    if shut(one.state) > shut(known.state) {
                        known.state = one.state;
                    }
                }
            }
        }
        Ok(uses.into_values().collect())
    }

    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError> {
        let at = self.place(&ask.receipt.queue);
        self.shards[at].broker.limits().admit(ask).await.map_err(|error| self.told(at, error))
    }

    /// In the home alone: what is spent belongs to no queue, and so it is counted once for all shards.
    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        self.home().limits().spend(limits, starts).await
    }
}

#[async_trait]
impl Shares for Sharded {
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError> {
        let dealt = Dealt::out(sorted.iter().cloned(), |sorted| self.place(&sorted.receipt.queue));
        let settled = dealt.hands().map(|(at, sorted, places)| async move {
            let answers = self.shards[at].broker.shares().sort(&sorted).await;
            let answers = answers.map_err(|error| self.told(at, error))?;
            Ok::<_, BackendError>(Answers { answers, places })
        });
        let settled: Result<Vec<_>, _> = join_all(settled).await.into_iter().collect();
        settled.map(in_order)
    }

    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        self.claim_in(Line::Sorted, claim).await
    }

    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        self.wait_in(Line::Sorted, queues, at_most).await
    }

    async fn unsort(&self, queue: &str) -> Result<u64, BackendError> {
        let at = self.place(queue);
        self.shards[at].broker.shares().unsort(queue).await.map_err(|error| self.told(at, error))
    }
}

#[async_trait]
impl Schedules for Sharded {
    async fn put(&self, entries: &[Put]) -> Result<Vec<bool>, BackendError> {
        self.home().schedules().put(entries).await
    }

    async fn drop_entries(&self, names: &[String]) -> Result<u64, BackendError> {
        self.home().schedules().drop_entries(names).await
    }

    async fn entries(&self, names: &[String]) -> Result<Vec<Kept>, BackendError> {
        self.home().schedules().entries(names).await
    }

    async fn changes(&self, since: u64, at_most: Duration) -> Result<Vec<Change>, BackendError> {
        self.home().schedules().changes(since, at_most).await
    }

    async fn record(&self, term: Option<u64>, mut decided: Vec<Decided>) -> Result<Vec<Recorded>, BackendError> {
        let mut crosses = false;
        for decision in &mut decided {
            crosses |= self.divert(0, &mut decision.send)?;
        }
        let recorded = self.home().schedules().record(term, decided).await?;
        if crosses {
            self.carry_now(0).await;
        }
        Ok(recorded)
    }

    async fn leader(&self) -> Result<Option<Leader>, BackendError> {
        self.home().schedules().leader().await
    }

    async fn lead(&self, name: &str, seen: Option<&Leader>) -> Result<Leader, BackendError> {
        self.home().schedules().lead(name, seen).await
    }

    async fn renew_lead(&self, term: u64) -> Result<bool, BackendError> {
        self.home().schedules().renew_lead(term).await
    }

    async fn resign(&self, term: u64) -> Result<(), BackendError> {
        self.home().schedules().resign(term).await
    }

    async fn history(&self, entry: Option<&str>, most: usize) -> Result<Vec<HistoryLine>, BackendError> {
        self.home().schedules().history(entry, most).await
    }
}

#[async_trait]
impl Fleet for Sharded {
    /// In the home, by which the fleet goes; and in the others, where deaths are told by the name, and which are found out
    /// by it to answer or not.
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        self.home().beat(card, ttl).await?;
        let away: Vec<_> = self.further().iter().filter(|shard| shard.is_away()).collect();
        join_all(self.further().iter().map(|shard| shard.ask_within(PATIENCE, shard.broker.beat(card, ttl)))).await;
        self.bring_limits().await;
        if away.iter().any(|shard| !shard.is_away()) {
            self.shards.iter().for_each(|shard| shard.put.notify_one());
        }
        Ok(())
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        let left = self.home().leave(card).await;
        let further = self.further().iter().filter(|shard| !shard.is_away());
        join_all(further.map(|shard| shard.ask_within(PATIENCE, shard.broker.leave(card)))).await;
        left
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        self.home().workers().await
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.home().revoke(task_id, keep).await
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        self.home().revocations(cursor, at_most).await
    }
}

#[async_trait]
impl Inspection for Sharded {
    /// The home as it is, with what all shards hold; who wants to know how each is kept asks each.
    async fn examine(&self) -> Result<Facts, BackendError> {
        let inspections = self.shards.iter().filter_map(|shard| shard.broker.inspection());
        let mut facts = try_join_all(inspections.map(Inspection::examine)).await?.into_iter();
        let mut home = facts.next().unwrap_or_default();
        for Facts { queues, bindings, messages, orphans, dead, whole, .. } in facts {
            home.queues.extend(queues);
            home.bindings.extend(bindings);
            home.messages.extend(messages);
            home.orphans += orphans;
            home.dead += dead;
            home.whole &= whole;
        }
        Ok(home)
    }

    async fn look_through(&self, look: &mut (dyn for<'a> FnMut(&'a [u8]) + Send)) -> Result<bool, BackendError> {
        let mut whole = true;
        for inspection in self.shards.iter().filter_map(|shard| shard.broker.inspection()) {
            whole &= inspection.look_through(look).await?;
        }
        Ok(whole)
    }
}

fn shut(state: Option<BreakerState>) -> u8 {
    match state {
        None => 0,
        Some(BreakerState::Closed) => 1,
        Some(BreakerState::HalfOpen) => 2,
        Some(BreakerState::Open) => 3,
    }
}

impl Sharded {
    async fn each_further<'a, T, F>(&'a self, ask: impl Fn(&'a Shard) -> F) -> Result<Vec<T>, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let named = |shard: &'a Shard| {
            let asked = ask(shard);
            async move { asked.await.map_err(|error| shard.named(error)) }
        };
        // All are asked, also after an error: the same question again must find no more to do.
        join_all(self.further().iter().map(named)).await.into_iter().collect()
    }

    /// Brings the limits that are set in the home to the other shards, where either has changed since it was looked at.
    /// Those that are down are left out: they get them with the first heartbeat they answer.
    async fn bring_limits(&self) {
        for shard in self.further().iter().filter(|shard| !shard.is_away()) {
            let brought = self.bring_limits_to(shard).await;
            let told = shard.lacks_limits.swap(brought.is_err(), Ordering::Relaxed);
            if let Err(error) = brought
                && !told
            {
                tracing::warn!(shard = shard.name(), %error, "the limits that are set were not brought to a shard; trying again");
            }
        }
    }

    async fn bring_limits_to(&self, shard: &Shard) -> Result<(), BackendError> {
        let known = *shard.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let (home, theirs) = self.limits_beside(shard, known).await?;
        if known == Some((home.version, theirs.version)) {
            return Ok(());
        }
        // What has not changed since the one is not told with the other.
        let (home, theirs) = if known.is_some() { self.limits_beside(shard, None).await? } else { (home, theirs) };
        // As it was before anything is changed here: that it is all there is looked at once more.
        let seen = (home.version, theirs.version);
        self.match_limits(shard, home.all, &theirs.all).await?;
        *shard.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(())
    }

    /// What is set in the home and in a shard, unless it is as it was known.
    async fn limits_beside(
        &self,
        shard: &Shard,
        known: Option<(u64, u64)>,
    ) -> Result<(Definitions, Definitions), BackendError> {
        let (home, theirs) = known.unzip();
        let home = self.home().limits().limits_set(home, Duration::ZERO).await?;
        let theirs = shard.ask_within(PATIENCE, shard.broker.limits().limits_set(theirs, Duration::ZERO)).await?;
        Ok((home, theirs))
    }

    async fn match_limits(
        &self,
        shard: &Shard,
        home: Vec<Definition>,
        theirs: &[Definition],
    ) -> Result<(), BackendError> {
        let there = shard.broker.limits();
        let declared = |definition: &Definition| definition.origin == Origin::Code;
        for gone in theirs.iter().filter(|one| !home.iter().any(|kept| kept.name == one.name)) {
            there.drop_limit(&gone.name).await?;
        }
        let missing: Vec<_> = home.into_iter().filter(|definition| !theirs.contains(definition)).collect();
        for definition in missing.iter().filter(|definition| !declared(definition)) {
            there.set_limit(&definition.name, &definition.limit).await?;
        }
        let missing = missing.into_iter().filter(declared);
        let missing: Vec<_> = missing.map(|definition| (definition.name, definition.limit)).collect();
        if missing.is_empty() { Ok(()) } else { there.declare(&missing).await }
    }
}
