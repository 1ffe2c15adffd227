//! The doors of apium-core: the in-memory ports under their suites, argument binding, what a client sends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arguments;
mod lease_model;
mod memory;
mod pending;
mod queue_order;
mod routes;
mod routes_check;
mod routes_golden;
mod sending;
mod sharded;
