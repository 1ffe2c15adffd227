//! What keeps the file quick and small: seeks instead of scans, sweeps, a bounded log; and whose it is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apium_core::protocol::{RawJson, ResultRecord};
use apium_core::{Broker, Fleet, ResultStore, Settlement, StoredResult, TestClock};
use apium_sqlite::{SqliteBackend, SqliteSettings};
use rusqlite::Connection;

use crate::{SOON, claim, message, open, open_with, ready, text};

#[test]
fn sqlite_has_the_fix_of_its_log() {
    // Older ones could corrupt a file whose log was reset by two processes at once.
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn a_long_line_is_as_quick_as_a_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let db = Connection::open(&file).unwrap();
    db.execute_batch(
        "INSERT INTO messages (queue, step, state, published, due, lease, tag, redelivered, priority, bytes)
            WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 400000)
            SELECT 'q', 1, CASE WHEN n <= 100000 THEN 3 ELSE 2 END, 1, 1 << 60, 1, 1, 0, 3, zeroblob(64) FROM n",
    )
    .unwrap();
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        let deliveries = claim(&broker, "q", 16).await;
        let acks = deliveries.into_iter().map(|delivery| Settlement::ack(delivery.receipt)).collect::<Vec<_>>();
        assert_eq!(acks.len(), 16);
        broker.settle(acks).await.unwrap();
        Broker::wait(&broker, &["q".to_owned()], Duration::from_secs(1)).await.unwrap();
        broker.recover().await.unwrap();
        best = best.min(began.elapsed());
    }
    println!("claim, settle, wait and recover in a line of 300,000 with 100,000 delayed: {best:?}");
    // Reading the line once would take ten times as long.
    assert!(best < Duration::from_millis(50), "{best:?}");
    let depth = broker.depths(&["q".to_owned()]).await.unwrap().remove(0);
    assert_eq!((depth.ready, depth.delayed, depth.claimed), (300_000 - 160, 100_000, 0));
    assert_eq!(broker.purge("q").await.unwrap(), 400_000 - 160);
}

#[tokio::test]
async fn many_that_fall_due_at_once_are_all_served() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let broker = open_with(&folder.path().join("apium.db"), clock.clone());
    let due = apium_core::clock::after(apium_core::Clock::now(&*clock), Duration::from_secs(10));
    let late = apium_core::Outgoing { not_before: Some(due), ..message("q", "a") };
    broker.publish(&vec![late; 2_000]).await.unwrap();
    assert!(claim(&broker, "q", 10).await.is_empty());
    clock.advance(Duration::from_secs(20));
    assert_eq!(ready(&broker, "q").await, 2_000);
    let mut claimed = 0;
    while claimed < 2_000 {
        let some = claim(&broker, "q", 64).await.len();
        assert!(some > 0, "only {claimed} were served");
        claimed += some;
    }
}

#[tokio::test]
async fn what_has_expired_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let clock = Arc::new(TestClock::default());
    let broker = open_with(&file, clock.clone());
    let second = Duration::from_secs(1);
    let record = ResultRecord::new("a", "SUCCESS", RawJson::from(&1).unwrap());
    let result = StoredResult { remember: Some(second), ..StoredResult::of(&record, Some(second)) };
    broker.store(&result).await.unwrap();
    // More than one sweep takes.
    for number in 0..1_100 {
        broker.remember(&number.to_string(), second).await.unwrap();
    }
    broker.revoke("c", second).await.unwrap();
    clock.advance(second * 2);
    broker.recover().await.unwrap();
    let db = Connection::open(&file).unwrap();
    let count =
        |table: &str| -> i64 { db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
    assert_eq!(["results", "remembered", "revoked"].map(count), [0, 0, 0]);
}

#[tokio::test]
async fn the_log_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let settings = SqliteSettings { checkpoint_bytes: 1 << 20, ..SqliteSettings::default() };
    let broker = SqliteBackend::open(&file, settings).unwrap();
    let body = "x".repeat(16 << 10);
    for _ in 0..40 {
        let messages: Vec<_> = (0..8).map(|_| message("q", &body)).collect();
        broker.publish(&messages).await.unwrap();
        let acks = claim(&broker, "q", 8).await.into_iter().map(|delivery| Settlement::ack(delivery.receipt));
        broker.settle(acks.collect()).await.unwrap();
    }
    let log = std::fs::metadata(folder.path().join("apium.db-wal")).unwrap().len();
    assert!(log < 4 << 20, "the log has {log} bytes after 5 MB of messages came and went");
}

/// Until the file and its log have at most so many bytes; the writer gives room back when nobody waits for it.
async fn assert_shrinks(broker: &SqliteBackend, file: &Path, limit: u64) {
    let size = || ["", "-wal"].map(|ending| std::fs::metadata(format!("{}{ending}", file.display())).unwrap().len());
    let deadline = Instant::now() + SOON;
    while size().iter().sum::<u64>() > limit {
        assert!(Instant::now() < deadline, "the file and its log still have {:?} bytes", size());
        broker.recover().await.unwrap();
    }
}

#[tokio::test]
async fn room_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let clock = Arc::new(TestClock::default());
    let broker = open_with(&file, clock.clone());
    let second = Duration::from_secs(1);
    broker.publish(&[message("other", "stays")]).await.unwrap();
    broker.publish(&vec![message("q", &"x".repeat(4 << 20)); 12]).await.unwrap();
    let record = ResultRecord::new("a", "SUCCESS", RawJson::from(&"x".repeat(4 << 20)).unwrap());
    for (number, delivery) in claim(&broker, "q", 12).await.into_iter().enumerate() {
        let record = ResultRecord { task_id: number.to_string(), ..record.clone() };
        let result = Some(StoredResult::of(&record, Some(second)));
        broker.settle(vec![Settlement::ack(delivery.receipt).with_result(result)]).await.unwrap();
    }
    // At the very end of the file, so that it must be moved.
    broker.publish(&[message("other", "stays too")]).await.unwrap();
    clock.advance(second * 2);
    assert_shrinks(&broker, &file, 16 << 20).await;
    assert_eq!(claim(&broker, "other", 9).await.iter().map(text).collect::<Vec<_>>(), ["stays", "stays too"]);
    let db = Connection::open(&file).unwrap();
    let said: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

#[tokio::test]
async fn a_store_made_before_room_was_given_back_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch(include_str!("../../src/schema.sql")).unwrap();
    db.execute_batch("PRAGMA application_id = 0x41504955; PRAGMA user_version = 1").unwrap();
    drop(db);
    let broker = open(&file);
    broker.publish(&vec![message("q", &"x".repeat(1 << 20)); 8]).await.unwrap();
    let acks = claim(&broker, "q", 8).await.into_iter().map(|delivery| Settlement::ack(delivery.receipt));
    broker.settle(acks.collect()).await.unwrap();
    broker.recover().await.unwrap();
    broker.publish(&[message("q", "a")]).await.unwrap();
    assert_eq!(claim(&broker, "q", 9).await.len(), 1);
}

#[cfg(unix)]
#[test]
fn the_folder_and_its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new").join("store").join("apium.db");
    let _broker = open(&file);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("new")), 0o700);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm", "-bell"] {
        assert_eq!(mode(&folder.path().join(format!("new/store/apium.db{ending}"))), 0o600, "{ending}");
    }
}

#[test]
fn one_file_has_one_home() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    std::fs::create_dir(folder.join("sub")).unwrap();
    let one = open(&folder.join("apium.db"));
    let two = open(&folder.join("sub/../apium.db"));
    assert_eq!(Broker::home(&one), format!("sqlite:{}/apium.db", folder.display()));
    assert_eq!(Broker::home(&one), ResultStore::home(&two));
}

#[test]
fn opening_is_quick() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let began = Instant::now();
    let first = open(&file);
    let made = began.elapsed();
    let began = Instant::now();
    let second = open(&file);
    println!("a new store opens in {made:?}, an existing one in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1));
    drop((first, second));
}
