//! The options of a signature: an ordered object whose unknown members are kept, because a peer put them there for
//! somebody.

use std::collections::HashMap;

use crate::{
    RawJson,
    json::{fields::Wrong, split::Part},
};

use super::CanvasError;

/// Beyond this many comparisons members are looked up in a table: a message with very many options costs no more
/// than its size.
const FEW: usize = 1024;

/// What `apply_async` takes besides the arguments, by name, in the order it was given: `queue`, `countdown`, `link`,
/// `task_id` … and every name that is not known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<(String, RawJson)>);

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// These options; of a name given twice the last value counts, at the place of the first.
    pub fn from_members(members: Vec<(String, RawJson)>) -> Self {
        let mut options = Self(Vec::with_capacity(members.len()));
        update(&mut options.0, members);
        options
    }

    /// The value of an option, null included; `None` when it is not there.
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Whether the option is there, be it null.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets an option, in place when it is there.
    pub fn set(&mut self, name: &str, value: RawJson) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes an option out.
    pub fn take(&mut self, name: &str) -> Option<RawJson> {
        let place = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(place).1)
    }

    /// Sets all of `others`, as Python's `dict.update`.
    pub fn update(&mut self, others: impl IntoIterator<Item = (String, RawJson)>) {
        update(&mut self.0, others);
    }

    /// All options in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A string; `None` when it is missing, null, empty or something else.
    pub fn text(&self, name: &str) -> Option<String> {
        text(self.get(name)?)
    }

    /// A list of signatures such as `link`: a single one counts as a list of one, none and null as an empty one.
    ///
    /// # Errors
    /// When the value is neither an object nor an array nor null.
    pub fn list(&self, name: &str) -> Result<Vec<RawJson>, CanvasError> {
        self.get(name).map_or_else(|| Ok(Vec::new()), |value| maybe_list(name, value))
    }

    /// Takes a list of signatures out, see [`Options::list`].
    pub(super) fn take_list(&mut self, name: &str) -> Result<Vec<RawJson>, CanvasError> {
        self.take(name).map_or_else(|| Ok(Vec::new()), |value| maybe_list(name, &value))
    }

    /// Takes out those of these options that are there and not null.
    pub(super) fn take_given(&mut self, names: &[&str]) -> Self {
        let mut taken = Self::new();
        for name in names {
            if self.get(name).is_some_and(|value| !value.is_null())
                && let Some(value) = self.take(name)
            {
                taken.set(name, value);
            }
        }
        taken
    }

    /// The names of the stamps, in their order.
    pub(super) fn stamped(&self) -> Vec<String> {
        self.get("stamped_headers").and_then(|names| names.to().ok()).unwrap_or_default()
    }

    /// Drops what is null, as Celery does with what a call passes to a single task.
    pub(super) fn without_nulls(mut self) -> Self {
        self.0.retain(|(_, value)| !value.is_null());
        self
    }

    pub(super) fn into_members(self) -> Vec<(String, RawJson)> {
        self.0
    }

    pub(super) fn members(&self) -> &[(String, RawJson)] {
        &self.0
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }
}

impl IntoIterator for Options {
    type Item = (String, RawJson);
    type IntoIter = std::vec::IntoIter<(String, RawJson)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, RawJson)> for Options {
    fn from_iter<T: IntoIterator<Item = (String, RawJson)>>(members: T) -> Self {
        Self::from_members(members.into_iter().collect())
    }
}

/// Sets members of an ordered object, in place where they are there.
pub(super) fn update(members: &mut Vec<(String, RawJson)>, others: impl IntoIterator<Item = (String, RawJson)>) {
    let others: Vec<_> = others.into_iter().collect();
    if (members.len() + others.len()) * others.len() <= FEW {
        for (key, value) in others {
            match members.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = value,
                None => members.push((key, value)),
            }
        }
        return;
    }
    let mut places: HashMap<String, usize> =
        members.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
    for (key, value) in others {
        if let Some(&place) = places.get(&key) {
            members[place].1 = value;
        } else {
            places.insert(key.clone(), members.len());
            members.push((key, value));
        }
    }
}

/// What Python calls true of an id: a string that is not empty.
pub(super) fn text(value: &RawJson) -> Option<String> {
    value.to::<String>().ok().filter(|text| !text.is_empty())
}

/// Celery's `maybe_list` of signatures.
pub(super) fn maybe_list(name: &str, value: &RawJson) -> Result<Vec<RawJson>, CanvasError> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    if value.is_object() {
        return Ok(vec![value.clone()]);
    }
    value.elements().map_err(|_| wrong(name, value, "a signature or a list of them"))
}

/// What should have been something else, as an error.
pub(super) fn wrong(name: &str, value: &RawJson, wanted: &str) -> CanvasError {
    let reason: Wrong = Part { text: value.as_str(), dialect: false }.wrong(wanted);
    CanvasError::malformed(format!("{name} {reason}"))
}
