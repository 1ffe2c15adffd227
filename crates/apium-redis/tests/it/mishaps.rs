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
        died_with: Vec::new(),
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
    let dead = Settlement::of(receipt.clone(), Disposition::DeadLetter(letter("d").into()));
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
    let settlement = Settlement::ack(receipt).with_result(Some(success("i")));
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
    let settlement = Settlement::ack(receipt).with_result(Some(success("i")));
    assert_eq!(backend.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
}

#[tokio::test]
async fn an_unreadable_dead_letter_hides_no_other() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let dead = |n| {
        let disposition = Disposition::DeadLetter(letter(&format!("d{n}")).into());
        Settlement::without_delivery(disposition)
    };
    backend.settle((0..50).map(dead).collect()).await.unwrap();
    let _: i64 = peer.run(&["HSET", "apium:dead:letters", "odd", "no letter"]).await;
    let _: i64 = peer.run(&["ZADD", "apium:dead", "+inf", "odd"]).await;
    for (limit, found) in [(1, 1), (30, 30), (100, 50)] {
        let filter = DeadFilter { limit: Some(limit), ..DeadFilter::default() };
        assert_eq!(backend.dead_letters(&filter).await.unwrap().len(), found);
    }
}

fn names(queues: &[&str]) -> Vec<String> {
    queues.iter().map(ToString::to_string).collect()
}

/// One name that is taken by something else is that queue's misfortune, not its neighbours'.
#[tokio::test]
async fn a_key_of_another_type_starves_no_other_queue() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queues = names(&["a", "bad", "b"]);
    let () = peer.run(&["SET", "bad", "mine"]).await;
    for _ in 0..2 {
        backend.publish(&[message("a", "1"), message("b", "2"), message("a", "3")]).await.unwrap();
        let claimed = backend.claim(&Claim { queues: &queues, max: 2, lease: LEASE }).await.unwrap();
        let rest = backend.claim(&Claim { queues: &queues, max: 10, lease: LEASE }).await.unwrap();
        let mut bytes: Vec<_> = claimed.iter().chain(&rest).map(|delivery| delivery.bytes.to_vec()).collect();
        bytes.sort();
        assert_eq!(bytes, [b"1", b"2", b"3"], "none is lost");
        let receipts: Vec<_> = claimed.into_iter().chain(rest).map(|delivery| delivery.receipt).collect();
        assert!(backend.renew(&receipts, LEASE).await.unwrap().is_empty());
        backend.settle(receipts.into_iter().map(Settlement::ack).collect()).await.unwrap();
    }
    // An idle worker waits, although the name that is taken exists all the time.
    let waited = std::time::Instant::now();
    Broker::wait(&backend, &queues, Duration::from_millis(200)).await.unwrap();
    assert!(waited.elapsed() >= Duration::from_millis(200), "{:?}", waited.elapsed());
    let (woken, ()) = tokio::join!(Broker::wait(&backend, &queues, Duration::from_secs(10)), async {
        backend.publish(&[message("b", "4")]).await.unwrap();
    });
    woken.unwrap();
    assert!(waited.elapsed() < Duration::from_secs(5));
    // Mended, it is served.
    let _: i64 = peer.run(&["DEL", "bad"]).await;
    backend.publish(&[message("bad", "5")]).await.unwrap();
    assert_eq!(backend.claim(&Claim { queues: &queues, max: 10, lease: LEASE }).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_later_list_or_a_delayed_set_of_another_type_starves_none_either() {
    for key in ["bad\u{6}\u{16}3", "apium:delayed:bad"] {
        let server = Server::start().await;
        let (backend, mut peer) = (server.backend().await, server.peer().await);
        let () = peer.run(&["SET", key, "mine"]).await;
        backend.publish(&[message("bad", "1"), message("b", "2")]).await.unwrap();
        let queues = names(&["bad", "b"]);
        let claimed = backend.claim(&Claim { queues: &queues, max: 10, lease: LEASE }).await.unwrap();
        assert_eq!(claimed.len(), 2, "{key}");
        Broker::wait(&backend, &queues, Duration::from_millis(20)).await.unwrap();
    }
}

/// What is popped must have somewhere to go.
#[tokio::test]
async fn a_claim_that_cannot_be_registered_loses_nothing() {
    for key in ["unacked", "unacked_index", "apium:redelivered"] {
        let server = Server::start().await;
        let (backend, mut peer) = (server.backend().await, server.peer().await);
        backend.publish(&[message("q", "x")]).await.unwrap();
        let () = peer.run(&["SET", key, "mine"]).await;
        let claim = Claim { queues: &names(&["q"]), max: 10, lease: LEASE };
        let claimed = backend.claim(&claim).await.is_ok_and(|claimed| claimed.len() == 1);
        assert!(claimed || peer.run::<i64>(&["LLEN", "q"]).await == 1, "{key}");
    }
}

#[tokio::test]
async fn depths_are_told_of_the_other_queues() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[message("a", "1"), message("b", "2"), message("bad", "3")]).await.unwrap();
    let _: i64 = peer.run(&["DEL", "bad"]).await;
    let () = peer.run(&["SET", "bad", "mine"]).await;
    for queues in [names(&["a", "bad", "b"]), Vec::new()] {
        let depths = backend.depths(&queues).await.unwrap();
        let told: Vec<_> = depths.iter().map(|depth| (depth.queue.as_str(), depth.ready)).collect();
        assert_eq!(told, [("a", 1), ("b", 1)]);
    }
    let error = backend.depths(&names(&["bad"])).await.unwrap_err().to_string();
    assert!(error.contains("`bad`") && error.contains("WRONGTYPE"), "{error}");
}

#[tokio::test]
async fn a_queue_that_is_none_is_not_purged_by_half() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[message("bad", "1")]).await.unwrap();
    let () = peer.run(&["SET", "bad\u{6}\u{16}6", "mine"]).await;
    let error = backend.purge("bad").await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("`bad`"), "{error}");
    assert_eq!(peer.run::<i64>(&["LLEN", "bad"]).await, 1);
}
