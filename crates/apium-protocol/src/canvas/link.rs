//! What follows a signature: callbacks after success, errbacks after failure, by Celery's rules for each shape.

use crate::RawJson;

use super::{CanvasError, Shape, Signature, signature::Chord};

impl Signature {
    /// Adds a callback, once. On a group it goes to the first member, without taking its result; on a chord to the
    /// body.
    ///
    /// # Errors
    /// When the group is empty, the chord has no body, or the callback nests too deep.
    pub fn link(&mut self, callback: &Self) -> Result<(), CanvasError> {
        match &mut self.shape {
            Shape::Group(members) => {
                let mut callback = callback.copied();
                callback.set_immutable(true);
                members.first_mut().ok_or(CanvasError::EmptyGroup)?.link(&callback)
            }
            Shape::Chord(chord) => chord.body.as_mut().ok_or(CanvasError::NoBody)?.link(callback),
            _ => self.append("link", callback.to_json()?),
        }
    }

    /// Adds an errback, once. On a group it goes to every member; on a chord to the body, and to chords that are
    /// members of its header (Celery's `task_allow_error_cb_on_chord_header` is off by default).
    ///
    /// # Errors
    /// When a chord has no body, or the errback nests too deep.
    pub fn link_error(&mut self, errback: &Self) -> Result<(), CanvasError> {
        match &mut self.shape {
            Shape::Group(members) => {
                let errback = errback.copied();
                members.iter_mut().try_for_each(|member| member.link_error(&errback))
            }
            Shape::Chord(chord) => {
                if chord.header_options.is_none() {
                    let inner = chord.header.iter_mut().filter(|member| matches!(member.shape, Shape::Chord(_)));
                    inner.into_iter().try_for_each(|member| member.link_error(errback))?;
                }
                chord.body.as_mut().ok_or(CanvasError::NoBody)?.link_error(errback)
            }
            _ => self.append("link_error", errback.to_json()?),
        }
    }

    /// The steps of a chain as copies that stand for themselves: the chain's callbacks go to the last, its errbacks
    /// to each.
    pub(super) fn unchained(&self) -> Result<Vec<Self>, CanvasError> {
        let mut steps: Vec<_> = self.members().iter().map(Self::copied).collect();
        for callback in self.options.list("link")? {
            steps.last_mut().ok_or(CanvasError::EmptyChain)?.link(&Self::taken(&callback)?)?;
        }
        for errback in self.options.list("link_error")? {
            let errback = Self::taken(&errback)?;
            steps.iter_mut().try_for_each(|step| step.link_error(&errback))?;
        }
        Ok(steps)
    }
}

/// Gives the callbacks and errbacks a chord was called with to its body. `link_error` goes to each member of a group
/// body, to nothing in a header.
pub(super) fn link_body(body: &mut Signature, callbacks: &[RawJson], errbacks: &[RawJson]) -> Result<(), CanvasError> {
    for callback in callbacks {
        let callback = Signature::taken(callback)?;
        if body.is_empty_group() {
            body.append("link", callback.to_json()?)?;
        } else {
            body.link(&callback)?;
        }
    }
    for errback in errbacks {
        if matches!(body.shape, Shape::Group(_)) {
            link_error_to_members(body, &Signature::taken(errback)?, true)?;
        } else {
            body.append("link_error", errback.clone())?;
        }
    }
    Ok(())
}

/// Gives an errback to each member of a group body, and to the body of a chord in it. A group that has errbacks of
/// its own, even none, gets it there: when it runs they replace those of its members.
fn link_error_to_members(signature: &mut Signature, errback: &Signature, runs: bool) -> Result<(), CanvasError> {
    let own = signature.options.get("link_error").is_some_and(|own| !own.is_null());
    match &mut signature.shape {
        Shape::Group(_) if runs && own => signature.append("link_error", errback.copied().to_json()?),
        Shape::Group(members) => {
            members.iter_mut().try_for_each(|member| link_error_to_members(member, errback, false))
        }
        Shape::Chord(Chord { body, .. }) => {
            link_error_to_members(body.as_mut().ok_or(CanvasError::NoBody)?, errback, true)
        }
        _ => signature.link_error(&errback.copied()),
    }
}
