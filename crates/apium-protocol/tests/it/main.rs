//! The crate seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]
