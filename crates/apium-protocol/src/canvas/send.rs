//! How chains and groups are sent: what goes out now, what travels inside it, and what is announced.

use crate::RawJson;

use super::{
    CanvasError, Options, Shape, Signature,
    freeze::{Freeze, index},
    plan::{Act, Planner},
    results::Place,
    signature::{given, is_lasting, truthy},
    steps::Given,
};

/// Options of a call that only mean something to the sending of a chain itself.
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
        options.retain(|name| !SENDING.contains(&name));
        let args = chain.called_with(args);
        let links = options.take_list("link")?;
        let errbacks = options.take_list("link_error")?;
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
