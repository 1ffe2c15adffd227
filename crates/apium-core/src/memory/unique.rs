//! Unique tasks in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Memory;
use crate::broker::Outgoing;
use crate::clock::after;
use crate::error::BackendError;
use crate::unique::{AtStart, Claimed, Holder, KEEP, UniqueClaim, UniqueEnd, Uniques};

/// Every key that is held, and every task that was called off for a newer one.
#[derive(Default)]
pub(super) struct Shelf {
    keys: HashMap<String, (Holder, Timestamp)>,
    called_off: HashMap<String, Timestamp>,
}

impl Shelf {
    /// What a settlement does to the key of its task.
    pub(super) fn end(&mut self, end: &UniqueEnd, now: Timestamp) {
        match (self.held(&end.key, now).filter(|(holder, _)| holder.task_id == end.task_id), end.keep) {
            (None, _) => {}
            (Some(held), Some(keep)) => (held.0.runs, held.1) = (false, after(now, keep)),
            (Some(_), None) => drop(self.keys.remove(&end.key)),
        }
    }

    fn held(&mut self, key: &str, now: Timestamp) -> Option<&mut (Holder, Timestamp)> {
        self.keys.retain(|_, (_, until)| *until > now);
        self.called_off.retain(|_, until| *until > now);
        self.keys.get_mut(key)
    }

    fn claim(&mut self, claim: &UniqueClaim, now: Timestamp) -> Option<Claimed> {
        let standing = self.held(&claim.key, now).map(|(holder, _)| holder.clone());
        let standing = standing.filter(|holder| claim.over.as_ref() != Some(&holder.task_id));
        let claimed = match standing {
            Some(holder) if holder.task_id == claim.task_id => return None,
            Some(holder) if holder.runs || !claim.replace => return Some(Claimed::Held(holder)),
            Some(holder) => {
                self.called_off.insert(holder.task_id.clone(), after(now, claim.keep.max(KEEP)));
                Claimed::Replaced(holder.task_id)
            }
            None => Claimed::Ours,
        };
        let holder = Holder { task_id: claim.task_id.clone(), runs: false };
        self.keys.insert(claim.key.clone(), (holder, after(now, claim.keep)));
        Some(claimed)
    }

    fn begin(&mut self, key: &str, task_id: &str, then: AtStart, now: Timestamp) -> bool {
        let held = self.held(key, now).map(|(holder, _)| holder.task_id == task_id);
        if self.called_off.contains_key(task_id) {
            return false;
        }
        match (then, held) {
            (AtStart::Hold(keep), None | Some(true)) => {
                let holder = Holder { task_id: task_id.to_owned(), runs: true };
                self.keys.insert(key.to_owned(), (holder, after(now, keep)));
            }
            (AtStart::Release, Some(true)) => drop(self.keys.remove(key)),
            (AtStart::Note, Some(true)) => {
                if let Some((holder, _)) = self.keys.get_mut(key) {
                    holder.runs = true;
                }
            }
            (_, None | Some(false)) => {}
        }
        true
    }
}

#[async_trait]
impl Uniques for Memory {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let claimed = match shelves.uniques.claim(claim, now) {
            None => return Ok(Claimed::Ours),
            Some(Claimed::Held(holder)) => return Ok(Claimed::Held(holder)),
            Some(claimed) => claimed,
        };
        for message in messages {
            shelves.put(message, now);
        }
        drop(shelves);
        self.changed.notify_waiters();
        Ok(claimed)
    }

    async fn begin(&self, _queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        let now = self.clock.now();
        Ok(self.open().uniques.begin(key, task_id, then, now))
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        let now = self.clock.now();
        Ok(self.open().uniques.held(key, now).map(|(holder, _)| holder.clone()))
    }
}
