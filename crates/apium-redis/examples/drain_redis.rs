//! How fast one process drains a queue, without running anything: publish, then claim and settle with results.
//!
//! `cargo run --release -p apium-redis --example drain_redis -- redis://127.0.0.1:6379/0 100000 100`
//! takes a URL, how many messages, and how many a round trip; it uses and empties the queue `apium-drain`.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measuring stick, not a program to build on")]

use std::time::{Duration, Instant};

use apium_core::results::StoredResult;
use apium_core::{Broker, Claim, Outgoing, Settled, Settlement};
use apium_protocol::{RawJson, ResultRecord};
use apium_redis::{RedisBackend, RedisSettings};

const QUEUE: &str = "apium-drain";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "redis://127.0.0.1:6379/0".to_owned());
    let count: usize = arguments.next().map_or(100_000, |text| text.parse().unwrap());
    let batch: usize = arguments.next().map_or(100, |text| text.parse().unwrap());
    let backend = RedisBackend::connect(&url, RedisSettings::default()).await.unwrap();

    let published = Instant::now();
    let ids: Vec<usize> = (0..count).collect();
    for part in ids.chunks(batch) {
        let messages: Vec<Outgoing> = part.iter().map(|id| message(*id)).collect();
        backend.publish(&messages).await.unwrap();
    }
    report("published", count, published.elapsed());
    for with_results in [true, false] {
        for tasks in [1, 2] {
            if with_results && tasks == 1 {
                // The first round drains what was published above.
            } else {
                for part in ids.chunks(500) {
                    backend.publish(&part.iter().map(|id| message(*id)).collect::<Vec<_>>()).await.unwrap();
                }
            }
            let (started, spent) = (Instant::now(), redis_cpu(&url).await);
            let drains: Vec<_> =
                (0..tasks).map(|_| tokio::spawn(drain(backend.clone(), batch, with_results))).collect();
            let mut drained = 0;
            for drain in drains {
                drained += drain.await.unwrap();
            }
            assert_eq!(drained, count);
            let results = if with_results { "with results" } else { "without results" };
            report(&format!("{tasks} in flight, {results}"), count, started.elapsed());
            let spent = redis_cpu(&url).await.saturating_sub(spent);
            println!("  Redis itself: {:.1} µs a task", spent.as_secs_f64() * 1e6 / count as f64);
        }
    }
}

/// Claims and settles until the queue is empty.
async fn drain(backend: RedisBackend, batch: usize, with_results: bool) -> usize {
    let queues = [QUEUE.to_owned()];
    let claim = Claim { queues: &queues, max: batch, lease: Duration::from_mins(1) };
    let mut drained = 0;
    loop {
        let deliveries = backend.claim(&claim).await.unwrap();
        if deliveries.is_empty() {
            return drained;
        }
        drained += deliveries.len();
        let settlements = deliveries.into_iter().map(|delivery| {
            let id = &delivery.receipt.tag[delivery.receipt.tag.len() - 24..].to_owned();
            let record = with_results.then(|| ResultRecord::new(id.clone(), "SUCCESS", RawJson::null()));
            let result = record.map(|record| StoredResult::of(&record, Some(Duration::from_hours(1))));
            Settlement::ack(delivery.receipt).with_result(result)
        });
        let settled = backend.settle(settlements.collect()).await.unwrap();
        assert!(settled.iter().all(|settled| *settled == Settled::Done));
    }
}

/// The CPU time Redis has used: what the machine's other work does not blur.
async fn redis_cpu(url: &str) -> Duration {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("cpu").query_async(&mut connection).await.unwrap();
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    Duration::from_secs_f64(field("used_cpu_user:").unwrap() + field("used_cpu_sys:").unwrap())
}

/// Of the size of a small Celery message, 667 bytes.
fn message(id: usize) -> Outgoing {
    let bytes = format!("{{\"id\": \"{id:036}\", \"body\": \"{}\"}}", "x".repeat(605));
    Outgoing { queue: QUEUE.to_owned(), priority: 0, bytes: bytes.into_bytes(), not_before: None }
}

fn report(what: &str, count: usize, took: Duration) {
    println!("{what}: {count} in {took:.2?}, {:.0} a second", count as f64 / took.as_secs_f64());
}
