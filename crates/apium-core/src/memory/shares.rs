//! Shared queues in memory.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Memory, Shelves};
use crate::broker::{Claim, Delivery, Settled};
use crate::error::BackendError;
use crate::shares::{self, Shares, Sorted};

/// Every queue that is shared.
#[derive(Default)]
pub(super) struct Shelf(HashMap<String, Turns>);

#[derive(Default)]
struct Turns {
    /// The turn that was served last.
    served: i64,
    /// The earliest turn of each share's next message, where that is ahead.
    reached: HashMap<String, i64>,
}

impl Shelves {
    fn sort(&mut self, sorted: &Sorted) -> Settled {
        let Some(place) = self.place_of(&sorted.receipt.tag) else { return Settled::Lost };
        let called = sorted.limits.iter().any(|limit| self.is_called(limit, &sorted.task_id));
        let Some(held) = self.messages.get_mut(&place) else { return Settled::Lost };
        let turns = self.shares.0.entry(held.queue.clone()).or_default();
        let mut turn = shares::next(turns.served);
        if !sorted.next && !called {
            let reached;
            (turn, reached) = shares::turn(turns.served, turns.reached.get(&sorted.share).copied(), sorted.weight);
            turns.reached.insert(sorted.share.clone(), reached);
        }
        (held.claim, held.turn) = (None, Some(turn));
        Settled::Done
    }

    /// The sorted message of a queue whose turn is next.
    fn first_turn(&self, queue: &str) -> Option<(i64, i64)> {
        let sorted = self.messages.iter().filter(|(_, held)| held.queue == queue && held.claim.is_none());
        sorted.filter_map(|(place, held)| Some((held.turn?, *place))).min()
    }

    fn serve(&mut self, queue: &str, turn: i64) {
        let turns = self.shares.0.entry(queue.to_owned()).or_default();
        turns.served = turns.served.max(turn);
        let served = turns.served;
        turns.reached.retain(|_, reached| *reached > served);
    }
}

#[async_trait]
impl Shares for Memory {
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError> {
        let settled = {
            let mut shelves = self.open();
            sorted.iter().map(|sorted| shelves.sort(sorted)).collect()
        };
        self.changed.notify_waiters();
        Ok(settled)
    }

    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let mut taken = Vec::new();
        for queue in claim.queues {
            while taken.len() < claim.max
                && let Some((turn, place)) = shelves.first_turn(queue)
            {
                shelves.serve(queue, turn);
                taken.extend(shelves.hand_out(place, now, claim.lease));
            }
        }
        Ok(taken)
    }

    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        self.until(at_most, |shelves| queues.iter().find_map(|queue| shelves.first_turn(queue))).await;
        Ok(())
    }

    async fn unsort(&self, queue: &str) -> Result<u64, BackendError> {
        let mut shelves = self.open();
        let mut turns = Vec::new();
        while let Some((_, place)) = shelves.first_turn(queue) {
            let Some(held) = shelves.messages.remove(&place) else { break };
            turns.push(super::Held { turn: None, ..held });
        }
        shelves.shares.0.remove(queue);
        let unsorted = turns.len();
        // The first turn ends up in front of all.
        for held in turns.into_iter().rev() {
            shelves.first -= 1;
            let place = shelves.first;
            shelves.messages.insert(place, held);
        }
        drop(shelves);
        self.changed.notify_waiters();
        Ok(unsorted as u64)
    }
}
