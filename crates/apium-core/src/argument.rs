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
    /// How callers pass it.
    pub kind: ParameterKind,
}

/// The ways Python knows to pass an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// By position or by name.
    Plain,
    /// By name only: it comes after the rest.
    NamedOnly,
    /// All further positional arguments, as a list (`*args`).
    Rest,
    /// All further arguments by name, as an object (`**kwargs`).
    RestNamed,
}

impl Parameter {
    /// A parameter passed by position or by name.
    pub const fn plain(name: &'static str, optional: bool) -> Self {
        Self { name, optional, kind: ParameterKind::Plain }
    }
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
        let mut slots: Vec<(&'static str, Option<RawJson>)> = parameters.iter().map(|p| (p.name, None)).collect();
        positional(function, parameters, args, &mut slots)?;
        named(function, parameters, kwargs, &mut slots)?;
        let missing = |kind: ParameterKind| {
            let all = parameters.iter().zip(&slots);
            let missing = all.filter(|(p, (_, value))| p.kind == kind && !p.optional && value.is_none());
            missing.map(|(parameter, _)| parameter.name).collect::<Vec<_>>()
        };
        for (kind, how) in [(ParameterKind::Plain, "positional"), (ParameterKind::NamedOnly, "keyword-only")] {
            let missing = missing(kind);
            if !missing.is_empty() {
                return Err(TaskError::arguments(missing_text(function, how, &missing)));
            }
        }
        Ok(Self { function, slots })
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
        self.take(name)?.ok_or_else(|| TaskError::arguments(missing_text(self.function, "positional", &[name])))
    }
}

/// A task's value as JSON; a value JSON cannot hold is kombu's `EncodeError`.
pub fn to_result<T: Serialize>(value: &T) -> TaskResult {
    RawJson::from(value)
        .map_err(|error| TaskError::exception("kombu.exceptions", "EncodeError", error.to_string()).fatal())
}

type Slots = [(&'static str, Option<RawJson>)];

/// Lays positional arguments out; those beyond the plain parameters are the rest, where there is one.
fn positional(
    function: &str,
    parameters: &[Parameter],
    mut args: Vec<RawJson>,
    slots: &mut Slots,
) -> Result<(), TaskError> {
    let plain = parameters.iter().take_while(|parameter| parameter.kind == ParameterKind::Plain).count();
    let rest = parameters.iter().position(|parameter| parameter.kind == ParameterKind::Rest);
    if args.len() > plain && rest.is_none() {
        return Err(TaskError::arguments(too_many(function, plain, args.len())));
    }
    let beyond = args.split_off(plain.min(args.len()));
    for (slot, value) in slots.iter_mut().zip(args) {
        slot.1 = Some(value);
    }
    if let Some(slot) = rest.and_then(|place| slots.get_mut(place)) {
        slot.1 = Some(RawJson::array(&beyond));
    }
    Ok(())
}

/// Lays arguments by name out; those of no parameter are the rest, where there is one.
fn named(
    function: &str,
    parameters: &[Parameter],
    kwargs: Vec<(String, RawJson)>,
    slots: &mut Slots,
) -> Result<(), TaskError> {
    let mut others = Vec::new();
    for (name, value) in kwargs {
        let known = parameters.iter().zip(slots.iter_mut()).find(|(parameter, _)| {
            parameter.name == name && matches!(parameter.kind, ParameterKind::Plain | ParameterKind::NamedOnly)
        });
        let Some((_, slot)) = known else {
            others.push((name, value));
            continue;
        };
        if slot.1.replace(value).is_some() {
            return Err(TaskError::arguments(format!("{function}() got multiple values for argument '{name}'")));
        }
    }
    let rest = parameters.iter().position(|parameter| parameter.kind == ParameterKind::RestNamed);
    match (rest.and_then(|place| slots.get_mut(place)), others.first()) {
        (Some(slot), _) => slot.1 = Some(RawJson::object(&others)),
        (None, Some((name, _))) => {
            return Err(TaskError::arguments(format!("{function}() got an unexpected keyword argument '{name}'")));
        }
        (None, None) => {}
    }
    Ok(())
}

fn too_many(function: &str, takes: usize, given: usize) -> String {
    let plural = if takes == 1 { "" } else { "s" };
    let verb = if given == 1 { "was" } else { "were" };
    format!("{function}() takes {takes} positional argument{plural} but {given} {verb} given")
}

fn missing_text(function: &str, how: &str, names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let list = match quoted.as_slice() {
        [one] => one.clone(),
        [first, second] => format!("{first} and {second}"),
        [rest @ .., last] => format!("{}, and {last}", rest.join(", ")),
        [] => String::new(),
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("{function}() missing {} required {how} argument{plural}: {list}", names.len())
}
