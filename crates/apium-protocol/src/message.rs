//! What travels: one task message as Celery writes and reads it. It comes from a client (or from a task that sends
//! another) and goes through a broker into a worker's hands; see `apium-core`'s broker for that promise.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use crate::{
    DecodeError, Headers, Payload, Properties, Subject,
    json::{
        object::ObjectWriter,
        split::{self, Members, Part},
    },
    redelivered,
};

/// Python pads its base64, other producers may not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One task message. Protocol 2 is held as it is, protocol 1 is lifted into the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The headers; of a message of protocol 1, what its body says in their place.
    pub headers: Headers,
    /// The properties.
    pub properties: Properties,
    /// The body as it stands in the envelope: base64 or text, see [`Properties::body_encoding`].
    pub body: String,
    /// The serialisation of the body; only `application/json` is read here.
    pub content_type: String,
    /// The character set of the body, `utf-8`.
    pub content_encoding: String,
    /// The protocol the message was written in, 1 or 2.
    pub protocol: u8,
}

impl Message {
    /// A message in protocol 2 with a JSON body in base64. The correlation id becomes the task id and the delivery
    /// mode 2 where `properties` leave them out; the body is not compressed, whatever `headers` say.
    pub fn new(mut headers: Headers, payload: &Payload, properties: Properties) -> Self {
        headers.compression = None;
        Self::packed(headers, payload.to_json().as_bytes(), ("application/json", "utf-8"), properties)
    }

    /// [`Self::new`] with a body that is ready, in this content type and encoding; compressed if `headers` say so.
    pub fn packed(headers: Headers, body: &[u8], content: (&str, &str), mut properties: Properties) -> Self {
        if properties.correlation_id.is_none() {
            properties.correlation_id = Some(headers.id.clone());
        }
        if properties.delivery_mode == 0 {
            properties.delivery_mode = 2;
        }
        properties.body_encoding = Some("base64".to_owned());
        Self {
            headers,
            properties,
            body: STANDARD.encode(body),
            content_type: content.0.to_owned(),
            content_encoding: content.1.to_owned(),
            protocol: 2,
        }
    }

    /// Reads the envelope of one element of a queue. The body stays closed, unless it must be opened because
    /// protocol 1 keeps the task's name there.
    ///
    /// # Errors
    /// When the bytes are no envelope, name no task or no id, or a known field is of the wrong type.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope = Envelope::read(bytes)?;
        let headers = envelope.headers?;
        let subject = || subject(&headers);
        let mut message = Self {
            properties: match envelope.properties {
                Some(part) => Properties::read(&part, subject)?,
                None => Properties::default(),
            },
            body: field("body", envelope.body, subject)?.unwrap_or_default(),
            content_type: field("content-type", envelope.content_type, subject)?.unwrap_or_default(),
            content_encoding: field("content-encoding", envelope.content_encoding, subject)?.unwrap_or_default(),
            protocol: 2,
            headers,
        };
        if message.headers.task.is_empty() {
            message.lift_protocol_1()?;
        }
        if message.headers.id.is_empty() {
            return Err(DecodeError::NoId { subject: message.subject() });
        }
        Ok(message)
    }

    /// Writes the envelope as kombu does. A message of protocol 1 is written in protocol 1 again: its body as it
    /// came, and none of the headers lifted from it.
    pub fn encode(&self) -> Vec<u8> {
        let headers = if self.protocol == 1 {
            let mut object = ObjectWriter::new();
            self.headers.write_transport(&mut object);
            object.end()
        } else {
            self.headers.write()
        };
        let properties = self.properties.write();
        let mut object = ObjectWriter::with_capacity(self.body.len() + headers.len() + properties.len() + 128);
        object.string("body", &self.body);
        object.string("content-encoding", &self.content_encoding);
        object.string("content-type", &self.content_type);
        object.raw("headers", &headers);
        object.raw("properties", &properties);
        object.end().into_bytes()
    }

    /// Opens the body.
    ///
    /// # Errors
    /// When it is not plain JSON, or not the arguments of a task; the error names the task.
    pub fn payload(&self) -> Result<Payload, DecodeError> {
        self.payload_of(&self.body_text()?)
    }

    /// What the body says, once it was made JSON.
    ///
    /// # Errors
    /// When the text is not the arguments of a task; the error names the task.
    pub fn payload_of(&self, text: &str) -> Result<Payload, DecodeError> {
        Payload::read(text).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// The body out of its envelope: still compressed, and in its own content type.
    ///
    /// # Errors
    /// When it is not base64 although it should be, or in an encoding of its own.
    pub fn body_bytes(&self) -> Result<Vec<u8>, DecodeError> {
        match self.properties.body_encoding.as_deref() {
            Some("base64") => {
                BASE64.decode(&self.body).map_err(|error| self.unreadable(&format!("it is not base64: {error}")))
            }
            None | Some("" | "utf-8" | "utf8") => Ok(self.body.clone().into_bytes()),
            Some(other) => Err(self.unreadable(&format!("its encoding {other:?} is unknown"))),
        }
    }

    /// Says so when the body is not JSON, or not in UTF-8, by what its content type and encoding say.
    ///
    /// # Errors
    /// [`DecodeError::ContentType`] with what it is instead.
    pub fn in_json(&self) -> Result<(), DecodeError> {
        let known_encoding = ["utf-8", "utf8", "us-ascii", "ascii", "binary", ""]
            .iter()
            .any(|known| self.content_encoding.eq_ignore_ascii_case(known));
        if self.content_type == "application/json" && known_encoding {
            return Ok(());
        }
        let content_type = if known_encoding {
            self.content_type.clone()
        } else {
            format!("{}; charset={}", self.content_type, self.content_encoding)
        };
        Err(DecodeError::ContentType { content_type, subject: self.subject() })
    }

    /// The body of this message cannot be read, for this reason.
    pub fn unreadable(&self, reason: &str) -> DecodeError {
        DecodeError::Body { reason: reason.to_owned(), subject: self.subject() }
    }

    /// The body of this message is in a form that was not switched on; the reason names it and the setting.
    pub fn not_accepted(&self, reason: &str) -> DecodeError {
        DecodeError::NotAccepted { reason: reason.to_owned(), subject: self.subject() }
    }

    /// The same bytes with the mark of a message that was given back, `"redelivered": true`, in the headers and in
    /// the delivery info, as kombu sets it; nothing else is changed. `None` when the bytes are no envelope.
    pub fn redelivered(bytes: &[u8]) -> Option<Vec<u8>> {
        redelivered::mark(bytes)
    }

    fn subject(&self) -> Subject {
        subject(&self.headers)
    }

    /// The JSON text of the body.
    fn body_text(&self) -> Result<String, DecodeError> {
        if let Some(content_type) = &self.headers.compression {
            return Err(DecodeError::Compressed { content_type: content_type.clone(), subject: self.subject() });
        }
        self.in_json()?;
        let bytes = self.body_bytes()?;
        String::from_utf8(bytes).map_err(|error| self.unreadable(&format!("it is not UTF-8: {error}")))
    }

    /// Fills the headers from the body, where protocol 1 keeps them.
    fn lift_protocol_1(&mut self) -> Result<(), DecodeError> {
        let text = match self.body_text() {
            Ok(text) => text,
            // Without a task in the headers only protocol 1 is left, and its body is an object of JSON.
            Err(DecodeError::Body { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        let no_task = || DecodeError::NoTask { subject: self.subject() };
        let members = split::members(&text).map_err(|_| no_task())?;
        let find = |name: &str| {
            let found = members.iter().rev().find(|(key, _)| key == name)?;
            found.1.string().ok().flatten()
        };
        let subject = Subject { id: find("id"), task: Some(find("task").ok_or_else(no_task)?) };
        self.protocol = 1;
        let mut taskset = None;
        for (key, part) in &members {
            let set = match &**key {
                "taskset" => part.string().map(|group| taskset = group),
                "task" | "id" | "eta" | "expires" | "group" | "group_index" | "retries" | "timelimit" => {
                    self.headers.set(key, part)
                }
                _ => Ok(()),
            };
            set.map_err(|reason| DecodeError::Field {
                field: format!("body.{key}"),
                reason,
                subject: subject.clone(),
            })?;
        }
        self.headers.group = self.headers.group.take().or(taskset);
        Ok(())
    }
}

/// The five known parts of an envelope, of which one is read already.
struct Envelope<'a> {
    body: Option<Part<'a>>,
    content_encoding: Option<Part<'a>>,
    content_type: Option<Part<'a>>,
    headers: Result<Headers, DecodeError>,
    properties: Option<Part<'a>>,
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::Envelope { reason: error.to_string() })?;
        let broken = |error| DecodeError::envelope(&error);
        let mut members = Members::of(text).map_err(broken)?;
        let (body, content_encoding, content_type, properties) = (None, None, None, None);
        let mut envelope = Self { body, content_encoding, content_type, headers: Ok(Headers::default()), properties };
        while let Some(key) = members.key().map_err(broken)? {
            // The largest part but for the body, and nearly all of it is wanted.
            if key == "headers" && members.enter() {
                envelope.headers = Headers::read(&mut members).map_err(broken)?;
                continue;
            }
            let part = members.value().map_err(broken)?;
            match &*key {
                "body" => envelope.body = Some(part),
                "content-encoding" => envelope.content_encoding = Some(part),
                "content-type" => envelope.content_type = Some(part),
                // Given twice, the last one counts.
                "headers" if part.is_null() => envelope.headers = Ok(Headers::default()),
                "headers" => envelope.headers = Err(DecodeError::Envelope { reason: part.wrong("an object") }),
                "properties" => envelope.properties = Some(part),
                // kombu writes nothing else and reads nothing else.
                _ => {}
            }
        }
        members.finish().map_err(broken)?;
        Ok(envelope)
    }
}

fn subject(headers: &Headers) -> Subject {
    let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Subject { id: known(&headers.id), task: known(&headers.task) }
}

fn field(name: &str, part: Option<Part<'_>>, subject: impl Fn() -> Subject) -> Result<Option<String>, DecodeError> {
    let Some(part) = part else {
        return Ok(None);
    };
    part.string().map_err(|reason| DecodeError::Field { field: name.to_owned(), reason, subject: subject() })
}
