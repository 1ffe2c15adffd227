//! What follows a task that succeeded: its callbacks and the next step of its chain.

use crate::{Embed, Headers, RawJson};

use super::{
    CanvasError, Options, Shape, Signature,
    options::maybe_list,
    plan::{Current, Plan, Planner, Sender},
};

/// What a worker sends when the task with these headers has returned `value`: a callback that stands alone by
/// itself; of several, the groups one by one and the others as one group; then the next step of the chain, with the
/// steps after it inside. The children of the plan are those of the task's result record, which is stored after this.
///
/// # Errors
/// When a callback or the next step is no signature or cannot be sent.
pub fn on_success(
    headers: &Headers,
    embed: &Embed,
    value: &RawJson,
    sender: &mut Sender<'_>,
) -> Result<Plan, CanvasError> {
    within(headers, sender, |planner| {
        let family = family(headers);
        let args = [value.clone()];
        let mut callbacks = Vec::new();
        for callback in maybe_list("callbacks", &embed.callbacks)? {
            callbacks.push(Signature::taken(&callback)?);
        }
        if callbacks.len() > 1 {
            let is_group = |callback: &Signature| matches!(callback.shape, Shape::Group(_));
            let (mut groups, others): (Vec<_>, Vec<_>) = callbacks.into_iter().partition(is_group);
            if !others.is_empty() {
                groups.push(Signature::group(others));
            }
            callbacks = groups;
        }
        for callback in &callbacks {
            planner.send(callback, &args, &[], family.clone())?;
        }
        let mut chain = maybe_list("chain", &embed.chain)?;
        if let Some(next) = chain.pop() {
            let mut options = family;
            options.set("chain", RawJson::array(&chain));
            planner.send(&Signature::taken(&next)?, &args, &[], options)?;
        }
        Ok(())
    })
}

/// A plan made inside the task with these headers.
pub(super) fn within(
    headers: &Headers,
    sender: &mut Sender<'_>,
    act: impl FnOnce(&mut Planner<'_, '_>) -> Result<(), CanvasError>,
) -> Result<Plan, CanvasError> {
    let mut inside =
        Sender { ids: &mut *sender.ids, reply_to: sender.reply_to.clone(), current: Some(Current::of(headers)) };
    let mut planner = Planner::new(&mut inside);
    act(&mut planner)?;
    Ok(planner.done(None))
}

impl Current {
    /// The task with these headers.
    pub fn of(headers: &Headers) -> Self {
        Self { id: headers.id.clone(), root_id: headers.root_id.clone() }
    }

    fn root(&self) -> &str {
        self.root_id.as_ref().unwrap_or(&self.id)
    }
}

/// The options by which a worker ties what it sends to the task it has run. The priority stands there as nothing
/// unless priorities are inherited, and shows in the bodies of chords.
fn family(headers: &Headers) -> Options {
    let current = Current::of(headers);
    [
        ("parent_id".to_owned(), RawJson::string(&current.id)),
        ("root_id".to_owned(), RawJson::string(current.root())),
        ("priority".to_owned(), RawJson::null()),
    ]
    .into_iter()
    .collect()
}
