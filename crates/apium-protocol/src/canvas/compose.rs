//! Signatures put after one another: Celery's `|` with all its upgrades, and `chain(…)`, which is many of them.

use std::ops::BitOr;

use super::{CanvasError, Shape, Signature, signature::Chord};

/// Celery's `chain(a, b, c)`, the same as `a | b | c` begun with an empty chain: it may come out as a group or a
/// chain with chords in it.
///
/// # Errors
/// When callbacks of an inner chain cannot be passed on to its steps.
pub fn chain(tasks: Vec<Signature>) -> Result<Signature, CanvasError> {
    let mut steps = Vec::new();
    let count = tasks.len();
    let mut tasks = tasks.into_iter().enumerate();
    while let Some((place, task)) = tasks.next() {
        if let Some(other) = merge(&mut steps, task, place + 1 < count)? {
            return tasks.try_fold(other, |all, (_, task)| all.then(task));
        }
    }
    let last = steps.pop();
    let steps = steps.iter().map(Signature::copied).chain(last).collect();
    Ok(Signature::steps(steps))
}

impl Signature {
    /// Celery's `self | next`.
    ///
    /// # Errors
    /// When callbacks of a chain cannot be passed on to its steps.
    pub fn then(self, next: Self) -> Result<Self, CanvasError> {
        match self.shape {
            Shape::Chain(_) => self.chain_then(next),
            Shape::Group(members) => {
                if next.is_empty_group() {
                    return Ok(Self { shape: Shape::Group(members), ..self });
                }
                Ok(Self::chord(members, next))
            }
            Shape::Chord(_) if matches!(&next.shape, Shape::Group(members) if members.len() == 1) => {
                self.body_then(next.unrolled())
            }
            Shape::Chord(_) if !matches!(next.shape, Shape::Group(_) | Shape::Chain(_)) => self.body_then(next),
            _ => self.task_then(next),
        }
    }

    fn task_then(self, next: Self) -> Result<Self, CanvasError> {
        let mut steps = vec![self];
        if matches!(next.shape, Shape::Chain(_)) {
            steps.extend(next.unchained()?);
        } else {
            steps.push(next.unrolled());
        }
        Ok(Self::steps(steps))
    }

    fn chain_then(self, next: Self) -> Result<Self, CanvasError> {
        if next.is_empty_group() {
            return Ok(self);
        }
        match &next.shape {
            Shape::Group(members) if members.len() == 1 => self.chain_then(next.unrolled()),
            Shape::Group(_) => {
                let mut steps = self.unchained()?;
                match steps.pop() {
                    None => return Ok(next),
                    Some(last) if matches!(last.shape, Shape::Chord(_)) => steps.push(last.with_body_then(next)?),
                    Some(last) => steps.extend([last, next]),
                }
                Ok(Self::steps(steps))
            }
            Shape::Chain(_) => next.unchained()?.into_iter().try_fold(self, Self::then),
            _ => self.chain_then_task(next),
        }
    }

    fn chain_then_task(self, next: Self) -> Result<Self, CanvasError> {
        let next_is_chord = matches!(next.shape, Shape::Chord(_));
        let last = self.members().last().map(|last| &last.shape);
        let into_chord = matches!(last, Some(Shape::Group(_)));
        let into_body = matches!(last, Some(Shape::Chord(_))) && !next_is_chord;
        if !into_chord && !into_body {
            let mut steps = self.unchained()?;
            steps.push(next);
            return Ok(Self::steps(steps));
        }
        let chain = self.copied();
        let options = chain.options.clone();
        let mut steps = chain.into_members();
        let last = steps.pop();
        let before = steps.pop();
        match (before, last) {
            (before, Some(last)) if into_body => steps.extend(before.into_iter().chain([last.with_body_then(next)?])),
            (before, Some(group)) => {
                let chord = Self::chord(group.into_members(), next);
                match before {
                    Some(before) if matches!(before.shape, Shape::Chord(_)) => {
                        steps.push(before.with_body_then(chord)?);
                    }
                    before => steps.extend(before.into_iter().chain([chord])),
                }
            }
            (_, None) => {}
        }
        Ok(Self { options, ..Self::steps(steps) })
    }

    fn body_then(self, next: Self) -> Result<Self, CanvasError> {
        self.copied().with_body_then(next)
    }

    /// This chord with `next` after its body.
    fn with_body_then(mut self, next: Self) -> Result<Self, CanvasError> {
        if let Shape::Chord(Chord { body, .. }) = &mut self.shape {
            let after = match body.take() {
                Some(first) => first.then(next)?,
                None => next,
            };
            *body = Some(Box::new(after));
        }
        Ok(self)
    }

    pub(super) fn into_members(self) -> Vec<Self> {
        match self.shape {
            Shape::Chain(members) | Shape::Group(members) => members,
            _ => Vec::new(),
        }
    }
}

impl BitOr for Signature {
    type Output = Result<Self, CanvasError>;

    fn bitor(self, next: Self) -> Self::Output {
        self.then(next)
    }
}

/// Adds `task` to the steps of a chain by the rules of `|`; gives what it all becomes when that is no chain.
fn merge(steps: &mut Vec<Signature>, task: Signature, copy: bool) -> Result<Option<Signature>, CanvasError> {
    let own = |task: Signature| if copy { task.copied() } else { task };
    if task.is_empty_group() {
        return Ok(None);
    }
    match &task.shape {
        Shape::Group(members) if members.len() == 1 => return merge(steps, task.unrolled(), copy),
        Shape::Group(_) => match steps.pop() {
            None => return Ok(Some(task)),
            Some(last) if matches!(last.shape, Shape::Chord(_)) => steps.push(last.with_body_then(task)?),
            Some(last) => steps.extend([last, own(task)]),
        },
        Shape::Chain(_) => {
            let inner = task.unchained()?;
            let count = inner.len();
            let mut inner = inner.into_iter().enumerate();
            while let Some((place, task)) = inner.next() {
                if let Some(other) = merge(steps, task, copy || place + 1 < count)? {
                    return inner.try_fold(other, |all, (_, task)| all.then(task)).map(Some);
                }
            }
        }
        shape => {
            let chord = matches!(shape, Shape::Chord(_));
            match steps.pop() {
                Some(group) if matches!(group.shape, Shape::Group(_)) => {
                    steps.push(Signature::chord(group.into_members(), own(task)));
                }
                Some(last) if !chord && matches!(last.shape, Shape::Chord(_)) => {
                    steps.push(last.with_body_then(task)?);
                }
                last => steps.extend(last.into_iter().chain([own(task)])),
            }
        }
    }
    Ok(None)
}
