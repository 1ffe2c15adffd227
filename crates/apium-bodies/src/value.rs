//! A body's JSON as a tree, on its way into another serialisation.

use std::fmt;

use apium_protocol::RawJson;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// One of Python's types that kombu tags: its tag, and its text.
    Tagged(String, String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Reads JSON as kombu writes it.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        RawJson::parse(json).and_then(|json| json.to()).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        i128::try_from(value).map(Value::Int).map_err(|_| E::custom(format!("{value} is too large a number")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, Value>()? {
            members.push(member);
        }
        tagged(members).map_err(A::Error::custom)
    }
}

/// What is tagged becomes what it stands for.
fn tagged(members: Vec<(String, Value)>) -> Result<Value, String> {
    let (tag, value) = match members.as_slice() {
        [(first, Value::Text(tag)), (second, value)] if first == "__type__" && second == "__value__" => (tag, value),
        [(first, value), (second, Value::Text(tag))] if first == "__value__" && second == "__type__" => (tag, value),
        _ => return Ok(Value::Map(members)),
    };
    match (tag.as_str(), value) {
        ("bytes", Value::Text(text)) => Ok(Value::Bytes(text.clone().into_bytes())),
        ("base64", Value::Text(text)) => STANDARD.decode(text).map(Value::Bytes).map_err(|error| error.to_string()),
        ("uuid", Value::Map(parts)) => match parts.as_slice() {
            [(key, Value::Text(hex))] if key == "hex" => Ok(Value::Tagged(tag.clone(), hex.clone())),
            _ => Ok(Value::Map(members)),
        },
        (_, Value::Text(text)) => Ok(Value::Tagged(tag.clone(), text.clone())),
        _ => Ok(Value::Map(members)),
    }
}
