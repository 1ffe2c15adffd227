//! The Python types that kombu writes into JSON as `{"__type__": …, "__value__": …}`, as types for the arguments
//! and results of a task.
//!
//! Each is written with its tag and read with it, or from the plain value that older peers and other languages
//! write in its place. The contents are not judged here: there is no calendar on this floor.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::{RawJson, python_repr};

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $tag:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub String);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                write(serializer, $tag, &self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Tagged::deserialize(deserializer)?.expect::<D::Error>(&[$tag]).map(Self)
            }
        }
    };
}

text_type! {
    /// A `datetime.datetime` in ISO 8601; without an offset it is naive.
    Datetime, "datetime"
}
text_type! {
    /// A `datetime.date` in ISO 8601.
    Date, "date"
}
text_type! {
    /// A `datetime.time` in ISO 8601.
    Time, "time"
}
text_type! {
    /// A `decimal.Decimal` in its own digits, such as `1.10`; a plain number is read too.
    Decimal, "decimal"
}

/// A `uuid.UUID`: 32 hexadecimal digits, hyphens allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uuid(pub String);

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = self.0.replace('-', "").to_ascii_lowercase();
        write(serializer, "uuid", &Hex { hex })
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Tagged::deserialize(deserializer)?.expect::<D::Error>(&["uuid"])?;
        let hex = text.replace('-', "").to_ascii_lowercase();
        if hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(hex))
        } else {
            Err(D::Error::custom(format!("{text:?} is not a UUID")))
        }
    }
}

/// Python `bytes`. Written as text where they are UTF-8 and in base64 where not, as kombu does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write(serializer, "bytes", text),
            Err(_) => write(serializer, "base64", &STANDARD.encode(&self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tagged = Tagged::deserialize(deserializer)?;
        let base64 = tagged.tag.as_deref() == Some("base64");
        let text = tagged.expect::<D::Error>(&["bytes", "base64"])?;
        if base64 { STANDARD.decode(text).map(Self).map_err(D::Error::custom) } else { Ok(Self(text.into_bytes())) }
    }
}

#[derive(Serialize)]
struct Hex {
    hex: String,
}

fn write<S: Serializer, T: Serialize + ?Sized>(serializer: S, tag: &str, value: &T) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("__type__", tag)?;
    map.serialize_entry("__value__", value)?;
    map.end()
}

/// A tagged value as text, whatever its type; without a tag, a plain value.
pub(crate) struct Tagged {
    tag: Option<String>,
    value: String,
    /// The plain value was a number.
    number: bool,
}

impl Tagged {
    /// The tagged value that an object is, if it has exactly the two keys.
    pub(crate) fn from_members(members: &[(String, RawJson)]) -> Option<Self> {
        let [(first, _), (second, _)] = members else {
            return None;
        };
        if !(first.starts_with("__") && second.starts_with("__")) {
            return None;
        }
        RawJson::object(members).to().ok()
    }

    /// How Python shows the decoded value, about.
    pub(crate) fn repr(&self) -> String {
        let shown = python_repr::string(&self.value);
        match self.tag.as_deref() {
            Some("decimal") => format!("Decimal({shown})"),
            Some("uuid") => format!("UUID('{}')", hyphenated(&self.value)),
            Some("bytes") => format!("b{shown}"),
            _ => shown,
        }
    }

    /// The value, if it is plain or has one of `tags`.
    fn expect<E: serde::de::Error>(self, tags: &[&str]) -> Result<String, E> {
        match &self.tag {
            Some(tag) if !tags.contains(&tag.as_str()) => {
                Err(E::custom(format!("expected a value of type {}, found {tag}", tags.join(" or "))))
            }
            None if self.number && tags != ["decimal"] => Err(E::custom(format!(
                "expected a value of type {}, found the number {}",
                tags.join(" or "),
                self.value
            ))),
            _ => Ok(self.value),
        }
    }
}

impl<'de> Deserialize<'de> for Tagged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TaggedVisitor)
    }
}

struct TaggedVisitor;

macro_rules! plain_number {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method<E>(self, value: $type) -> Result<Tagged, E> {
            Ok(Tagged { tag: None, value: value.to_string(), number: true })
        }
    )*};
}

impl<'de> Visitor<'de> for TaggedVisitor {
    type Value = Tagged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with __type__ and __value__, or the plain value")
    }

    fn visit_str<E>(self, value: &str) -> Result<Tagged, E> {
        Ok(Tagged { tag: None, value: value.to_owned(), number: false })
    }

    plain_number! {
        visit_u64: u64,
        visit_i64: i64,
        visit_u128: u128,
        visit_i128: i128,
        visit_f64: f64,
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tagged, A::Error> {
        let mut tag = None;
        let mut value = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "__type__" => tag = Some(map.next_value()?),
                "__value__" => value = Some(map.next_value::<TagValue>()?.0),
                other => {
                    return Err(A::Error::custom(format!("expected only __type__ and __value__, found {other:?}")));
                }
            }
        }
        match (tag, value) {
            (Some(tag), Some(value)) => Ok(Tagged { tag: Some(tag), value, number: false }),
            _ => Err(A::Error::custom("expected __type__ and __value__")),
        }
    }
}

/// What stands behind `__value__`: a string, or for a UUID `{"hex": …}`.
struct TagValue(String);

impl<'de> Deserialize<'de> for TagValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagValueVisitor;

        impl<'de> Visitor<'de> for TagValueVisitor {
            type Value = TagValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object with the key hex")
            }

            fn visit_str<E>(self, value: &str) -> Result<TagValue, E> {
                Ok(TagValue(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TagValue, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, hex)) if key == "hex" => Ok(TagValue(hex)),
                    _ => Err(A::Error::custom("expected the key hex")),
                }
            }
        }

        deserializer.deserialize_any(TagValueVisitor)
    }
}

/// `0123…` as `01234567-89ab-…`; anything but 32 characters stays as it is.
fn hyphenated(hex: &str) -> String {
    if hex.len() != 32 || !hex.is_ascii() {
        return hex.to_owned();
    }
    let (time, rest) = hex.split_at(16);
    let (low, mid_high) = time.split_at(8);
    let (mid, high) = mid_high.split_at(4);
    let (sequence, node) = rest.split_at(4);
    format!("{low}-{mid}-{high}-{sequence}-{node}")
}
