//! What follows when the parts of a chord are there: its body is called with their results, or fails with them.

use crate::{ExceptionRecord, RawJson, python_repr};

use super::{
    CanvasError, Shape, Signature,
    failure::{Errbacks, FailedTask, IsNewStyle, chain_failed, errbacks},
    freeze::Freeze,
    plan::{Call, Plan, Planner, Sender, plan},
    same::same,
};

/// What follows when a part of a chord has failed.
#[derive(Debug, Clone, Default)]
pub struct ChordFailure {
    /// The tasks of the body, in order: first the errbacks of one are called, then its failure is stored.
    pub bodies: Vec<FailedBody>,
    /// What was to follow the body; fails with the error of the chord.
    pub chain: Vec<FailedTask>,
    /// The members of a group body, to be revoked everywhere.
    pub revoke: Vec<String>,
}

/// A body, or a member of a group that is one, that will never run.
#[derive(Debug, Clone)]
pub struct FailedBody {
    /// Where the failure is stored.
    pub id: String,
    /// Which exception is stored and shown to the errbacks: the one the part failed with, or Celery's `ChordError`
    /// ("Dependency … raised …").
    pub original: bool,
    /// Its errbacks.
    pub errbacks: Errbacks,
}

/// Celery's `ChordError`, by which a body fails: it names the first part that failed, in the order of their indices.
pub fn chord_error(part: &str, exception: &ExceptionRecord) -> ExceptionRecord {
    let name = exception.exc_type.rsplit('.').next().unwrap_or_default();
    let mut args = python_repr::full_args(&exception.exc_message);
    if args.ends_with(",)") {
        args.truncate(args.len() - 2);
        args.push(')');
    }
    let message = format!("Dependency {part} raised {name}{args}");
    ExceptionRecord::new("celery.exceptions", "ChordError", &message)
}

/// What a worker sends when all parts of a chord have succeeded with these results, in the order of their indices. The
/// task that returned the last part is the `current` one of the sender.
///
/// # Errors
/// When the body is no signature or cannot be sent: the chord then fails, see [`chord_failed`], with a `ChordError`
/// that says so.
pub fn chord_done(body: &RawJson, results: &[RawJson], sender: &mut Sender<'_>) -> Result<Plan, CanvasError> {
    plan(&Signature::taken(body)?, &Call::with(RawJson::array(results)), sender)
}

/// What a worker does when a part of a chord has failed. A body that is no group fails with the error of the chord;
/// of a group each member and the group itself fail with the exception of the part.
///
/// # Errors
/// When the body or one of its errbacks is no signature or cannot be sent.
pub fn chord_failed(
    body: &RawJson,
    is_new_style: IsNewStyle<'_>,
    sender: &mut Sender<'_>,
) -> Result<ChordFailure, CanvasError> {
    let mut body = Signature::taken(body)?;
    let chain = body.options.get("chain").map(chain_failed).unwrap_or_default();
    if matches!(body.shape, Shape::Group(_)) {
        return Ok(ChordFailure { chain, ..group_failed(&mut body, is_new_style, sender)? });
    }
    let id = body.id().unwrap_or_else(|| (sender.ids)());
    let links = body.options.list("link_error")?;
    let errbacks = errbacks(&id, None, &links, is_new_style, sender)?;
    let bodies = vec![FailedBody { id, original: false, errbacks }];
    Ok(ChordFailure { bodies, chain, revoke: Vec::new() })
}

fn group_failed(
    group: &mut Signature,
    is_new_style: IsNewStyle<'_>,
    sender: &mut Sender<'_>,
) -> Result<ChordFailure, CanvasError> {
    let mut planner = Planner::new(sender);
    let result = planner.freeze(group, &Freeze::default())?;
    let members = planner.results.members(result).unwrap_or_default();
    let revoke: Vec<_> = members.iter().map(|member| planner.results.id(*member).to_owned()).collect();
    let id = planner.results.id(result).to_owned();
    let own = group.options.list("link_error")?;
    let linked = group.members().iter().map(result_errbacks).collect::<Result<Vec<_>, _>>()?;
    let mut bodies = Vec::new();
    for id in &revoke {
        let mine = linked.iter().rev().find(|(linked, _)| linked.as_ref() == Some(id));
        let mut links: Vec<RawJson> = Vec::new();
        for link in mine.iter().flat_map(|(_, links)| links).chain(&own) {
            if !links.iter().any(|known| same(known, link)) {
                links.push(link.clone());
            }
        }
        let errbacks = errbacks(id, None, &links, is_new_style, sender)?;
        bodies.push(FailedBody { id: id.clone(), original: true, errbacks });
    }
    bodies.push(FailedBody { id, original: true, errbacks: Errbacks::default() });
    Ok(ChordFailure { bodies, chain: Vec::new(), revoke })
}

/// The id under which the result of a member stands, and the errbacks linked to it: of a chord its own and its
/// body's, of a group its own and its members'.
fn result_errbacks(member: &Signature) -> Result<(Option<String>, Vec<RawJson>), CanvasError> {
    let mut links = member.options.list("link_error")?;
    match &member.shape {
        Shape::Chord(chord) => {
            let (id, more) = result_errbacks(chord.body()?)?;
            links.extend(more);
            return Ok((id, links));
        }
        Shape::Group(members) => {
            for member in members {
                links.extend(result_errbacks(member)?.1);
            }
        }
        _ => {}
    }
    Ok((member.id(), links))
}
