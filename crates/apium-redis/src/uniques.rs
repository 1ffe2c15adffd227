//! Unique tasks: a string for each key that is held, which ends by itself when nobody gives it back.

use apium_core::unique::{AtStart, Claimed, Holder, KEEP, UniqueClaim, UniqueEnd, Uniques};
use apium_core::{BackendError, Outgoing};
use async_trait::async_trait;
use redis::ScriptInvocation;

use crate::backend::{RedisBackend, millis};
use crate::{keys, scripts};

#[async_trait]
impl Uniques for RedisBackend {
    async fn publish_unique(&self, messages: &[Outgoing], claim: &UniqueClaim) -> Result<Claimed, BackendError> {
        self.bind(messages.iter().map(|message| message.queue.as_str())).await?;
        let mut script = scripts::PUBLISH_UNIQUE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::unique(&claim.key)).arg(self.offset());
        script.arg(&claim.task_id).arg(millis(claim.keep)).arg(if claim.replace { "replace" } else { "" });
        script.arg(claim.over.as_deref().unwrap_or_default());
        script.arg(keys::CALLED_OFF).arg(millis(claim.keep.max(KEEP)));
        self.add_outgoing(&mut script, messages);
        let (word, held): (String, String) = self.inner.link.script(&script).await?;
        let holder = read(&held);
        match (word.as_str(), holder) {
            ("ours", _) => Ok(Claimed::Ours),
            ("replaced", Some(holder)) => Ok(Claimed::Replaced(holder.task_id)),
            ("held", Some(holder)) => Ok(Claimed::Held(holder)),
            _ => Err(self.nonsense("publish_unique")),
        }
    }

    async fn begin(&self, _queue: &str, key: &str, task_id: &str, then: AtStart) -> Result<bool, BackendError> {
        let (verb, hold) = match then {
            AtStart::Release => ("release", 0),
            AtStart::Hold(keep) => ("hold", millis(keep)),
            AtStart::Note => ("note", 0),
        };
        let mut script = scripts::BEGIN.key(keys::unique(key));
        script.key(format!("{}{task_id}", keys::CALLED_OFF)).arg(task_id).arg(verb).arg(hold);
        self.inner.link.script(&script).await
    }

    async fn holder(&self, key: &str) -> Result<Option<Holder>, BackendError> {
        let held: Option<String> = self.inner.link.command(redis::cmd("GET").arg(keys::unique(key))).await?;
        Ok(held.and_then(|held| read(&held)))
    }
}

/// Writes what a settlement does to the key of its task, as `settle.lua` reads it.
pub(crate) fn add_end(script: &mut ScriptInvocation<'_>, end: Option<&UniqueEnd>) {
    let Some(end) = end else {
        script.arg("");
        return;
    };
    let keep = end.keep.map(|keep| millis(keep).to_string()).unwrap_or_default();
    script.arg(if end.keep.is_some() { "keep" } else { "release" });
    script.key(keys::unique(&end.key)).arg(&end.task_id).arg(keep);
}

/// `w<id>` of one that waits, `r<id>` of one that runs.
fn read(held: &str) -> Option<Holder> {
    let id = held.strip_prefix('r').or_else(|| held.strip_prefix('w'))?;
    Some(Holder { task_id: id.to_owned(), runs: held.starts_with('r') })
}
