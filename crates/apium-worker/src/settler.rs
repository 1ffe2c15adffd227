//! The settling loop: verdicts from all attempts, written in batches, each batch one round trip.

use std::sync::Arc;

use apium_core::{BackendError, Broker, ResultStore, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};

use crate::retry::Backoff;
use crate::vitals::Vitals;

/// More than this in one batch buys nothing on Redis (measured) and would make others wait.
const BATCH: usize = 100;

/// The way into the loop. The loop ends when every settler is dropped.
#[derive(Clone)]
pub(crate) struct Settler {
    orders: mpsc::Sender<Order>,
    vitals: Arc<Vitals>,
}

/// The loop's own end.
pub(crate) struct SettlerLoop {
    orders: mpsc::Receiver<Order>,
    broker: Arc<dyn Broker>,
    results: Arc<dyn ResultStore>,
}

/// What came of one settlement; `None` when it was not written and its message will be delivered again.
type Answer = Option<Settled>;

struct Order {
    settlement: Settlement,
    answer: oneshot::Sender<Answer>,
}

impl Settler {
    /// A settler and its loop.
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        results: Arc<dyn ResultStore>,
        vitals: Arc<Vitals>,
    ) -> (Self, SettlerLoop) {
        let (sender, orders) = mpsc::channel(BATCH);
        (Self { orders: sender, vitals }, SettlerLoop { orders, broker, results })
    }

    /// Settles for the task `id`; returns when it is written, or when it no longer can be.
    pub(crate) async fn settle(&self, id: &str, settlement: Settlement) -> Answer {
        let (answer, written) = oneshot::channel();
        let answered = match self.orders.send(Order { settlement, answer }).await {
            Ok(()) => written.await.ok().flatten(),
            Err(_) => None,
        };
        match answered {
            Some(Settled::Done) => {}
            Some(Settled::Lost) => {
                self.vitals.lost();
                tracing::warn!(id, "not written: the lease was lost, another worker has the message");
            }
            None => tracing::error!(id, "not written: the message will be delivered again"),
        }
        answered
    }
}

impl SettlerLoop {
    /// Settles until every [`Settler`] is gone.
    pub(crate) async fn run(mut self) {
        let mut orders = Vec::with_capacity(BATCH);
        while self.orders.recv_many(&mut orders, BATCH).await > 0 {
            let (settlements, waiting): (Vec<_>, Vec<_>) =
                orders.drain(..).map(|order| (order.settlement, order.answer)).unzip();
            let answers = self.write(settlements).await;
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                // The attempt may have been given up meanwhile.
                let _ = waiting.send(answer);
            }
        }
    }

    /// One answer a settlement. A batch that is refused is written one by one: one bad outcome spoils no other.
    async fn write(&self, mut settlements: Vec<Settlement>) -> Vec<Answer> {
        match self.insist(&mut settlements).await {
            Ok(settled) => settled.into_iter().map(Some).collect(),
            Err(error) if settlements.len() > 1 => {
                tracing::warn!(%error, "a batch of outcomes was refused; writing them one by one");
                let mut answers = Vec::with_capacity(settlements.len());
                for settlement in settlements {
                    answers.extend(Box::pin(self.write(vec![settlement])).await);
                }
                answers
            }
            Err(error) => {
                tracing::error!(%error, "an outcome was refused");
                vec![None]
            }
        }
    }

    /// Tries again while the backend cannot be reached: the messages are ours as long as their leases hold, and
    /// when those are lost the backend says so and writes nothing. It says so too when an earlier try was written
    /// and only its answer got lost, which is why nothing is settled twice.
    async fn insist(&self, settlements: &mut [Settlement]) -> Result<Vec<Settled>, BackendError> {
        let mut trouble = Backoff::reconnecting();
        loop {
            match self.try_write(settlements).await {
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, waiting = settlements.len(), "outcomes could not be written; trying again");
                    tokio::time::sleep(trouble.next_delay()).await;
                }
                settled => return settled,
            }
        }
    }

    /// Results that live elsewhere are stored first: a crash in between repeats the attempt, but never loses its result.
    async fn try_write(&self, settlements: &mut [Settlement]) -> Result<Vec<Settled>, BackendError> {
        if self.broker.home() != self.results.home() {
            for settlement in settlements.iter_mut() {
                if let Some(result) = &settlement.result {
                    self.results.store(result).await?;
                    settlement.result = None;
                }
            }
        }
        self.broker.settle(settlements.to_vec()).await
    }
}
