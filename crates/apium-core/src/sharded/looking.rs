//! What is claimed from several shards and waited for in them, the living ones only: one that is down is left alone until
//! it answers.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::dealt::Dealt;
use super::{Shard, Sharded};
use crate::broker::{Claim, Delivery};
use crate::error::BackendError;

/// Which way messages are claimed and waited for.
#[derive(Clone, Copy)]
pub(super) enum Line {
    /// As they came.
    Plain,
    /// By turns, in a queue that is shared.
    Sorted,
}

impl Sharded {
    /// Claims from shard after shard, in the order of their queues, until there is enough; the consumer turns that order
    /// from claim to claim, so that none is starved.
    pub(super) async fn claim_in(&self, line: Line, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        self.heed(claim.lease);
        let dealt = self.by_place(claim.queues);
        if let Some(only) = dealt.only() {
            let shard = &self.shards[only];
            return line.claim(shard, claim).await.map_err(|error| self.told(only, error));
        }
        let (mut found, mut failed, mut asked) = (Vec::new(), None, false);
        for (at, queues, _) in dealt.hands() {
            let shard = &self.shards[at];
            let claim = Claim { queues: &queues, max: claim.max - found.len(), lease: claim.lease };
            if claim.max == 0 {
                break;
            }
            if shard.is_away() {
                failed.get_or_insert_with(|| silent(shard));
                continue;
            }
            match shard.ask(line.claim(shard, &claim)).await {
                Ok(deliveries) => {
                    asked = true;
                    found.extend(deliveries);
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !asked || !error.is_transient() && found.is_empty() => Err(error),
            // What was claimed elsewhere is ours, and of the shard that failed the log tells.
            _ => Ok(found),
        }
    }

    /// Returns as soon as one of the shards may have something, or one that was down answers again.
    pub(super) async fn wait_in(&self, line: Line, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        let dealt = self.by_place(queues);
        if let Some(only) = dealt.only() {
            return line.wait(&self.shards[only], queues, at_most).await.map_err(|error| self.told(only, error));
        }
        let waits = dealt.hands().map(|(at, queues, _)| self.wait_at(line, at, queues, at_most));
        let mut waits: FuturesUnordered<_> = waits.collect();
        let mut failed = None;
        while let Some(waited) = waits.next().await {
            match waited {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn wait_at(&self, line: Line, at: usize, queues: Vec<String>, at_most: Duration) -> Result<(), BackendError> {
        let shard = &self.shards[at];
        let failed = if shard.is_away() {
            silent(shard)
        } else {
            // That a wait ends in time tells nothing of the shard.
            match line.wait(shard, &queues, at_most).await {
                Err(error @ BackendError::Unavailable(_)) => shard.note_failure(error),
                waited => return waited.map_err(|error| shard.named(error)),
            }
        };
        let back = tokio::time::timeout(at_most, shard.back()).await;
        back.map_err(|_| failed)
    }

    fn by_place(&self, queues: &[String]) -> Dealt<String> {
        Dealt::out(queues.iter().cloned(), |queue| self.place(queue))
    }

    /// An error, with the name of the shard unless that is the home, whose errors are the broker's own.
    pub(super) fn told(&self, at: usize, error: BackendError) -> BackendError {
        if at == 0 { error } else { self.shards[at].named(error) }
    }
}

fn silent(shard: &Shard) -> BackendError {
    BackendError::Unavailable(format!("shard {}: it has failed and is left alone until it answers", shard.name()))
}

impl Line {
    fn claim<'a>(self, shard: &'a Shard, claim: &'a Claim<'a>) -> BoxFuture<'a, Result<Vec<Delivery>, BackendError>> {
        match self {
            Self::Plain => shard.broker.claim(claim),
            Self::Sorted => shard.broker.shares().take(claim),
        }
    }

    fn wait<'a>(
        self,
        shard: &'a Shard,
        queues: &'a [String],
        at_most: Duration,
    ) -> BoxFuture<'a, Result<(), BackendError>> {
        match self {
            Self::Plain => shard.broker.wait(queues, at_most),
            Self::Sorted => shard.broker.shares().wait_sorted(queues, at_most),
        }
    }
}
