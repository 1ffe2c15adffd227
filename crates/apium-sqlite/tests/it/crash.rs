//! What `kill -9` leaves behind: everything that was acknowledged, and nothing by halves.

use std::collections::HashSet;
use std::sync::Arc;

use apium_core::clock::after;
use apium_core::{Broker, Clock, Lookup, ResultStore, SystemClock, TestClock};
use apium_sqlite::SqliteBackend;

use crate::child::Child;
use crate::{LEASE, claim, message, open, open_with, text};

async fn drain(broker: &SqliteBackend, queue: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let deliveries = claim(broker, queue, 1_000).await;
        if deliveries.is_empty() {
            return all;
        }
        all.extend(deliveries.iter().map(text));
    }
}

#[tokio::test]
async fn no_acknowledged_publish_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    for round in 1..=3 {
        let mut child = Child::start("publish", &file);
        let mut acknowledged: Vec<_> = (0..200 * round).map(|_| child.says().unwrap()).collect();
        acknowledged.extend(child.kill());
        let found = drain(&open(&file), "q").await;
        let distinct: HashSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len(), "nothing is there twice");
        for body in &acknowledged {
            assert!(distinct.contains(body), "{body} was acknowledged and is gone");
        }
    }
}

#[tokio::test]
async fn a_settlement_is_whole_or_not_at_all() {
    const MESSAGES: usize = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let messages: Vec<_> = (0..MESSAGES).map(|number| message("q", &number.to_string())).collect();
    open(&file).publish(&messages).await.unwrap();

    let mut child = Child::start("settle", &file);
    let mut acknowledged: HashSet<_> = (0..300).map(|_| child.says().unwrap()).collect();
    acknowledged.extend(child.kill());

    // An hour later: what the dead child had claimed comes back.
    let clock = Arc::new(TestClock::at(after(SystemClock.now(), LEASE * 60)));
    let broker = open_with(&file, clock.clone());
    clock.advance(LEASE);
    while broker.recover().await.unwrap() > 0 {}
    let waiting: HashSet<_> = drain(&broker, "q").await.into_iter().collect();
    let sent_on: HashSet<_> = drain(&broker, "next").await.into_iter().collect();
    assert!(!waiting.is_empty(), "the child was killed at work");
    for number in 0..MESSAGES {
        let id = number.to_string();
        let stored = matches!(broker.lookup(&id).await.unwrap(), Lookup::Stored(_));
        let consequences = (sent_on.contains(&id), stored);
        let expected = !waiting.contains(&id);
        assert_eq!(consequences, (expected, expected), "message {id}: sent on, result stored");
        assert!(expected || !acknowledged.contains(&id), "{id} was acknowledged and undone");
    }
}
