//! HTTP manners that every service of the house shares; no route of its own.
//!
//! [`manners`] wraps a router: one error envelope for everything that goes wrong ([`ApiError`]), a request
//! id in and out, one log line a request, a panic turned into an answer, a bound on bodies. [`Json`] reads
//! bodies so that their faults are told in the same envelope. Sentences are for the services' users and
//! therefore in Spanish; `code` is for programs.

mod error;
mod json;
mod manners;
mod request;
mod server;

pub use axum::http::StatusCode;
pub use error::{ApiError, ErrorBody, ErrorDetail};
pub use json::Json;
pub use manners::{BODY_PAUSE, MAX_BODY, REQUEST_TIME, manners};
pub use request::REQUEST_ID;
pub use server::{Patience, Stopping, serve};
