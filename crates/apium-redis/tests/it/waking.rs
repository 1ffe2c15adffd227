//! Waiting: woken by a plain LPUSH of anyone, and next to nothing sent while there is nothing to do.

use std::time::{Duration, Instant};

use apium_core::results::StoredResult;
use apium_core::{Broker, Claim, Fleet, ResultStore, Settlement};
use apium_protocol::{RawJson, ResultRecord};

use crate::server::{Peer, Server};

const LONG: Duration = Duration::from_secs(30);

async fn commands(peer: &mut Peer) -> u64 {
    number(peer, "total_commands_processed").await
}

async fn number(peer: &mut Peer, field: &str) -> u64 {
    let info: String = peer.run(&["INFO"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn a_plain_push_wakes_within_milliseconds() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queues = ["other".to_owned(), "q".to_owned()];
    let mut delays = Vec::new();
    for list in ["q", "q\u{6}\u{16}9"].repeat(10) {
        let waiter = tokio::spawn({
            let (backend, queues) = (backend.clone(), queues.clone());
            async move {
                Broker::wait(&backend, &queues, LONG).await.unwrap();
                Instant::now()
            }
        });
        // The waiter has looked once both of its commands are counted.
        let seen = || async { number(&mut server.peer().await, "tracking_total_keys").await };
        let deadline = Instant::now() + LONG;
        while seen().await < 10 && !waiter.is_finished() {
            assert!(Instant::now() < deadline, "the waiter never looked");
        }
        let pushed = Instant::now();
        let _: i64 = peer.run(&["LPUSH", list, "x"]).await;
        delays.push(waiter.await.unwrap().saturating_duration_since(pushed));
        let claimed = backend.claim(&Claim { queues: &queues, max: 1, lease: LONG }).await.unwrap();
        backend.settle(claimed.into_iter().map(|delivery| Settlement::ack(delivery.receipt)).collect()).await.unwrap();
    }
    delays.sort();
    println!("woken after {:?} (median), {:?} (longest)", delays[delays.len() / 2], delays[delays.len() - 1]);
    assert!(delays[delays.len() / 2] < Duration::from_millis(50), "{delays:?}");
}

#[tokio::test]
async fn an_idle_worker_is_silent() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queues: Vec<String> = (0..5).map(|n| format!("q{n}")).collect();
    Broker::wait(&backend, &queues, Duration::from_millis(1)).await.unwrap();
    let before = commands(&mut peer).await;
    let waited = Instant::now();
    let worker = async {
        while waited.elapsed() < Duration::from_secs(2) {
            Broker::wait(&backend, &queues, Duration::from_secs(1)).await.unwrap();
        }
    };
    let (told, ()) = tokio::join!(backend.revocations(0, Duration::from_secs(2)), worker);
    assert!(told.unwrap().ids.is_empty());
    let sent = commands(&mut peer).await - before;
    println!("{sent} commands in {:?}", waited.elapsed());
    assert!(sent < 10, "{sent} commands in {:?}", waited.elapsed());
}

#[tokio::test]
async fn a_claim_from_many_queues_takes_no_more_commands_than_one_from_a_single_queue() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let mut taken = Vec::new();
    for count in [1, 64] {
        let queues: Vec<String> = (0..count).map(|n| format!("q{n}")).collect();
        // The first one tells peers of the queues, and brings the script.
        backend.claim(&Claim { queues: &queues, max: 2, lease: LONG }).await.unwrap();
        let _: i64 = peer.run(&["LPUSH", "q0", "x", "y"]).await;
        let before = commands(&mut peer).await;
        assert_eq!(backend.claim(&Claim { queues: &queues, max: 2, lease: LONG }).await.unwrap().len(), 2);
        taken.push(commands(&mut peer).await - before);
    }
    assert_eq!(taken[0], taken[1], "commands of one queue and of 64");
}

#[tokio::test]
async fn a_due_moment_wakes_by_itself() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_millis(400)).unwrap();
    let queues = ["q".to_owned()];
    let message =
        apium_core::Outgoing { queue: "q".to_owned(), priority: 0, bytes: b"x".to_vec(), not_before: Some(due) };
    backend.publish(&[message]).await.unwrap();
    Broker::wait(&backend, &queues, LONG).await.unwrap();
    let late = jiff::Timestamp::now().duration_since(due);
    assert!(!late.is_negative() && late.as_secs() < 5, "{late}");
    assert_eq!(backend.claim(&Claim { queues: &queues, max: 1, lease: LONG }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn thousands_wait_for_results_on_one_connection() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let waiters: Vec<_> = (0..3000)
        .map(|n| {
            let backend = backend.clone();
            tokio::spawn(async move { ResultStore::wait(&backend, &format!("id-{n}"), LONG).await.unwrap() })
        })
        .collect();
    let deadline = Instant::now() + LONG;
    while number(&mut peer, "tracking_total_keys").await < 3000 {
        assert!(Instant::now() < deadline, "the waiters never looked");
    }
    // The peer, and three of the backend: commands, settlements, waiting.
    assert!(number(&mut peer, "connected_clients").await <= 4);
    for n in 0..3000 {
        let record = ResultRecord::new(format!("id-{n}"), "SUCCESS", RawJson::from(&n).unwrap());
        backend.store(&StoredResult::of(&record, None)).await.unwrap();
    }
    for (n, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.await.unwrap().unwrap().result.as_str(), n.to_string());
    }
}

#[tokio::test]
async fn results_that_are_waited_for_together_are_read_together() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let ids: Vec<String> = (0..200).map(|n| format!("id-{n}")).collect();
    // Connected, and nothing is there.
    assert!(ResultStore::wait(&backend, "other", Duration::from_millis(1)).await.unwrap().is_none());
    let before = commands(&mut peer).await;
    let wait = async |id: &String| ResultStore::wait(&backend, id, LONG).await.unwrap().unwrap();
    let waiting = futures_util::future::join_all(ids.iter().map(wait));
    let stored = async {
        let deadline = Instant::now() + LONG;
        while number(&mut server.peer().await, "tracking_total_keys").await < 200 {
            assert!(Instant::now() < deadline, "the waiters never looked");
        }
        let looked = commands(&mut peer).await - before;
        for id in &ids {
            let result = StoredResult::of(&ResultRecord::new(id, "SUCCESS", RawJson::null()), None);
            backend.store(&result).await.unwrap();
        }
        looked
    };
    let (found, looked) = tokio::join!(waiting, stored);
    assert!(found.iter().zip(&ids).all(|(record, id)| record.task_id == *id));
    println!("{looked} commands until all had looked");
    assert!(looked < 100, "{looked} commands for the first look of 200");
}

/// Where the lists of the first step fill every claim, only they are asked for; what becomes due meanwhile is found soon
/// all the same, and what waits in later steps has its turn.
#[tokio::test]
async fn what_is_due_is_found_while_many_full_queues_fill_every_claim() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queues: Vec<String> = (0..16).map(|n| format!("q{n}")).collect();
    let claim = Claim { queues: &queues, max: 1, lease: LONG };
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_millis(100)).unwrap();
    let later =
        apium_core::Outgoing { queue: "q9".to_owned(), priority: 0, bytes: b"due".to_vec(), not_before: Some(due) };
    backend.publish(&[later]).await.unwrap();
    let _: i64 = peer.run(&["LPUSH", "q15\u{6}\u{16}3", "low"]).await;
    let deadline = Instant::now() + LONG;
    while peer.run::<i64>(&["LLEN", "q9"]).await == 0 {
        assert!(Instant::now() < deadline, "never found");
        let _: i64 = peer.run(&["LPUSH", "q0", "x"]).await;
        assert_eq!(backend.claim(&claim).await.unwrap()[0].bytes.to_vec(), b"x");
    }
    let mut rest = Vec::new();
    for _ in 0..2 {
        let claimed = backend.claim(&Claim { max: 10, ..claim }).await.unwrap();
        rest.extend(claimed.iter().map(|delivery| delivery.bytes.to_vec()));
    }
    assert_eq!(rest, [b"due".to_vec(), b"low".to_vec()]);
}
