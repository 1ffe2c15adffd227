//! Recovery that nothing holds up: neither a crowd of messages that came due nor an entry nobody can put back.

use std::time::Duration;

use apium_core::{Broker, Claim, Delivery, Outgoing};
use apium_redis::RedisBackend;

use crate::server::{Peer, Server};

const LEASE: Duration = Duration::from_secs(30);

fn message(queue: &str, bytes: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

async fn claim(backend: &RedisBackend, queue: &str) -> Vec<Delivery> {
    backend.claim(&Claim { queues: &[queue.to_owned()], max: 10, lease: LEASE }).await.unwrap()
}

/// Leaves in `unacked` what a Python worker began two hours ago.
async fn held_by_python(peer: &mut Peer, tag: &str, value: &str) {
    let (seconds, _): (f64, f64) = peer.run(&["TIME"]).await;
    let _: i64 = peer.run(&["HSET", "unacked", tag, value]).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", &(seconds - 7_200.0).to_string(), tag]).await;
}

#[tokio::test]
async fn lost_deliveries_do_not_wait_behind_what_came_due() {
    let server = Server::start().await;
    let backend = server.backend().await;
    backend.publish(&[message("q", "x")]).await.unwrap();
    assert_eq!(claim(&backend, "q").await.len(), 1);
    // A minute from now, so later than the lease: the newest are looked at first.
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_mins(1)).unwrap();
    let later: Vec<_> =
        (0..250).map(|n| Outgoing { not_before: Some(due), ..message("unserved", &n.to_string()) }).collect();
    backend.publish(&later).await.unwrap();
    server.advance(LEASE * 4).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
    assert_eq!(claim(&backend, "q").await.len(), 1);
    let depth = backend.depths(&["unserved".to_owned()]).await.unwrap().remove(0);
    assert_eq!(depth.ready, 250, "what came due is promoted beside");
}

#[tokio::test]
async fn one_entry_that_cannot_be_put_back_does_not_stop_the_others() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let envelope = r#"{"body": "x", "headers": {}, "properties": {}}"#;
    for (tag, route) in [("table", r#""poison", "a""#), ("list", r#""", "taken""#), ("fine", r#""", "q""#)] {
        held_by_python(&mut peer, tag, &format!("[{envelope}, {route}]")).await;
    }
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_secs(1)).unwrap();
    backend.publish(&[Outgoing { not_before: Some(due), ..message("taken too", "x") }]).await.unwrap();
    for name in ["_kombu.binding.poison", "taken", "taken too"] {
        let () = peer.run(&["SET", name, "mine"]).await;
    }
    server.advance(LEASE).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
    assert_eq!(claim(&backend, "q").await.len(), 1);
    assert_eq!(peer.run::<i64>(&["HLEN", "unacked"]).await, 4, "nothing is thrown away");
    assert_eq!(backend.recover().await.unwrap(), 0, "and it is left alone for a while");
    let _: i64 = peer.run(&["DEL", "_kombu.binding.poison", "taken", "taken too"]).await;
    // After twice the visibility timeout they are looked at again.
    server.advance(Duration::from_hours(2)).await;
    backend.recover().await.unwrap();
    assert_eq!((claim(&backend, "taken").await.len(), claim(&backend, "taken too").await.len()), (1, 1));
}
