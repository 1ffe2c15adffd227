//! What a broker promises of shared queues: whoever has little to do does not wait behind whoever has much.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::{Duration, Instant};

use super::{Subject, message};
use crate::broker::{Claim, Delivery, Settled, Settlement};
use crate::limits::{Admission, Admitted, Limit, LimitEnd, PlaceEnd};
use crate::shares::Sorted;

const LEASE: Duration = Duration::from_secs(30);

fn queues() -> Vec<String> {
    vec!["q".to_owned()]
}

/// Publishes these in this order, the share of each before a dash: `a-1`.
async fn publish(subject: &Subject, names: &[&str]) {
    let messages: Vec<_> = names.iter().map(|name| message("q", name)).collect();
    subject.broker.publish(&messages).await.unwrap();
}

async fn claim(subject: &Subject) -> Vec<Delivery> {
    subject.broker.claim(&Claim { queues: &queues(), max: 1_000, lease: LEASE }).await.unwrap()
}

fn name(delivery: &Delivery) -> String {
    String::from_utf8(delivery.bytes.to_vec()).unwrap()
}

fn sorted(delivery: &Delivery, weight: f64) -> Sorted {
    let share = name(delivery).split('-').next().unwrap().to_owned();
    let (next, redelivered) = (delivery.redelivered, delivery.redelivered);
    let (task_id, limits) = (name(delivery), Vec::new());
    Sorted { receipt: delivery.receipt.clone(), share, weight, next, redelivered, task_id, limits }
}

/// Gives all that is there its turn; `b` has this weight.
async fn sort_by(subject: &Subject, weight: f64) {
    let claimed = claim(subject).await;
    let weight_of = |delivery: &Delivery| if name(delivery).starts_with('b') { weight } else { 1.0 };
    let all: Vec<_> = claimed.iter().map(|delivery| sorted(delivery, weight_of(delivery))).collect();
    let settled = subject.broker.shares().sort(&all).await.unwrap();
    assert!(settled.iter().all(|one| *one == Settled::Done), "{settled:?}");
}

async fn sort(subject: &Subject) {
    sort_by(subject, 1.0).await;
}

async fn take(subject: &Subject, max: usize) -> Vec<Delivery> {
    subject.broker.shares().take(&Claim { queues: &queues(), max, lease: LEASE }).await.unwrap()
}

async fn taken(subject: &Subject, max: usize) -> Vec<String> {
    take(subject, max).await.iter().map(name).collect()
}

pub async fn a_newcomer_waits_for_one(subject: &Subject) {
    let many: Vec<String> = (0..300).map(|number| format!("a-{number}")).collect();
    publish(subject, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sort(subject).await;
    assert_eq!(taken(subject, 2).await, ["a-0", "a-1"]);
    publish(subject, &["b-0", "b-1", "c-0"]).await;
    sort(subject).await;
    let next = taken(subject, 6).await;
    // At most one of those that were there comes first.
    let first = |share: &str| next.iter().position(|name| name.starts_with(share)).unwrap();
    assert!(first("b") <= 2 && first("c") <= 2, "{next:?}");
    assert_eq!(next.iter().filter(|name| name.starts_with('b')).count(), 2, "{next:?}");
}

pub async fn turns_go_by_weight(subject: &Subject) {
    let many: Vec<String> = (0..200).map(|number| format!("{}-{number}", ["a", "b"][number % 2])).collect();
    publish(subject, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sort_by(subject, 3.0).await;
    let heavy = taken(subject, 80).await.iter().filter(|name| name.starts_with('b')).count();
    assert!((59..=61).contains(&heavy), "{heavy} of 80 turns");
}

pub async fn of_one_share_the_first_comes_first(subject: &Subject) {
    publish(subject, &["a-0", "a-1", "b-0", "a-2"]).await;
    sort(subject).await;
    publish(subject, &["a-3", "b-1"]).await;
    sort(subject).await;
    let all = taken(subject, 10).await;
    let of = |share: char| all.iter().filter(|name| name.starts_with(share)).cloned().collect::<Vec<_>>();
    assert_eq!(of('a'), ["a-0", "a-1", "a-2", "a-3"]);
    assert_eq!(of('b'), ["b-0", "b-1"]);
}

pub async fn a_share_that_was_idle_has_saved_nothing(subject: &Subject) {
    let many: Vec<String> = (0..100).map(|number| format!("a-{number}")).collect();
    publish(subject, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sort(subject).await;
    assert_eq!(take(subject, 50).await.len(), 50);
    let late: Vec<String> = (0..50).map(|number| format!("b-{number}")).collect();
    publish(subject, &late.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sort(subject).await;
    let next = taken(subject, 20).await;
    let newcomers = next.iter().filter(|name| name.starts_with('b')).count();
    assert!((9..=11).contains(&newcomers), "{newcomers} of 20 turns");
}

pub async fn what_is_sorted_is_served_once(subject: &Subject) {
    publish(subject, &["a-0", "b-0", "c-0"]).await;
    sort(subject).await;
    assert!(claim(subject).await.is_empty(), "sorted, it is not in its queue");
    let (one, other) = (take(subject, 2).await, take(subject, 2).await);
    assert_eq!((one.len(), other.len()), (2, 1));
    for delivery in one.into_iter().chain(other) {
        let settled = subject.broker.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
        assert_eq!(settled, [Settled::Done]);
    }
    assert!(take(subject, 9).await.is_empty());
    let depth = subject.broker.depths(&queues()).await.unwrap();
    assert_eq!((depth[0].ready, depth[0].delayed, depth[0].claimed), (0, 0, 0));
}

pub async fn what_comes_back_is_next(subject: &Subject) {
    publish(subject, &["a-0", "a-1", "a-2", "b-0"]).await;
    sort(subject).await;
    assert_eq!(taken(subject, 1).await.len(), 1);
    (subject.advance)(LEASE * 2).await;
    subject.broker.recover().await.unwrap();
    sort(subject).await;
    let back = take(subject, 1).await.pop().unwrap();
    assert!(back.redelivered, "{}", name(&back));
    assert_eq!(back.deaths.len(), 1);
}

pub async fn who_is_called_is_next(subject: &Subject) {
    let one = Limit { concurrency: Some(1), ..Limit::default() };
    subject.broker.limits().set_limit("task:t", &one).await.unwrap();
    let limits = vec!["task:t".to_owned()];
    publish(subject, &["a-0", "a-1"]).await;
    let claimed = claim(subject).await;
    for (delivery, free) in claimed.iter().zip([true, false]) {
        let (receipt, task_id) = (delivery.receipt.clone(), name(delivery));
        let ask = Admission { receipt, task_id, limits: limits.clone(), unique: None };
        let admitted = subject.broker.limits().admit(&ask).await.unwrap();
        assert_eq!(matches!(admitted, Admitted::Now), free);
    }
    let many: Vec<String> = (2..30).map(|number| format!("a-{number}")).collect();
    publish(subject, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sort(subject).await;
    let receipt = claimed[0].receipt.clone();
    let end = LimitEnd { limits: limits.clone(), holder: receipt.tag.to_string(), place: PlaceEnd::Good };
    subject.broker.settle(vec![Settlement { limits: Some(end), ..Settlement::ack(receipt) }]).await.unwrap();
    let called = claim(subject).await.pop().expect("it was called");
    let called = Sorted { limits, ..sorted(&called, 1.0) };
    subject.broker.shares().sort(&[called]).await.unwrap();
    let next = taken(subject, 2).await;
    assert!(next.contains(&"a-1".to_owned()), "{next:?}");
}

pub async fn a_lost_claim_gets_no_turn(subject: &Subject) {
    publish(subject, &["a-0"]).await;
    let claimed = claim(subject).await;
    (subject.advance)(LEASE * 2).await;
    subject.broker.recover().await.unwrap();
    let settled = subject.broker.shares().sort(&[sorted(&claimed[0], 1.0)]).await.unwrap();
    assert_eq!(settled, [Settled::Lost]);
    assert!(take(subject, 9).await.is_empty());
    assert_eq!(claim(subject).await.len(), 1);
}

pub async fn sorted_ones_are_ready(subject: &Subject) {
    publish(subject, &["a-0", "a-1", "b-0"]).await;
    sort(subject).await;
    publish(subject, &["a-2"]).await;
    take(subject, 1).await;
    for of in [queues(), Vec::new()] {
        let depths = subject.broker.depths(&of).await.unwrap();
        let depth = depths.iter().find(|depth| depth.queue == "q").unwrap();
        assert_eq!((depth.ready, depth.delayed, depth.claimed), (3, 0, 1));
    }
}

pub async fn purged_ones_have_no_turn(subject: &Subject) {
    publish(subject, &["a-0", "a-1", "b-0"]).await;
    sort(subject).await;
    publish(subject, &["a-2"]).await;
    assert_eq!(subject.broker.purge("q").await.unwrap(), 4);
    assert!(take(subject, 9).await.is_empty());
    let depth = subject.broker.depths(&queues()).await.unwrap();
    assert_eq!((depth[0].ready, depth[0].delayed), (0, 0));
}

pub async fn wakes_when_sorted(subject: &Subject) {
    let (queues, began) = (queues(), Instant::now());
    let waiting = subject.broker.shares().wait_sorted(&queues, LEASE);
    let sorting = async {
        publish(subject, &["a-0"]).await;
        sort(subject).await;
    };
    let (woken, ()) = tokio::join!(waiting, sorting);
    woken.unwrap();
    assert!(began.elapsed() < LEASE / 2);
    assert_eq!(taken(subject, 1).await, ["a-0"]);
}

pub async fn unsorted_ones_are_claimed_as_before(subject: &Subject) {
    publish(subject, &["a-0", "a-1", "b-0"]).await;
    sort(subject).await;
    assert_eq!(subject.broker.shares().unsort("q").await.unwrap(), 3);
    assert!(take(subject, 9).await.is_empty());
    let mut back: Vec<_> = claim(subject).await.iter().map(name).collect();
    back.sort();
    assert_eq!(back, ["a-0", "a-1", "b-0"]);
    assert_eq!(subject.broker.shares().unsort("q").await.unwrap(), 0);
}
