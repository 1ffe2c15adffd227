//! The properties of a message: what the transport needs to carry it and to give it back.

use crate::{
    DecodeError, RawJson, Subject,
    json::{
        fields::Wrong,
        object::ObjectWriter,
        split::{Members, Part},
    },
};

/// What kombu calls the properties of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// The task id.
    pub correlation_id: Option<String>,
    /// A queue for the reply; unused with a result store, copied to the messages a task sends.
    pub reply_to: Option<String>,
    /// 2 for a message that survives a restart (every task), 1 for one that need not. Default 2.
    pub delivery_mode: u8,
    /// Where the message was published.
    pub delivery_info: DeliveryInfo,
    /// The priority as the sender gave it, 0 to 255 from Python clients; lower is served first on Redis. A number of
    /// more than 64 bits is clamped.
    pub priority: Option<i64>,
    /// `base64`, or nothing (or `utf-8`) when the body is the text itself.
    pub body_encoding: Option<String>,
    /// A fresh UUID for each time the message is published: the key under which a claim is kept.
    pub delivery_tag: String,
    /// How long the message is of use, in milliseconds as a decimal number; `0` when it is already past.
    pub expiration: Option<String>,
    /// All other properties in their order.
    pub other: Vec<(String, RawJson)>,
}

/// Where a message was published; a peer that gives it back looks the queue up with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryInfo {
    /// The exchange; empty for the one that leads straight to the queue named by the routing key.
    pub exchange: String,
    /// The routing key, for the empty exchange the name of the queue.
    pub routing_key: String,
    /// Whether the message was given back before; the same is said in its headers.
    pub redelivered: bool,
    /// Everything else in its order.
    pub other: Vec<(String, RawJson)>,
}

impl Properties {
    /// Reads the object in `part`.
    pub(crate) fn read(part: &Part<'_>, subject: impl Fn() -> Subject) -> Result<Self, DecodeError> {
        let field = |field: String, reason| DecodeError::Field { field, reason, subject: subject() };
        let mut properties = Self::default();
        if part.is_null() {
            return Ok(properties);
        }
        let no_object = |_| field("properties".to_owned(), part.wrong("an object"));
        let mut members = Members::of(part.text).map_err(no_object)?;
        while let Some(key) = members.key().map_err(no_object)? {
            let wrong = |reason| field(format!("properties.{key}"), reason);
            if key == "delivery_info" && members.enter() {
                properties.delivery_info = DeliveryInfo::read(&mut members).map_err(wrong)?;
            } else {
                let part = members.value().map_err(no_object)?;
                properties.set(&key, &part).map_err(wrong)?;
            }
        }
        Ok(properties)
    }

    fn set(&mut self, key: &str, part: &Part<'_>) -> Result<(), Wrong> {
        match key {
            "correlation_id" => self.correlation_id = part.string()?,
            "reply_to" => self.reply_to = part.string()?,
            "delivery_mode" => self.delivery_mode = delivery_mode(part)?,
            "delivery_info" if part.is_null() => self.delivery_info = DeliveryInfo::default(),
            "delivery_info" => return Err(part.wrong("an object")),
            "priority" => self.priority = priority(part)?,
            "body_encoding" => self.body_encoding = part.string()?,
            "delivery_tag" => self.delivery_tag = part.string()?.unwrap_or_default(),
            "expiration" => self.expiration = part.string()?,
            _ => self.other.push((key.to_owned(), part.raw())),
        }
        Ok(())
    }

    /// The properties as they stand in a message, so that a task may tell them.
    pub fn to_json(&self) -> RawJson {
        RawJson::parse(&self.write()).unwrap_or_default()
    }

    pub(crate) fn write(&self) -> String {
        let mut object = ObjectWriter::new();
        object.optional("correlation_id", self.correlation_id.as_deref());
        object.optional("reply_to", self.reply_to.as_deref());
        object.members(&self.other);
        object.display("delivery_mode", Some(self.delivery_mode));
        object.optional("expiration", self.expiration.as_deref());
        object.raw("delivery_info", &self.delivery_info.write());
        if self.priority.is_some() {
            object.display("priority", self.priority);
        }
        object.optional("body_encoding", self.body_encoding.as_deref());
        object.string("delivery_tag", &self.delivery_tag);
        object.end()
    }
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            correlation_id: None,
            reply_to: None,
            delivery_mode: 2,
            delivery_info: DeliveryInfo::default(),
            priority: None,
            body_encoding: None,
            delivery_tag: String::new(),
            expiration: None,
            other: Vec::new(),
        }
    }
}

impl DeliveryInfo {
    /// Reads the members of the object that `members` has just gone into.
    fn read(members: &mut Members<'_>) -> Result<Self, Wrong> {
        let mut info = Self::default();
        while let Some((key, part)) = members.next().map_err(|error| error.to_string())? {
            match &*key {
                "exchange" => info.exchange = part.string()?.unwrap_or_default(),
                "routing_key" => info.routing_key = part.string()?.unwrap_or_default(),
                "redelivered" => info.redelivered = part.boolean()?.unwrap_or_default(),
                _ => info.other.push((key.into_owned(), part.raw())),
            }
        }
        Ok(info)
    }

    fn write(&self) -> String {
        let mut object = ObjectWriter::new();
        object.string("exchange", &self.exchange);
        object.string("routing_key", &self.routing_key);
        object.members(&self.other);
        if self.redelivered {
            object.boolean("redelivered", true);
        }
        object.end()
    }
}

fn delivery_mode(part: &Part<'_>) -> Result<u8, Wrong> {
    match part.integer()? {
        None => Ok(2),
        Some(mode) => u8::try_from(mode).map_err(|_| part.wrong("1 or 2")),
    }
}

fn priority(part: &Part<'_>) -> Result<Option<i64>, Wrong> {
    part.integer().or_else(|wrong| {
        let digits = part.text.trim_start_matches('-');
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong);
        }
        let negative = digits.len() < part.text.len();
        Ok(Some(if negative { i64::MIN } else { i64::MAX }))
    })
}
