//! The crate seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod celery;
mod entries;
mod grammar;
mod intervals;
mod kit;
mod laws;
mod month;
mod nights;
mod plans;
mod schedulers;
mod schedules;
mod solar;
mod times;
mod watching;
mod year;
