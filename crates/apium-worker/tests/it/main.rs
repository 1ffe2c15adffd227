//! The doors of apium-worker: whole workers over the in-memory ports, with time in the tests' hands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kit;
mod probe;
mod tasks;

mod breaking;
mod early;
mod faults;
mod leases;
mod limits;
mod logs;
mod refusals;
mod results;
mod retries;
mod revoking;
mod running;
mod stopping;
mod timing;
mod vitals;
