//! Bodies by their settings, and messages in which they lie.

use apium_bodies::{BodySettings, Serializer, WireBodies};
use apium_core::bodies::{Asked, Bodies};
use apium_protocol::{DecodeError, Headers, Message, Payload, Properties, RawJson};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Everything is accepted.
pub(crate) fn open_to_all() -> BodySettings {
    let security_cert_store = Some(golden("certs").into());
    BodySettings { accept_content: Serializer::ALL.to_vec(), security_cert_store, ..BodySettings::default() }
}

pub(crate) fn bodies(settings: BodySettings) -> WireBodies {
    WireBodies::new(settings).unwrap()
}

/// A message with this body.
pub(crate) fn message(content: (&str, &str), compression: Option<&str>, body: &[u8]) -> Message {
    let headers = Headers { compression: compression.map(str::to_owned), ..Headers::new("app.echo", "1") };
    Message::packed(headers, body, content, Properties::default())
}

pub(crate) fn open(bodies: &WireBodies, serializer: Serializer, body: &[u8]) -> Result<Payload, DecodeError> {
    bodies.open(&message(serializer.content(), None, body))
}

/// Packed as asked, over the wire, and opened again.
pub(crate) fn there_and_back(bodies: &WireBodies, payload: &Payload, asked: &Asked) -> Result<Payload, String> {
    let packed = bodies.pack(Headers::new("app.echo", "1"), payload, Properties::default(), asked)?;
    let came = Message::decode(&packed.encode()).unwrap();
    Ok(bodies.open(&came).unwrap())
}

/// Each line of a file of golden bodies.
pub(crate) fn lines(name: &str) -> Vec<RawJson> {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    text.lines().map(|line| RawJson::parse(line).unwrap()).collect()
}

pub(crate) fn text(line: &RawJson, name: &str) -> String {
    line.member(name).unwrap().to().unwrap()
}

pub(crate) fn bytes(line: &RawJson, name: &str) -> Vec<u8> {
    STANDARD.decode(text(line, name)).unwrap()
}

pub(crate) fn golden(name: &str) -> String {
    format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}
