//! Binding arguments to parameters as Python does: by position, by name, with defaults.

use apium_protocol::RawJson;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::task::TaskResult;

/// One parameter of a task, in the order it is declared.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name, by which a caller may pass it.
    pub name: &'static str,
    /// Whether a caller may leave it out.
    pub optional: bool,
}

/// Arguments laid out by parameter.
#[derive(Debug)]
pub struct Bound {
    function: &'static str,
    slots: Vec<(&'static str, Option<RawJson>)>,
}

impl Bound {
    /// Lays `args` and `kwargs` out over `parameters`; what does not fit is a `TypeError` in Python's words.
    pub fn bind(
        function: &'static str,
        parameters: &'static [Parameter],
        args: Vec<RawJson>,
        kwargs: Vec<(String, RawJson)>,
    ) -> Result<Self, TaskError> {
        if args.len() > parameters.len() {
            return Err(TaskError::arguments(too_many(function, parameters.len(), args.len())));
        }
        let mut slots: Vec<(&'static str, Option<RawJson>)> = parameters.iter().map(|p| (p.name, None)).collect();
        for (slot, value) in slots.iter_mut().zip(args) {
            slot.1 = Some(value);
        }
        for (name, value) in kwargs {
            let Some(slot) = slots.iter_mut().find(|(known, _)| *known == name) else {
                return Err(TaskError::arguments(format!("{function}() got an unexpected keyword argument '{name}'")));
            };
            if slot.1.replace(value).is_some() {
                return Err(TaskError::arguments(format!("{function}() got multiple values for argument '{name}'")));
            }
        }
        let missing: Vec<_> = parameters
            .iter()
            .zip(&slots)
            .filter(|(parameter, (_, value))| !parameter.optional && value.is_none())
            .map(|(parameter, _)| parameter.name)
            .collect();
        if missing.is_empty() {
            Ok(Self { function, slots })
        } else {
            Err(TaskError::arguments(missing_text(function, &missing)))
        }
    }

    /// The value of a parameter, if the caller gave one.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, TaskError> {
        let value = self.slots.iter_mut().find(|(known, _)| *known == name).and_then(|(_, value)| value.take());
        value
            .map(|json| {
                json.to::<T>()
                    .map_err(|error| TaskError::arguments(format!("{}() argument '{name}': {error}", self.function)))
            })
            .transpose()
    }

    /// The value of a parameter that [`Bound::bind`] found to be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, TaskError> {
        self.take(name)?.ok_or_else(|| TaskError::arguments(missing_text(self.function, &[name])))
    }
}

/// A task's value as JSON; a value JSON cannot hold is kombu's `EncodeError`.
pub fn to_result<T: Serialize>(value: &T) -> TaskResult {
    RawJson::from(value)
        .map_err(|error| TaskError::exception("kombu.exceptions", "EncodeError", error.to_string()).fatal())
}

fn too_many(function: &str, takes: usize, given: usize) -> String {
    let plural = if takes == 1 { "" } else { "s" };
    let verb = if given == 1 { "was" } else { "were" };
    format!("{function}() takes {takes} positional argument{plural} but {given} {verb} given")
}

fn missing_text(function: &str, names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let list = match quoted.as_slice() {
        [one] => one.clone(),
        [first, second] => format!("{first} and {second}"),
        [rest @ .., last] => format!("{}, and {last}", rest.join(", ")),
        [] => String::new(),
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{function}() missing {} required positional argument{plural}: {list}", names.len())
}
