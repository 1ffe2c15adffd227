//! The result port: strings with an expiry, told on the channel of the same name as Celery's clients expect.

use std::time::Duration;

use apium_core::chords::Chords;
use apium_core::inspection::Inspection;
use apium_core::results::StoredResult;
use apium_core::state::TaskState;
use apium_core::{BackendError, Disposition, Lookup, ResultStore, Settlement};
use apium_protocol::ResultRecord;
use async_trait::async_trait;

use crate::backend::{RedisBackend, millis};
use crate::keys;
use crate::settle::Written;
use crate::wake::Look;

#[async_trait]
impl ResultStore for RedisBackend {
    fn home(&self) -> &str {
        &self.inner.home
    }

    fn chords(&self) -> &dyn Chords {
        self
    }

    fn inspection(&self) -> Option<&dyn Inspection> {
        Some(self)
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        let settlement = Settlement::without_delivery(Disposition::Ack).with_result(Some(result.clone()));
        let written = self.write(std::iter::once(&settlement)).await?;
        Ok(written == [Written::Whole])
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(keys::meta(task_id)).cmd("GET").arg(keys::known(task_id));
        let (record, known): (Option<Vec<u8>>, Option<String>) = self.inner.link.pipeline(&pipe).await?;
        Ok(match (record, known.as_deref()) {
            (Some(record), _) => Lookup::Stored(Box::new(self.read(task_id, &record)?)),
            (None, Some("ended")) => Lookup::Expired,
            (None, Some(_)) => Lookup::Waiting,
            (None, None) => Lookup::Unknown,
        })
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        // Tracking the key instead of subscribing to its channel: nothing is lost over a reconnect, and however
        // many wait, they share the one connection of all waiters.
        self.inner.wake.until(vec![keys::meta(task_id)], at_most, || self.ready(task_id)).await
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.inner.link.command(redis::cmd("DEL").arg(keys::meta(task_id))).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let known = keys::known(task_id);
        let mut pipe = redis::pipe();
        pipe.atomic();
        // One that has ended stays so; only its time is prolonged.
        pipe.cmd("SET").arg(&known).arg("sent").arg("PX").arg(millis(keep)).arg("NX").ignore();
        pipe.cmd("PEXPIRE").arg(&known).arg(millis(keep)).ignore();
        self.inner.link.pipeline(&pipe).await
    }
}

impl RedisBackend {
    async fn ready(&self, task_id: &str) -> Result<Look<ResultRecord>, BackendError> {
        let Some(record) = self.inner.wake.get(keys::meta(task_id)).await? else { return Ok(Look::Nothing) };
        let record = self.read(task_id, &record)?;
        let ready = TaskState::from_name(&record.status).is_ready();
        Ok(if ready { Look::Found(record) } else { Look::Nothing })
    }

    fn read(&self, task_id: &str, record: &[u8]) -> Result<ResultRecord, BackendError> {
        let opened = self.bodies().open_stored(record);
        opened
            .and_then(|record| ResultRecord::decode(&record).map_err(|error| error.to_string()))
            .map_err(|error| BackendError::Broken(format!("the stored result of {task_id} cannot be read: {error}")))
    }
}
