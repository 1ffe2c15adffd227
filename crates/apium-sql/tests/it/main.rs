//! The outbox on a real Postgres and on SQLite files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kit;
mod outbox;
mod writers;
