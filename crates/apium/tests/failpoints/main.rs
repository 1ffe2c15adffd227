//! Workers that die at every point between a claim and its settlement: on Redis and on SQLite, with every kind of task.
//!
//! `cargo xtask test` runs these apart from all others, because only here the worker is built with its feature
//! `failpoints` (`apium-worker/src/points.rs`): `cargo nextest run --workspace --features apium/failpoints --test failpoints`.
//!
//! A death is one of two things. In most runs the worker has a runtime of its own, and at the point that runtime is never
//! polled again (`doom.rs`): nothing of it is dropped, goes on or says goodbye, its connections stay open. That is what
//! `kill -9` leaves behind, as far as anybody else can see, and costs no process, so that thousands of such deaths can be
//! had; time is stepped over the lease. For every point on each broker a death is a real one too: a process of this very
//! binary that ends itself with `abort` (`killed.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clock;
mod diary;
mod doom;
mod every_point;
mod judge;
mod killed;
mod kinds;
mod lives;
mod seeds;
mod server;
mod store;
mod tasks;
mod trouble;
mod world;
