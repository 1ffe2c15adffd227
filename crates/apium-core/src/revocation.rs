//! What is called off beside one task and whatever of it runs: by stamp, by name and arguments, or by ids that may go on
//! where they run.

use std::collections::BTreeMap;
use std::time::Duration;

use apium_protocol::{Headers, Payload, RawJson};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument::{Parameter, ParameterKind};

/// How long it is remembered that a task, or what wears a stamp, was called off: one day.
pub const KEEP: Duration = Duration::from_hours(24);

/// How the text of a revocation begins that is not a task's id alone.
const MARK: &str = "apium:revocation:";

/// Tasks that are called off. It reaches those that one of `ids`, `stamps` and `task` names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Revocation {
    /// The tasks of these ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Tasks that wear one of these values under the name of its stamp.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stamps: BTreeMap<String, Vec<String>>,
    /// Tasks of this name, if they are called with all of `arguments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Values by the name of the parameter, or by its place, counted from 0. An argument that is left out has no value
    /// here, whatever its default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Value>,
    /// Whether what runs is ended too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
    /// Until when it counts, in seconds since 1970 by the clock of whoever asked for it; what is taken up later runs.
    /// `None`: for as long as it is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Revocation {
    /// As a fleet keeps it: one text, which no task has as its id.
    pub fn to_text(&self) -> String {
        format!("{MARK}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads such a text; `None` for a task's id. What a newer program has written and this one does not understand
    /// reaches nothing.
    pub fn read(text: &str) -> Option<Self> {
        text.strip_prefix(MARK).map(|json| serde_json::from_str(json).unwrap_or_default())
    }

    /// Whether it still counts.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now.as_second() < until)
    }

    /// Whether it reaches this call of a task that takes these parameters, as far as they are known.
    pub fn reaches(&self, headers: &Headers, payload: &Payload, parameters: &[Parameter]) -> bool {
        let worn =
            |(name, values): (&String, &Vec<String>)| stamps(headers, name).iter().any(|stamp| values.contains(stamp));
        self.ids.contains(&headers.id) || self.stamps.iter().any(worn) || self.calls(headers, payload, parameters)
    }

    fn calls(&self, headers: &Headers, payload: &Payload, parameters: &[Parameter]) -> bool {
        if self.task.as_ref() != Some(&headers.task) {
            return false;
        }
        let (Ok(args), Ok(kwargs)) = (payload.args.elements(), payload.kwargs.members()) else {
            return self.arguments.is_empty();
        };
        self.arguments.iter().all(|(name, wanted)| {
            let given = argument(name, parameters, &args, &kwargs);
            given.and_then(|given| serde_json::from_str::<Value>(given.as_str()).ok()).as_ref() == Some(wanted)
        })
    }
}

/// The values of a stamp: one, or each of a list; what is no text counts by its JSON.
pub fn stamps(headers: &Headers, name: &str) -> Vec<String> {
    let text = |value: &RawJson| value.to().unwrap_or_else(|_| value.to_string());
    match headers.stamps.member(name) {
        None => Vec::new(),
        Some(value) => match value.elements() {
            Ok(values) => values.iter().map(text).collect(),
            Err(_) => vec![text(&value)],
        },
    }
}

/// What a call passes for a parameter, by its name or its place, however it was passed.
fn argument<'a>(
    name: &str,
    parameters: &[Parameter],
    args: &'a [RawJson],
    kwargs: &'a [(String, RawJson)],
) -> Option<&'a RawJson> {
    let plain = || parameters.iter().take_while(|parameter| parameter.kind == ParameterKind::Plain);
    let place = name.parse().ok().or_else(|| plain().position(|parameter| parameter.name == name));
    let known = place.and_then(|place| plain().nth(place)).map_or(name, |parameter| parameter.name);
    let by_name = || kwargs.iter().find(|(given, _)| given == known).map(|(_, value)| value);
    place.and_then(|place: usize| args.get(place)).or_else(by_name)
}
