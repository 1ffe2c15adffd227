//! The store in one file, examined at its doors: the promises, crashes, neighbours in other processes, sentences.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broadcasting;
mod child;
mod conformance;
mod crash;
mod faults;
mod group;
mod loss;
mod memory;
mod neighbours;
mod spending;
mod stalls;
mod upkeep;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apium_core::{Broker, Claim, Clock, Delivery, Outgoing};
use apium_sqlite::{SqliteBackend, SqliteSettings};

const LEASE: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(10);

fn open(file: &Path) -> SqliteBackend {
    SqliteBackend::open(file, SqliteSettings::default()).unwrap()
}

fn open_with(file: &Path, clock: Arc<dyn Clock>) -> SqliteBackend {
    SqliteBackend::open(file, SqliteSettings { clock, ..SqliteSettings::default() }).unwrap()
}

fn message(queue: &str, body: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: body.as_bytes().to_vec(), not_before: None }
}

async fn claim(broker: &SqliteBackend, queue: &str, max: usize) -> Vec<Delivery> {
    let queues = [queue.to_owned()];
    broker.claim(&Claim { queues: &queues, max, lease: LEASE }).await.unwrap()
}

async fn ready(broker: &SqliteBackend, queue: &str) -> u64 {
    broker.depths(&[queue.to_owned()]).await.unwrap()[0].ready
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.bytes.to_vec()).unwrap()
}
