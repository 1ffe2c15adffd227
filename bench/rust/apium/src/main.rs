//! Apium as it is benched: `bench-apium worker` works, `bench-apium producer` does what it is told on its standard input.

#[path = "../../ledger.rs"]
mod ledger;
mod producer;
#[path = "../../roles.rs"]
mod roles;
mod store;
mod tasks;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use apium::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

use producer::Producer;
use roles::{Mishap, play};

/// As in the executable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One thread for all that is not a task, as in the executable.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    play::<Producer>(work()).await
}

/// A worker as `apium worker` starts it: with threads for tasks as many as cores, and nothing changed but what the list
/// of peers says.
async fn work() -> Result<(), Mishap> {
    let mut options = WorkerOptions::default();
    match std::env::var("BENCH_CONCURRENCY")?.as_str() {
        "default" => {}
        concurrency => options.concurrency = concurrency.parse()?,
    }
    let cores = available_parallelism().map_or(1, NonZero::get);
    let worker = tasks::app().worker(&store::open().await?, options).with_own_threads(cores)?;
    let stop = Stop::new();
    let asked = stop.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        asked.request();
    });
    Ok(worker.run(stop).await?)
}
