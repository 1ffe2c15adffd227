//! The key: the arguments that count, laid out by name, written in one way, and digested.

use std::fmt::Write as _;

use apium_protocol::RawJson;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Unique;
use crate::argument::{Parameter, ParameterKind};

/// Bytes of the digest that stand in a key: enough that no two of them meet.
const DIGEST: usize = 16;

/// The key of a call, or what it lacks.
pub(crate) fn key(
    unique: &Unique,
    task: &str,
    parameters: &[Parameter],
    args: &[RawJson],
    kwargs: &[(String, RawJson)],
) -> Result<String, String> {
    let given = laid_out(unique, parameters, args, kwargs);
    let chosen = match &unique.by {
        None => given,
        Some(by) if by.is_empty() => return Err("no argument is named that makes it unique".to_owned()),
        Some(by) => by.iter().map(|name| chosen(name, parameters, &given)).collect::<Result<_, _>>()?,
    };
    let mut text = String::new();
    for (name, value) in sorted(chosen) {
        text.push_str(RawJson::string(&name).as_str());
        text.push(':');
        canonical(&mut text, &value);
        text.push(',');
    }
    let mut key = format!("{task}:");
    for byte in Sha256::digest(text.as_bytes()).iter().take(DIGEST) {
        // Writing into a string cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    Ok(key)
}

/// The arguments by name, as the task will bind them; those without a name by their place.
fn laid_out(
    unique: &Unique,
    parameters: &[Parameter],
    args: &[RawJson],
    kwargs: &[(String, RawJson)],
) -> Vec<(String, RawJson)> {
    let plain = parameters.iter().take_while(|parameter| parameter.kind == ParameterKind::Plain).count();
    let (named, beyond) = args.split_at(plain.min(args.len()));
    let mut given: Vec<_> =
        parameters.iter().zip(named).map(|(parameter, value)| (parameter.name.to_owned(), value.clone())).collect();
    let mut rest = Vec::new();
    for (name, value) in kwargs {
        let own = |parameter: &Parameter| {
            parameter.name == name && matches!(parameter.kind, ParameterKind::Plain | ParameterKind::NamedOnly)
        };
        let takes_rest = parameters.iter().any(|parameter| parameter.kind == ParameterKind::RestNamed);
        if takes_rest && !parameters.iter().any(own) {
            rest.push((name.clone(), value.clone()));
        } else {
            given.push((name.clone(), value.clone()));
        }
    }
    for parameter in parameters {
        match parameter.kind {
            ParameterKind::Rest => given.push((parameter.name.to_owned(), RawJson::array(beyond))),
            ParameterKind::RestNamed => given.push((parameter.name.to_owned(), RawJson::object(&rest))),
            ParameterKind::Plain | ParameterKind::NamedOnly => {}
        }
    }
    if !parameters.iter().any(|parameter| parameter.kind == ParameterKind::Rest) {
        given.extend((plain..).zip(beyond).map(|(place, value)| (place.to_string(), value.clone())));
    }
    for (name, value) in &unique.defaults {
        if !given.iter().any(|(known, _)| known == name) {
            given.push((name.clone(), value.clone()));
        }
    }
    given
}

fn chosen(name: &str, parameters: &[Parameter], given: &[(String, RawJson)]) -> Result<(String, RawJson), String> {
    if let Some(found) = given.iter().find(|(known, _)| known == name) {
        return Ok(found.clone());
    }
    match parameters.iter().find(|parameter| parameter.name == name) {
        Some(parameter) if parameter.optional => Ok((name.to_owned(), RawJson::null())),
        Some(_) => Err(format!("the argument {name:?}, which makes it unique, is not given")),
        None if parameters.is_empty() => Err(format!(
            "the argument {name:?}, which makes it unique, is not given by name; make the signature with the task's own \
             `s(…)`, which knows its arguments, or pass it by name"
        )),
        None => Err(format!("it has no argument {name:?}, which is to make it unique")),
    }
}

fn sorted<T>(mut members: Vec<(String, T)>) -> Vec<(String, T)> {
    members.sort_by(|one, other| one.0.cmp(&other.0));
    members
}

/// Without spaces, and the members of objects by name; what serde's numbers cannot hold stands as it came.
fn canonical(text: &mut String, json: &RawJson) {
    match serde_json::from_str::<Value>(json.as_str()) {
        Ok(value) => write_value(text, value),
        Err(_) => text.push_str(json.as_str()),
    }
}

fn write_value(text: &mut String, value: Value) {
    match value {
        Value::Object(members) => {
            text.push('{');
            for (name, member) in sorted(members.into_iter().collect()) {
                text.push_str(&Value::String(name).to_string());
                text.push(':');
                write_value(text, member);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for element in elements {
                write_value(text, element);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
