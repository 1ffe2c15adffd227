//! The port between a message's body on the wire and the JSON the engine reads: serialisers and compression.
//!
//! The engine itself knows plain JSON ([`PlainBodies`]); what else Celery's senders may use, and what must not be read
//! from strangers, is decided in the implementation a program wires (`apium-bodies`).

use std::borrow::Cow;

use apium_protocol::{DecodeError, Headers, Message, Payload, Properties, RawJson, compressed};

/// Opens and packs the bodies of messages, and what is stored for callers.
pub trait Bodies: Send + Sync + 'static {
    /// The arguments in a message.
    ///
    /// # Errors
    /// When its form is not accepted, it is larger unpacked than is allowed, or it cannot be read. The sentence names
    /// the form and the setting.
    fn open(&self, message: &Message) -> Result<Payload, DecodeError>;

    /// A message with this payload in the form asked for.
    ///
    /// # Errors
    /// One sentence: the form is not known, or the payload does not fit into it.
    fn pack(
        &self,
        headers: Headers,
        payload: &Payload,
        properties: Properties,
        asked: &Asked,
    ) -> Result<Message, String>;

    /// The JSON of what was stored, in the form that is set and whoever has compressed it: a result, a part of a
    /// chord, a saved group.
    ///
    /// # Errors
    /// One sentence: the compression is not known, it is larger unpacked than is allowed, or it is in another form than
    /// `result_serializer` names.
    fn open_stored<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String>;

    /// JSON to be stored, in the form that is set, and if it is the `last` that is stored there, compressed if so set:
    /// what may still give way to another record has to be told by who cannot unpack it.
    fn pack_stored<'a>(&self, plain: &'a [u8], last: bool) -> Cow<'a, [u8]>;

    /// Its settings by Celery's names, as a worker shows them.
    fn told(&self) -> Vec<(String, RawJson)>;
}

/// What a sender asks for by the options of a signature; `None` is the setting's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Celery's `serializer`, such as `msgpack`.
    pub serializer: Option<String>,
    /// Celery's `compression`, such as `gzip`.
    pub compression: Option<String>,
}

impl Asked {
    /// What these options of a signature ask for; null is nothing.
    pub fn of(options: &[(String, RawJson)]) -> Self {
        let text = |name: &str| {
            let (_, value) = options.iter().rev().find(|(key, _)| key == name)?;
            // What is no name cannot be known, and is refused by how it is written.
            (!value.is_null()).then(|| value.to::<String>().unwrap_or_else(|_| value.to_string()))
        };
        Self { serializer: text("serializer"), compression: text("compression") }
    }
}

/// JSON without compression, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainBodies;

impl Bodies for PlainBodies {
    fn open(&self, message: &Message) -> Result<Payload, DecodeError> {
        message.payload()
    }

    fn pack(
        &self,
        headers: Headers,
        payload: &Payload,
        properties: Properties,
        asked: &Asked,
    ) -> Result<Message, String> {
        match (asked.serializer.as_deref(), &asked.compression) {
            (None | Some("json"), None) => Ok(Message::new(headers, payload, properties)),
            (_, Some(name)) => Err(format!("the compression {name:?} is not known to this program")),
            (Some(name), None) => Err(format!("the serializer {name:?} is not known to this program")),
        }
    }

    fn open_stored<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        match compressed(stored) {
            Some((content_type, _)) => Err(format!("it is compressed as {content_type:?}, which is not supported")),
            None => Ok(Cow::Borrowed(stored)),
        }
    }

    fn pack_stored<'a>(&self, plain: &'a [u8], _last: bool) -> Cow<'a, [u8]> {
        Cow::Borrowed(plain)
    }

    fn told(&self) -> Vec<(String, RawJson)> {
        let json = RawJson::string("json");
        vec![
            ("accept_content".to_owned(), RawJson::array(std::slice::from_ref(&json))),
            ("task_serializer".to_owned(), json.clone()),
            ("result_serializer".to_owned(), json),
        ]
    }
}
