//! Recovery that nothing holds up: neither a crowd of messages that came due nor an entry nobody can put back.

use std::time::Duration;

use apium_core::{Broker, Claim, Delivery, Outgoing};
use apium_redis::RedisBackend;

use crate::server::Server;

const LEASE: Duration = Duration::from_secs(30);

fn message(queue: &str, bytes: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

async fn claim(backend: &RedisBackend, queue: &str) -> Vec<Delivery> {
    backend.claim(&Claim { queues: &[queue.to_owned()], max: 10, lease: LEASE }).await.unwrap()
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
