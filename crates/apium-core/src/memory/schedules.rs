//! Schedules in memory: the entries, who leads, and what was decided.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;

use super::{Memory, Shelves};
use crate::error::BackendError;
use crate::schedules::{Change, Decided, HISTORY, Kept, Leader, Line, PAGE, Put, Recorded, Schedules};

/// All that is kept of schedules.
#[derive(Default)]
pub(super) struct Shelf {
    entries: BTreeMap<String, Kept>,
    /// The edition in which each was put or dropped last.
    changes: BTreeMap<String, u64>,
    edition: u64,
    version: u64,
    leader: Option<Leader>,
    term: u64,
    history: VecDeque<Line>,
}

impl Shelf {
    fn put(&mut self, put: &Put) -> bool {
        let known = self.entries.get(&put.name);
        if put.over.is_some_and(|over| known.map_or(0, |known| known.version) != over) {
            return false;
        }
        let state = put.state.clone().or_else(|| known.map(|known| known.state.clone())).unwrap_or_default();
        self.version += 1;
        let (name, entry, version) = (put.name.clone(), put.entry.clone(), self.version);
        self.entries.insert(name.clone(), Kept { name: name.clone(), entry, state, version });
        self.changed(name);
        true
    }

    fn changed(&mut self, name: String) {
        self.edition += 1;
        self.changes.insert(name, self.edition);
    }

    fn since(&self, since: u64) -> Vec<Change> {
        if self.edition <= since {
            return Vec::new();
        }
        let mut all: Vec<_> = self.changes.iter().filter(|(_, edition)| **edition > since).collect();
        all.sort_by_key(|(_, edition)| **edition);
        let change = |(name, edition): (&String, &u64)| Change {
            edition: *edition,
            name: name.clone(),
            kept: self.entries.get(name).cloned(),
        };
        all.into_iter().take(PAGE).map(change).collect()
    }

    fn leads(&self, term: Option<u64>) -> bool {
        term.is_none_or(|term| self.leader.as_ref().is_some_and(|leader| leader.term == term))
    }
}

impl Shelves {
    fn record(&mut self, term: Option<u64>, decided: Decided, now: jiff::Timestamp) -> Recorded {
        let shelf = &mut self.schedules;
        if !shelf.leads(term) {
            return Recorded::Deposed;
        }
        let Some(kept) = shelf.entries.get_mut(&decided.name).filter(|kept| kept.version == decided.version) else {
            return Recorded::Changed;
        };
        shelf.version += 1;
        (kept.state, kept.version) = (decided.state, shelf.version);
        for told in decided.told {
            shelf.history.push_front(Line { entry: decided.name.clone(), told });
        }
        shelf.history.truncate(HISTORY);
        let version = shelf.version;
        for message in &decided.send {
            self.put(message, now);
        }
        Recorded::Done(version)
    }
}

#[async_trait]
impl Schedules for Memory {
    async fn put(&self, entries: &[Put]) -> Result<Vec<bool>, BackendError> {
        let written = {
            let mut shelves = self.open();
            entries.iter().map(|put| shelves.schedules.put(put)).collect()
        };
        self.changed.notify_waiters();
        Ok(written)
    }

    async fn drop_entries(&self, names: &[String]) -> Result<u64, BackendError> {
        let mut dropped = 0;
        let mut shelves = self.open();
        for name in names {
            if shelves.schedules.entries.remove(name).is_some() {
                shelves.schedules.changed(name.clone());
                dropped += 1;
            }
        }
        drop(shelves);
        self.changed.notify_waiters();
        Ok(dropped)
    }

    async fn entries(&self, names: &[String]) -> Result<Vec<Kept>, BackendError> {
        let shelves = self.open();
        Ok(names.iter().filter_map(|name| shelves.schedules.entries.get(name).cloned()).collect())
    }

    async fn changes(&self, since: u64, at_most: Duration) -> Result<Vec<Change>, BackendError> {
        let news = |shelves: &mut Shelves| Some(shelves.schedules.since(since)).filter(|news| !news.is_empty());
        Ok(self.until(at_most, news).await.unwrap_or_default())
    }

    async fn record(&self, term: Option<u64>, decided: Vec<Decided>) -> Result<Vec<Recorded>, BackendError> {
        let now = self.clock.now();
        let recorded = {
            let mut shelves = self.open();
            decided.into_iter().map(|decided| shelves.record(term, decided, now)).collect()
        };
        self.changed.notify_waiters();
        Ok(recorded)
    }

    async fn leader(&self) -> Result<Option<Leader>, BackendError> {
        Ok(self.open().schedules.leader.clone())
    }

    async fn lead(&self, name: &str, seen: Option<&Leader>) -> Result<Leader, BackendError> {
        let mut shelves = self.open();
        let shelf = &mut shelves.schedules;
        if let Some(leader) = shelf.leader.as_ref().filter(|leader| seen != Some(leader)) {
            return Ok(leader.clone());
        }
        shelf.term += 1;
        let leader = Leader { term: shelf.term, renewed: 0, name: name.to_owned() };
        shelf.leader = Some(leader.clone());
        Ok(leader)
    }

    async fn renew_lead(&self, term: u64) -> Result<bool, BackendError> {
        let mut shelves = self.open();
        let leader = shelves.schedules.leader.as_mut().filter(|leader| leader.term == term);
        Ok(leader.map(|leader| leader.renewed += 1).is_some())
    }

    async fn resign(&self, term: u64) -> Result<(), BackendError> {
        let mut shelves = self.open();
        shelves.schedules.leader.take_if(|leader| leader.term == term);
        Ok(())
    }

    async fn history(&self, entry: Option<&str>, most: usize) -> Result<Vec<Line>, BackendError> {
        let shelves = self.open();
        let lines = shelves.schedules.history.iter().filter(|line| entry.is_none_or(|entry| line.entry == entry));
        Ok(lines.take(most).cloned().collect())
    }
}
