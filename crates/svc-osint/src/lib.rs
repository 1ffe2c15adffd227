//! The OSINT scan service: an HTTP API, the tasks behind it, and its collectors.

pub mod connector;
pub mod dns;
pub mod metadata;
pub mod model;
pub mod sandbox;
pub mod target;
