//! Deaths in Redis: what is counted of a Python worker's, and that nothing of it stays for ever.

use std::time::Duration;

use apium_core::{Broker, Claim, Delivery, Outgoing, Settlement};
use apium_redis::RedisBackend;

use crate::server::{Peer, Server};

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);

/// What a Python producer sends, with or without an ETA.
fn message(eta: &str) -> String {
    format!(
        "{{\"body\": \"W1tdLCB7fSwge31d\", \"headers\": {{\"task\": \"t\", \"id\": \"i\", \"eta\": {eta}}}, \
         \"properties\": {{\"delivery_info\": {{\"exchange\": \"\", \"routing_key\": \"q\"}}, \"delivery_tag\": \"d\"}}}}"
    )
}

/// Leaves in `unacked` what a Python worker took two hours ago, and lets it be put back.
async fn held_by_python(backend: &RedisBackend, peer: &mut Peer, message: &str) {
    let (now, _): (f64, f64) = peer.run(&["TIME"]).await;
    let _: i64 = peer.run(&["HSET", "unacked", "tag", &format!("[{message}, \"\", \"q\"]")]).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", &(now - 7_200.0).to_string(), "tag"]).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
}

async fn claim(backend: &RedisBackend) -> Delivery {
    let claim = Claim { queues: &["q".to_owned()], max: 1, lease: LEASE };
    backend.claim(&claim).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn what_a_python_worker_left_counts() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    held_by_python(&backend, &mut peer, &message("null")).await;
    let marked: String = peer.run(&["RPOP", "q"]).await;
    // Python takes it once more, as it is now.
    held_by_python(&backend, &mut peer, &marked).await;
    let delivery = claim(&backend).await;
    assert_eq!(delivery.deaths, ["a Python worker"; 2]);
    backend.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
    assert!(!peer.keys().await.iter().any(|key| key.starts_with("apium:deaths")), "nothing is left of it");
}

#[tokio::test]
async fn what_waited_for_its_eta_in_python_does_not() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let eta = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
    held_by_python(&backend, &mut peer, &message(&format!("\"{eta}\""))).await;
    assert!(claim(&backend).await.deaths.is_empty());
}

#[tokio::test]
async fn they_are_forgotten_after_a_week() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let send = |bytes: &str| Outgoing { queue: "q".to_owned(), priority: 0, bytes: bytes.into(), not_before: None };
    for bytes in ["old", "new"] {
        backend.publish(&[send(bytes)]).await.unwrap();
        claim(&backend).await;
        server.advance(LEASE * 2).await;
        assert_eq!(backend.recover().await.unwrap(), 1);
        // Purged, its death is nobody's any more.
        backend.purge("q").await.unwrap();
        assert_eq!(peer.run::<i64>(&["HLEN", "apium:deaths"]).await, 1, "{bytes}");
        for key in ["apium:deaths", "apium:deaths:at"] {
            assert!(peer.run::<i64>(&["TTL", key]).await > 600_000, "{key}");
        }
        server.advance(DAY * 8).await;
    }
}
