//! Giving every task of a canvas its id, group, chord and root before anything is sent, since messages carry the
//! signatures of what comes after them.

use std::collections::{HashSet, VecDeque};

use crate::RawJson;

use super::{
    CanvasError, Options, Shape, Signature,
    plan::Planner,
    results::Place,
    signature::{Chord, truthy},
    steps::{Given, Mode},
};

/// What a signature is given by what is around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Freeze {
    /// An id for it, unless it has one.
    pub(super) id: Option<String>,
    /// The group it belongs to, unless it belongs to one.
    pub(super) group_id: Option<RawJson>,
    /// The signature of the body of its chord.
    pub(super) chord: Option<RawJson>,
    /// The root of the workflow.
    pub(super) root_id: Option<RawJson>,
    /// The task that sends it.
    pub(super) parent_id: Option<RawJson>,
    /// Its place in the group.
    pub(super) group_index: Option<RawJson>,
}

impl Planner<'_, '_> {
    /// Celery's `freeze`: the signature is marked in place; gives the result it promises.
    pub(super) fn freeze(&mut self, signature: &mut Signature, with: &Freeze) -> Result<Place, CanvasError> {
        match &mut signature.shape {
            Shape::Group(members) => self.freeze_group(&mut signature.options, members, with),
            Shape::Chain(steps) => {
                let given =
                    Given { args: &signature.args, freeze: with.clone(), mode: Mode::Freeze, ..Given::default() };
                let prepared = self.prepare_steps(steps, &given)?;
                let result = *prepared.results.first().ok_or(CanvasError::EmptyChain)?;
                signature.options.set("task_id", RawJson::string(self.results.id(result)));
                Ok(result)
            }
            Shape::Chord(chord) => {
                let (result, id) = self.freeze_chord(chord, with)?;
                signature.options.set("task_id", id);
                Ok(result)
            }
            Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => {
                Ok(self.freeze_task(&mut signature.options, with))
            }
        }
    }

    fn freeze_task(&mut self, options: &mut Options, with: &Freeze) -> Place {
        let id = options.text("task_id").or_else(|| with.id.clone()).unwrap_or_else(|| self.fresh());
        options.set("task_id", RawJson::string(&id));
        set_given(options, "root_id", with.root_id.as_ref());
        set_given(options, "parent_id", with.parent_id.as_ref());
        if !options.has("reply_to")
            && let Some(reply_to) = &self.sender.reply_to
        {
            options.set("reply_to", RawJson::string(reply_to));
        }
        if !options.has("group_id") {
            set_given(options, "group_id", with.group_id.as_ref());
        }
        set_given(options, "chord", with.chord.as_ref());
        set_given(options, "group_index", with.group_index.as_ref());
        self.results.task(id)
    }

    /// Marks a group and its members, groups among them flattened: where one stands, its members come in reverse.
    pub(super) fn freeze_group(
        &mut self,
        options: &mut Options,
        members: &mut Vec<Signature>,
        with: &Freeze,
    ) -> Result<Place, CanvasError> {
        let id = options.text("task_id").unwrap_or_else(|| self.fresh());
        options.set("task_id", RawJson::string(&id));
        set_given(options, "group_id", with.group_id.as_ref());
        set_given(options, "chord", with.chord.as_ref());
        set_given(options, "group_index", with.group_index.as_ref());
        let mut inner = Freeze {
            group_id: with.group_id.clone(),
            chord: with.chord.clone(),
            root_id: set_default(options, "root_id", with.root_id.as_ref()),
            parent_id: set_default(options, "parent_id", with.parent_id.as_ref()),
            ..Freeze::default()
        };
        let mut left: VecDeque<_> = std::mem::take(members).into();
        let mut results = Vec::new();
        while let Some(member) = left.pop_front() {
            let mut member = member.copied();
            match member.shape {
                Shape::Group(nested) => nested.into_iter().for_each(|member| left.push_front(member)),
                Shape::Chain(steps) if steps.is_empty() => {}
                _ => {
                    inner.group_index = Some(index(members.len()));
                    results.push(self.freeze(&mut member, &inner)?);
                    members.push(member);
                }
            }
        }
        Ok(self.results.group(id, results))
    }

    /// Marks body and header; gives the result of the body and the id of the header.
    fn freeze_chord(&mut self, chord: &mut Chord, with: &Freeze) -> Result<(Place, RawJson), CanvasError> {
        let body = chord.body.as_mut().ok_or(CanvasError::NoBody)?;
        let body_result = self.freeze(body, &Freeze { parent_id: None, ..with.clone() })?;
        let header = Freeze {
            chord: carried(body)?,
            root_id: with.root_id.clone(),
            parent_id: with.parent_id.clone(),
            ..Freeze::default()
        };
        let options = chord.header_options.get_or_insert_default();
        let header_result = self.freeze_group(options, &mut chord.header, &header)?;
        let id = options.get("task_id").cloned().unwrap_or_default();
        let mut seen = HashSet::new();
        let mut first = body_result;
        loop {
            if !seen.insert(self.results.id(first).to_owned()) {
                return Err(CanvasError::Recursive);
            }
            match self.results.parent(first) {
                Some(parent) => first = parent,
                None => break,
            }
        }
        self.results.set_parent(first, Some(header_result));
        Ok((body_result, id))
    }
}

/// The body of a chord as the members of its header carry it. An empty group is as good as none.
pub(super) fn carried(body: &Signature) -> Result<Option<RawJson>, CanvasError> {
    if body.is_empty_group() {
        return Ok(None);
    }
    let mut body = body.clone();
    strip(&mut body);
    Ok(Some(body.to_json()?))
}

/// Takes the bodies out of the headers of chords that are still to come: a pending chord carries its body once, and
/// it is put on the members of the header when they are sent. Otherwise nested chords would multiply.
pub(super) fn strip(signature: &mut Signature) {
    match &mut signature.shape {
        Shape::Chord(chord) => {
            if let Some(options) = &mut chord.header_options {
                options.take("chord");
            }
            for member in &mut chord.header {
                clear_chord(member);
                strip(member);
            }
            if let Some(body) = &mut chord.body {
                strip(body);
            }
        }
        Shape::Chain(members) | Shape::Group(members) => members.iter_mut().for_each(strip),
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => {}
    }
}

/// Takes the body of a chord off the tasks of a signature that end it.
fn clear_chord(signature: &mut Signature) {
    signature.options.take("chord");
    match &mut signature.shape {
        Shape::Group(members) => members.iter_mut().for_each(clear_chord),
        Shape::Chain(steps) => steps.last_mut().into_iter().for_each(clear_chord),
        Shape::Chord(chord) => chord.body.as_deref_mut().into_iter().for_each(clear_chord),
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => {}
    }
}

pub(super) fn index(place: usize) -> RawJson {
    RawJson::from(&place).unwrap_or_default()
}

fn set_given(options: &mut Options, name: &str, value: Option<&RawJson>) {
    if let Some(value) = value {
        options.set(name, value.clone());
    }
}

/// Python's `setdefault`; gives what is there afterwards, unless that is nothing.
fn set_default(options: &mut Options, name: &str, value: Option<&RawJson>) -> Option<RawJson> {
    if let Some(there) = options.get(name) {
        return truthy(Some(there.clone()));
    }
    options.set(name, value.cloned().unwrap_or_default());
    value.cloned()
}
