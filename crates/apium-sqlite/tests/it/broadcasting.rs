//! What everyone may hear, as it lies in the file: how long, how much, and how soon another process hears it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apium_core::broadcast::{Broadcast, Topic};
use apium_core::{Broker, Settlement, TestClock};
use rusqlite::Connection;

use crate::child::{Child, micros, say};
use crate::{SOON, claim, message, open, open_with};

fn event(key: &str) -> Topic {
    Topic::Event(key.to_owned())
}

fn count(file: &Path, what: &str) -> i64 {
    let db = Connection::open(file).unwrap();
    db.query_row(&format!("SELECT {what} FROM broadcasts"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn it_is_kept_for_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let clock = Arc::new(TestClock::default());
    let broker = open_with(&file, clock.clone());
    let mut late = broker.listen(&[event("*")]).await.unwrap();
    for _ in 0..300 {
        broker.say(&event("a"), b"old").await.unwrap();
    }
    clock.advance(Duration::from_secs(40));
    broker.say(&event("a"), b"new").await.unwrap();
    broker.recover().await.unwrap();
    assert_eq!(count(&file, "count(*)"), 301);
    clock.advance(Duration::from_secs(40));
    let mut ear = broker.listen(&[event("*")]).await.unwrap();
    for _ in 0..2 {
        broker.recover().await.unwrap();
    }
    assert_eq!(count(&file, "count(*)"), 1);
    let error = late.next(SOON).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("missed"), "{error}");
    clock.advance(Duration::from_mins(2));
    broker.recover().await.unwrap();
    assert_eq!(count(&file, "count(*)"), 0);
    // Also when nothing is left that would show a gap.
    assert!(late.next(SOON).await.is_err());
    assert_eq!(ear.next(Duration::ZERO).await.unwrap(), None);
    broker.say(&event("a"), b"next").await.unwrap();
    assert_eq!(ear.next(SOON).await.unwrap().unwrap().bytes, b"next");
}

#[tokio::test]
async fn a_flood_stays_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let speakers = (0..8).map(|_| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for _ in 0..1_500 {
                broker.say(&event("a"), b"x").await.unwrap();
            }
        })
    });
    for speaker in speakers.collect::<Vec<_>>() {
        speaker.await.unwrap();
    }
    let rows = count(&file, "count(*)");
    assert!((10_000..=10_100).contains(&rows), "{rows}");
    let large = vec![0; 4 << 20];
    for _ in 0..30 {
        broker.say(&Topic::Control, &large).await.unwrap();
    }
    for _ in 0..60 {
        broker.recover().await.unwrap();
    }
    let bytes = count(&file, "sum(length(bytes))");
    assert!((60 << 20..=72 << 20).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn another_process_hears_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let mut child = Child::start("listen", &file);
    assert_eq!(child.says().unwrap(), "listening");
    let mut delays = Vec::new();
    // A pause between two, so that the child has gone back to waiting.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for number in 0..50 {
        pace.tick().await;
        broker.say(&event("worker.heartbeat"), number.to_string().as_bytes()).await.unwrap();
        let committed = micros();
        let said = child.says().unwrap();
        let (heard, at) = said.split_once(' ').unwrap();
        assert_eq!(heard, number.to_string());
        delays.push(at.parse::<u64>().unwrap().saturating_sub(committed));
    }
    delays.sort_unstable();
    println!("from said to heard in another process: {} µs at the median, {} at the worst", delays[25], delays[49]);
    assert!(delays[25] < 50_000, "{delays:?}");
}

/// Says what it hears of workers, and when.
pub(crate) async fn listen(file: &Path) {
    let broker = open(file);
    let mut ear = broker.listen(&[event("worker.*")]).await.unwrap();
    say("listening");
    while let Some(heard) = ear.next(SOON).await.unwrap() {
        say(format!("{} {}", String::from_utf8(heard.bytes).unwrap(), micros()));
    }
}

/// Events must not be felt by those who do the work they tell of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_beside_many_events() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(&folder.path().join("apium.db"));
    let alone = work(&broker).await;
    let speakers = (0..4).map(|_| {
        let broker = broker.clone();
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(2));
            loop {
                pace.tick().await;
                broker.say(&event("task.multi"), &[b'x'; 4_000]).await.unwrap();
            }
        })
    });
    let speakers: Vec<_> = speakers.collect();
    let beside = work(&broker).await;
    speakers.iter().for_each(tokio::task::JoinHandle::abort);
    println!("300 messages sent and settled: {alone:?} alone, {beside:?} beside 2,000 events a second");
    assert!(beside < alone * 4 + Duration::from_secs(1), "{beside:?} instead of {alone:?}");
}

async fn work(broker: &apium_sqlite::SqliteBackend) -> Duration {
    let began = Instant::now();
    for _ in 0..300 {
        broker.publish(&[message("q", "a")]).await.unwrap();
        let delivery = claim(broker, "q", 1).await.remove(0);
        broker.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
    }
    began.elapsed()
}
