//! A JSON value kept as the text it came in, so that what is passed on is byte for byte what came; it is read into
//! a Rust type only where somebody asks for one.

use std::{fmt, hash, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::SerializeStruct};
use serde_json::value::RawValue;

use crate::json::{
    JsonError, RAW_TOKEN,
    object::ObjectWriter,
    read::Reader,
    split::{self, Part},
    string,
    write::Writer,
};

/// One JSON value exactly as it stands on the wire, in Python's dialect: NaN, Infinity, -Infinity, integers of any
/// size and lone surrogates are allowed. Checked when made, never rewritten; cheap to clone.
///
/// Two values are equal when their texts are.
#[derive(Clone)]
pub struct RawJson {
    text: Text,
    /// Whether `serde_json` would refuse the text or read it otherwise than Python does.
    dialect: bool,
}

#[derive(Clone)]
enum Text {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl RawJson {
    /// Takes a text that is one JSON value; white space around it is dropped.
    ///
    /// # Errors
    /// When the text is not one value of Python's JSON, or nests deeper than 512.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        split::whole(text).map(Self::from_part)
    }

    /// `null`
    pub fn null() -> Self {
        Self::fixed("null")
    }

    /// `[]`
    pub fn empty_array() -> Self {
        Self::fixed("[]")
    }

    /// `{}`
    pub fn empty_object() -> Self {
        Self::fixed("{}")
    }

    /// A string.
    pub fn string(value: &str) -> Self {
        let mut text = String::with_capacity(value.len() + 2);
        string::write(&mut text, value);
        Self::shared(&text, false)
    }

    /// An array of `items`.
    pub fn array(items: &[Self]) -> Self {
        let mut text = String::from("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            text.push_str(item.as_str());
        }
        text.push(']');
        Self::shared(&text, items.iter().any(|item| item.dialect))
    }

    /// An object with `members`, in their order.
    pub fn object(members: &[(String, Self)]) -> Self {
        let mut object = ObjectWriter::new();
        object.members(members);
        Self::shared(&object.end(), members.iter().any(|(_, value)| value.dialect))
    }

    /// Writes a value as Python's `json.dumps` would: `", "` and `": "` between things, everything outside ASCII
    /// escaped, NaN and Infinity as bare words. A [`RawJson`] inside the value goes through untouched.
    ///
    /// # Errors
    /// When the value refuses to be written, has a key that is no simple value, or nests deeper than 512.
    pub fn from<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let mut writer = Writer { out: String::new() };
        value.serialize(&mut writer)?;
        Self::parse(&writer.out)
    }

    /// Reads the value as a Rust type. NaN becomes `f64::NAN`, an integer up to 128 bits fits where the type has
    /// room for it, a lone surrogate becomes U+FFFD when a string is asked for.
    ///
    /// # Errors
    /// When the value is not of that type, or an integer does not fit into it: nothing is rounded silently.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        if self.dialect {
            T::deserialize(&mut Reader::new(self.as_str()))
        } else {
            Ok(serde_json::from_str(self.as_str())?)
        }
    }

    /// The elements of an array.
    ///
    /// # Errors
    /// When the value is not an array.
    pub fn elements(&self) -> Result<Vec<Self>, JsonError> {
        let parts = split::elements(self.as_str())?;
        Ok(parts.into_iter().map(Self::from_part).collect())
    }

    /// The members of an object, in their order; a key given twice appears twice.
    ///
    /// # Errors
    /// When the value is not an object.
    pub fn members(&self) -> Result<Vec<(String, Self)>, JsonError> {
        let parts = split::members(self.as_str())?;
        Ok(parts.into_iter().map(|(key, part)| (key.into_owned(), Self::from_part(part))).collect())
    }

    /// The value of one member of an object; the last one if the key is given twice, as in Python. `None` when there
    /// is none or the value is no object.
    pub fn member(&self, key: &str) -> Option<Self> {
        let parts = split::members(self.as_str()).ok()?;
        let found = parts.into_iter().rev().find(|(name, _)| name == key)?;
        Some(Self::from_part(found.1))
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Whether the value is an array.
    pub fn is_array(&self) -> bool {
        self.as_str().starts_with('[')
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::Fixed(text) => text,
            Text::Shared(text) => text,
        }
    }

    pub(crate) fn from_part(part: Part<'_>) -> Self {
        match part.text {
            "null" => Self::null(),
            "[]" => Self::empty_array(),
            "{}" => Self::empty_object(),
            text => Self::shared(text, part.dialect),
        }
    }

    fn fixed(text: &'static str) -> Self {
        Self { text: Text::Fixed(text), dialect: false }
    }

    fn shared(text: &str, dialect: bool) -> Self {
        Self { text: Text::Shared(Arc::from(text)), dialect }
    }
}

impl Default for RawJson {
    /// `null`
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl hash::Hash for RawJson {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        match self.as_str().char_indices().nth(SHOWN) {
            None => f.write_str(self.as_str()),
            Some((end, _)) => write!(f, "{}… ({} bytes)", &self.as_str()[..end], self.as_str().len()),
        }
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What `serde_json::value::RawValue` does, except that a RawValue could not hold NaN.
        let mut raw = serializer.serialize_struct(RAW_TOKEN, 1)?;
        raw.serialize_field(RAW_TOKEN, self.as_str())?;
        raw.end()
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}
