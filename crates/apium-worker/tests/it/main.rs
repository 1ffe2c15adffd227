//! The doors of apium-worker: whole workers over the in-memory ports, with time in the tests' hands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod caller;
mod kit;
mod poison;
mod probe;
mod tasks;
mod twin;

mod breaking;
mod canvas;
mod control;
mod early;
mod events;
mod faults;
mod gossip;
mod inline;
mod leases;
mod limits;
mod logs;
mod refusals;
mod results;
mod retries;
mod revoking;
mod running;
mod sharded;
mod shared_limits;
mod shares;
mod steering;
mod stopping;
mod stuck;
mod timing;
mod unique;
mod vitals;
