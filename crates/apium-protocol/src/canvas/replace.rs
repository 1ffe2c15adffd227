//! A task that puts another canvas in its own place, or adds one to the chord it is a part of.

use crate::{Embed, Headers, RawJson};

use super::{
    CanvasError, Shape, Signature,
    freeze::{Freeze, index},
    options::maybe_list,
    plan::Plan,
    success::within,
};

/// Celery's `self.replace(signature)`: what is sent instead of finishing the task with these headers. It takes over
/// the id, the place in group and chord, the callbacks, the errbacks and the rest of the chain. Nothing else follows
/// the task: no result, no part of a chord, no callbacks.
///
/// # Errors
/// When the replacement is an empty chain or part of a chord, or cannot be sent.
pub fn replace(
    headers: &Headers,
    embed: &Embed,
    signature: &Signature,
    sender: &mut super::Sender<'_>,
) -> Result<Plan, CanvasError> {
    let mut signature = with_links(signature.loose(), embed)?;
    let nesting = index(headers.replaced_task_nesting as usize + 1);
    let text = |text: Option<&String>| text.map_or_else(RawJson::null, |text| RawJson::string(text));
    within(headers, sender, |planner| {
        planner.freeze(&mut signature, &Freeze { id: Some(headers.id.clone()), ..Freeze::default() })?;
        let options = &mut signature.options;
        options.set("chord", embed.chord.clone());
        options.set("group_id", text(headers.group.as_ref()));
        options.set("group_index", RawJson::from(&headers.group_index)?);
        options.set("root_id", text(headers.root_id.as_ref()));
        options.set("replaced_task_nesting", nesting.clone());
        if let Shape::Chain(steps) = &mut signature.shape {
            for step in steps {
                step.options.set("replaced_task_nesting", nesting.clone());
            }
        }
        for step in maybe_list("chain", &embed.chain)?.iter().rev() {
            let step = Signature::taken(step)?.option("replaced_task_nesting", nesting.clone());
            signature = std::mem::replace(&mut signature, Signature::new("")).then(step)?;
        }
        planner.send(&signature, &[], &[], super::Options::new())?;
        Ok(())
    })
}

/// Celery's `self.add_to_chord(signature)`: what is sent. One more part is to be announced for the chord of the task
/// with these headers before that.
///
/// # Errors
/// When the task is part of no chord, or the signature cannot be sent.
pub fn add_to_chord(
    headers: &Headers,
    embed: &Embed,
    signature: &Signature,
    sender: &mut super::Sender<'_>,
) -> Result<Plan, CanvasError> {
    if embed.chord.is_null() {
        return Err(CanvasError::NotInChord);
    }
    let text = |text: Option<&String>| text.map_or_else(RawJson::null, |text| RawJson::string(text));
    let mut signature = signature.loose();
    signature.options.set("group_id", text(headers.group.as_ref()));
    signature.options.set("group_index", RawJson::from(&headers.group_index)?);
    signature.options.set("chord", embed.chord.clone());
    signature.options.set("root_id", text(headers.root_id.as_ref()));
    within(headers, sender, |planner| {
        planner.freeze(&mut signature, &Freeze::default())?;
        planner.send(&signature, &[], &[], super::Options::new())?;
        Ok(())
    })
}

/// The replacement with the callbacks and errbacks of the replaced task; what ends in a group is made a chord that
/// passes the results on, so that something can be linked to it.
fn with_links(mut signature: Signature, embed: &Embed) -> Result<Signature, CanvasError> {
    if signature.options.has("chord") {
        return Err(CanvasError::ReplacementInChord);
    }
    if matches!(signature.shape, Shape::Group(_)) {
        signature = signature.then(accumulate()?)?;
    }
    if let Shape::Chain(steps) = &mut signature.shape {
        let last = steps.pop().ok_or(CanvasError::EmptyChain)?;
        steps.push(match last.shape {
            Shape::Group(_) => last.then(accumulate()?)?,
            _ => last,
        });
    }
    for callback in maybe_list("callbacks", &embed.callbacks)? {
        signature.link(&Signature::taken(&callback)?)?;
    }
    for errback in maybe_list("errbacks", &embed.errbacks)? {
        signature.link_error(&Signature::taken(&errback)?)?;
    }
    let links = signature.options.list("link")?;
    if let Shape::Chain(steps) = &mut signature.shape
        && signature.options.take("link").is_some()
        && let Some(last) = steps.last_mut()
    {
        // Callbacks are for the last step, however many come after it by the chain of the replaced task.
        last.extend("link", links)?;
    }
    Ok(signature)
}

/// The task that gives back its first argument: the results of the group before it.
fn accumulate() -> Result<Signature, CanvasError> {
    Ok(Signature::new("celery.accumulate").kwarg("index", RawJson::from(&0)?))
}
