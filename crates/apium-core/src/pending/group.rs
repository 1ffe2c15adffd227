//! What can be asked of a group: its members, how many of them have succeeded; and how it is kept, so that another
//! program finds it again (Celery's `GroupResult.save` and `restore`).

use std::time::Duration;

use apium_protocol::RawJson;
use apium_protocol::canvas::SavedGroup;

use super::Pending;
use crate::client::Client;
use crate::error::BackendError;
use crate::state::TaskState;

impl Client {
    /// A group that was kept with [`Pending::save`] or by Python's `GroupResult.save`; `None` when nothing is kept
    /// under this id.
    pub async fn restore_group(&self, id: &str) -> Result<Option<Pending>, BackendError> {
        let Some(record) = self.results().chords().group(id).await? else { return Ok(None) };
        let tuple = record.member("result").unwrap_or_default();
        self.pending_from(&tuple).map(Some)
    }

    /// Deletes what is kept of a group; the results of its members stay.
    pub async fn delete_group(&self, id: &str) -> Result<(), BackendError> {
        self.results().chords().forget_group(id).await
    }
}

impl Pending {
    /// Of a group, its members; of a task, none.
    pub fn members(&self) -> &[Self] {
        self.members.as_deref().unwrap_or_default()
    }

    /// Whether this is a group.
    pub fn is_group(&self) -> bool {
        self.members.is_some()
    }

    /// The tasks it stands for, those of groups within a group too, in their order; a task stands for itself.
    pub fn tasks(&self) -> Vec<&Self> {
        let mut tasks = Vec::new();
        self.gather(&mut tasks);
        tasks
    }

    /// Keeps the ids of a group's members, so that [`Client::restore_group`] and Python's `GroupResult.restore` find
    /// them; for ever, if no span is given (Celery's is `result_expires`).
    ///
    /// # Errors
    /// When this is no group, or the store cannot be asked.
    pub async fn save(&self, keep: Option<Duration>) -> Result<(), BackendError> {
        if self.members.is_none() {
            return Err(BackendError::Broken(format!("{} is a task: only a group is kept by its id", self.id)));
        }
        let broken = |error| BackendError::Broken(format!("the group {} was not kept: {error}", self.id));
        let tuple = RawJson::from(self).map_err(broken)?;
        self.client.results().chords().save_group(&self.id, &SavedGroup::record(&tuple), keep).await
    }

    /// How many of its tasks have succeeded (Celery's `completed_count`).
    pub async fn completed_count(&self) -> Result<usize, BackendError> {
        Ok(self.states().await?.iter().filter(|state| **state == TaskState::Success).count())
    }

    /// Whether any of its tasks has not ended.
    pub async fn waiting(&self) -> Result<bool, BackendError> {
        Ok(!self.ready().await?)
    }

    fn gather<'a>(&'a self, tasks: &mut Vec<&'a Self>) {
        match &self.members {
            Some(members) => members.iter().for_each(|member| member.gather(tasks)),
            None => tasks.push(self),
        }
    }
}
