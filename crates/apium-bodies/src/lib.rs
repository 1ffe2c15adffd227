//! The forms a message's body may have beside plain JSON, so that Celery's senders change nothing: compression,
//! msgpack, YAML, pickle (read as data, never executed) and signed bodies; each is off until `accept_content` names it,
//! and nothing grows beyond a limit while it is unpacked.

mod compression;
mod json;
mod msgpack;
mod pickle;
mod serializer;
mod settings;
#[cfg(feature = "auth")]
mod signed;
mod stored;
mod value;
mod wire;
#[cfg(feature = "yaml")]
mod yaml;

pub use compression::Compression;
pub use serializer::Serializer;
pub use settings::BodySettings;
pub use wire::WireBodies;
