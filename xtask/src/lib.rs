//! The workshop: everything one does to this repository, as plain functions that `main` and the tests call.
//!
//! Standard library only, so that it builds in a blink on a machine that has nothing but Rust.

pub mod bench;
pub mod chaos;
pub mod failpoints;
pub mod fuzz;
pub mod instructions;
pub mod interop;
mod lean;
pub mod lint;
pub mod scale;
pub mod scans;
pub mod setup;
pub mod shell;
pub mod suite;
pub mod tidy;
pub mod venvs;
