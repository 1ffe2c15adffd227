//! Sorted messages that nobody takes by turns any more: they come back to their queue, where a stock worker finds them.

use std::time::Duration;

use apium_core::shares::{PATIENCE, Shares as _, Sorted};
use apium_core::{Broker, Claim, Outgoing, Settled};

use crate::server::{Server, advance};

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn left_alone_for_a_day_they_are_back_in_their_queue() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.stepped_backend().await, server.peer().await);
    let queues = ["q".to_owned()];
    let claim = Claim { queues: &queues, max: 9, lease: LEASE };
    let message = Outgoing { queue: "q".to_owned(), priority: 0, bytes: b"{}".to_vec(), not_before: None };
    backend.publish(&[message]).await.unwrap();
    let receipt = backend.claim(&claim).await.unwrap().pop().unwrap().receipt;
    let (share, task_id, limits) = ("a".to_owned(), "1".to_owned(), Vec::new());
    let sorted = Sorted { receipt, share, weight: 1.0, next: false, redelivered: false, task_id, limits };
    assert_eq!(backend.sort(&[sorted]).await.unwrap(), [Settled::Done]);
    advance(server.url(), server.stepped.clone(), PATIENCE.saturating_sub(LEASE)).await;
    backend.recover().await.unwrap();
    assert_eq!(peer.run::<u64>(&["LLEN", "q"]).await, 0, "not before");
    advance(server.url(), server.stepped.clone(), 2 * LEASE).await;
    backend.recover().await.unwrap();
    assert_eq!(peer.run::<u64>(&["LLEN", "q"]).await, 1);
    assert!(backend.take(&claim).await.unwrap().is_empty(), "its turn is forgotten");
    assert_eq!(backend.claim(&claim).await.unwrap().len(), 1);
}
