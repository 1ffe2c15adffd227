//! The arguments of a command, bound as Python binds keyword arguments and read leniently: null counts as left out,
//! one value as a list of one.

use super::{Refusal, envelope, envelope::Members, method::Method};
use crate::{
    RawJson,
    json::{fields::Wrong, split::Part},
};

/// The keyword arguments of one call, known to be those the command takes.
pub(super) struct Arguments {
    members: Members,
}

impl Arguments {
    /// Binds what was sent to what `method` takes, and refuses it in Python's words when that fails.
    pub(super) fn bind(method: &Method, given: &RawJson) -> Result<Self, Refusal> {
        let members = if truthy(given) { envelope::once(given) } else { Some(Vec::new()) };
        let members = members.ok_or_else(|| type_error(method, "argument after ** must be a mapping"))?;
        for (key, _) in &members {
            if key == "state" {
                return Err(type_error(method, "got multiple values for argument 'state'"));
            }
            let known = method.required.contains(&key.as_str()) || method.optional.contains(&key.as_str());
            if !known && !method.open {
                return Err(type_error(method, &format!("got an unexpected keyword argument '{key}'")));
            }
        }
        let missing: Vec<_> =
            method.required.iter().filter(|name| members.iter().all(|(key, _)| key != *name)).collect();
        match missing.as_slice() {
            [] => Ok(Self { members }),
            [only] => Err(type_error(method, &format!("missing 1 required positional argument: '{only}'"))),
            [first, second, ..] => {
                Err(type_error(method, &format!("missing 2 required positional arguments: '{first}' and '{second}'")))
            }
        }
    }

    /// The argument as it is; null when it was left out.
    pub(super) fn raw(&self, name: &str) -> RawJson {
        self.given(name).cloned().unwrap_or_default()
    }

    /// Whether Python would take the argument for true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.given(name).is_some_and(truthy)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        checked(name, self.part(name).map_or(Ok(None), |part| part.string()))
    }

    /// A text that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<String, Refusal> {
        let wrong = || Refusal::raised("TypeError", &format!("{name} should be a string, not null"));
        self.text(name)?.ok_or_else(wrong)
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        checked(name, self.part(name).map_or(Ok(None), |part| part.integer()))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        checked(name, self.part(name).map_or(Ok(None), |part| part.float()))
    }

    /// A list of texts; one alone counts as a list of one, null as an empty one.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let texts = match self.part(name) {
            Some(part) if part.text.starts_with('[') => part.strings(),
            Some(part) => part.string().map(|one| one.map(|one| vec![one])),
            None => Ok(None),
        };
        Ok(checked(name, texts)?.unwrap_or_default())
    }

    /// All arguments but those `named`.
    pub(super) fn others(self, named: &[&str]) -> Members {
        self.members.into_iter().filter(|(key, _)| !named.contains(&key.as_str())).collect()
    }

    fn given(&self, name: &str) -> Option<&RawJson> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn part(&self, name: &str) -> Option<Part<'_>> {
        self.given(name).map(|value| Part { text: value.as_str(), dialect: false })
    }
}

fn checked<T>(name: &str, read: Result<Option<T>, Wrong>) -> Result<Option<T>, Refusal> {
    read.map_err(|wrong| Refusal::raised("TypeError", &format!("{name} {wrong}")))
}

/// What Python takes for true: everything but null, false, zero, and what is empty.
pub(super) fn truthy(value: &RawJson) -> bool {
    match value.as_str() {
        "null" | "false" | "\"\"" => false,
        text if text.starts_with('[') => value.elements().is_ok_and(|items| !items.is_empty()),
        text if text.starts_with('{') => value.members().is_ok_and(|members| !members.is_empty()),
        text => text.starts_with('"') || text.parse::<f64>() != Ok(0.0),
    }
}

fn type_error(method: &Method, what: &str) -> Refusal {
    Refusal::raised("TypeError", &format!("{}() {what}", method.name))
}
