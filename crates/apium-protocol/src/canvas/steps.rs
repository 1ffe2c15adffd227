//! The steps of a chain made ready: inner chains spliced in, groups that are followed by something made chords, every
//! step given its id, from the last to the first.

use std::collections::VecDeque;

use crate::RawJson;

use super::{
    CanvasError, Options, Shape, Signature,
    freeze::{Freeze, strip},
    plan::Planner,
    results::Place,
    signature::Chord,
};

/// Options that running a chain consumes; the others go to its first step.
const CONSUMED: [&str; 8] =
    ["chord", "group_id", "group_index", "link", "link_error", "parent_id", "root_id", "task_id"];

/// Why steps are made ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// To be sent: the steps are copies.
    #[default]
    Run,
    /// To get their ids: they are marked where they stand.
    Freeze,
}

/// What a chain is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Given<'a> {
    /// For the first step.
    pub(super) args: &'a [RawJson],
    /// For the first step.
    pub(super) kwargs: &'a [(String, RawJson)],
    /// For the last step; `root_id` for each.
    pub(super) freeze: Freeze,
    /// Errbacks for each step.
    pub(super) errbacks: Vec<RawJson>,
    pub(super) mode: Mode,
}

/// Steps made ready, the last first.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) tasks: Vec<Signature>,
    pub(super) results: Vec<Place>,
}

/// A step and where it stands, as places of members of members.
struct Step {
    signature: Signature,
    path: Vec<usize>,
}

/// The walk over the steps from the last to the first.
#[derive(Default)]
struct Walk {
    done: Prepared,
    /// The step behind the present one, and the result it waits for.
    next: Option<(Signature, Place)>,
    count: usize,
}

impl Planner<'_, '_> {
    /// Celery's `prepare_steps`.
    pub(super) fn prepare_steps(
        &mut self,
        steps: &mut [Signature],
        given: &Given<'_>,
    ) -> Result<Prepared, CanvasError> {
        let mut left = lined_up(steps);
        let mut walk = Walk::default();
        while let Some(mut step) = left.pop_back() {
            let first = left.is_empty();
            step.unroll();
            if step.signature.is_empty_group() && (!first || walk.next.is_some()) {
                continue;
            }
            if given.mode == Mode::Run {
                if let Some(unrolled) = unrolled_body(&step.signature)? {
                    left.extend(unrolled.into_iter().map(|signature| Step { signature, path: Vec::new() }));
                    continue;
                }
                step.signature = if first {
                    step.signature.copied_with(given.args, given.kwargs, Options::new())
                } else {
                    step.signature.copied()
                };
            } else if first {
                step.signature.args = given.args.iter().chain(&step.signature.args).cloned().collect();
            }
            if matches!(step.signature.shape, Shape::Chain(_)) {
                left.extend(step.into_members());
                continue;
            }
            let path = step.path;
            let made = self.prepare_step(step.signature, &mut walk, given)?;
            if given.mode == Mode::Freeze {
                put_back(steps, &path, &made);
            }
            walk.done.tasks.push(made);
        }
        let mut done = walk.done;
        if given.mode == Mode::Run {
            done.tasks.iter_mut().for_each(strip);
        }
        Ok(done)
    }

    /// One step: made a chord if it is a group with something behind it, given its id, and tied to what is behind.
    fn prepare_step(
        &mut self,
        mut task: Signature,
        walk: &mut Walk,
        given: &Given<'_>,
    ) -> Result<Signature, CanvasError> {
        let root_id = given.freeze.root_id.clone();
        if matches!(task.shape, Shape::Group(_))
            && let Some((body, body_result)) = walk.next.take()
        {
            walk.done.tasks.pop();
            let popped = walk.done.results.pop();
            let mut options = Options::new();
            if self.results.members(body_result).is_none() {
                options.set("task_id", RawJson::string(self.results.id(body_result)));
            }
            options.set("root_id", root_id.clone().unwrap_or_default());
            task = Signature { options, ..Signature::chord(task.into_members(), body) };
            walk.next = self.untied(walk, popped, body_result);
        }
        let last = walk.count == 0;
        let with = if last { given.freeze.clone() } else { Freeze { root_id, ..Freeze::default() } };
        let with = Freeze { parent_id: None, ..with };
        let result = self.freeze(&mut task, &with)?;
        walk.count += 1;
        if let Some((_, next_result)) = &walk.next
            && self.results.parent(*next_result).is_none()
        {
            self.results.set_parent(*next_result, Some(result));
        }
        for errback in &given.errbacks {
            let errback = Signature::taken(errback)?;
            task.link_error(&errback)?;
            if let Shape::Chord(Chord { body: Some(body), .. }) = &mut task.shape {
                body.link_error(&errback)?;
            }
        }
        walk.done.results.push(result);
        // A chord is reached through the first of the results that lead to its body's.
        let reached = if matches!(task.shape, Shape::Chord(_)) { self.results.first(result) } else { result };
        walk.next = Some((task.clone(), reached));
        Ok(task)
    }

    /// After the step behind became the body of a chord: what is now behind that chord. Its result waited for the
    /// body's and has to wait for the chord's instead, or the body would be in the tree twice.
    fn untied(&mut self, walk: &Walk, body: Option<Place>, reached: Place) -> Option<(Signature, Place)> {
        let next = walk.done.tasks.last()?.clone();
        let mut node = walk.done.results.last().copied();
        while let Some(place) = node {
            let parent = self.results.parent(place);
            if parent.is_some() && parent == body {
                self.results.set_parent(place, None);
                return Some((next, place));
            }
            node = parent;
        }
        Some((next, reached))
    }
}

impl Step {
    /// A group of one is its member.
    fn unroll(&mut self) {
        if matches!(&self.signature.shape, Shape::Group(members) if members.len() == 1) {
            let group = std::mem::replace(&mut self.signature, Signature::new(""));
            self.signature = group.unrolled();
            self.path.push(0);
        }
    }

    fn into_members(self) -> impl DoubleEndedIterator<Item = Self> {
        let path = self.path;
        let members = self.signature.into_members().into_iter().enumerate();
        members.map(move |(place, signature)| {
            let mut path = path.clone();
            path.push(place);
            Self { signature, path }
        })
    }
}

/// The steps in their order, beginning with a real one: the first gets the arguments of the chain, so inner chains at
/// the head are spliced in and empty groups there dropped, unless nothing else is left.
fn lined_up(steps: &[Signature]) -> VecDeque<Step> {
    let line = steps.iter().enumerate();
    let mut line: VecDeque<_> = line.map(|(place, step)| Step { signature: step.clone(), path: vec![place] }).collect();
    let mut empty = None;
    while let Some(mut head) = line.pop_front() {
        if matches!(head.signature.shape, Shape::Chain(_)) {
            head.into_members().rev().for_each(|step| line.push_front(step));
            continue;
        }
        head.unroll();
        if head.signature.is_empty_group() && !line.is_empty() {
            empty = Some(head);
            continue;
        }
        line.push_front(head);
        return line;
    }
    line.extend(empty);
    line
}

/// A chord whose body is a chain that begins with a task is that chord with the first step as its body, followed by
/// the others: so the members of its header carry one step, not all of them. `None` for anything else.
pub(super) fn unrolled_body(signature: &Signature) -> Result<Option<Vec<Signature>>, CanvasError> {
    let Shape::Chord(Chord { body: Some(body), .. }) = &signature.shape else {
        return Ok(None);
    };
    let led_by_task = matches!(&body.shape, Shape::Chain(steps)
        if steps.first().is_some_and(|first| !matches!(first.shape, Shape::Group(_))));
    if !led_by_task {
        return Ok(None);
    }
    let mut for_first = body.options.clone();
    for_first.retain(|name| !CONSUMED.contains(&name));
    let mut steps = body.unchained()?;
    let mut chord = signature.copied();
    if let Shape::Chord(chord) = &mut chord.shape {
        chord.body = Some(Box::new(steps.remove(0).copied_with(&[], &[], for_first)));
    }
    steps.insert(0, chord);
    Ok(Some(steps))
}

/// Celery's `_unroll_chords`: the same for all steps of a chain, inner chains included.
pub(super) fn unroll_chords(steps: Vec<Signature>) -> Result<Vec<Signature>, CanvasError> {
    let mut left: VecDeque<_> = steps.into();
    let mut unrolled = Vec::new();
    while let Some(step) = left.pop_front() {
        if matches!(step.shape, Shape::Chain(_)) {
            let chain = step.copied();
            let options = chain.options.clone();
            unrolled.push(Signature { options, ..Signature::steps(unroll_chords(chain.into_members())?) });
        } else if let Some(parts) = unrolled_body(&step)? {
            parts.into_iter().rev().for_each(|part| left.push_front(part));
        } else {
            unrolled.push(step);
        }
    }
    Ok(unrolled)
}

/// Puts a marked step back where it was taken from. A group that was made a chord stays as it was: its members get
/// their ids when it is sent.
fn put_back(steps: &mut [Signature], path: &[usize], made: &Signature) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let Some(mut place) = steps.get_mut(*first) else {
        return;
    };
    for step in rest {
        let (Shape::Chain(members) | Shape::Group(members)) = &mut place.shape else {
            return;
        };
        let Some(member) = members.get_mut(*step) else {
            return;
        };
        place = member;
    }
    let upgraded = matches!((&place.shape, &made.shape), (Shape::Group(_), Shape::Chord(_)));
    if !upgraded {
        place.clone_from(made);
    }
}
