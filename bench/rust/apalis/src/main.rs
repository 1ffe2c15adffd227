//! apalis 1.0 as it is benched: `bench-apalis worker` works, `bench-apalis producer` does what it is told.

#[path = "../../ledger.rs"]
mod ledger;
mod producer;
#[path = "../../roles.rs"]
mod roles;

use std::env::var;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage, connect};

use ledger::Ledger;
use producer::Producer;
use roles::{Mishap, play};

/// What a task needs.
struct Desk {
    ledger: Ledger,
    /// Whether tasks wait for 10 ms.
    pause: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    play::<Producer>(work()).await
}

/// The queue under measurement, with a batch as the list of peers says, and else as it comes: results are always kept,
/// because without `persist_results` nothing is acknowledged.
async fn open() -> Result<RedisStorage<u64>, Mishap> {
    let config = Config::default().queue("bench").batch_size(var("BENCH_BATCH")?.parse()?);
    Ok(RedisStorage::new(connect(var("BENCH_URL")?).await?).with_config(config))
}

/// A worker that asks for more as often as the list of peers says.
async fn work() -> Result<(), Mishap> {
    let pause = var("BENCH_WORKLOAD").is_ok_and(|workload| workload == "io");
    let desk = Arc::new(Desk { ledger: Ledger::open("BENCH_LEDGER")?, pause });
    let poll = Duration::from_millis(var("BENCH_POLL")?.parse()?);
    let worker = WorkerBuilder::new("bench")
        .backend(open().await?.poll_with_interval(poll))
        .data(desk)
        .concurrency(var("BENCH_CONCURRENCY")?.parse()?)
        .build(run);
    worker.run().await.map_err(|error| format!("the worker has ended: {error}").into())
}

async fn run(index: u64, desk: Data<Arc<Desk>>) -> Result<u64, BoxDynError> {
    desk.ledger.note(index)?;
    if desk.pause {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(index)
}
