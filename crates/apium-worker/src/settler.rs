//! The settling loop: verdicts from all attempts, written in batches, each batch one round trip.

use std::sync::Arc;

use apium_core::{BackendError, Broker, ResultStore, Settled, Settlement, StoredResult};
use tokio::sync::{mpsc, oneshot};

use crate::retry::Backoff;
use crate::vitals::Vitals;

/// More than this in one batch buys nothing on Redis (measured) and would make others wait.
const BATCH: usize = 100;

/// The way into the loop. The loop ends when every settler is dropped.
#[derive(Clone)]
pub(crate) struct Settler(mpsc::Sender<Order>);

/// The loop's own end.
pub(crate) struct SettlerLoop {
    orders: mpsc::Receiver<Order>,
    broker: Arc<dyn Broker>,
    results: Arc<dyn ResultStore>,
    vitals: Arc<Vitals>,
}

struct Order {
    settlement: Settlement,
    done: oneshot::Sender<()>,
}

impl Settler {
    /// A settler and its loop.
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        results: Arc<dyn ResultStore>,
        vitals: Arc<Vitals>,
    ) -> (Self, SettlerLoop) {
        let (sender, orders) = mpsc::channel(BATCH);
        (Self(sender), SettlerLoop { orders, broker, results, vitals })
    }

    /// Settles; returns when it is written, or when it no longer can be.
    pub(crate) async fn settle(&self, settlement: Settlement) {
        let (done, written) = oneshot::channel();
        if self.0.send(Order { settlement, done }).await.is_ok() {
            // An order that is dropped unanswered was told of in the log by the loop.
            let _ = written.await;
        }
    }
}

impl SettlerLoop {
    /// Settles until every [`Settler`] is gone.
    pub(crate) async fn run(mut self) {
        let mut orders = Vec::with_capacity(BATCH);
        while self.orders.recv_many(&mut orders, BATCH).await > 0 {
            let (settlements, waiting): (Vec<_>, Vec<_>) =
                orders.drain(..).map(|order| (order.settlement, order.done)).unzip();
            self.write(settlements).await;
            for done in waiting {
                // The attempt may have been given up meanwhile.
                let _ = done.send(());
            }
        }
    }

    /// Tries again while the backend cannot be reached: the messages are ours as long as their leases hold, and
    /// when those are lost the backend says so and writes nothing.
    async fn write(&self, mut settlements: Vec<Settlement>) {
        let mut trouble = Backoff::reconnecting();
        loop {
            match self.try_write(&mut settlements).await {
                Ok(settled) => {
                    let lost = settled.iter().filter(|settled| **settled == Settled::Lost).count();
                    for _ in 0..lost {
                        self.vitals.lost();
                        tracing::warn!(
                            "a lease was lost: another worker has the message, this outcome was not written"
                        );
                    }
                    return;
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, waiting = settlements.len(), "outcomes could not be written; trying again");
                    tokio::time::sleep(trouble.next_delay()).await;
                }
                Err(error) if settlements.len() > 1 => {
                    tracing::warn!(%error, "a batch of outcomes was refused; writing them one by one");
                    for settlement in std::mem::take(&mut settlements) {
                        Box::pin(self.write(vec![settlement])).await;
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "an outcome could not be written; the message will be delivered again");
                    return;
                }
            }
        }
    }

    /// Results that live elsewhere are stored first: a crash in between repeats the attempt, but never loses its result.
    async fn try_write(&self, settlements: &mut [Settlement]) -> Result<Vec<Settled>, BackendError> {
        if self.broker.home() != self.results.home() {
            for settlement in settlements.iter_mut() {
                if let Some(result) = settlement.result.clone() {
                    self.results.store(&result).await?;
                    settlement.result = None::<StoredResult>;
                }
            }
        }
        self.broker.settle(settlements.to_vec()).await
    }
}
