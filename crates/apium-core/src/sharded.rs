//! Past one store: queues sharded over several brokers by configuration.
//!
//! Each queue lives wholly in one store, with its messages, leases, dead letters, unique keys and places with limits; the
//! configuration says in which. Nobody coordinates them and nothing is moved between them. What belongs to no queue (who
//! lives, what was called off, schedules, remote control, events) is the *home* shard's, where every queue lives that no
//! other shard owns.
//!
//! A settlement stays one step in the shard of its receipt. What it sends to another shard is put, in that step, into a
//! queue of its own there, the *crossing* (`sharded/crossing.rs`), and carried over from it by a loop
//! (`sharded/carrying.rs`): no shard waits for another, and what is carried twice arrives once.

mod carrying;
mod crossing;
mod dealt;
mod looking;
mod parts;
mod port;
mod shard;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::broker::{Broker, Outgoing, Settlement};
use crate::error::BackendError;
use crate::routing::Rule;

pub use carrying::while_carrying;
pub use crossing::CROSSING;
pub use shard::Shard;

/// The name of the shard that is the broker itself.
pub const HOME: &str = "home";

/// One broker over several, each queue in its own. Every promise of the port is kept as the shards keep it; what is
/// kept apart for each is told where it is (`docs/SHARDS.md`).
pub struct Sharded {
    /// The home first.
    shards: Vec<Shard>,
    owned: HashMap<String, usize>,
    patterns: Vec<(Rule, usize)>,
    /// How long what crosses is ours, in milliseconds.
    lease_millis: AtomicU64,
}

impl Sharded {
    /// The home, and further shards with the queues they own: names, or patterns as those of routes (`imports.*`). A name
    /// counts before a pattern, and of patterns the first.
    ///
    /// # Errors
    /// One sentence when two shards have one name or are one store, or when a queue is named twice.
    pub fn new(home: Arc<dyn Broker>, further: Vec<(Shard, Vec<String>)>) -> Result<Self, BackendError> {
        let mut sharded = Self {
            shards: vec![Shard::new(HOME, home)],
            owned: HashMap::new(),
            patterns: Vec::new(),
            lease_millis: AtomicU64::default(),
        };
        sharded.heed(crossing::LEASE);
        for (shard, queues) in further {
            sharded.add(shard, queues).map_err(BackendError::Broken)?;
        }
        Ok(sharded)
    }

    fn add(&mut self, shard: Shard, queues: Vec<String>) -> Result<(), String> {
        let (at, name) = (self.shards.len(), shard.name().to_owned());
        if let Some(other) = self.shards.iter().find(|other| other.broker.home() == shard.broker.home()) {
            return Err(format!("the shards {} and {name} are one store; give each its own URL", other.name()));
        }
        if self.shards.iter().any(|other| other.name() == name) {
            return Err(format!("two shards are named {name}; give each its own name"));
        }
        if queues.is_empty() {
            return Err(format!("the shard {name} owns no queue; name its queues, or leave it out"));
        }
        for queue in queues {
            if queue.starts_with(CROSSING) {
                return Err(format!("{queue} cannot be a queue of the shard {name}: such names are for what crosses"));
            }
            let is_pattern = queue.contains('*');
            let same = |(rule, _): &&(Rule, usize)| rule.pattern == queue;
            let taken = if is_pattern {
                self.patterns.iter().find(same).map(|(_, other)| *other)
            } else {
                self.owned.get(&queue).copied()
            };
            if let Some(other) = taken {
                let other = if other == at { &name } else { self.shards[other].name() };
                return Err(format!("the queue {queue} is given to {other} and to {name}; a queue lives in one shard"));
            }
            if is_pattern {
                self.patterns.push((Rule { pattern: queue, route: None }, at));
            } else {
                self.owned.insert(queue, at);
            }
        }
        self.shards.push(shard);
        Ok(())
    }

    /// Where a queue lives.
    fn place(&self, queue: &str) -> usize {
        let by_pattern = || self.patterns.iter().find(|(rule, _)| rule.covers(queue)).map(|(_, at)| *at);
        self.owned.get(queue).copied().or_else(by_pattern).unwrap_or_default()
    }

    fn home(&self) -> &dyn Broker {
        &*self.shards[0].broker
    }

    fn further(&self) -> &[Shard] {
        &self.shards[1..]
    }

    /// Where all of these go, if that is one shard.
    fn one_place(&self, messages: &[Outgoing]) -> Option<usize> {
        let mut places = messages.iter().map(|message| self.place(&message.queue));
        let first = places.next().unwrap_or_default();
        places.all(|place| place == first).then_some(first)
    }

    /// Where a settlement is written: where its message is or was, else at home.
    fn place_of(&self, settlement: &Settlement) -> usize {
        settlement.came_from().map_or(0, |queue| self.place(queue))
    }
}
