//! The crossing loop: carries what a shard holds for others, batch by batch. Each shard is carried from by itself, so that
//! one that does not answer holds up no other.
//!
//! Whoever puts something into a crossing tells the loop of its program and goes on. A program without one, which only
//! sends and ends, carries itself before it goes on.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Sharded;
use super::crossing::AT_ONCE;
use super::shard::PATIENCE;
use crate::broker::Broker;

/// What other programs have put into a crossing, and did not live to carry, is found so soon.
const LOOK: Duration = Duration::from_secs(5);

/// How long a loop may take to end.
const GOODBYE: Duration = Duration::from_secs(2);

/// Counts a loop while there is one, however it ends.
struct Carrier<'a>(&'a AtomicUsize);

/// Does this work with the crossing loop beside it, which ends when the work does.
pub fn while_carrying<T>(broker: &dyn Broker, work: impl Future<Output = T>) -> impl Future<Output = T> {
    // Boxed before anything else: it may be all that a program does.
    beside(broker, Box::pin(work))
}

async fn beside<T>(broker: &dyn Broker, work: Pin<Box<impl Future<Output = T>>>) -> T {
    let end = CancellationToken::new();
    let work = async {
        let done = work.await;
        end.cancel();
        done
    };
    let carrying = async {
        let late = async {
            end.cancelled().await;
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            () = broker.carry(&end) => {}
            () = late => {}
        }
    };
    tokio::join!(work, carrying).0
}

impl Sharded {
    /// Sees to what has just been put into the crossings of a shard. Whatever comes of it, it is kept.
    pub(super) async fn carry_now(&self, from: usize) {
        let shard = &self.shards[from];
        if shard.carriers.load(Ordering::Relaxed) > 0 {
            return shard.put.notify_one();
        }
        self.carry_at_last(from).await;
    }

    /// Carries until told to end, and then what has been put there meanwhile.
    pub(super) async fn carry_on(&self, end: &CancellationToken) {
        join_all((0..self.shards.len()).map(|from| self.carry_from(from, end))).await;
    }

    async fn carry_from(&self, from: usize, end: &CancellationToken) {
        let shard = &self.shards[from];
        let carrier = Carrier::new(&shard.carriers);
        while !end.is_cancelled() {
            if self.carry_batch(from).await {
                continue;
            }
            tokio::select! {
                () = end.cancelled() => {}
                () = shard.put.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        // From here on whoever puts something there carries it.
        drop(carrier);
        self.carry_at_last(from).await;
    }

    /// For as long as somebody waits for it. What is safe here need not be carried by us; but what we have claimed is
    /// brought to its end.
    async fn carry_at_last(&self, from: usize) {
        let until = Instant::now() + PATIENCE;
        while self.carry_batch(from).await && Instant::now() < until {}
    }

    /// Carries a batch; false when nothing more is to be carried for now.
    async fn carry_batch(&self, from: usize) -> bool {
        let shard = &self.shards[from];
        if shard.is_away() {
            return false;
        }
        match self.carry_some(from).await {
            Ok(carried) => carried == AT_ONCE,
            Err(error) => {
                tracing::debug!(shard = shard.name(), %error, "what crosses waits to be carried");
                false
            }
        }
    }
}

impl<'a> Carrier<'a> {
    fn new(carriers: &'a AtomicUsize) -> Self {
        carriers.fetch_add(1, Ordering::Relaxed);
        Self(carriers)
    }
}

impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
