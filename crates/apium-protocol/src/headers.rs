//! The headers of a task message: everything a worker needs to judge it without opening its body.

use crate::{
    DecodeError, RawJson, Subject,
    json::{
        JsonError,
        fields::Wrong,
        number,
        object::ObjectWriter,
        split::{self, Members, Part},
    },
};

/// The headers of protocol 2. All but `id` and `task` may be missing and then have their default.
#[derive(Debug, Clone, PartialEq)]
pub struct Headers {
    /// The language the task is written in; Python peers write `py` and do not look at it. Default `py`.
    pub lang: String,
    /// The registered name of the task.
    pub task: String,
    /// The task id: the key of its result, and the correlation id of the message.
    pub id: String,
    /// A name to show in logs and events instead of `task`.
    pub shadow: Option<String>,
    /// Not to be run before this time, ISO 8601; without an offset it is in the time zone of the application.
    pub eta: Option<String>,
    /// Not to be started after this time, ISO 8601 as `eta`.
    pub expires: Option<String>,
    /// The id of the group the task belongs to.
    pub group: Option<String>,
    /// Its place in the group, from 0; orders the results of a chord.
    pub group_index: Option<i64>,
    /// How many times the task was tried before. Default 0.
    pub retries: u32,
    /// The hard and the soft time limit in seconds; they override the task's own.
    pub timelimit: (Option<f64>, Option<f64>),
    /// The id of the first task of the workflow, the task's own when it is the first.
    pub root_id: Option<String>,
    /// The id of the task that sent this one.
    pub parent_id: Option<String>,
    /// The positional arguments for people to read, as Python's `repr` of a tuple, see [`crate::python_repr`].
    pub argsrepr: Option<String>,
    /// The keyword arguments for people to read, as Python's `repr` of a dict.
    pub kwargsrepr: Option<String>,
    /// The sender, `gen<pid>@<host>` for a Python client.
    pub origin: Option<String>,
    /// Whether to store no result; `None` leaves it to the setting of the task in the worker.
    pub ignore_result: Option<bool>,
    /// How many times the task was replaced by another. Default 0.
    pub replaced_task_nesting: u32,
    /// The names of the stamps; only these count in `stamps`.
    pub stamped_headers: Option<Vec<String>>,
    /// Stamps by name, an object. Default `{}`.
    pub stamps: RawJson,
    /// The content type of the compression of the body, when it is compressed.
    pub compression: Option<String>,
    /// Whether the message was given back to the queue before, by a worker or because its lease ran out.
    pub redelivered: bool,
    /// All other headers in their order: the sender's own ones, to be shown to the task and kept on a retry.
    pub other: Vec<(String, RawJson)>,
}

impl Headers {
    /// The headers of a task sent for the first time, everything else at its default.
    pub fn new(task: impl Into<String>, id: impl Into<String>) -> Self {
        let id = id.into();
        Self { task: task.into(), root_id: Some(id.clone()), id, ..Self::default() }
    }

    /// Reads the members of the object that `members` has just gone into, to its end also when one is of the wrong type;
    /// `task` is empty when it is missing.
    pub(crate) fn read(members: &mut Members<'_>) -> Result<Result<Self, DecodeError>, JsonError> {
        let text = members.rest();
        let mut headers = Ok(Self::default());
        while let Some((key, part)) = members.next()? {
            let Ok(known) = &mut headers else { continue };
            if let Err(reason) = known.set(&key, &part) {
                headers = Err(DecodeError::Field { field: format!("headers.{key}"), reason, subject: subject(text) });
            }
        }
        Ok(headers)
    }

    /// Sets one header from what it is on the wire; an unknown one is kept as it is.
    pub(crate) fn set(&mut self, key: &str, part: &Part<'_>) -> Result<(), Wrong> {
        match key {
            "lang" => self.lang = part.string()?.unwrap_or_else(python),
            "task" => self.task = part.string()?.unwrap_or_default(),
            "id" => self.id = part.string()?.unwrap_or_default(),
            "shadow" => self.shadow = part.string()?,
            "eta" => self.eta = part.string()?,
            "expires" => self.expires = part.string()?,
            "group" => self.group = part.string()?,
            "group_index" => self.group_index = part.integer()?,
            "retries" => self.retries = part.count()?.unwrap_or_default(),
            "timelimit" => self.timelimit = time_limits(part)?,
            "root_id" => self.root_id = part.string()?,
            "parent_id" => self.parent_id = part.string()?,
            "argsrepr" => self.argsrepr = part.string()?,
            "kwargsrepr" => self.kwargsrepr = part.string()?,
            "origin" => self.origin = part.string()?,
            "ignore_result" => self.ignore_result = part.boolean()?,
            "replaced_task_nesting" => {
                self.replaced_task_nesting = part.count()?.unwrap_or_default();
            }
            "stamped_headers" => self.stamped_headers = part.strings()?,
            "stamps" => self.stamps = stamps(part)?,
            "compression" => self.compression = part.string()?,
            "redelivered" => self.redelivered = part.boolean()?.unwrap_or_default(),
            _ => self.other.push((key.to_owned(), part.raw())),
        }
        Ok(())
    }

    /// Writes the headers in the order of a Python client.
    pub(crate) fn write(&self) -> String {
        let mut object = ObjectWriter::with_capacity(1024);
        object.string("lang", &self.lang);
        object.string("task", &self.task);
        object.string("id", &self.id);
        object.nullable("shadow", self.shadow.as_deref());
        object.nullable("eta", self.eta.as_deref());
        object.nullable("expires", self.expires.as_deref());
        object.nullable("group", self.group.as_deref());
        object.display("group_index", self.group_index);
        object.display("retries", Some(self.retries));
        let (hard, soft) = self.timelimit;
        object.raw("timelimit", &format!("[{}, {}]", seconds(hard), seconds(soft)));
        object.nullable("root_id", self.root_id.as_deref());
        object.nullable("parent_id", self.parent_id.as_deref());
        object.nullable("argsrepr", self.argsrepr.as_deref());
        object.nullable("kwargsrepr", self.kwargsrepr.as_deref());
        object.nullable("origin", self.origin.as_deref());
        object.display("ignore_result", self.ignore_result);
        object.display("replaced_task_nesting", Some(self.replaced_task_nesting));
        object.raw("stamped_headers", &names(self.stamped_headers.as_deref()));
        object.raw("stamps", self.stamps.as_str());
        self.write_transport(&mut object);
        object.end()
    }

    /// The headers that belong to the transport rather than to the task; a message of protocol 1 has only these.
    pub(crate) fn write_transport(&self, object: &mut ObjectWriter) {
        object.members(&self.other);
        object.optional("compression", self.compression.as_deref());
        if self.redelivered {
            object.boolean("redelivered", true);
        }
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self {
            lang: python(),
            task: String::new(),
            id: String::new(),
            shadow: None,
            eta: None,
            expires: None,
            group: None,
            group_index: None,
            retries: 0,
            timelimit: (None, None),
            root_id: None,
            parent_id: None,
            argsrepr: None,
            kwargsrepr: None,
            origin: None,
            ignore_result: None,
            replaced_task_nesting: 0,
            stamped_headers: None,
            stamps: RawJson::empty_object(),
            compression: None,
            redelivered: false,
            other: Vec::new(),
        }
    }
}

/// What the headers speak of whose members `text` begins with, as far as they can be read.
fn subject(text: &str) -> Subject {
    let mut subject = Subject::default();
    let mut members = Members::within(text);
    while let Ok(Some((key, part))) = members.next() {
        match &*key {
            "id" => subject.id = part.string().ok().flatten(),
            "task" => subject.task = part.string().ok().flatten(),
            _ => {}
        }
    }
    subject
}

fn python() -> String {
    "py".to_owned()
}

/// `[hard, soft]`, each a number or null.
fn time_limits(part: &Part<'_>) -> Result<(Option<f64>, Option<f64>), Wrong> {
    if part.is_null() {
        return Ok((None, None));
    }
    let wrong = || part.wrong("two numbers or nulls");
    let limits = split::elements(part.text).map_err(|_| wrong())?;
    let [hard, soft] = limits.as_slice() else {
        return Err(wrong());
    };
    Ok((hard.float()?, soft.float()?))
}

fn stamps(part: &Part<'_>) -> Result<RawJson, Wrong> {
    let stamps = part.raw();
    if stamps.is_object() || stamps.is_null() { Ok(stamps) } else { Err(part.wrong("an object")) }
}

/// Seconds as Python would write them: whole ones as an integer.
fn seconds(value: Option<f64>) -> String {
    match value {
        None => "null".to_owned(),
        Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        Some(value) => number::float(value),
    }
}

fn names(names: Option<&[String]>) -> String {
    match names {
        None => "null".to_owned(),
        Some(names) => {
            let names: Vec<_> = names.iter().map(|name| RawJson::string(name)).collect();
            RawJson::array(&names).to_string()
        }
    }
}
