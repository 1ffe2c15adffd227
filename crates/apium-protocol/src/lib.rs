//! Every byte that crosses to a Celery peer, as types that encode and decode: messages, their bodies, the
//! result records, remote control and events, in Python's dialect of JSON. No I/O, no async, no clock: this is the
//! floor of the house.

pub mod canvas;
pub mod control;
mod error;
pub mod event;
mod exception;
mod extended;
mod headers;
mod json;
mod message;
mod payload;
mod properties;
pub mod python_repr;
mod raw_json;
mod redelivered;
mod result;
pub mod tagged;

pub use error::{DecodeError, Subject};
pub use exception::ExceptionRecord;
pub use extended::Extended;
pub use headers::Headers;
pub use json::JsonError;
pub use message::Message;
pub use payload::{Embed, Payload};
pub use properties::{DeliveryInfo, Properties};
pub use raw_json::RawJson;
pub use result::{ResultRecord, compressed, mark_compressed};
