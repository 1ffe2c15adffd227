//! One message of a plan: the arguments, the family and the options of one task, everything but the clock and the
//! bytes.

use crate::{Embed, Headers, Payload, RawJson, json::split::Part, python_repr};

use super::{CanvasError, Options, options::wrong, plan::Sender};

/// A task message as Celery would send it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedMessage {
    /// The name of the task.
    pub task: String,
    /// Its id.
    pub id: String,
    /// Positional arguments.
    pub args: Vec<RawJson>,
    /// Keyword arguments in their order.
    pub kwargs: Vec<(String, RawJson)>,
    /// What follows.
    pub embed: Embed,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Its place there.
    pub group_index: Option<i64>,
    /// The first task of the workflow, itself when it is the first.
    pub root_id: String,
    /// The task that sends it.
    pub parent_id: Option<String>,
    /// How many times it was tried before.
    pub retries: u32,
    /// How many times the task was replaced.
    pub replaced_task_nesting: u32,
    /// The name to show.
    pub shadow: Option<String>,
    /// Whether to store no result; `None` leaves it to the setting of the task.
    pub ignore_result: Option<bool>,
    /// Hard and soft time limit in seconds.
    pub timelimit: (Option<f64>, Option<f64>),
    /// The names of the stamps.
    pub stamped_headers: Option<Vec<String>>,
    /// The stamps by name.
    pub stamps: Vec<(String, RawJson)>,
    /// Where results may be sent to.
    pub reply_to: Option<String>,
    /// Seconds to wait before it is run; when it is not 0 it counts, not `eta`.
    pub countdown: Option<f64>,
    /// The time not to run it before: a string in ISO 8601, or kombu's tagged `datetime`.
    pub eta: Option<RawJson>,
    /// Seconds, or the time as for `eta`, after which it is not started.
    pub expires: Option<RawJson>,
    /// The name to route it by instead of `task`.
    pub route_name: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// The exchange.
    pub exchange: Option<String>,
    /// The routing key.
    pub routing_key: Option<String>,
    /// The priority.
    pub priority: Option<i64>,
    /// The sender's own headers, in their order.
    pub own_headers: Vec<(String, RawJson)>,
    /// Every other option, such as `serializer`, `compression` or what was made up by the sender; Celery puts those
    /// it does not know among the properties of the message.
    pub other: Vec<(String, RawJson)>,
}

/// What only means something inside a Python process, or was dealt with before.
const NOT_SENT: [&str; 7] =
    ["add_to_parent", "producer", "publisher", "connection", "router", "result_cls", "task_type"];

impl PlannedMessage {
    pub(super) fn new(
        task: &str,
        args: Vec<RawJson>,
        kwargs: Vec<(String, RawJson)>,
        mut options: Options,
        sender: &mut Sender<'_>,
    ) -> Result<Self, CanvasError> {
        options.retain(|name| !NOT_SENT.contains(&name));
        let id = options.take("task_id").as_ref().and_then(super::options::text).unwrap_or_else(|| (sender.ids)());
        let embed = Embed {
            callbacks: links(&mut options, "link")?,
            errbacks: links(&mut options, "link_error")?,
            chain: options.take("chain").unwrap_or_default(),
            chord: options.take("chord").unwrap_or_default(),
            other: Vec::new(),
        };
        let current = sender.current.as_ref();
        let root_id = text(&mut options, "root_id")?
            .or_else(|| current.map(|current| current.root_id.as_ref().unwrap_or(&current.id).clone()))
            .unwrap_or_else(|| id.clone());
        let parent_id = text(&mut options, "parent_id")?.or_else(|| current.map(|current| current.id.clone()));
        let (stamped_headers, stamps) = stamps(&mut options)?;
        Ok(Self {
            task: task.to_owned(),
            id,
            args,
            kwargs,
            embed,
            group: text(&mut options, "group_id")?,
            group_index: read(&mut options, "group_index", "a whole number")?,
            root_id,
            parent_id,
            retries: read(&mut options, "retries", "a count")?.unwrap_or_default(),
            replaced_task_nesting: read(&mut options, "replaced_task_nesting", "a count")?.unwrap_or_default(),
            shadow: text(&mut options, "shadow")?,
            ignore_result: read(&mut options, "ignore_result", "true or false")?,
            timelimit: (
                read(&mut options, "time_limit", "a number")?,
                read(&mut options, "soft_time_limit", "a number")?,
            ),
            stamped_headers,
            stamps,
            reply_to: text(&mut options, "reply_to")?.or_else(|| sender.reply_to.clone()),
            countdown: read(&mut options, "countdown", "a number")?,
            eta: options.take("eta").filter(|value| !value.is_null()),
            expires: options.take("expires").filter(|value| !value.is_null()),
            route_name: text(&mut options, "route_name")?,
            queue: text(&mut options, "queue")?,
            exchange: read(&mut options, "exchange", "a string")?,
            routing_key: read(&mut options, "routing_key", "a string")?,
            priority: read(&mut options, "priority", "a whole number")?,
            own_headers: own_headers(&mut options)?,
            other: options.into_members(),
        })
    }

    /// The headers of the message, but for what a clock or a host has to say: `eta`, `expires` and `origin`. Own
    /// headers count over those of the protocol, as in Celery.
    ///
    /// # Errors
    /// When an own header has the name of one of the protocol and the wrong type.
    pub fn to_headers(&self) -> Result<Headers, CanvasError> {
        let payload = self.to_payload();
        let mut headers = Headers {
            shadow: self.shadow.clone(),
            group: self.group.clone(),
            group_index: self.group_index,
            retries: self.retries,
            timelimit: self.timelimit,
            root_id: Some(self.root_id.clone()),
            parent_id: self.parent_id.clone(),
            argsrepr: Some(python_repr::args(&payload.args)),
            kwargsrepr: Some(python_repr::kwargs(&payload.kwargs)),
            ignore_result: self.ignore_result,
            replaced_task_nesting: self.replaced_task_nesting,
            stamped_headers: self.stamped_headers.clone(),
            stamps: RawJson::object(&self.stamps),
            ..Headers::new(&self.task, &self.id)
        };
        for (name, value) in &self.own_headers {
            let part = Part { text: value.as_str(), dialect: true };
            headers.set(name, &part).map_err(|wrong| CanvasError::malformed(format!("the header {name} {wrong}")))?;
        }
        Ok(headers)
    }

    /// The body of the message.
    pub fn to_payload(&self) -> Payload {
        Payload { args: RawJson::array(&self.args), kwargs: RawJson::object(&self.kwargs), embed: self.embed.clone() }
    }
}

/// The sender's own headers.
fn own_headers(options: &mut Options) -> Result<Vec<(String, RawJson)>, CanvasError> {
    match options.take("headers") {
        None => Ok(Vec::new()),
        Some(headers) if headers.is_null() => Ok(Vec::new()),
        Some(headers) => headers.members().map_err(|_| wrong("headers", &headers, "an object")),
    }
}

/// The stamps named in `stamped_headers`. One that is named without being there is left out; Celery fails to send.
#[allow(clippy::type_complexity)]
fn stamps(options: &mut Options) -> Result<(Option<Vec<String>>, Vec<(String, RawJson)>), CanvasError> {
    let names: Option<Vec<String>> = read(options, "stamped_headers", "a list of strings")?;
    let wanted = names.iter().flatten();
    let stamps = wanted.filter_map(|name| Some((name.clone(), options.take(name)?))).collect();
    Ok((names, stamps))
}

/// A list of signatures, a single one listed; null when there is none.
fn links(options: &mut Options, name: &str) -> Result<RawJson, CanvasError> {
    match options.take(name) {
        None => Ok(RawJson::null()),
        Some(value) if value.is_null() || value.is_array() => Ok(value),
        Some(value) => Ok(RawJson::array(&super::options::maybe_list(name, &value)?)),
    }
}

/// A string; an empty one counts as none.
fn text(options: &mut Options, name: &str) -> Result<Option<String>, CanvasError> {
    Ok(read(options, name, "a string")?.filter(|text: &String| !text.is_empty()))
}

fn read<T: serde::de::DeserializeOwned>(
    options: &mut Options,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, CanvasError> {
    match options.take(name) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => value.to().map(Some).map_err(|_| wrong(name, &value, wanted)),
    }
}
