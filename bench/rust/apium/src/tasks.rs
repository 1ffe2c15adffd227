//! The tasks of the workloads, as anybody would write theirs.

use std::sync::LazyLock;
use std::time::Duration;

use apium::prelude::*;

use crate::ledger::Ledger;

static LEDGER: LazyLock<std::io::Result<Ledger>> = LazyLock::new(|| Ledger::open("BENCH_LEDGER"));
static ENDED: LazyLock<std::io::Result<Ledger>> = LazyLock::new(|| Ledger::open("BENCH_ENDED"));

/// The tasks under measurement.
pub(crate) fn app() -> App {
    App::new("bench").task(noop).task(pause).task(step).task(tally)
}

/// Does nothing but say that it was run.
#[task(name = "bench.noop")]
pub(crate) async fn noop(index: u64) -> Result<u64, TaskError> {
    noted(index)
}

/// Waits for 10 ms, as for an answer over the network, and says when it has ended.
#[task(name = "bench.pause")]
pub(crate) async fn pause(index: u64) -> Result<u64, TaskError> {
    noted(index)?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    line(&ENDED, index)
}

/// One step of a chain: gets what the one before gave.
#[task(name = "bench.step")]
pub(crate) async fn step(before: u64, index: u64) -> Result<u64, TaskError> {
    noted(index)?;
    Ok(before + 1)
}

/// The body of a chord: gets what all parts gave.
#[task(name = "bench.tally")]
pub(crate) async fn tally(parts: Vec<u64>, index: u64) -> Result<usize, TaskError> {
    noted(index)?;
    Ok(parts.len())
}

fn noted(index: u64) -> Result<u64, TaskError> {
    line(&LEDGER, index)
}

fn line(ledger: &std::io::Result<Ledger>, index: u64) -> Result<u64, TaskError> {
    let ledger = ledger.as_ref().map_err(|error| TaskError::new("BenchError", error.to_string()))?;
    ledger.note(index).map_err(|error| TaskError::new("BenchError", error.to_string()))?;
    Ok(index)
}
