//! The service's tests: one binary, each module at one of its doors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod bench;
mod dns;
mod dns_faults;
mod dns_mail;
mod exiftool;
mod faults;
mod history;
mod hostile;
mod keyed;
mod knot;
mod metadata;
mod metrics;
mod own_addresses;
mod responder;
mod room;
mod samples;
mod sandbox;
mod scans;
mod site;
mod ssrf;
mod target;
mod target_sentences;
mod upload;
mod web;
