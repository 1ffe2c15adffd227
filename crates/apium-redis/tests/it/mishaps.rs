//! What a script cannot write loses no message and stops nobody else: keys of another type, users with few
//! rights, a full memory.

use std::time::Duration;

use apium_core::results::StoredResult;
use apium_core::{
    Broker, Claim, DeadFilter, DeadLetter, DeadReason, Delivery, Disposition, Lookup, Outgoing, ResultStore, Settled,
    Settlement,
};
use apium_protocol::{RawJson, ResultRecord};
use apium_redis::{RedisBackend, RedisSettings};

use crate::server::Server;

const LEASE: Duration = Duration::from_secs(30);

fn message(queue: &str, bytes: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

fn success(id: &str) -> StoredResult {
    StoredResult::of(&ResultRecord::new(id, "SUCCESS", RawJson::null()), None)
}

async fn claim(backend: &RedisBackend, queue: &str) -> Vec<Delivery> {
    backend.claim(&Claim { queues: &[queue.to_owned()], max: 10, lease: LEASE }).await.unwrap()
}

/// Publishes one message and claims it.
async fn held(backend: &RedisBackend, queue: &str) -> Delivery {
    backend.publish(&[message(queue, "x")]).await.unwrap();
    claim(backend, queue).await.remove(0)
}

fn letter(id: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        queue: "q".to_owned(),
        priority: 0,
        reason: DeadReason::Rejected,
        error: "because".to_owned(),
        task: Some("t".to_owned()),
        task_id: Some("i".to_owned()),
        attempts: 1,
        worker: "w@h".to_owned(),
        at: "2026-11-22T00:00:00Z".to_owned(),
        message: b"x".to_vec(),
    }
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_loses_no_message() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let receipt = held(&backend, "q").await.receipt;
    let () = peer.run(&["SET", "apium:dead:letters", "mine"]).await;
    let dead = Settlement::of(receipt.clone(), Disposition::DeadLetter(letter("d")));
    assert!(!backend.settle(vec![dead]).await.unwrap_err().is_transient());
    assert!(backend.renew(&[receipt], LEASE).await.unwrap().is_empty(), "still ours");
    server.advance(LEASE * 2).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
    assert_eq!(claim(&backend, "q").await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_put_back_stays_in_unacked() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_secs(1)).unwrap();
    backend.publish(&[Outgoing { not_before: Some(due), ..message("later", "x") }]).await.unwrap();
    held(&backend, "q").await;
    for list in ["q", "later"] {
        let () = peer.run(&["SET", list, "mine"]).await;
    }
    server.advance(LEASE * 2).await;
    assert_eq!(backend.recover().await.unwrap(), 0);
    let claim_later = Claim { queues: &["later".to_owned()], max: 10, lease: LEASE };
    assert!(!backend.claim(&claim_later).await.unwrap_err().is_transient());
    assert_eq!(peer.run::<i64>(&["HLEN", "unacked"]).await, 2, "nothing is lost");
    let _: i64 = peer.run(&["DEL", "q", "later"]).await;
    assert_eq!(claim(&backend, "later").await.len(), 1);
}

#[tokio::test]
async fn a_user_without_channels_settles() {
    let server = Server::start().await;
    let mut peer = server.peer().await;
    let () = peer.run(&["ACL", "SETUSER", "worker", "on", ">word", "~*", "+@all"]).await;
    let url = format!("redis://worker:word@127.0.0.1:{}/0", server.port());
    let backend = RedisBackend::connect(&url, RedisSettings::default()).await.unwrap();
    let receipt = held(&backend, "q").await.receipt;
    let settlement = Settlement { result: Some(success("i")), ..Settlement::ack(receipt) };
    assert_eq!(backend.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
    assert!(matches!(backend.lookup("i").await.unwrap(), Lookup::Stored(_)));
    assert_eq!(peer.run::<i64>(&["EXISTS", "unacked", "unacked_index"]).await, 0);
}

#[tokio::test]
async fn a_full_redis_takes_the_results_of_what_it_handed_out() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let receipt = held(&backend, "q").await.receipt;
    let () = peer.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let settlement = Settlement { result: Some(success("i")), ..Settlement::ack(receipt) };
    assert_eq!(backend.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
}

#[tokio::test]
async fn an_unreadable_dead_letter_hides_no_other() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let dead = |n| {
        let disposition = Disposition::DeadLetter(letter(&format!("d{n}")));
        Settlement { receipt: None, disposition, result: None, send: Vec::new() }
    };
    backend.settle((0..50).map(dead).collect()).await.unwrap();
    let _: i64 = peer.run(&["HSET", "apium:dead:letters", "odd", "no letter"]).await;
    let _: i64 = peer.run(&["ZADD", "apium:dead", "+inf", "odd"]).await;
    for (limit, found) in [(1, 1), (30, 30), (100, 50)] {
        let filter = DeadFilter { limit: Some(limit), ..DeadFilter::default() };
        assert_eq!(backend.dead_letters(&filter).await.unwrap().len(), found);
    }
}
