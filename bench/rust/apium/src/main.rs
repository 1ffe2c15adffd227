//! Apium as it is benched: `bench-apium worker` works, `bench-apium producer` does what it is told on its standard input.

#[path = "../../ledger.rs"]
mod ledger;
mod producer;
mod store;
mod tasks;

use std::error::Error;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use apium::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

type Mishap = Box<dyn Error + Send + Sync>;

/// As in the executable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One thread for all that is not a task, as in the executable.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        Some("worker") => work().await,
        Some("producer") => producer::obey().await,
        _ => Err("say `worker` or `producer`".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-apium: {error}");
            ExitCode::FAILURE
        }
    }
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
