//! The port of bodies kept in full: what came is opened if it is accepted, what goes is packed as asked.

use std::borrow::Cow;
use std::fmt;

use apium_core::bodies::{Asked, Bodies};
use apium_core::protocol::{DecodeError, Headers, Message, Payload, Properties, RawJson, compressed, mark_compressed};

use crate::compression::Compression;
use crate::serializer::Serializer;
use crate::settings::BodySettings;
#[cfg(feature = "auth")]
use crate::signed::CertStore;
#[cfg(feature = "yaml")]
use crate::yaml;
use crate::{msgpack, pickle, stored};

/// Bodies in every form of Celery's that was switched on.
pub struct WireBodies {
    settings: BodySettings,
    #[cfg(feature = "auth")]
    certificates: Option<CertStore>,
}

/// Why a body was not opened.
enum Refusal {
    #[allow(dead_code, reason = "only what is signed is read and then not believed")]
    NotAccepted(String),
    Unreadable(String),
}

impl WireBodies {
    /// Bodies by these settings.
    ///
    /// # Errors
    /// One sentence: a form is named that was not compiled in, or that cannot be written, or the certificates cannot
    /// be read.
    pub fn new(settings: BodySettings) -> Result<Self, String> {
        let missing = |setting: &str, name: &dyn fmt::Display| {
            format!("{setting} names {name}, which this program was built without (the feature {name} of apium-bodies)")
        };
        if let Some(serializer) = settings.accept_content.iter().find(|serializer| !serializer.is_built_in()) {
            return Err(missing("accept_content", serializer));
        }
        writes(settings.task_serializer).map_err(|why| format!("task_serializer {why}"))?;
        writes(settings.result_serializer).map_err(|why| format!("result_serializer {why}"))?;
        if settings.result_serializer == Serializer::Pickle {
            return Err("result_serializer cannot be pickle: results are stored in json, msgpack or yaml".to_owned());
        }
        let compressions =
            [("task_compression", settings.task_compression), ("result_compression", settings.result_compression)];
        for (setting, compression) in compressions {
            if let Some(compression) = compression.filter(|compression| !compression.is_built_in()) {
                return Err(missing(setting, &compression));
            }
        }
        Ok(Self {
            #[cfg(feature = "auth")]
            certificates: settings.security_cert_store.as_deref().map(CertStore::read).transpose()?,
            settings,
        })
    }

    fn unpacked(&self, message: &Message) -> Result<Vec<u8>, DecodeError> {
        let body = message.body_bytes()?;
        let Some(name) = &message.headers.compression else { return Ok(body) };
        let unpacked = Compression::named(name)
            .ok_or_else(|| format!("it is compressed as {name:?}, which is not known here"))
            .and_then(|compression| compression.unpack(&body, self.settings.largest_body));
        unpacked.map_err(|why| message.unreadable(&why))
    }

    /// The JSON of a body.
    fn json(&self, serializer: Serializer, body: Vec<u8>) -> Result<String, Refusal> {
        let most = self.settings.largest_body;
        match serializer {
            Serializer::Json => String::from_utf8(body).map_err(|error| format!("it is not UTF-8: {error}")),
            Serializer::Msgpack => msgpack::to_json(&body, most),
            #[cfg(feature = "yaml")]
            Serializer::Yaml => yaml::to_json(&body, most),
            Serializer::Pickle => pickle::to_json(&body, most),
            #[cfg(feature = "auth")]
            Serializer::Auth => return self.signed(&body),
            #[allow(unreachable_patterns, reason = "with every feature on, all of them stand above")]
            _ => Err("this program was built without it".to_owned()),
        }
        .map_err(|why| Refusal::Unreadable(format!("it is no {serializer} that is read here: {why}")))
    }

    /// What is signed is believed by its signature, whatever `accept_content` says of what is within, as in Celery;
    /// but for pickle, which has to be accepted by its name.
    #[cfg(feature = "auth")]
    fn signed(&self, body: &[u8]) -> Result<String, Refusal> {
        let store = self.certificates.as_ref().ok_or_else(|| {
            Refusal::NotAccepted("it is signed, and security_cert_store names no certificates to believe".to_owned())
        })?;
        let verified = store.open(body, std::time::SystemTime::now()).map_err(Refusal::NotAccepted)?;
        match Serializer::named(&verified.content_type) {
            None | Some(Serializer::Auth) => Err(Refusal::NotAccepted(self.foreign(&verified.content_type))),
            Some(Serializer::Pickle) if !self.accepts(Serializer::Pickle) => {
                Err(Refusal::NotAccepted(self.unwanted(Serializer::Pickle)))
            }
            Some(serializer) => self.json(serializer, verified.body),
        }
    }

    fn accepts(&self, serializer: Serializer) -> bool {
        self.settings.accept_content.contains(&serializer)
    }

    fn accepted(&self) -> String {
        self.settings.accept_content.iter().map(|serializer| serializer.name()).collect::<Vec<_>>().join(", ")
    }

    fn unwanted(&self, serializer: Serializer) -> String {
        let (accepted, content_type) = (self.accepted(), serializer.content().0);
        let condition = if serializer == Serializer::Pickle { ", if all who can send are trusted" } else { "" };
        format!(
            "it is {serializer} ({content_type}), and accept_content is {accepted}; add {serializer} to it{condition}, \
             or let the sender use another serializer"
        )
    }

    fn foreign(&self, content_type: &str) -> String {
        format!("its content type is {content_type:?}, which is not read here; accept_content is {}", self.accepted())
    }
}

impl Bodies for WireBodies {
    fn open(&self, message: &Message) -> Result<Payload, DecodeError> {
        let content_type = &message.content_type;
        let serializer = Serializer::named(content_type).filter(|known| known.content().0 == content_type);
        let Some(serializer) = serializer else { return Err(message.not_accepted(&self.foreign(content_type))) };
        if !self.accepts(serializer) {
            return Err(message.not_accepted(&self.unwanted(serializer)));
        }
        if serializer == Serializer::Json {
            if message.headers.compression.is_none() {
                return message.payload();
            }
            message.in_json()?;
        }
        let json = self.json(serializer, self.unpacked(message)?).map_err(|refusal| match refusal {
            Refusal::NotAccepted(why) => message.not_accepted(&why),
            Refusal::Unreadable(why) => message.unreadable(&why),
        })?;
        message.payload_of(&json)
    }

    fn pack(
        &self,
        mut headers: Headers,
        payload: &Payload,
        properties: Properties,
        asked: &Asked,
    ) -> Result<Message, String> {
        let serializer = match &asked.serializer {
            None => self.settings.task_serializer,
            Some(name) => Serializer::named(name).ok_or_else(|| format!("the serializer {name:?} is not known"))?,
        };
        let compression = match &asked.compression {
            None => self.settings.task_compression,
            Some(name) => {
                Some(Compression::named(name).ok_or_else(|| format!("the compression {name:?} is not known"))?)
            }
        };
        let json = payload.to_json();
        writes(serializer).map_err(|why| format!("the serializer {why}"))?;
        let body = match serializer {
            Serializer::Msgpack => msgpack::from_json(&json)?,
            #[cfg(feature = "yaml")]
            Serializer::Yaml => yaml::from_json(&json)?,
            Serializer::Pickle => pickle::from_json(&json)?,
            _ => json.into_bytes(),
        };
        headers.compression = compression.map(|compression| compression.content_type().to_owned());
        let body = compression.map_or(Ok(Cow::Borrowed(&body)), |used| used.pack(&body).map(Cow::Owned))?;
        Ok(Message::packed(headers, &body, serializer.content(), properties))
    }

    fn open_stored<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let most = self.settings.largest_body;
        let unpacked = match compressed(stored) {
            None => Cow::Borrowed(stored),
            Some((content_type, packed)) => Compression::named(&content_type)
                .ok_or_else(|| format!("it is compressed as {content_type:?}, which is not known here"))
                .and_then(|compression| compression.unpack(packed, most))
                .map(Cow::Owned)?,
        };
        let json = stored::to_json(&unpacked, self.settings.result_serializer, most)?;
        Ok(json.map_or(unpacked, Cow::Owned))
    }

    fn pack_stored<'a>(&self, plain: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        let written =
            stored::from_json(plain, self.settings.result_serializer).map_or(Cow::Borrowed(plain), Cow::Owned);
        let packed = self.settings.result_compression.filter(|_| last).and_then(|compression| {
            // What cannot be compressed is stored as it is: everyone reads that.
            Some(mark_compressed(compression.content_type(), &compression.pack(&written).ok()?))
        });
        packed.map_or(written, Cow::Owned)
    }

    fn told(&self) -> Vec<(String, RawJson)> {
        let BodySettings { accept_content, task_serializer, task_compression, result_compression, .. } = &self.settings;
        let name = |compression: &Option<Compression>| {
            compression.map_or_else(RawJson::null, |compression| RawJson::string(compression.name()))
        };
        let accepted: Vec<_> = accept_content.iter().map(|serializer| RawJson::string(serializer.name())).collect();
        let largest = RawJson::from(&self.settings.largest_body).unwrap_or_default();
        let told = [
            ("accept_content", RawJson::array(&accepted)),
            ("task_serializer", RawJson::string(task_serializer.name())),
            ("task_compression", name(task_compression)),
            ("result_serializer", RawJson::string(self.settings.result_serializer.name())),
            ("result_compression", name(result_compression)),
            ("apium_largest_body", largest),
        ];
        told.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}

/// By the default settings: JSON alone is read, whatever it is compressed with.
impl Default for WireBodies {
    fn default() -> Self {
        Self {
            settings: BodySettings::default(),
            #[cfg(feature = "auth")]
            certificates: None,
        }
    }
}

/// Says why nothing is written in this form, if so.
fn writes(serializer: Serializer) -> Result<(), String> {
    match serializer {
        Serializer::Auth => Err("cannot be auth: signed bodies are read here, not written".to_owned()),
        serializer if !serializer.is_built_in() => Err(format!(
            "cannot be {serializer}, which this program was built without (the feature {serializer} of apium-bodies)"
        )),
        _ => Ok(()),
    }
}
