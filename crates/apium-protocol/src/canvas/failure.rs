//! What follows a task that failed: the rest of its chain fails with it, and its errbacks are called.

use std::collections::VecDeque;

use crate::{Embed, Headers, RawJson};

use super::{
    CanvasError, Options, Signature,
    options::{maybe_list, text},
    plan::{Plan, Planner, Sender},
};

/// Whether an errback is of the new kind, called in the worker with request, exception and traceback. The others, and
/// those that are not known here, are sent as tasks with the id of the failed one. Celery takes a task for new style
/// that is registered, not bound, and takes more than one positional argument besides those of the signature.
pub type IsNewStyle<'a> = &'a dyn Fn(&Signature) -> bool;

/// A task that never ran and is FAILURE because another one failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTask {
    /// Where the failure is stored; nowhere when it has no id.
    pub id: Option<String>,
    /// The `group_id` of its record.
    pub group: Option<String>,
    /// The `parent_id` of its record.
    pub parent: Option<String>,
    /// Its part of a chord, to be returned as failed, unless the state stored for it was FAILURE or REVOKED before.
    pub part: Option<ChordPart>,
}

/// A part of a chord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChordPart {
    /// The group of the header.
    pub group: String,
    /// The place in it.
    pub index: Option<i64>,
    /// The signature of the body; null when it is not known.
    pub chord: RawJson,
}

/// How the errbacks of one task are called.
#[derive(Debug, Clone, Default)]
pub struct Errbacks {
    /// To be called here, in this order and before the others are sent.
    pub called: Vec<Signature>,
    /// The others, as one group.
    pub plan: Plan,
}

/// What follows a failed task, after its record is stored and its part of a chord returned.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// What fails with it, in order.
    pub failed: Vec<FailedTask>,
    /// Its errbacks.
    pub errbacks: Errbacks,
}

/// What a worker does when the task with these headers has failed for good.
///
/// # Errors
/// When an errback is no signature or cannot be sent.
pub fn on_failure(
    headers: &Headers,
    embed: &Embed,
    is_new_style: IsNewStyle<'_>,
    sender: &mut Sender<'_>,
) -> Result<Failure, CanvasError> {
    let links = maybe_list("errbacks", &embed.errbacks)?;
    let root_id = headers.root_id.as_deref();
    let errbacks = errbacks(&headers.id, root_id, &links, is_new_style, sender)?;
    Ok(Failure { failed: chain_failed(&embed.chain), errbacks })
}

/// What fails when the task before this rest of a chain has failed: every step, in the order of the list, and the
/// body of every chord among them. What is no signature is passed over.
pub fn chain_failed(chain: &RawJson) -> Vec<FailedTask> {
    let mut left: VecDeque<_> = chain.elements().unwrap_or_default().into();
    let mut failed = Vec::new();
    while let Some(step) = left.pop_front() {
        let Some(Ok(options)) = step.member("options").map(|options| options.members()) else {
            continue;
        };
        let options = Options::from_members(options);
        let id = options.text("task_id");
        let group = options.text("group_id");
        let part = match (options.get("chord"), &group, &id) {
            (Some(chord), Some(group), Some(_)) => {
                let index = options.get("group_index").and_then(|index| index.to().ok());
                Some(ChordPart { group: group.clone(), index, chord: chord.clone() })
            }
            _ => None,
        };
        failed.push(FailedTask { id, group, parent: options.text("parent_id"), part });
        if step.member("subtask_type").as_ref().and_then(text).as_deref() == Some("chord") {
            let body = step.member("kwargs").and_then(|kwargs| kwargs.member("body"));
            left.extend(body.filter(|body| !body.is_null()));
        }
    }
    failed
}

/// Sorts the errbacks of a failed task into those called here and those sent.
pub(super) fn errbacks(
    id: &str,
    root_id: Option<&str>,
    links: &[RawJson],
    is_new_style: IsNewStyle<'_>,
    sender: &mut Sender<'_>,
) -> Result<Errbacks, CanvasError> {
    let links = links.iter().map(Signature::taken).collect::<Result<Vec<_>, _>>()?;
    let (called, sent): (Vec<_>, Vec<_>) = links.into_iter().partition(|errback| is_new_style(errback));
    let mut planner = Planner::new(sender);
    let mut result = None;
    if !sent.is_empty() {
        let id = RawJson::string(id);
        let root_id = root_id.map_or_else(|| id.clone(), RawJson::string);
        let family = [("parent_id".to_owned(), id.clone()), ("root_id".to_owned(), root_id)];
        result = planner.send(&Signature::group(sent), &[id], &[], family.into_iter().collect())?;
    }
    Ok(Errbacks { called, plan: planner.done(result) })
}
