//! In which order a worker looks at its queues: Celery's `queue_order_strategy` of the Redis transport.

use std::str::FromStr;

/// The order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// Each comes first in its turn, so that none is starved. The default.
    #[default]
    RoundRobin,
    /// As the worker was given them: a later one is served only while the earlier ones are empty.
    Priority,
    /// The same by the alphabet.
    Sorted,
}

/// The queues of one worker, in the order to look at them next.
#[derive(Debug, Clone)]
pub struct QueueCycle {
    order: QueueOrder,
    queues: Vec<String>,
}

/// A word that names no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("queue_order_strategy must be round_robin, priority or sorted, not {0:?}")]
pub struct UnknownOrder(String);

impl QueueCycle {
    /// These queues in this order.
    pub fn new(order: QueueOrder, mut queues: Vec<String>) -> Self {
        if order == QueueOrder::Sorted {
            queues.sort();
        }
        Self { order, queues }
    }

    /// The queues, first to last.
    pub fn queues(&self) -> &[String] {
        &self.queues
    }

    /// Tells that the queues were looked at. One claim may take from several of them, so that the turn goes by looks and
    /// not, as in Celery, by the message that was found.
    pub fn turn(&mut self) {
        if self.order == QueueOrder::RoundRobin && !self.queues.is_empty() {
            self.queues.rotate_left(1);
        }
    }
}

impl QueueOrder {
    /// Celery's words, the default first.
    pub const WORDS: &'static [&'static str] = &["round_robin", "priority", "sorted"];
}

impl FromStr for QueueOrder {
    type Err = UnknownOrder;

    /// Celery's words.
    fn from_str(word: &str) -> Result<Self, UnknownOrder> {
        match word {
            "round_robin" => Ok(Self::RoundRobin),
            "priority" => Ok(Self::Priority),
            "sorted" => Ok(Self::Sorted),
            _ => Err(UnknownOrder(word.to_owned())),
        }
    }
}
