//! Redis goes away and comes back: what waits goes on by itself, and nothing hangs.

use std::process::Command;
use std::time::{Duration, Instant};

use apium_core::results::StoredResult;
use apium_core::{Broker, Claim, Fleet, Outgoing, ResultStore, Settlement};
use apium_protocol::{RawJson, ResultRecord};
use apium_redis::RedisBackend;

use crate::server::Server;

const LONG: Duration = Duration::from_secs(30);

fn message(bytes: &str) -> Outgoing {
    Outgoing { queue: "q".to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

/// A consumer as the worker has it: waits, claims, takes errors that pass as a reason to go on.
async fn consume_one(backend: RedisBackend) -> Vec<u8> {
    let queues = ["q".to_owned()];
    loop {
        match backend.claim(&Claim { queues: &queues, max: 1, lease: LONG }).await {
            Ok(mut deliveries) => match deliveries.pop() {
                Some(delivery) => return delivery.bytes.to_vec(),
                None => drop(Broker::wait(&backend, &queues, LONG).await),
            },
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_waiting_consumer_survives_a_restart() {
    let mut server = Server::start().await;
    let (backend, publisher) = (server.backend().await, server.backend().await);
    publisher.publish(&[message("before")]).await.unwrap();
    assert_eq!(consume_one(backend.clone()).await, b"before");
    let consumer = tokio::spawn(consume_one(backend));
    server.kill();
    let refused = publisher.publish(&[message("lost")]).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert!(refused.to_string().contains(&format!("127.0.0.1:{}", server.port())), "{refused}");
    server.start_again().await;
    publisher.publish(&[message("after")]).await.unwrap();
    let served = tokio::time::timeout(LONG, consumer).await.expect("the consumer woke up").unwrap();
    assert_eq!(served, b"after");
}

#[tokio::test]
async fn an_idle_connection_that_broke_costs_nobody_an_error() {
    let mut server = Server::start().await;
    let backend = server.backend().await;
    backend.publish(&[message("a")]).await.unwrap();
    server.kill();
    server.start_again().await;
    backend.publish(&[message("b")]).await.unwrap();
    // The new Redis is empty, so its peers must be told of the queue again.
    let mut peer = server.peer().await;
    assert_eq!(peer.run::<i64>(&["EXISTS", "_kombu.binding.q"]).await, 1);
}

#[tokio::test]
async fn a_caller_waiting_for_a_result_outlasts_a_restart() {
    let mut server = Server::with(&["--appendonly", "yes"]).await;
    let (backend, worker) = (server.backend().await, server.backend().await);
    let caller = tokio::spawn(async move { ResultStore::wait(&backend, "i", LONG).await });
    server.kill();
    server.start_again().await;
    let record = ResultRecord::new("i", "SUCCESS", RawJson::from(&3).unwrap());
    worker.store(&StoredResult::of(&record, None)).await.unwrap();
    let told = tokio::time::timeout(LONG, caller).await.expect("the caller woke up").unwrap();
    assert_eq!(told.unwrap().unwrap().result.as_str(), "3");
}

#[tokio::test]
async fn what_was_claimed_when_redis_died_is_settled_after() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let backend = server.backend().await;
    backend.publish(&[message("a")]).await.unwrap();
    let claimed = backend.claim(&Claim { queues: &["q".to_owned()], max: 1, lease: LONG }).await.unwrap();
    server.kill();
    server.start_again().await;
    let settled = backend.settle(vec![Settlement::ack(claimed[0].receipt.clone())]).await.unwrap();
    assert_eq!(settled, [apium_core::Settled::Done]);
}

#[tokio::test]
async fn waiting_on_a_frozen_redis_ends_in_time() {
    let server = Server::start().await;
    let backend = server.backend().await;
    Broker::wait(&backend, &["q".to_owned()], Duration::from_millis(1)).await.unwrap();
    signal(&server, "STOP");
    let waited = Instant::now();
    let told = Broker::wait(&backend, &["q".to_owned()], Duration::from_millis(200)).await;
    signal(&server, "CONT");
    assert!(waited.elapsed() < Duration::from_secs(5), "{told:?} after {:?}", waited.elapsed());
    assert!(told.unwrap_err().is_transient());
}

/// A worker that starts asks what was revoked while it was away; silence is no answer to that.
#[tokio::test]
async fn a_frozen_redis_does_not_tell_that_nothing_was_revoked() {
    let server = Server::start().await;
    let backend = server.backend().await;
    backend.revoke("i", LONG).await.unwrap();
    signal(&server, "STOP");
    let silence = backend.revocations(0, Duration::ZERO).await;
    signal(&server, "CONT");
    let error = silence.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains(&server.port().to_string()), "{error}");
    assert_eq!(backend.revocations(0, Duration::ZERO).await.unwrap().ids, ["i"]);
}

#[tokio::test]
async fn a_wait_without_redis_ends_in_time_and_says_why() {
    let mut server = Server::start().await;
    let backend = server.backend().await;
    server.kill();
    let waited = Instant::now();
    let error = Broker::wait(&backend, &["q".to_owned()], Duration::from_millis(300)).await.err();
    assert!(waited.elapsed() < Duration::from_secs(5), "{:?}", waited.elapsed());
    assert!(error.is_none_or(|error| error.is_transient()));
}

fn signal(server: &Server, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), server.pid().to_string()]).status().unwrap();
    assert!(sent.success());
}
