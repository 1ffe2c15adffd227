//! The OSINT scan service: an HTTP API, the tasks behind it, and its collectors.
//!
//! Read in this order: [`contract`] (names and shapes); [`routes`] (what can be asked), [`scans`], [`repeats`] and
//! [`exports`] (what comes of it, without HTTP); [`tasks`], [`order`], [`several`] and `scan` (what a worker does),
//! [`history`] (what is remembered of it); [`collectors`] (by which code), [`enquiry`] (how a provider is asked),
//! [`connector`] (the door to the web).

pub mod contract;
mod shapes;

pub mod routes;
pub mod tasks;

pub mod diff;
pub mod export;
pub mod exports;
pub mod history;
pub mod housekeeping;
pub mod order;
pub mod repeats;
pub mod report;
mod scan;
pub mod scans;
pub mod several;
pub mod view;

pub mod allowed;
mod digest;
pub mod error;
mod findings;
pub mod metrics;
pub mod model;
pub mod settings;
pub mod store;
pub mod target;

pub mod collectors;
pub mod connector;
pub mod enquiry;
pub mod providers;
mod quotas;
pub mod sandbox;
mod turns;

pub use routes::{OsintApi, router};
pub use settings::{Osint, OsintSettings};
pub use tasks::register;
