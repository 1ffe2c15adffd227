//! How a chord is sent: its header now, with the body in every part of it, after the size was announced.

use crate::RawJson;

use super::{
    CanvasError, Options, Shape, Signature,
    freeze::{Freeze, carried, strip},
    link::link_body,
    options::{text, update},
    plan::{Act, Planner},
    results::Place,
    signature::{Chord, given, truthy},
    steps::unroll_chords,
};

/// Options of a call that are consumed on the way; the last four are arguments of the body's old unlocking task.
const CONSUMED: [&str; 10] = [
    "producer",
    "publisher",
    "connection",
    "router",
    "result_cls",
    "task_id",
    "app",
    "interval",
    "max_retries",
    "eager",
];

/// When the header is to be run: it is delayed, not the body.
const DELAYS: [&str; 2] = ["countdown", "eta"];

/// A chord that was called.
struct Called {
    body: Signature,
    body_id: Option<String>,
    header: Vec<Signature>,
    header_options: Options,
    header_args: Vec<RawJson>,
    header_kwargs: Vec<(String, RawJson)>,
    /// For header and body.
    options: Options,
    delays: Options,
}

impl Planner<'_, '_> {
    /// Celery's `chord.apply_async`.
    pub(super) fn send_chord(
        &mut self,
        signature: &Signature,
        chord: &Chord,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        mut call: Options,
    ) -> Result<Place, CanvasError> {
        let call_id = call.take("task_id");
        call.retain(|name| !CONSUMED.contains(&name));
        let (body, header_kwargs) = call_of(signature, chord, kwargs)?;
        let mut delays = call.take_given(&DELAYS);
        let links = ["link", "link_error"].map(|name| Some((name.to_owned(), call.take(name)?)));
        let body = body.copied_with(&[], &[], for_body(&call));
        let header_options = chord.header_options.clone().unwrap_or_else(|| {
            let id = signature.id().unwrap_or_else(|| self.fresh());
            [("task_id".to_owned(), RawJson::string(&id))].into_iter().collect()
        });
        let mut options = signature.options.clone();
        let own_delays = options.take_given(&DELAYS);
        options.update(call);
        options.update(links.into_iter().flatten());
        for (name, value) in own_delays {
            if !delays.has(&name) {
                delays.set(&name, value);
            }
        }
        options.retain(|name| !DELAYS.contains(&name));
        let body_id = given(call_id).or(options.take("task_id")).as_ref().and_then(text);
        options.retain(|name| !CONSUMED.contains(&name));
        self.run_chord(Called {
            body,
            body_id,
            header: chord.header.clone(),
            header_options,
            header_args: signature.called_with(args),
            header_kwargs,
            options,
            delays,
        })
    }

    /// Celery's `chord.run`.
    fn run_chord(&mut self, called: Called) -> Result<Place, CanvasError> {
        let Called { mut body, body_id, mut header, mut header_options, mut options, delays, .. } = called;
        let group = header_options.text("task_id").unwrap_or_else(|| self.fresh());
        let root_id = truthy(body.options.get("root_id").cloned());
        link_body(&mut body, &options.take_list("link")?, &options.take_list("link_error")?)?;
        body.options.update(for_body(&options));
        if let Shape::Chain(steps) = &mut body.shape {
            *steps = unroll_chords(std::mem::take(steps))?;
        }
        let id = body_id.unwrap_or_else(|| self.fresh());
        let group_id = Some(RawJson::string(&group));
        let mut with = Freeze { id: Some(id), group_id, root_id, ..Freeze::default() };
        let body_result = self.freeze(&mut body, &with)?;
        strip(&mut body);
        with = Freeze { id: None, chord: carried(&body)?, ..with };
        header_options.set("task_id", RawJson::string(&group));
        let frozen = self.freeze_group(&mut header_options, &mut header, &with)?;
        let header_result = if header.is_empty() {
            self.send(&body, &[RawJson::empty_array()], &[], Options::new())?;
            frozen
        } else {
            self.save_nested(&group, frozen)?;
            // What comes after the chord comes after its body; and the body is put on the members anew.
            options.take("chain");
            options.take("chord");
            options.update(delays);
            options.set("task_id", RawJson::string(&group));
            self.send_group(&header_options, &header, &called.header_args, &called.header_kwargs, options)?
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

/// Options as they go to a body: its parent is the part of the header that completes the chord.
fn for_body(options: &Options) -> Options {
    let mut options = options.clone();
    options.take("parent_id");
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
