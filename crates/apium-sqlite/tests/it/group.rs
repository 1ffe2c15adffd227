//! The group commit: neighbours do not undo one another, what waits is committed, what nobody heard goes back.

use std::path::Path;
use std::time::Duration;

use apium_core::{Broker, Claim, Fleet};
use rusqlite::Connection;

use crate::{LEASE, SOON, claim, message, open, ready};

/// Holds the file's one write lock, so that jobs pile up into a group.
fn hold(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

/// Lets a future begin, and leaves it.
macro_rules! begin_and_leave {
    ($future:expr) => {
        let left = tokio::time::timeout(Duration::from_millis(5), $future).await;
        assert!(left.is_err(), "it ended although the file was locked");
    };
}

async fn until_ready(file: &Path, count: u64) {
    let broker = open(file);
    let queues = ["q".to_owned()];
    let patience = async {
        while ready(&broker, "q").await != count {
            broker.wait(&queues, Duration::from_millis(10)).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, patience).await.unwrap();
}

#[tokio::test]
async fn a_failing_job_does_not_undo_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    Connection::open(&file).unwrap().execute_batch("DROP TABLE revoked").unwrap();
    let lock = hold(&file);
    let jobs = (0..20).map(|number| {
        let broker = broker.clone();
        tokio::spawn(async move {
            if number % 2 == 0 {
                broker.publish(&[message("q", "a"), message("q", "b")]).await
            } else {
                broker.revoke("a", LEASE).await
            }
        })
    });
    let jobs: Vec<_> = jobs.collect();
    tokio::task::yield_now().await;
    lock.execute_batch("COMMIT").unwrap();
    for (number, job) in jobs.into_iter().enumerate() {
        match job.await.unwrap() {
            Ok(()) => assert_eq!(number % 2, 0),
            Err(error) => assert!(number % 2 == 1 && error.to_string().contains("revoked"), "{number}: {error}"),
        }
    }
    assert_eq!(ready(&broker, "q").await, 20);
}

#[tokio::test]
async fn what_waits_is_committed_after_the_last_handle_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let lock = hold(&file);
    for _ in 0..5 {
        begin_and_leave!(broker.publish(&[message("q", "a")]));
    }
    drop(broker);
    lock.execute_batch("COMMIT").unwrap();
    until_ready(&file, 5).await;
}

#[tokio::test]
async fn a_claim_that_nobody_heard_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    broker.publish(&[message("q", "a"), message("q", "b")]).await.unwrap();
    let lock = hold(&file);
    let queues = ["q".to_owned()];
    begin_and_leave!(broker.claim(&Claim { queues: &queues, max: 2, lease: LEASE }));
    lock.execute_batch("COMMIT").unwrap();
    let deliveries = claim(&broker, "q", 2).await;
    assert_eq!(deliveries.len(), 2);
    assert!(!deliveries[0].redelivered, "nobody had it in his hands");
}

#[tokio::test]
async fn a_claim_that_was_answered_but_never_heard_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    broker.publish(&[message("q", "a")]).await.unwrap();
    let queues = ["q".to_owned()];
    let asked = Claim { queues: &queues, max: 1, lease: LEASE };
    let lock = hold(&file);
    let mut claiming = Box::pin(broker.claim(&asked));
    assert!(begins(&mut claiming).await, "nothing is answered while another has the lock");
    lock.execute_batch("COMMIT").unwrap();
    // The writer answers one after the other: it has answered the claim, and nobody has looked.
    broker.publish(&[message("other", "a")]).await.unwrap();
    assert_eq!(ready(&broker, "q").await, 0);
    drop(claiming);
    until_ready(&file, 1).await;
}

/// Lets a future begin; true when it is not done yet.
async fn begins(future: &mut (impl Future + Unpin)) -> bool {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn claims_cut_short_at_any_moment_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let messages: Vec<_> = (0..50).map(|number| message("q", &number.to_string())).collect();
    broker.publish(&messages).await.unwrap();
    let queues = ["q".to_owned()];
    for micros in (0..2_000).step_by(10) {
        let asked = Claim { queues: &queues, max: 5, lease: LEASE };
        let began = broker.claim(&asked);
        if let Ok(deliveries) = tokio::time::timeout(Duration::from_micros(micros), began).await {
            let back = deliveries
                .unwrap()
                .into_iter()
                .map(|delivery| apium_core::Settlement::of(delivery.receipt, apium_core::Disposition::Requeue));
            broker.settle(back.collect()).await.unwrap();
        }
    }
    until_ready(&file, 50).await;
}

#[tokio::test]
async fn a_lock_held_too_long_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let settings = apium_sqlite::SqliteSettings { busy_timeout: Duration::from_millis(50), ..Default::default() };
    let broker = apium_sqlite::SqliteBackend::open(&file, settings).unwrap();
    let lock = hold(&file);
    let error = broker.publish(&[message("q", "a")]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("locked by another process"), "{error}");
    lock.execute_batch("COMMIT").unwrap();
    broker.publish(&[message("q", "a")]).await.unwrap();
    assert_eq!(ready(&broker, "q").await, 1);
}
