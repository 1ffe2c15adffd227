//! A signature: a task's name with arguments and options, not yet sent; alone, or several put together.

use std::time::Duration;

use apium_protocol::canvas::{self, CanvasError};
use apium_protocol::{JsonError, RawJson};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::argument::Parameter;
use crate::client::{REMEMBER_HEADER, iso};
use crate::unique::Unique;

/// A call that can be sent: what Celery's `Signature` is, in Celery's words.
///
/// Put together with [`Signature::then`], [`group`], [`chain`] and [`chord`], it is Celery's canvas:
///
/// ```
/// use apium_core::signature::{Signature, group};
///
/// let add = |x, y| Signature::new("app.add").arg(x).arg(y);
/// let _twice_four = add(2, 2).then(Signature::new("app.mul").arg(2));
/// let _sum = group([add(1, 1), add(2, 2)]).then(Signature::new("app.sum"));
/// ```
#[derive(Debug, Clone)]
pub struct Signature {
    pub(crate) canvas: canvas::Signature,
    /// How long the id is to be remembered.
    pub(crate) remember: Option<Duration>,
    /// What the task takes, where its own `s(…)` has made this.
    pub(crate) parameters: &'static [Parameter],
    /// What makes it unique.
    pub(crate) unique: Option<Unique>,
    /// What could not be written or put together first; told when it is sent.
    pub(crate) broken: Option<CanvasError>,
}

/// Runs these side by side; the result is the list of theirs.
pub fn group(members: impl IntoIterator<Item = Signature>) -> Signature {
    Signature::of_all(members, |members| Ok(canvas::Signature::group(members)))
}

/// Runs these one after the other, each with the result of the one before as its first argument.
pub fn chain(steps: impl IntoIterator<Item = Signature>) -> Signature {
    Signature::of_all(steps, canvas::chain)
}

/// Runs these side by side, and then the body with the list of their results as its first argument.
pub fn chord(header: impl IntoIterator<Item = Signature>, body: Signature) -> Signature {
    let broken = body.unfit();
    let chord = Signature::of_all(header, |header| Ok(canvas::Signature::chord(header, body.canvas)));
    Signature { broken: chord.broken.or(broken), ..chord }
}

impl Signature {
    /// A call of the task with this name, without arguments.
    pub fn new(task: impl Into<String>) -> Self {
        Self::from(canvas::Signature::new(task))
    }

    /// A signature as it stands in a message or in another program's JSON.
    ///
    /// # Errors
    /// When the JSON is no signature.
    pub fn decode(json: &RawJson) -> Result<Self, CanvasError> {
        canvas::Signature::decode(json).map(Self::from)
    }

    /// The signature as Celery writes it.
    ///
    /// # Errors
    /// When an argument was not JSON, or it nests too deep.
    pub fn to_json(&self) -> Result<RawJson, CanvasError> {
        match self.unfit() {
            Some(error) => Err(error),
            None => Ok(self.canvas.to_json()?),
        }
    }

    /// Runs `next` once this has succeeded, with the result as its first argument. A group followed by something is
    /// a chord.
    pub fn then(self, next: Self) -> Self {
        let broken = self.unfit().or_else(|| next.unfit());
        let remember = next.remember.or(self.remember);
        let empty = Self::from(canvas::Signature::new(""));
        match self.canvas.then(next.canvas) {
            Ok(canvas) => Self { remember, broken, ..Self::from(canvas) },
            Err(error) => Self { broken: broken.or(Some(error)), ..empty },
        }
    }

    /// Sends `callback` once this has succeeded, with the result as its first argument.
    pub fn link(self, callback: &Self) -> Self {
        self.linked(callback, canvas::Signature::link)
    }

    /// Sends `errback` once this has failed for good, with the id of the failed task as its first argument. One that
    /// this worker registers with `#[task(errback)]` is called in the worker instead, and is shown the failure.
    pub fn link_error(self, errback: &Self) -> Self {
        self.linked(errback, canvas::Signature::link_error)
    }

    /// Takes no result of a task before it (Celery's `si`).
    pub fn immutable(mut self) -> Self {
        self.canvas.set_immutable(true);
        self
    }

    /// Applies this to each element of `it` in one task; the result is the list.
    pub fn map<T: Serialize>(&self, it: impl IntoIterator<Item = T>) -> Self {
        self.over(it, canvas::Signature::map)
    }

    /// The same with each element an array of arguments.
    pub fn starmap<T: Serialize>(&self, it: impl IntoIterator<Item = T>) -> Self {
        self.over(it, canvas::Signature::starmap)
    }

    /// A group of starmaps over at most `n` elements each.
    pub fn chunks<T: Serialize>(&self, it: impl IntoIterator<Item = T>, n: usize) -> Self {
        self.over(it, |task, it| canvas::Signature::chunks(task, it, n))
    }

    /// Stamps this and everything in it: the headers travel with every task of the canvas.
    pub fn stamp(mut self, name: &str, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value)
            && let Err(error) = self.canvas.stamp(&[(name.to_owned(), json)], false)
        {
            self.broken.get_or_insert(error);
        }
        self
    }

    /// Adds one positional argument.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.canvas.args.push(json);
        }
        self
    }

    /// Adds one argument by name.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.canvas.kwargs.push((name.into(), json));
        }
        self
    }

    /// Adds positional arguments.
    pub fn args<T: Serialize>(self, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, Self::arg)
    }

    /// Adds arguments by name.
    pub fn kwargs<T: Serialize>(self, named: impl IntoIterator<Item = (String, T)>) -> Self {
        named.into_iter().fold(self, |signature, (name, value)| signature.kwarg(name, value))
    }

    /// Sets the arguments as they stand, e.g. from a command line.
    pub fn raw_arguments(mut self, args: Vec<RawJson>, kwargs: Vec<(String, RawJson)>) -> Self {
        (self.canvas.args, self.canvas.kwargs) = (args, kwargs);
        self
    }

    /// The id to send it under; a fresh UUID when not set.
    pub fn task_id(self, id: impl Into<String>) -> Self {
        self.option("task_id", id.into())
    }

    /// The queue; when not set, the client's routes decide.
    pub fn queue(self, queue: impl Into<String>) -> Self {
        self.option("queue", queue.into())
    }

    /// 0 to 9, lowest first, as on Celery's Redis transport.
    pub fn priority(self, priority: u8) -> Self {
        self.option("priority", priority)
    }

    /// Not before this long after sending.
    pub fn countdown(self, delay: Duration) -> Self {
        self.option("countdown", delay.as_secs_f64())
    }

    /// Not before this moment.
    pub fn eta(self, at: Timestamp) -> Self {
        self.option("eta", iso(at))
    }

    /// Not begun any more this long after sending: it is REVOKED ("expired") then.
    pub fn expires_in(self, span: Duration) -> Self {
        self.option("expires", span.as_secs_f64())
    }

    /// Not begun any more after this moment.
    pub fn expires(self, at: Timestamp) -> Self {
        self.option("expires", iso(at))
    }

    /// Hard time limit of an attempt; overrides the task's own.
    pub fn time_limit(self, limit: Duration) -> Self {
        self.option("time_limit", limit.as_secs_f64())
    }

    /// Soft time limit of an attempt; overrides the task's own.
    pub fn soft_time_limit(self, limit: Duration) -> Self {
        self.option("soft_time_limit", limit.as_secs_f64())
    }

    /// Whether to store no result; when not set, the task's own option decides.
    pub fn ignore_result(self, ignore: bool) -> Self {
        self.option("ignore_result", ignore)
    }

    /// The name to show in logs instead of the task's.
    pub fn shadow(self, name: impl Into<String>) -> Self {
        self.option("shadow", name.into())
    }

    /// Adds a header of one's own, which the task reads and every retry keeps.
    pub fn header(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            let mut headers = self.canvas.options.get("headers").and_then(|own| own.members().ok()).unwrap_or_default();
            headers.push((name.into(), json));
            self.canvas.options.set("headers", RawJson::object(&headers));
        }
        self
    }

    /// Sends it as the child of a running task: same root, this parent.
    pub fn child_of(self, root_id: impl Into<String>, parent_id: impl Into<String>) -> Self {
        self.option("root_id", root_id.into()).option("parent_id", parent_id.into())
    }

    /// Remembers the id for this long, so that "never seen" and "expired" can be told apart.
    pub fn remember(mut self, keep: Duration) -> Self {
        self.remember = Some(keep);
        self.header(REMEMBER_HEADER, keep.as_secs())
    }

    /// Makes it unique: while its key is held by another, what is sent is refused or takes that one's place. Only a
    /// single task can be unique.
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }

    /// Tells what the task takes, so that an argument given by its place is known by its name; `#[task]` does.
    pub fn taking(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.canvas.task
    }

    /// Any other of Celery's `apply_async` options, or a name of one's own, which becomes a property of the message.
    pub fn option(mut self, name: &str, value: impl Serialize) -> Self {
        if let Some(json) = self.encode(&value) {
            self.canvas.options.set(name, json);
        }
        self
    }

    /// Why it cannot be part of something else, nor be written down.
    pub(crate) fn unfit(&self) -> Option<CanvasError> {
        let alone = || CanvasError::Malformed {
            reason: format!("{} is unique, and only a task sent by itself can be: not a part of a canvas", self.task()),
        };
        self.broken.clone().or_else(|| self.unique.as_ref().map(|_| alone()))
    }

    fn encode(&mut self, value: &impl Serialize) -> Option<RawJson> {
        RawJson::from(value).map_err(|error| self.broken.get_or_insert(error.into())).ok()
    }

    fn linked(mut self, other: &Self, link: fn(&mut canvas::Signature, &canvas::Signature) -> Linked) -> Self {
        self.broken = self.broken.or_else(|| other.unfit());
        if let Err(error) = link(&mut self.canvas, &other.canvas) {
            self.broken.get_or_insert(error);
        }
        self
    }

    fn over<T: Serialize>(
        &self,
        it: impl IntoIterator<Item = T>,
        make: impl FnOnce(&canvas::Signature, &[RawJson]) -> Result<canvas::Signature, JsonError>,
    ) -> Self {
        let elements = it.into_iter().map(|element| RawJson::from(&element)).collect::<Result<Vec<_>, _>>();
        let made = elements.and_then(|elements| make(&self.canvas, &elements));
        let broken = self.unfit().or_else(|| made.as_ref().err().map(|error| error.clone().into()));
        Self { broken, ..Self::from(made.unwrap_or_else(|_| canvas::Signature::new(""))) }
    }

    fn of_all(
        parts: impl IntoIterator<Item = Self>,
        make: impl FnOnce(Vec<canvas::Signature>) -> Result<canvas::Signature, CanvasError>,
    ) -> Self {
        let mut broken = None;
        let take = |part: Self| {
            broken = broken.take().or_else(|| part.unfit());
            part.canvas
        };
        let parts = parts.into_iter().map(take).collect();
        match make(parts) {
            Ok(canvas) => Self { broken, ..Self::from(canvas) },
            Err(error) => Self { broken: broken.or(Some(error)), ..Self::new("") },
        }
    }
}

/// Written as Celery writes it, so that a task may give one back.
impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// Read as Celery writes it, so that a task may take one.
impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::decode(&RawJson::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

type Linked = Result<(), CanvasError>;

impl From<canvas::Signature> for Signature {
    fn from(canvas: canvas::Signature) -> Self {
        Self { canvas, remember: None, parameters: &[], unique: None, broken: None }
    }
}
