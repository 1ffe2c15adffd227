//! Everything about Redis is tested on real, private Redis servers; see `server.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod addresses;
mod broadcasting;
mod clock;
mod conformance;
mod deaths;
mod layout;
mod mishaps;
mod outage;
mod pidbox;
mod python;
mod recovering;
mod refusals;
mod runtimes;
mod server;
mod settling;
mod sharded;
mod shares;
mod spending;
mod waking;
