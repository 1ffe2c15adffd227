//! Sending a unique task: its key is claimed in the step that publishes it.

use std::time::Duration;

use apium_protocol::RawJson;
use apium_protocol::canvas::{self, Act, Current, PlannedMessage, Shape};
use jiff::Timestamp;

use super::{Client, SendError, Sent, plan};
use crate::results::Lookup;
use crate::signature::Signature;
use crate::state::TaskState;
use crate::unique::{self, Claimed, HEADER, Holder, Policy, Unique, UniqueClaim, UniqueMark, Until};

impl Client {
    /// Sends a unique task, or tells who holds its key. A holder whose result says that it has ended gives way: it ran
    /// on a Python worker, was called off, or is about to be settled.
    pub(super) async fn send_unique(
        &self,
        signature: &Signature,
        unique: &Unique,
        from: Option<Current>,
    ) -> Result<Sent, SendError> {
        let mark = mark(signature, unique)?;
        let marked = Signature { unique: None, ..signature.clone() }.header(HEADER, &mark);
        let plan = plan(&marked, from)?;
        let [Act::Send(planned)] = plan.acts.as_slice() else { return Err(refused(signature, single())) };
        let children = plan.children_json().map_err(|error| super::unsendable(signature.task(), error.into()))?;
        if let Some(keep) = signature.remember {
            self.results.remember(&planned.id, keep).await?;
        }
        let now = Timestamp::now();
        let messages = self.messages(planned, now)?;
        let mut claim = UniqueClaim {
            task_id: planned.id.clone(),
            keep: mark.keep().saturating_add(delay(planned, now)),
            key: mark.key,
            replace: matches!(unique.policy, Policy::Replace | Policy::KeepLast),
            over: None,
        };
        let mut claimed = self.broker.uniques().publish_unique(&messages, &claim).await?;
        if let Claimed::Held(holder) = &claimed
            && self.has_freed(holder, mark.until).await?
        {
            claim.over = Some(holder.task_id.clone());
            claimed = self.broker.uniques().publish_unique(&messages, &claim).await?;
        }
        match claimed {
            Claimed::Ours => {}
            Claimed::Replaced(id) => self.tell_replaced(&id).await,
            Claimed::Held(Holder { task_id, .. }) if unique.policy == Policy::Return => {
                return Ok(Sent { pending: self.pending(task_id), children: RawJson::array(&[]) });
            }
            Claimed::Held(Holder { task_id: holder, .. }) => {
                return Err(SendError::Held { task: signature.task().to_owned(), holder });
            }
        }
        Ok(Sent { pending: self.pending(claim.task_id), children })
    }

    /// Whether the result of a holder says that its key is free, though nobody has given it back.
    async fn has_freed(&self, holder: &Holder, until: Until) -> Result<bool, SendError> {
        let Lookup::Stored(record) = self.results.lookup(&holder.task_id).await? else { return Ok(false) };
        let state = TaskState::from_name(&record.status);
        Ok(match until {
            Until::Done => state.is_ready(),
            Until::Start => !matches!(state, TaskState::Pending | TaskState::Retry),
            Until::Period => matches!(state, TaskState::Failure | TaskState::Revoked),
        })
    }

    /// It will not run, whatever comes of this: this tells those who wait for it, and Python workers.
    async fn tell_replaced(&self, id: &str) {
        if let Err(error) = self.revoke(id).await {
            tracing::warn!(id, %error, "a task that was replaced by a newer one could not be marked as revoked");
        }
    }
}

fn mark(signature: &Signature, unique: &Unique) -> Result<UniqueMark, SendError> {
    if let Some(error) = signature.broken.clone() {
        return Err(super::unsendable(signature.task(), error));
    }
    let canvas::Signature { task, args, kwargs, shape, .. } = &signature.canvas;
    if *shape != Shape::Task {
        return Err(refused(signature, single()));
    }
    if unique.policy == Policy::KeepLast && unique.until != Until::Start {
        return Err(refused(signature, "to keep the last goes with unique until it has started only".to_owned()));
    }
    if unique.keep.is_zero() {
        return Err(refused(signature, "it is to be unique for no time at all".to_owned()));
    }
    let key = unique::key(unique, task, signature.parameters, args, kwargs);
    let key = key.map_err(|reason| refused(signature, reason))?;
    Ok(UniqueMark { key, until: unique.until, keep: unique.keep.as_secs_f64() })
}

fn single() -> String {
    "only a single task can be unique, not a group, chain or chord".to_owned()
}

fn refused(signature: &Signature, reason: String) -> SendError {
    SendError::NotUnique { task: signature.task().to_owned(), reason }
}

/// How long the message waits for its time.
fn delay(planned: &PlannedMessage, now: Timestamp) -> Duration {
    let left = super::due(planned, now).map(|due| due.duration_since(now));
    left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
}
