//! The executable, one subcommand a role; reusable as the `main` of a user's own worker and client.
//!
//! ```no_run
//! use apium::prelude::*;
//!
//! #[task(name = "demo.add")]
//! async fn add(x: i64, y: i64) -> i64 {
//!     x + y
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     apium_cli::main(App::new("demo").task(add))
//! }
//! ```

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "both panic when their reader has gone away")]

mod arguments;
pub mod commands;
mod failure;
mod http;
mod logging;
mod output;
pub mod services;
pub mod settings;
mod signals;
mod stderr;

use std::process::ExitCode;

/// A task costs a worker some hundred small allocations, which this does in two thirds of the time of glibc's.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use apium::App;

pub use failure::Failure;
use services::Service;

/// Runs the command line for an app of one's own, without the ready services.
pub fn main(app: App) -> ExitCode {
    main_with(app, &[])
}

/// Runs the command line for an app and some services.
pub fn main_with(app: App, services: &'static [Service]) -> ExitCode {
    commands::run(app, services)
}
