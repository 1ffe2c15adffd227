//! What sending a canvas comes to: the messages in their order, the chords to announce between them, and the results
//! it promises. Only data: who publishes and stores it is not of this floor.

use crate::{JsonError, RawJson};

use super::{
    CanvasError, Options, PlannedMessage, Shape, Signature,
    results::{Place, PlannedResult, Results},
};

/// Who sends.
pub struct Sender<'a> {
    /// Makes a fresh id each time: a random UUID for a peer.
    pub ids: &'a mut dyn FnMut() -> String,
    /// What to say in `reply_to`, in messages and in signatures that get their id here; nothing when `None`.
    pub reply_to: Option<String>,
    /// The task inside which it is sent, if it is a worker that sends: the parent, and through it the root, of what
    /// has none of its own. Where headers of a task are passed beside the sender they count instead.
    pub current: Option<Current>,
}

/// The task that a worker runs just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its id.
    pub id: String,
    /// The root of its workflow; itself when `None`.
    pub root_id: Option<String>,
}

/// What a call adds to a signature, as `apply_async(args, kwargs, **options)`.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Put before the arguments of the signature.
    pub args: Vec<RawJson>,
    /// Override the keyword arguments of the signature.
    pub kwargs: Vec<(String, RawJson)>,
    /// Override the options of the signature: `queue`, `countdown`, `link`, `chain`, `root_id` …
    pub options: Options,
}

/// What is to be done, in order, to send a canvas.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The acts in their order.
    pub acts: Vec<Act>,
    results: Results,
    result: Option<Place>,
    children: Vec<Place>,
}

/// One act of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Store the tree of results of a chord's header, because some of them are groups themselves: the body is to get
    /// its results nested as they are there.
    SaveGroup {
        /// The group.
        group: String,
        /// Its results, the value of `result` in the record.
        result: RawJson,
    },
    /// Announce how many parts the chord waits for; the last of them is sent after this.
    SetChordSize {
        /// The group of the header.
        group: String,
        /// How many parts it has.
        size: usize,
    },
    /// Send a message.
    Send(Box<PlannedMessage>),
}

/// Celery's `signature.apply_async(args, kwargs, **options)`.
///
/// # Errors
/// When the canvas cannot be sent; nothing of it should be then.
pub fn plan(signature: &Signature, call: &Call, sender: &mut Sender<'_>) -> Result<Plan, CanvasError> {
    let mut planner = Planner::new(sender);
    let result = planner.send(&signature.loose(), &call.args, &call.kwargs, call.options.clone())?;
    Ok(planner.done(result))
}

impl Call {
    /// A call with one argument before the others: the result of the task before.
    pub fn with(argument: RawJson) -> Self {
        Self { args: vec![argument], ..Self::default() }
    }
}

impl Plan {
    /// The messages in the order they are sent.
    pub fn messages(&self) -> impl Iterator<Item = &PlannedMessage> {
        self.acts.iter().filter_map(|act| match act {
            Act::Send(message) => Some(&**message),
            Act::SaveGroup { .. } | Act::SetChordSize { .. } => None,
        })
    }

    /// The result of the whole; none for a chain without steps.
    pub fn result(&self) -> Option<PlannedResult<'_>> {
        self.result.map(|place| self.results.view(place))
    }

    /// What Celery lists among the children of the task that sends this.
    pub fn children(&self) -> impl Iterator<Item = PlannedResult<'_>> {
        self.children.iter().map(|place| self.results.view(*place))
    }

    /// The children as they stand in a result record, to be joined with those of what the task itself has sent.
    ///
    /// # Errors
    /// When a result is too deep, see [`PlannedResult::to_json`].
    pub fn children_json(&self) -> Result<RawJson, JsonError> {
        let children = self.children().map(|child| child.to_json()).collect::<Result<Vec<_>, _>>()?;
        Ok(RawJson::array(&children))
    }
}

/// A plan being made.
pub(super) struct Planner<'s, 'a> {
    pub(super) sender: &'s mut Sender<'a>,
    pub(super) results: Results,
    pub(super) acts: Vec<Act>,
    children: Vec<Place>,
}

impl<'s, 'a> Planner<'s, 'a> {
    pub(super) fn new(sender: &'s mut Sender<'a>) -> Self {
        Self { sender, results: Results::default(), acts: Vec::new(), children: Vec::new() }
    }

    pub(super) fn done(self, result: Option<Place>) -> Plan {
        Plan { acts: self.acts, results: self.results, result, children: self.children }
    }

    pub(super) fn fresh(&mut self) -> String {
        (self.sender.ids)()
    }

    /// Plans the sending of a signature of any shape.
    pub(super) fn send(
        &mut self,
        signature: &Signature,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        call: Options,
    ) -> Result<Option<Place>, CanvasError> {
        match &signature.shape {
            Shape::Task => {
                let mut call = call.without_nulls();
                // As in Celery, only the members of `map`, `starmap` and `chunks` are routed by another name.
                call.take("route_name");
                self.send_task(signature, signature.merged(args, kwargs, call)).map(Some)
            }
            Shape::Map | Shape::Starmap => self.send_map(signature, call).map(Some),
            Shape::Chunks => self.send_chunks(signature, args, kwargs, call).map(Some),
            Shape::Chain(steps) => self.send_chain(signature, steps, args, kwargs, call),
            Shape::Group(members) => self.send_group(&signature.options, members, args, kwargs, call).map(Some),
            Shape::Chord(chord) => self.send_chord(signature, chord, args, kwargs, call).map(Some),
        }
    }

    /// A result becomes a child of the task that sends, unless the call says otherwise.
    pub(super) fn trail(&mut self, result: Place, add_to_parent: Option<&RawJson>) {
        if add_to_parent.is_none_or(|add| add.as_str() == "true") {
            self.children.push(result);
        }
    }

    fn send_task(
        &mut self,
        signature: &Signature,
        (args, kwargs, options): (Vec<RawJson>, Vec<(String, RawJson)>, Options),
    ) -> Result<Place, CanvasError> {
        let add_to_parent = options.get("add_to_parent").cloned();
        let message = PlannedMessage::new(&signature.task, args, kwargs, options, self.sender)?;
        let result = self.results.task(message.id.clone());
        self.acts.push(Act::Send(Box::new(message)));
        self.trail(result, add_to_parent.as_ref());
        Ok(result)
    }

    fn send_map(&mut self, signature: &Signature, call: Options) -> Result<Place, CanvasError> {
        let (_, _, mut options) = signature.merged(&[], &[], call.without_nulls());
        if options.text("route_name").is_none() {
            options.set("route_name", inner_name(signature));
        }
        let kwargs = signature.kwargs.iter().filter(|(key, _)| key == "task" || key == "it");
        self.send_task(signature, (Vec::new(), kwargs.cloned().collect(), options))
    }

    /// Chunks are sent as a group of starmaps; options of their own are dropped, as in Celery.
    fn send_chunks(
        &mut self,
        signature: &Signature,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        mut call: Options,
    ) -> Result<Place, CanvasError> {
        let find = |name: &str| signature.kwargs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let need = |name: &str| find(name).ok_or_else(|| CanvasError::malformed(format!("chunks without {name}")));
        let task = Signature::taken(need("task")?)?;
        let it = need("it")?.elements().map_err(|error| CanvasError::malformed(format!("its it: {error}")))?;
        let n: usize = need("n")?.to().map_err(|error| CanvasError::malformed(format!("its n: {error}")))?;
        if n == 0 {
            return Err(CanvasError::EmptyChunks);
        }
        let members = it.chunks(n).map(|part| Signature::starmap(&task, part)).collect::<Result<Vec<_>, _>>()?;
        call.set("route_name", RawJson::string(&task.task));
        self.send_group(&Options::new(), &members, args, kwargs, call)
    }
}

/// The name of the task that a map applies.
fn inner_name(signature: &Signature) -> RawJson {
    let task = signature.kwargs.iter().find(|(key, _)| key == "task").map(|(_, task)| task);
    task.and_then(|task| task.member("task")).unwrap_or_default()
}
