//! BullMQ's crate as it is benched: `bench-bullmq worker` works, `bench-bullmq producer` does what it is told.

#[path = "../../ledger.rs"]
mod ledger;
mod producer;
#[path = "../../roles.rs"]
mod roles;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bullmq::worker::CancellationToken;
use bullmq::{Job, Worker, WorkerOptions};
use serde_json::Value;

use ledger::Ledger;
use producer::Producer;
use roles::{Mishap, play};

/// The queue.
const QUEUE: &str = "bench";

#[tokio::main]
async fn main() -> ExitCode {
    play::<Producer>(work()).await
}

/// A worker with so many jobs at once as the list of peers says, and else as it comes.
async fn work() -> Result<(), Mishap> {
    let mut options = WorkerOptions::default();
    options.connection.url = std::env::var("BENCH_URL")?;
    options.concurrency = std::env::var("BENCH_CONCURRENCY")?.parse()?;
    let ledger = Arc::new(Ledger::open("BENCH_LEDGER")?);
    let run = move |job: Job, _: CancellationToken| {
        let ledger = ledger.clone();
        async move {
            let index = job.data().as_u64().unwrap_or_default();
            if let Err(error) = ledger.note(index) {
                eprintln!("bench-bullmq: {error}");
            }
            if job.name() == "pause" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(Value::from(index))
        }
    };
    let _worker = Worker::with_options(QUEUE, run, options).await?;
    // Until it is killed.
    std::future::pending().await
}
