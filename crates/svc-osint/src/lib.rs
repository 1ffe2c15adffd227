//! The OSINT scan service: an HTTP API, the tasks behind it, and its collectors.
//!
//! Read in this order: [`contract`] (names and shapes), [`routes`] (what can be asked), [`tasks`], [`order`], [`several`]
//! and `scan` (what a worker does), [`collectors`] and [`enquiry`] (by which code), [`model`] (what comes of it),
//! [`history`] and [`store`] (what is remembered).

pub mod contract;

pub mod routes;
pub mod tasks;

pub mod allowed;
pub mod collectors;
mod digest;
pub mod error;
mod findings;
pub mod history;
pub mod housekeeping;
pub mod metrics;
pub mod model;
pub mod order;
mod quotas;
pub mod repeats;
pub mod report;
mod scan;
pub mod scans;
pub mod settings;
pub mod several;
pub mod store;
pub mod target;
mod turns;
pub mod view;

pub mod connector;
pub mod crtsh;
pub mod dns;
pub mod enquiry;
mod facts;
pub mod haveibeenpwned;
pub mod identity;
pub mod metadata;
pub mod providers;
pub mod sandbox;
pub mod securitytrails;
pub mod shodan;
pub mod social;
pub mod username;
pub mod virustotal;
pub mod whois;

pub use routes::{OsintApi, router};
pub use settings::{Osint, OsintSettings};
pub use tasks::register;
