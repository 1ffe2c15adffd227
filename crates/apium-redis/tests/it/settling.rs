//! Settlements that are repeated, and the clocks their messages go by.

use std::time::Duration;

use apium_core::{
    Broker, Claim, DeadFilter, DeadLetter, DeadReason, Disposition, Outgoing, Settled, Settlement, StoredResult,
};
use apium_protocol::{RawJson, ResultRecord};
use apium_redis::RedisBackend;

use crate::server::Server;

const LEASE: Duration = Duration::from_secs(30);

fn message(bytes: &str) -> Outgoing {
    Outgoing { queue: "q".to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

fn early(send: Vec<Outgoing>) -> Settlement {
    Settlement { send, ..Settlement::without_delivery(Disposition::Ack) }
}

async fn claimed(backend: &RedisBackend) -> Vec<String> {
    let deliveries = backend.claim(&Claim { queues: &["q".to_owned()], max: 10, lease: LEASE }).await.unwrap();
    deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.bytes).into_owned()).collect()
}

/// A task that was acknowledged early is retried; the answer is lost and the settlement repeated.
#[tokio::test]
async fn a_settlement_without_a_receipt_sends_once() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_mins(1)).unwrap();
    let now = early(vec![message("a"), message("b")]);
    let later = early(vec![Outgoing { not_before: Some(due), ..message("later") }]);
    for _ in 0..2 {
        let settled = backend.settle(vec![now.clone(), later.clone()]).await.unwrap();
        assert_eq!(settled, [Settled::Done, Settled::Done]);
    }
    // Two of the same in one settlement are two, and other bytes are others.
    backend.settle(vec![early(vec![message("c"), message("c")]), early(vec![message("d")])]).await.unwrap();
    assert_eq!(claimed(&backend).await, ["a", "b", "c", "c", "d"]);
    assert_eq!(backend.depths(&["q".to_owned()]).await.unwrap()[0].delayed, 1);
}

/// What was refused half-way has not been sent: the repetition sends it.
#[tokio::test]
async fn a_settlement_that_failed_is_not_taken_for_a_repetition() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let () = peer.run(&["SET", "q", "mine"]).await;
    let settlement = early(vec![message("a")]);
    assert!(!backend.settle(vec![settlement.clone()]).await.unwrap_err().is_transient());
    let _: i64 = peer.run(&["DEL", "q"]).await;
    assert_eq!(backend.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
    assert_eq!(claimed(&backend).await, ["a"]);
}

/// A result that cannot be written refuses the whole settlement, the dead letter with it.
#[tokio::test]
async fn a_dead_letter_is_not_kept_twice_because_its_result_is_refused() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[message("a")]).await.unwrap();
    let claim = Claim { queues: &["q".to_owned()], max: 1, lease: LEASE };
    let delivery = backend.claim(&claim).await.unwrap().remove(0);
    let letter = DeadLetter {
        id: "letter".to_owned(),
        queue: "q".to_owned(),
        priority: 0,
        reason: DeadReason::Rejected,
        error: "no".to_owned(),
        task: None,
        task_id: Some("task".to_owned()),
        attempts: 1,
        worker: "w".to_owned(),
        died_with: Vec::new(),
        at: String::new(),
        message: b"a".to_vec(),
    };
    let _: i64 = peer.run(&["LPUSH", "celery-task-meta-task", "in the way"]).await;
    let record = ResultRecord::new("task", "FAILURE", RawJson::null());
    let disposition = Disposition::DeadLetter(letter.into());
    let settlement =
        Settlement { disposition, results: vec![StoredResult::of(&record, None)], ..Settlement::ack(delivery.receipt) };
    assert!(!backend.settle(vec![settlement.clone()]).await.unwrap_err().is_transient());
    assert_eq!(backend.dead_ids(&DeadFilter::default()).await.unwrap(), [""; 0]);
    let without_result = Settlement { results: Vec::new(), ..settlement };
    assert_eq!(backend.settle(vec![without_result]).await.unwrap(), [Settled::Done]);
    assert_eq!(backend.dead_ids(&DeadFilter::default()).await.unwrap(), ["letter"]);
}

/// Redis's clock runs two minutes ahead, so by its own a message due in one minute would be late already.
#[tokio::test]
async fn what_is_due_in_a_minute_is_due_in_a_minute_on_a_clock_ahead() {
    let server = Server::start().await;
    let backend = server.backend().await;
    server.advance(Duration::from_mins(2)).await;
    let in_a_minute = |bytes| {
        let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_mins(1)).unwrap();
        Outgoing { not_before: Some(due), ..message(bytes) }
    };
    backend.publish(&[message("now"), in_a_minute("published")]).await.unwrap();
    backend.settle(vec![early(vec![in_a_minute("settled")])]).await.unwrap();
    assert_eq!(claimed(&backend).await, ["now"]);
    server.advance(Duration::from_secs(30)).await;
    assert_eq!(claimed(&backend).await, [""; 0]);
    server.advance(Duration::from_secs(31)).await;
    assert_eq!(claimed(&backend).await, ["published", "settled"]);
}
