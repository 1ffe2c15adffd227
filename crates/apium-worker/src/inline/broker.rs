//! Inline as a broker: publishing runs; of everything else there is what the memory remembers.

use std::time::Duration;

use apium_core::broadcast::Broadcast;
use apium_core::broker::QueueDepth;
use apium_core::fleet::Revocations;
use apium_core::limits::Limits;
use apium_core::schedules::Schedules;
use apium_core::shares::Shares;
use apium_core::unique::Uniques;
use apium_core::{
    BackendError, Broker, Claim, DeadFilter, DeadLetter, Delivery, Fleet, Outgoing, Receipt, Settled, Settlement,
    WorkerCard,
};
use async_trait::async_trait;

use super::Inline;

#[async_trait]
impl Broker for Inline {
    fn home(&self) -> &str {
        Broker::home(&self.0.memory)
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self.0.memory.broadcast()
    }

    fn uniques(&self) -> &dyn Uniques {
        self
    }

    fn limits(&self) -> &dyn Limits {
        self.0.memory.limits()
    }

    fn shares(&self) -> &dyn Shares {
        self.0.memory.shares()
    }

    fn schedules(&self) -> &dyn Schedules {
        self.0.memory.schedules()
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        if messages.is_empty() { Ok(()) } else { self.run(messages).await }
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        self.0.memory.claim(claim).await
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        Broker::wait(&self.0.memory, queues, at_most).await
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        self.0.memory.renew(receipts, lease).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        self.0.memory.settle(settlements).await
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        self.0.memory.recover().await
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        self.0.memory.depths(queues).await
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        self.0.memory.purge(queue).await
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        self.0.memory.dead_letters(filter).await
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        self.0.memory.dead_letter(id).await
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        self.0.memory.dead_ids(filter).await
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        self.0.memory.replay(id, instead).await
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        self.0.memory.drop_dead(ids).await
    }
}

#[async_trait]
impl Fleet for Inline {
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        self.0.memory.beat(card, ttl).await
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        self.0.memory.leave(card).await
    }

    /// This program itself, which runs what is sent, is a worker.
    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        let kit = &*self.0;
        let mut workers = kit.memory.workers().await?;
        workers.push(WorkerCard {
            name: kit.options.name.clone(),
            queues: kit.options.queues.clone(),
            tasks: kit.registry.names(),
            concurrency: u32::try_from(kit.options.concurrency).unwrap_or(u32::MAX),
            active: kit.vitals.active(),
            processed: kit.vitals.processed(),
            pid: std::process::id(),
            started: kit.started.clone(),
        });
        Ok(workers)
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.0.memory.revoke(task_id, keep).await?;
        self.0.sittings.revoke(task_id);
        Ok(())
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        self.0.memory.revocations(cursor, at_most).await
    }
}
