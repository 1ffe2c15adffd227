//! The queues a worker consumes: those it was started with, until remote control adds one or cancels one.

use apium_core::protocol::control::ActiveQueue;
use tokio::sync::watch;

/// The queues of one worker, as they are now.
pub(crate) struct Queues(watch::Sender<Vec<ActiveQueue>>);

impl Queues {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(watch::channel(names.iter().map(|name| ActiveQueue::new(name)).collect()).0)
    }

    /// As they are shown to whoever asks.
    pub(crate) fn shown(&self) -> Vec<ActiveQueue> {
        self.0.borrow().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.0.borrow())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Adds a queue; one that is there already stays as it is, as in Celery.
    pub(crate) fn add(&self, queue: ActiveQueue) {
        self.0.send_if_modified(|queues| {
            let new = queues.iter().all(|known| known.name != queue.name);
            if new {
                queues.push(queue);
            }
            new
        });
    }

    pub(crate) fn cancel(&self, name: &str) {
        self.0.send_if_modified(|queues| {
            let before = queues.len();
            queues.retain(|queue| queue.name != name);
            queues.len() < before
        });
    }

    /// Sees every change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Vec<ActiveQueue>> {
        self.0.subscribe()
    }
}

pub(crate) fn names(queues: &[ActiveQueue]) -> Vec<String> {
    queues.iter().map(|queue| queue.name.clone()).collect()
}
