//! The service's tests: one binary, each module at one of its doors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod dns;
mod dns_faults;
mod dns_mail;
mod knot;
mod responder;
mod target;
