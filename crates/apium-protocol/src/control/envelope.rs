//! The envelope of a message that is no task: remote control, its replies, and events. Headers and body are as free
//! as JSON; only the properties are known.

use std::collections::HashMap;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use crate::{
    DecodeError, DeliveryInfo, Properties, RawJson, Subject,
    json::{
        object::ObjectWriter,
        split::{self, Part},
    },
};

/// Python pads its base64, other producers may not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The members of an object, each key once.
pub(crate) type Members = Vec<(String, RawJson)>;

/// One such message, its body opened.
pub(crate) struct Envelope {
    pub(crate) headers: Members,
    pub(crate) properties: Properties,
    pub(crate) body: RawJson,
}

impl Envelope {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::Envelope { reason: error.to_string() })?;
        let members = split::members(text).map_err(|error| DecodeError::envelope(&error))?;
        let find = |name: &str| members.iter().rev().find(|(key, _)| key == name).map(|(_, part)| *part);
        let text_of = |name: &str| match find(name) {
            Some(part) => part.string().map(Option::unwrap_or_default).map_err(|reason| wrong(name, reason)),
            None => Ok(String::new()),
        };
        let headers = find("headers").filter(|part| !part.is_null());
        let headers = headers.map_or(Ok(Vec::new()), |part| once(&part.raw()).ok_or_else(|| not_object(&part)))?;
        let mut properties = match find("properties") {
            Some(part) => Properties::read(&part, Subject::default)?,
            None => Properties::default(),
        };
        if let Some((_, compression)) = headers.iter().find(|(key, value)| key == "compression" && !value.is_null()) {
            let content_type = compression.to().unwrap_or_else(|_| compression.to_string());
            return Err(DecodeError::Compressed { content_type, subject: Subject::default() });
        }
        let content_type = text_of("content-type")?;
        if content_type != "application/json" {
            return Err(DecodeError::ContentType { content_type, subject: Subject::default() });
        }
        let body = open(&text_of("body")?, properties.body_encoding.as_deref())?;
        // As it will be written, whichever way it came.
        properties.body_encoding = Some("base64".to_owned());
        Ok(Self { headers, properties, body })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut properties = self.properties.clone();
        properties.body_encoding = Some("base64".to_owned());
        let mut object = ObjectWriter::with_capacity(self.body.as_str().len() * 2 + 512);
        object.string("body", &STANDARD.encode(self.body.as_str()));
        object.string("content-encoding", "utf-8");
        object.string("content-type", "application/json");
        object.raw("headers", RawJson::object(&self.headers).as_str());
        object.raw("properties", &properties.write());
        object.end().into_bytes()
    }

    /// Takes a header out.
    pub(crate) fn header(&mut self, name: &str) -> Option<RawJson> {
        take(&mut self.headers, name)
    }
}

/// The properties of such a message; `delivery_mode` 1 for one that need not survive a restart.
pub(crate) fn properties(exchange: String, routing_key: String, delivery_mode: u8, delivery_tag: String) -> Properties {
    Properties {
        delivery_mode,
        delivery_info: DeliveryInfo { exchange, routing_key, ..DeliveryInfo::default() },
        priority: Some(0),
        body_encoding: Some("base64".to_owned()),
        delivery_tag,
        ..Properties::default()
    }
}

/// The members of an object, each key once with its last value, as Python sees them; `None` when it is none.
pub(crate) fn once(object: &RawJson) -> Option<Members> {
    let mut kept: Members = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in object.members().ok()? {
        let place = *places.entry(key.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some((_, old)) => *old = value,
            None => kept.push((key, value)),
        }
    }
    Some(kept)
}

/// Takes a member out.
pub(crate) fn take(members: &mut Members, name: &str) -> Option<RawJson> {
    let place = members.iter().position(|(key, _)| key == name)?;
    Some(members.remove(place).1)
}

/// A field of such a message is not what it should be.
pub(crate) fn wrong(field: &str, reason: impl Into<String>) -> DecodeError {
    DecodeError::Field { field: field.to_owned(), reason: reason.into(), subject: Subject::default() }
}

/// Reads a field as a type, null and absent alike as `None`.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(
    value: Option<RawJson>,
    field: &str,
    wanted: &str,
) -> Result<Option<T>, DecodeError> {
    match value.filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => {
            value.to().map(Some).map_err(|_| wrong(field, Part { text: value.as_str(), dialect: false }.wrong(wanted)))
        }
    }
}

fn not_object(part: &Part<'_>) -> DecodeError {
    wrong("headers", part.wrong("an object"))
}

fn open(body: &str, encoding: Option<&str>) -> Result<RawJson, DecodeError> {
    let unreadable = |reason: String| DecodeError::Body { reason, subject: Subject::default() };
    let json = |text: &str| RawJson::parse(text).map_err(|error| unreadable(error.to_string()));
    match encoding {
        Some("base64") => {
            let bytes = BASE64.decode(body).map_err(|error| unreadable(format!("it is not base64: {error}")))?;
            json(std::str::from_utf8(&bytes).map_err(|error| unreadable(format!("it is not UTF-8: {error}")))?)
        }
        None | Some("" | "utf-8" | "utf8") => json(body),
        Some(other) => Err(unreadable(format!("its encoding {other:?} is unknown"))),
    }
}
