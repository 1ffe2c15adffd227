//! apalis 0.7 as it is benched: `bench-apalis07 worker` works, `bench-apalis07 producer` does what it is told.

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

/// The queue under measurement, with a buffer and a pace of polling as the list of peers says: as it comes, it takes ten
/// tasks each 100 ms, and what was scheduled each 30 s.
async fn open() -> Result<RedisStorage<u64>, Mishap> {
    let poll = Duration::from_millis(var("BENCH_POLL")?.parse()?);
    let config = Config::default()
        .set_namespace("bench")
        .set_buffer_size(var("BENCH_BUFFER")?.parse()?)
        .set_poll_interval(poll)
        .set_enqueue_scheduled(poll);
    Ok(RedisStorage::new_with_config(connect(var("BENCH_URL")?).await?, config))
}

async fn work() -> Result<(), Mishap> {
    let pause = var("BENCH_WORKLOAD").is_ok_and(|workload| workload == "io");
    let desk = Arc::new(Desk { ledger: Ledger::open("BENCH_LEDGER")?, pause });
    WorkerBuilder::new("bench")
        .concurrency(var("BENCH_CONCURRENCY")?.parse()?)
        .data(desk)
        .backend(open().await?)
        .build_fn(run)
        .run()
        .await;
    Err("the worker has ended".into())
}

async fn run(index: u64, desk: Data<Arc<Desk>>) -> Result<u64, std::io::Error> {
    desk.ledger.note(index)?;
    if desk.pause {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(index)
}
