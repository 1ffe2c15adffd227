//! The body of a task message: its arguments, and what is to be sent when it is done.

use crate::{
    RawJson,
    json::{
        JsonError,
        object::ObjectWriter,
        split::{self, Members, Part},
    },
};

/// The arguments of a task and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Positional arguments, an array.
    pub args: RawJson,
    /// Keyword arguments, an object.
    pub kwargs: RawJson,
    /// What follows.
    pub embed: Embed,
}

/// What is to be sent when the task is done; each null when there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embed {
    /// Signatures to send after success, an array.
    pub callbacks: RawJson,
    /// Signatures to send after failure, an array.
    pub errbacks: RawJson,
    /// The rest of the chain in reverse order: the next step is the last element.
    pub chain: RawJson,
    /// The signature of the body of the chord this task is a part of.
    pub chord: RawJson,
    /// Everything else in its order.
    pub other: Vec<(String, RawJson)>,
}

impl Payload {
    /// Arguments with nothing to follow.
    pub fn new(args: RawJson, kwargs: RawJson) -> Self {
        Self { args, kwargs, embed: Embed::default() }
    }

    /// Reads `[args, kwargs, embed]`, or the single object of protocol 1 (also met under the headers of protocol 2).
    pub(crate) fn read(text: &str) -> Result<Self, JsonError> {
        let payload = if text.trim_ascii_start().starts_with('{') {
            Self::read_object(text)?
        } else {
            let parts = split::elements(text)?;
            let [args, kwargs, embed] = parts.as_slice() else {
                return Err(JsonError::new(format!(
                    "expected the three elements args, kwargs and embed, found {}",
                    parts.len()
                )));
            };
            Self { args: args.raw(), kwargs: kwargs.raw(), embed: Embed::read(embed)? }
        };
        payload.checked()
    }

    fn read_object(text: &str) -> Result<Self, JsonError> {
        let mut payload = Self::new(RawJson::null(), RawJson::null());
        for (key, part) in split::members(text)? {
            match &*key {
                "args" => payload.args = part.raw(),
                "kwargs" => payload.kwargs = part.raw(),
                _ => {
                    // What is not known here belongs to the headers.
                    payload.embed.set(&key, &part);
                }
            }
        }
        Ok(payload)
    }

    /// The body of a message, `[args, kwargs, embed]`.
    pub fn to_json(&self) -> String {
        format!("[{}, {}, {}]", self.args, self.kwargs, self.embed.write())
    }

    fn checked(mut self) -> Result<Self, JsonError> {
        if self.args.is_null() {
            self.args = RawJson::empty_array();
        }
        if self.kwargs.is_null() {
            self.kwargs = RawJson::empty_object();
        }
        if !self.args.is_array() {
            return Err(JsonError::new("the positional arguments are not an array"));
        }
        if !self.kwargs.is_object() {
            return Err(JsonError::new("the keyword arguments are not an object"));
        }
        Ok(self)
    }
}

impl Default for Payload {
    /// No arguments, nothing to follow.
    fn default() -> Self {
        Self::new(RawJson::empty_array(), RawJson::empty_object())
    }
}

impl Embed {
    fn read(object: &Part<'_>) -> Result<Self, JsonError> {
        let mut embed = Self::default();
        if object.is_null() {
            return Ok(embed);
        }
        let mut members = Members::of(object.text)?;
        while let Some((key, part)) = members.next()? {
            if !embed.set(&key, &part) {
                embed.other.push((key.into_owned(), part.raw()));
            }
        }
        Ok(embed)
    }

    /// Sets a known member; false when it is not known.
    fn set(&mut self, key: &str, part: &Part<'_>) -> bool {
        let member = match key {
            "callbacks" => &mut self.callbacks,
            "errbacks" => &mut self.errbacks,
            "chain" => &mut self.chain,
            "chord" => &mut self.chord,
            _ => return false,
        };
        *member = part.raw();
        true
    }

    fn write(&self) -> String {
        let mut object = ObjectWriter::new();
        object.raw("callbacks", self.callbacks.as_str());
        object.raw("errbacks", self.errbacks.as_str());
        object.raw("chain", self.chain.as_str());
        object.raw("chord", self.chord.as_str());
        object.members(&self.other);
        object.end()
    }
}
