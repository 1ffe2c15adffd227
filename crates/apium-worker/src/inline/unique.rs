//! Unique tasks inline: the key is claimed in memory while what is sent runs, and free when that has ended.

use apium_core::protocol::Message;
use apium_core::unique::{AtStart, Claimed, Holder, UniqueClaim, UniqueEnd, UniqueMark, Uniques, Until};
use apium_core::{BackendError, Broker, Disposition, Outgoing, Settlement};
use async_trait::async_trait;

use super::Inline;

#[async_trait]
impl Uniques for Inline {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        let memory = &self.0.memory;
        let claimed = memory.publish_unique(&[], claim).await?;
        if matches!(claimed, Claimed::Held(_)) {
            return Ok(claimed);
        }
        let ran = self.run(messages).await;
        // The sitting has settled on a line of its own.
        if !messages.iter().any(lasts) {
            let end = UniqueEnd { key: claim.key.clone(), task_id: claim.task_id.clone(), keep: None };
            let settlement = Settlement { unique: Some(end), ..Settlement::without_delivery(Disposition::Ack) };
            memory.settle(vec![settlement]).await?;
        }
        ran.map(|()| claimed)
    }

    async fn begin(&self, queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        self.0.memory.begin(queue, key, task_id, then).await
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        self.0.memory.holder(key).await
    }
}

/// Whether the key is kept when the task has ended.
fn lasts(message: &Outgoing) -> bool {
    let mark = Message::decode(&message.bytes).ok().and_then(|message| UniqueMark::of(&message.headers));
    mark.is_some_and(|mark| mark.until == Until::Period)
}
