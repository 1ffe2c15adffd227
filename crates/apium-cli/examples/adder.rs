//! A program of one's own: one task, and a `main` that is worker and client in one.
//!
//! ```text
//! cargo run --example adder -- worker                                     # one terminal
//! cargo run --example adder -- call demo.add --args '[2]' --wait          # another: prints 3
//! ```
//!
//! With `--broker redis://…` the same two commands talk to a Celery cluster, and Python may call
//! `app.send_task("demo.divide", [7], {"by": 2}).get()` and catch `ZeroDivisionError`.

use apium::prelude::*;

/// Adds; `y` may be left out.
#[task(name = "demo.add")]
async fn add(x: i64, #[default(1)] y: i64) -> i64 {
    x + y
}

/// Divides; its error is one a Python caller can catch by type.
#[task(name = "demo.divide")]
async fn divide(x: f64, by: f64) -> Result<f64, TaskError> {
    if by == 0.0 { Err(TaskError::new("ZeroDivisionError", "division by zero")) } else { Ok(x / by) }
}

fn main() -> std::process::ExitCode {
    apium_cli::main(App::new("adder").task(add).task(divide))
}
