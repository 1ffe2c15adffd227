//! Python's dialect of JSON, read and written without a tree in between: it is JSON, and besides it NaN,
//! Infinity, integers of any size and lone surrogates, all of which Celery peers really send.

mod error;
pub(crate) mod fields;
pub(crate) mod number;
pub(crate) mod object;
mod plain;
pub(crate) mod read;
mod read_key;
pub(crate) mod scan;
pub(crate) mod split;
pub(crate) mod string;
pub(crate) mod write;
mod write_key;

pub use error::JsonError;

/// How deep arrays and objects may nest. Python's own parser gives up near a thousand; every reader here that
/// recurses does so at most this deep, so a hostile message cannot exhaust a stack.
pub(crate) const MAX_DEPTH: usize = 512;

/// The name under which `serde_json` passes a piece of raw JSON through a serializer or deserializer. Ours takes
/// the same name, so that a raw value inside a type stays raw whichever of the two handles that type.
pub(crate) const RAW_TOKEN: &str = "$serde_json::private::RawValue";
