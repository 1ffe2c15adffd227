//! What is stored for callers in another form than JSON (Celery's `result_serializer`). Unlike a message it bears no name
//! of its form, so that whoever stores and whoever reads must be set alike; JSON is read whatever is set.

use crate::msgpack;
use crate::serializer::Serializer;
use crate::value::Value;
#[cfg(feature = "yaml")]
use crate::yaml;

/// The JSON of what was stored by a peer with this setting; `None` when it is JSON already.
pub(crate) fn to_json(stored: &[u8], set: Serializer, most: usize) -> Result<Option<Vec<u8>>, String> {
    // In msgpack these two would be bare numbers, and PyYAML begins no record with them; ours in YAML does.
    let looks_json = matches!(stored.first(), None | Some(b'{' | b'['));
    let json = match set {
        #[cfg(feature = "yaml")]
        Serializer::Yaml => yaml::to_json(stored, most),
        _ if looks_json => return Ok(None),
        Serializer::Msgpack => msgpack::to_json(stored, most),
        _ => Err("it is not JSON".to_owned()),
    };
    let json = json.map_err(|why| {
        let peer = match (looks_like(stored), set) {
            (Some(Serializer::Pickle), _) => {
                "it begins like pickle, in which no results are read: let its worker store them in json, msgpack or \
                 yaml, and set result_serializer to the same here"
                    .to_owned()
            }
            (Some(form), set) if form != set => {
                format!("it begins like {form}: set result_serializer to {form} here too, if its worker is so set")
            }
            _ => "its worker may be set to another".to_owned(),
        };
        format!("result_serializer is {set} here, and {why}; {peer}")
    })?;
    Ok(Some(json.into_bytes()))
}

/// JSON in the form that is set; `None` when it stays as it is.
pub(crate) fn from_json(json: &[u8], set: Serializer) -> Option<Vec<u8>> {
    if set == Serializer::Json {
        return None;
    }
    // What cannot be said in that form stays JSON, which we at least read: no result is lost over its form.
    let value = fitted(Value::read(std::str::from_utf8(json).ok()?).ok()?, set);
    match set {
        #[cfg(feature = "yaml")]
        Serializer::Yaml => yaml::of(&value).ok(),
        _ => msgpack::of(&value).ok(),
    }
}

/// The form a record of Celery's begins like, if it is none of JSON.
fn looks_like(stored: &[u8]) -> Option<Serializer> {
    match stored {
        [0x80, 2..=5, ..] => Some(Serializer::Pickle),
        [0x80..=0x9f | 0xdc..=0xdf, ..] => Some(Serializer::Msgpack),
        [b'a'..=b'z' | b'-', ..] => Some(Serializer::Yaml),
        _ => None,
    }
}

/// The value with what the form has no type for as text: the task has run, and its result is not refused for that.
fn fitted(value: Value, form: Serializer) -> Value {
    match value {
        Value::Tagged(tag, text) if form != Serializer::Yaml || !matches!(&*tag, "datetime" | "date") => {
            Value::Text(text)
        }
        Value::Int(number) if form == Serializer::Msgpack && !msgpack::holds(number) => Value::Text(number.to_string()),
        Value::List(items) => Value::List(items.into_iter().map(|item| fitted(item, form)).collect()),
        Value::Map(members) => Value::Map(members.into_iter().map(|(key, value)| (key, fitted(value, form))).collect()),
        other => other,
    }
}
