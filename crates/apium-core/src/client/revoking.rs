//! Calling off more than one task, or otherwise than by its id.

use std::time::Duration;

use apium_protocol::{ExceptionRecord, RawJson, ResultRecord};
use jiff::Timestamp;

use super::{Client, KEEP_REVOKED, iso};
use crate::error::BackendError;
use crate::results::StoredResult;
use crate::revocation::Revocation;
use crate::state::{Overwrite, TaskState};

impl Client {
    /// Calls off what `what` reaches, for as long as `keep`: what is taken up by then does not run, and what runs is
    /// stopped if `terminate` says so. Who waits for one of its ids that nobody has begun is told at once.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn call_off(&self, what: &Revocation, keep: Duration) -> Result<(), BackendError> {
        self.broker.call_off(what, keep).await?;
        for id in &what.ids {
            self.tell_revoked(id).await?;
        }
        Ok(())
    }

    /// Stores REVOKED over a task nobody has begun.
    pub(super) async fn tell_revoked(&self, id: &str) -> Result<(), BackendError> {
        let told = ExceptionRecord::new("celery.exceptions", "TaskRevokedError", "revoked");
        let mut record = ResultRecord::new(id, TaskState::Revoked.name(), told.to_json());
        record.children = RawJson::null();
        record.date_done = Some(iso(Timestamp::now()));
        let stored = StoredResult {
            over: Overwrite::Waiting,
            remember: Some(KEEP_REVOKED),
            ..StoredResult::of(&record, Some(KEEP_REVOKED))
        };
        self.results.store(&stored).await.map(drop)
    }
}
