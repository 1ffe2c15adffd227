//! The OSINT scan service: an HTTP API, the tasks behind it, and its collectors.
//!
//! Read in this order: [`contract`] (names and shapes), [`routes`] (what can be asked), [`tasks`] and
//! [`scan`] (what a worker does), [`collectors`] (by which code), [`model`] (what comes of it).

pub mod contract;

pub mod routes;
pub mod tasks;

pub mod collectors;
pub mod error;
pub mod metrics;
pub mod model;
pub mod scan;
pub mod settings;
pub mod target;
mod turns;
pub mod view;

pub mod connector;
pub mod dns;
pub mod enquiry;
pub mod metadata;
pub mod providers;
pub mod sandbox;

pub use routes::{OsintApi, router};
pub use settings::{Osint, OsintSettings};
pub use tasks::register;
