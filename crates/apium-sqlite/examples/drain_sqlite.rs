//! Measures the store: publishes N messages, drains them with a result each, and prints how many a second.
//!
//! `cargo run --release -p apium-sqlite --example drain_sqlite -- [TASKS] [BYTES EACH] [FILE]`
//! Without a file, a temporary one in the working directory: a temporary folder may lie in memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use apium_core::protocol::{RawJson, ResultRecord};
use apium_core::{Broker, Claim, Delivery, Outgoing, Settlement, StoredResult};
use apium_sqlite::{SqliteBackend, SqliteSettings, Synchronous};

/// Callers at the same time, and messages a worker claims at once.
const PRODUCERS: usize = 64;
const CLAIMED: usize = 64;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut asked = std::env::args().skip(1);
    let tasks: usize = asked.next().map_or(Ok(20_000), |text| text.parse())?;
    let bytes: usize = asked.next().map_or(Ok(1_024), |text| text.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let file = asked.next().map_or_else(|| folder.path().join("drain.db"), PathBuf::from);
    for synchronous in [Synchronous::Full, Synchronous::Normal] {
        let began = Instant::now();
        let settings = SqliteSettings { synchronous, ..SqliteSettings::default() };
        let store = SqliteBackend::open(&file, settings)?;
        println!("{} ({synchronous:?}), opened in {:?}", Broker::home(&store), began.elapsed());

        let began = Instant::now();
        publish(&store, tasks, bytes).await?;
        tell("published, one a call, 64 callers", tasks, began);
        let began = Instant::now();
        let drained = drain(&store, false).await?;
        tell("claimed by 64, settled one a call with a result", drained, began);

        publish(&store, tasks, bytes).await?;
        let began = Instant::now();
        let drained = drain(&store, true).await?;
        tell("claimed by 64, settled by 64 with their results", drained, began);
    }
    Ok(())
}

fn tell(what: &str, count: usize, began: Instant) {
    let took = began.elapsed();
    println!("  {what}: {count} in {took:.2?}, {} a second", count as u128 * 1_000_000 / took.as_micros().max(1));
}

async fn publish(store: &SqliteBackend, tasks: usize, bytes: usize) -> Outcome<()> {
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in (producer..tasks).step_by(PRODUCERS) {
                    let bytes = vec![b'x'; bytes];
                    let message = Outgoing { queue: "celery".to_owned(), priority: 0, bytes, not_before: None };
                    store.publish(&[message]).await?;
                }
                Outcome::Ok(())
            })
        })
        .collect();
    for producer in producers {
        producer.await??;
    }
    Ok(())
}

async fn drain(store: &SqliteBackend, together: bool) -> Outcome<usize> {
    let queues = ["celery".to_owned()];
    let mut drained = 0;
    loop {
        let claim = Claim { queues: &queues, max: CLAIMED, lease: Duration::from_mins(1) };
        let deliveries = store.claim(&claim).await?;
        if deliveries.is_empty() {
            return Ok(drained);
        }
        let numbers = drained..;
        drained += deliveries.len();
        let settlements = numbers.zip(deliveries).map(|(number, delivery)| settlement(number, delivery));
        let settlements = settlements.collect::<Outcome<Vec<_>>>()?;
        if together {
            store.settle(settlements).await?;
            continue;
        }
        let settling: Vec<_> = settlements
            .into_iter()
            .map(|settlement| {
                let store = store.clone();
                tokio::spawn(async move { store.settle(vec![settlement]).await })
            })
            .collect();
        for settled in settling {
            settled.await??;
        }
    }
}

fn settlement(number: usize, delivery: Delivery) -> Outcome<Settlement> {
    let id = format!("{:?}-{number}", delivery.receipt.tag);
    let record = ResultRecord::new(&id, "SUCCESS", RawJson::from(&number)?);
    let result = StoredResult::of(&record, Some(Duration::from_hours(24)));
    Ok(Settlement::ack(delivery.receipt).with_result(Some(result)))
}
