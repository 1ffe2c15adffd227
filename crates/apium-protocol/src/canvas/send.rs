//! How chains, groups and chords are sent: what goes out now, what travels inside it, and what is announced.

use crate::RawJson;

use super::{
    CanvasError, Options, Shape, Signature,
    freeze::{Freeze, carried, index, strip},
    link::link_body,
    options::{maybe_list, update},
    plan::{Act, Planner},
    results::Place,
    signature::{Chord, given, is_lasting, truthy},
    steps::{Given, unroll_chords},
};

/// Options of a call that only mean something to the sending of a chain or a chord itself.
const SENDING: [&str; 3] = ["producer", "publisher", "app"];

/// A member of a group with its result, ready to be sent.
struct Member {
    signature: Signature,
    result: Place,
}

impl Planner<'_, '_> {
    /// The first step is sent with the others in it, the next one last.
    pub(super) fn send_chain(
        &mut self,
        chain: &Signature,
        steps: &[Signature],
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        call: Options,
    ) -> Result<Option<Place>, CanvasError> {
        let mut options = chain.options.clone();
        options.update(call);
        for name in SENDING {
            options.take(name);
        }
        let own = &chain.args;
        let args: Vec<_> = match chain.immutable || args.is_empty() {
            true => own.clone(),
            false => args.iter().chain(own).cloned().collect(),
        };
        let links = options.take("link").map_or_else(|| Ok(Vec::new()), |links| maybe_list("link", &links))?;
        let errbacks =
            options.take("link_error").map_or_else(|| Ok(Vec::new()), |links| maybe_list("link_error", &links))?;
        let freeze = Freeze {
            id: options.text("task_id"),
            group_id: truthy(options.take("group_id")),
            chord: given(options.take("chord")),
            root_id: truthy(options.take("root_id")),
            parent_id: truthy(options.take("parent_id")),
            group_index: given(options.take("group_index")),
        };
        options.take("task_id");
        let given = Given { args: &args, kwargs, freeze, errbacks, ..Given::default() };
        let mut prepared = self.prepare_steps(&mut steps.to_vec(), &given)?;
        let Some(&result) = prepared.results.first() else {
            return Ok(None);
        };
        if !links.is_empty()
            && let Some(last) = prepared.tasks.first_mut()
        {
            last.extend("link", links)?;
        }
        let Some(first) = prepared.tasks.pop() else {
            return Ok(None);
        };
        let mut rest = options.list("chain")?;
        for step in &prepared.tasks {
            rest.push(step.to_json()?);
        }
        options.set("chain", RawJson::array(&rest));
        let sent = self.send(&first, &[], &[], options)?;
        // Of a single step the result is that of its sending: a group is ready when its members are.
        Ok(if prepared.tasks.is_empty() { sent } else { Some(result) })
    }

    /// All members are sent with the same options.
    pub(super) fn send_group(
        &mut self,
        own: &Options,
        members: &[Signature],
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        mut call: Options,
    ) -> Result<Place, CanvasError> {
        let add_to_parent = call.take("add_to_parent");
        call.take("producer");
        for name in ["link", "link_error"] {
            if call.take(name).is_some_and(|links| !links.is_null()) {
                return Err(CanvasError::GroupLinked);
            }
        }
        if members.is_empty() {
            let mut options = own.clone();
            return self.freeze_group(&mut options, &mut Vec::new(), &Freeze::default());
        }
        let mut options = own.clone();
        options.update(call.into_iter().filter(|(key, _)| !(is_lasting(key) && own.has(key))));
        let id = options.take("task_id").as_ref().and_then(super::options::text).unwrap_or_else(|| self.fresh());
        options.set("group_id", RawJson::string(&id));
        let root_id = truthy(options.get("root_id").cloned());
        let mut ready = Vec::new();
        self.ready(members, &id, root_id.as_ref(), &mut ready)?;
        let results = ready.iter().map(|member| member.result).collect::<Vec<_>>();
        self.send_members(&id, ready, options, args, kwargs)?;
        let mut result = self.results.group(id, results.clone());
        if let [only] = results.as_slice()
            && self.results.members(*only).is_some()
        {
            result = *only;
        }
        self.trail(result, add_to_parent.as_ref());
        Ok(result)
    }

    /// Copies of the members with their ids, groups among them flattened.
    fn ready(
        &mut self,
        members: &[Signature],
        group: &str,
        root_id: Option<&RawJson>,
        out: &mut Vec<Member>,
    ) -> Result<(), CanvasError> {
        for (place, member) in members.iter().enumerate() {
            match &member.shape {
                Shape::Group(nested) => self.ready(nested, group, root_id, out)?,
                Shape::Chain(steps) if steps.is_empty() => {}
                _ => {
                    let mut signature = member.copied();
                    let with = Freeze {
                        group_id: Some(RawJson::string(group)),
                        root_id: root_id.cloned(),
                        group_index: Some(index(place)),
                        ..Freeze::default()
                    };
                    let result = self.freeze(&mut signature, &with)?;
                    out.push(Member { signature, result });
                }
            }
        }
        Ok(())
    }

    /// Sends the members; before the last one the size of their chord is announced, if they are the header of one.
    fn send_members(
        &mut self,
        group: &str,
        members: Vec<Member>,
        mut options: Options,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
    ) -> Result<(), CanvasError> {
        let chord = given(options.take("chord"));
        options.take("group_index");
        let mut size = 0;
        let count = members.len();
        for (place, Member { signature, .. }) in members.into_iter().enumerate() {
            let chord = chord.clone().or_else(|| given(signature.options.get("chord").cloned()));
            size += parts(&signature);
            if chord.is_some() && place + 1 == count {
                self.acts.push(Act::SetChordSize { group: group.to_owned(), size });
            }
            let mut call = options.clone();
            call.set("add_to_parent", RawJson::from(&false)?);
            call.set("chord", chord.unwrap_or_default());
            self.send(&signature, args, kwargs, call)?;
        }
        Ok(())
    }

    /// The header is sent, every member with the body in it.
    pub(super) fn send_chord(
        &mut self,
        signature: &Signature,
        chord: &Chord,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        mut call: Options,
    ) -> Result<Place, CanvasError> {
        let call_id = call.take("task_id");
        for name in ["producer", "publisher", "connection", "router", "result_cls"] {
            call.take(name);
        }
        let args: Vec<_> = match signature.immutable || args.is_empty() {
            true => signature.args.clone(),
            false => args.iter().chain(&signature.args).cloned().collect(),
        };
        let (body, header_kwargs) = call_of(signature, chord, kwargs)?;
        let delays: Vec<_> = ["countdown", "eta"]
            .into_iter()
            .filter(|name| call.get(name).is_some_and(|value| !value.is_null()))
            .collect();
        let delays: Options = delays.into_iter().filter_map(|name| Some((name.to_owned(), call.take(name)?))).collect();
        let links: Options =
            ["link", "link_error"].iter().filter_map(|name| Some(((*name).to_owned(), call.take(name)?))).collect();
        let body = body.copied_with(&[], &[], for_body(call.clone()));
        let header_options = match &chord.header_options {
            Some(options) => options.clone(),
            None => {
                let id = signature.options.text("task_id").unwrap_or_else(|| self.fresh());
                [("task_id".to_owned(), RawJson::string(&id))].into_iter().collect()
            }
        };
        let mut options = signature.options.clone();
        options.update(call);
        options.update(links);
        let own_id = options.take("task_id");
        let body_id = given(call_id).or(own_id).as_ref().and_then(super::options::text);
        let header = (header_options, chord.header.clone());
        self.run_chord(header, body, body_id, options, delays, &args, &header_kwargs)
    }

    #[allow(clippy::too_many_arguments)]
    fn run_chord(
        &mut self,
        (mut header_options, mut header): (Options, Vec<Signature>),
        mut body: Signature,
        body_id: Option<String>,
        mut options: Options,
        mut delays: Options,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
    ) -> Result<Place, CanvasError> {
        let group = header_options.text("task_id").unwrap_or_else(|| self.fresh());
        let group_id = Some(RawJson::string(&group));
        let root_id = truthy(body.options.get("root_id").cloned());
        for name in ["app", "interval", "max_retries", "eager"] {
            options.take(name);
        }
        for name in ["countdown", "eta"] {
            let value = given(options.take(name));
            if !delays.has(name)
                && let Some(value) = value
            {
                delays.set(name, value);
            }
        }
        let callbacks = options.take("link").map_or_else(|| Ok(Vec::new()), |links| maybe_list("link", &links))?;
        let errbacks =
            options.take("link_error").map_or_else(|| Ok(Vec::new()), |links| maybe_list("link_error", &links))?;
        link_body(&mut body, &callbacks, &errbacks)?;
        body.options.update(for_body(options.clone()));
        if matches!(body.shape, Shape::Chain(_)) {
            let options = body.options.clone();
            let (args, immutable) = (body.args.clone(), body.immutable);
            let steps = unroll_chords(body.into_members())?;
            body = Signature { options, args, immutable, ..Signature::steps(steps) };
        }
        let id = body_id.unwrap_or_else(|| self.fresh());
        let with = Freeze { id: Some(id), group_id: group_id.clone(), root_id: root_id.clone(), ..Freeze::default() };
        let body_result = self.freeze(&mut body, &with)?;
        strip(&mut body);
        options.take("chain");
        options.take("chord");
        header_options.set("task_id", RawJson::string(&group));
        let with = Freeze { group_id, chord: carried(&body)?, root_id, ..Freeze::default() };
        let frozen = self.freeze_group(&mut header_options, &mut header, &with)?;
        let header_result = if header.is_empty() {
            self.send(&body, &[RawJson::empty_array()], &[], Options::new())?;
            frozen
        } else {
            self.save_nested(&group, frozen)?;
            options.update(delays);
            options.set("task_id", RawJson::string(&group));
            self.send_group(&header_options, &header, args, kwargs, options)?
        };
        self.results.set_parent(body_result, Some(header_result));
        Ok(body_result)
    }

    /// Results of a header are stored beforehand when some of them are groups.
    fn save_nested(&mut self, group: &str, frozen: Place) -> Result<(), CanvasError> {
        let members = self.results.members(frozen).unwrap_or_default();
        if members.iter().any(|member| self.results.members(*member).is_some()) {
            let result = self.results.view(frozen).to_json()?;
            self.acts.push(Act::SaveGroup { group: group.to_owned(), result });
        }
        Ok(())
    }
}

/// How many completions a member of a header brings: of a group the sum, of a chain what its last step that is not
/// empty brings, of a chord what its body brings.
fn parts(signature: &Signature) -> usize {
    match &signature.shape {
        Shape::Group(members) => members.iter().map(parts).sum(),
        Shape::Chain(steps) => steps.iter().rev().map(parts).find(|parts| *parts > 0).unwrap_or_default(),
        Shape::Chord(chord) => chord.body.as_deref().map_or(0, parts),
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => 1,
    }
}

/// Options as they go to a body: its parent is the part of the header that completes the chord.
fn for_body(mut options: Options) -> Options {
    options.take("parent_id");
    options.take("task_id");
    options
}

/// The body and the keyword arguments of the header for this call, which may name another body.
fn call_of(
    signature: &Signature,
    chord: &Chord,
    kwargs: &[(String, RawJson)],
) -> Result<(Signature, Vec<(String, RawJson)>), CanvasError> {
    let mut kwargs = kwargs.to_vec();
    let called = kwargs.iter().position(|(key, _)| key == "body").map(|place| kwargs.remove(place).1);
    let body = match given(called) {
        Some(body) => Signature::taken(&body)?,
        None => chord.body()?.clone(),
    };
    let own = signature.kwargs.iter().find(|(key, _)| key == "kwargs").map(|(_, own)| own);
    let mut header_kwargs = own.map_or_else(|| Ok(Vec::new()), RawJson::members)?;
    update(&mut header_kwargs, kwargs);
    Ok((body, header_kwargs))
}
