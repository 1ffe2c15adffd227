//! A signature: a task with arguments and options, or several of them put together, not yet sent; and what may be
//! done to one before that.

use crate::{JsonError, RawJson};

use super::{
    CanvasError, Options,
    options::{self, update},
};

/// A signature as Celery knows it. [`Signature::decode`] and [`Signature::to_json`] are its form on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the task; `celery.chain` and the like for what is put together.
    pub task: String,
    /// Positional arguments. A chain passes them to its first step.
    pub args: Vec<RawJson>,
    /// Keyword arguments, in their order. Of a chord: all but header and body, as a rule `kwargs` for the header.
    pub kwargs: Vec<(String, RawJson)>,
    /// Everything else `apply_async` takes.
    pub options: Options,
    /// Whether it takes no arguments but its own: a callback that does not want the result.
    pub immutable: bool,
    /// What it is.
    pub shape: Shape,
    /// Unknown members of the object, in their order. Only a single task keeps them.
    pub other: Vec<(String, RawJson)>,
}

/// What a signature is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// One task.
    Task,
    /// One after the other, each with the result of the one before.
    Chain(Vec<Signature>),
    /// All at once.
    Group(Vec<Signature>),
    /// A group, and what is called with the list of its results.
    Chord(Chord),
    /// A task over many arguments, some at a time: `task`, `it` (an array for each call) and `n` (calls a chunk) are
    /// its keyword arguments. Once it was sent or copied it is a call of `celery.chunks`.
    Chunks,
    /// A task over many single arguments in one go, a call of `celery.map`: `task` and `it` are its keyword arguments.
    Map,
    /// A task over many lists of arguments in one go, a call of `celery.starmap`.
    Starmap,
}

/// The parts of a chord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chord {
    /// What must be done before the body.
    pub header: Vec<Signature>,
    /// The options of the header when it is a group signature of its own, as it is once ids were given; `None` when
    /// it is a plain list.
    pub header_options: Option<Options>,
    /// What is called with the list of results. A chord without one cannot be sent.
    pub body: Option<Box<Signature>>,
}

impl Signature {
    /// A call of a task, without arguments.
    pub fn new(task: impl Into<String>) -> Self {
        Self::shaped(task, Shape::Task)
    }

    /// Steps one after the other exactly as given: nothing is flattened or upgraded. See [`super::chain`] for
    /// Celery's `chain(…)`.
    pub fn steps(steps: Vec<Self>) -> Self {
        Self::shaped("celery.chain", Shape::Chain(steps))
    }

    /// All at once, Celery's `group(…)`.
    pub fn group(members: Vec<Self>) -> Self {
        Self::shaped("celery.group", Shape::Group(members))
    }

    /// Celery's `chord(header, body)`; of a group as header pass its members.
    pub fn chord(header: Vec<Self>, body: Self) -> Self {
        let chord = Chord { header, header_options: None, body: Some(Box::new(body)) };
        let kwargs = vec![("kwargs".to_owned(), RawJson::empty_object())];
        Self { kwargs, ..Self::shaped("celery.chord", Shape::Chord(chord)) }
    }

    /// Celery's `task.chunks(it, n)`: each element of `it` is the array of the arguments of one call.
    ///
    /// # Errors
    /// When the task nests too deep to be written.
    pub fn chunks(task: &Self, it: &[RawJson], n: usize) -> Result<Self, JsonError> {
        let mut chunks = Self::over(task, it, "celery.chunks", Shape::Chunks)?;
        chunks.kwargs.push(("n".to_owned(), RawJson::from(&n)?));
        Ok(chunks)
    }

    /// Celery's `task.map(it)`.
    ///
    /// # Errors
    /// When the task nests too deep to be written.
    pub fn map(task: &Self, it: &[RawJson]) -> Result<Self, JsonError> {
        Self::over(task, it, "celery.map", Shape::Map)
    }

    /// Celery's `task.starmap(it)`.
    ///
    /// # Errors
    /// When the task nests too deep to be written.
    pub fn starmap(task: &Self, it: &[RawJson]) -> Result<Self, JsonError> {
        Self::over(task, it, "celery.starmap", Shape::Starmap)
    }

    /// Adds a positional argument.
    pub fn arg(mut self, value: RawJson) -> Self {
        self.args.push(value);
        self
    }

    /// Sets an argument by name.
    pub fn kwarg(mut self, name: impl Into<String>, value: RawJson) -> Self {
        update(&mut self.kwargs, [(name.into(), value)]);
        self
    }

    /// Sets an option.
    pub fn option(mut self, name: &str, value: RawJson) -> Self {
        self.options.set(name, value);
        self
    }

    /// Celery's `set_immutable`: of a group it concerns the members, of a chord the header.
    pub fn set_immutable(&mut self, immutable: bool) {
        match &mut self.shape {
            Shape::Group(members) | Shape::Chord(Chord { header: members, .. }) => {
                for member in members {
                    member.set_immutable(immutable);
                }
            }
            _ => self.immutable = immutable,
        }
    }

    /// The id it was given, if any.
    pub fn id(&self) -> Option<String> {
        self.options.text("task_id")
    }

    /// What Celery's `clone()` makes of it: a chain and a group keep only steps and options, a header is a plain
    /// list, chunks and maps are calls of their tasks.
    pub fn copied(&self) -> Self {
        match &self.shape {
            Shape::Task => Self { other: Vec::new(), ..self.clone() },
            Shape::Chain(steps) => {
                let steps = steps.iter().map(Self::copied).collect();
                Self { options: self.options.clone(), ..Self::steps(steps) }
            }
            Shape::Group(members) => Self { options: self.options.clone(), ..Self::group(members.clone()) },
            Shape::Chord(chord) => {
                let body = chord.body.as_ref().map(|body| Box::new(body.copied()));
                let shape = Shape::Chord(Chord { header: chord.header.clone(), header_options: None, body });
                Self { shape, other: Vec::new(), ..self.shallow() }
            }
            Shape::Chunks | Shape::Map | Shape::Starmap => self.shallow(),
        }
    }

    /// Celery's `clone(args, kwargs, **options)`: partial arguments are put before its own unless it is immutable,
    /// keyword arguments and options override its own.
    pub fn copied_with(&self, args: &[RawJson], kwargs: &[(String, RawJson)], options: Options) -> Self {
        if args.is_empty() && kwargs.is_empty() && options.is_empty() {
            return self.copied();
        }
        let (args, kwargs, options) = self.merged(args, kwargs, options);
        let mut copy = self.copied();
        copy.options = options;
        if !matches!(copy.shape, Shape::Chain(_) | Shape::Group(_)) {
            copy.args = args;
            copy.kwargs = kwargs;
        }
        copy
    }

    /// Arguments and options of a call, by Celery's precedence: a call's options override the signature's, except
    /// for `group_id`, `stamped_headers` and the stamps, which stay once they are there.
    pub(super) fn merged(
        &self,
        args: &[RawJson],
        kwargs: &[(String, RawJson)],
        call: Options,
    ) -> (Vec<RawJson>, Vec<(String, RawJson)>, Options) {
        let mut options = self.options.clone();
        let stamped = options.stamped();
        let kept: Vec<_> = call
            .into_iter()
            .filter(|(key, _)| !(is_lasting(key) || stamped.contains(key)) || !options.has(key))
            .collect();
        options.update(kept);
        let mut own = self.kwargs.clone();
        if self.immutable {
            return (self.args.clone(), own, options);
        }
        update(&mut own, kwargs.iter().cloned());
        (args.iter().chain(&self.args).cloned().collect(), own, options)
    }

    /// The arguments of a chain or a chord called with `args`.
    pub(super) fn called_with(&self, args: &[RawJson]) -> Vec<RawJson> {
        let args = if self.immutable { &[] } else { args };
        args.iter().chain(&self.args).cloned().collect()
    }

    pub(super) fn is_empty_group(&self) -> bool {
        matches!(&self.shape, Shape::Group(members) if members.is_empty())
    }

    /// The steps of a chain or the members of a group.
    pub(super) fn members(&self) -> &[Self] {
        match &self.shape {
            Shape::Chain(members) | Shape::Group(members) => members,
            _ => &[],
        }
    }

    /// The only member of a group of one; anything else stays as it is.
    pub(super) fn unrolled(self) -> Self {
        match self.shape {
            Shape::Group(members) if members.len() == 1 => members.into_iter().next().unwrap_or_else(|| Self::new("")),
            shape => Self { shape, ..self },
        }
    }

    /// Appends to a list option what is not in it yet.
    pub(super) fn append(&mut self, option: &str, value: RawJson) -> Result<(), CanvasError> {
        let mut items = self.options.list(option)?;
        if !items.iter().any(|item| super::same::same(item, &value)) {
            items.push(value);
        }
        self.options.set(option, RawJson::array(&items));
        Ok(())
    }

    /// Appends to a list option.
    pub(super) fn extend(&mut self, option: &str, values: Vec<RawJson>) -> Result<(), CanvasError> {
        let mut items = self.options.list(option)?;
        items.extend(values);
        self.options.set(option, RawJson::array(&items));
        Ok(())
    }

    fn over(task: &Self, it: &[RawJson], name: &str, shape: Shape) -> Result<Self, JsonError> {
        let kwargs = vec![("task".to_owned(), task.to_json()?), ("it".to_owned(), RawJson::array(it))];
        Ok(Self { kwargs, immutable: true, ..Self::shaped(name, shape) })
    }

    fn shaped(task: impl Into<String>, shape: Shape) -> Self {
        Self {
            task: task.into(),
            args: Vec::new(),
            kwargs: Vec::new(),
            options: Options::new(),
            immutable: false,
            shape,
            other: Vec::new(),
        }
    }

    /// Everything but the parts, which may be large.
    fn shallow(&self) -> Self {
        Self {
            task: self.task.clone(),
            args: self.args.clone(),
            kwargs: self.kwargs.clone(),
            options: self.options.clone(),
            immutable: self.immutable,
            shape: Shape::Task,
            other: Vec::new(),
        }
    }
}

impl Chord {
    pub(super) fn body(&self) -> Result<&Signature, CanvasError> {
        self.body.as_deref().ok_or(CanvasError::NoBody)
    }
}

/// Options that a call may not change, since others wait for what they say.
pub(super) fn is_lasting(option: &str) -> bool {
    matches!(option, "group_id" | "stamped_headers")
}

/// What an option says, unless it is null.
pub(super) fn given(value: Option<RawJson>) -> Option<RawJson> {
    value.filter(|value| !value.is_null())
}

/// A string option that Python would call true, as it stands.
pub(super) fn truthy(value: Option<RawJson>) -> Option<RawJson> {
    value.filter(|value| options::text(value).is_some())
}
