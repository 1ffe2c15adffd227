//! What a broker promises of unique tasks: one holder a key, given back in the settlement, and never kept for ever.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use futures_util::future::join_all;

use super::{Subject, message};
use crate::broker::{Broker, Claim, Disposition, Receipt, Settled, Settlement};
use crate::unique::{AtStart, Claimed, Holder, UniqueClaim, UniqueEnd};

const KEEP: Duration = Duration::from_mins(10);

fn claim(key: &str, task_id: &str) -> UniqueClaim {
    UniqueClaim { key: key.to_owned(), task_id: task_id.to_owned(), keep: KEEP, replace: false, over: None }
}

fn replacing(key: &str, task_id: &str) -> UniqueClaim {
    UniqueClaim { replace: true, ..claim(key, task_id) }
}

fn waits(task_id: &str) -> Holder {
    Holder { task_id: task_id.to_owned(), runs: false }
}

fn runs(task_id: &str) -> Holder {
    Holder { runs: true, ..waits(task_id) }
}

async fn publish(subject: &Subject, claim: &UniqueClaim) -> Claimed {
    publish_on(&*subject.broker, claim).await
}

async fn publish_on(broker: &dyn Broker, claim: &UniqueClaim) -> Claimed {
    broker.uniques().publish_unique(&[message("q", &claim.task_id)], claim).await.unwrap()
}

async fn holder(subject: &Subject, key: &str) -> Option<Holder> {
    subject.broker.uniques().holder(key).await.unwrap()
}

async fn begin(subject: &Subject, key: &str, task_id: &str, then: AtStart) -> bool {
    subject.other.uniques().begin("q", key, task_id, then).await.unwrap()
}

async fn ready(subject: &Subject) -> u64 {
    subject.broker.depths(&["q".to_owned()]).await.unwrap()[0].ready
}

async fn take(subject: &Subject) -> Receipt {
    let claim = Claim { queues: &["q".to_owned()], max: 1, lease: Duration::from_secs(30) };
    subject.broker.claim(&claim).await.unwrap().remove(0).receipt
}

fn end(key: &str, task_id: &str, keep: Option<Duration>) -> UniqueEnd {
    UniqueEnd { key: key.to_owned(), task_id: task_id.to_owned(), keep }
}

async fn settle(subject: &Subject, receipt: Receipt, how: Disposition, unique: UniqueEnd) -> Settled {
    let settlement = Settlement { unique: Some(unique), ..Settlement::of(receipt, how) };
    subject.broker.settle(vec![settlement]).await.unwrap()[0]
}

pub async fn one_of_a_key_is_published(subject: &Subject) {
    assert_eq!(publish(subject, &claim("k", "a")).await, Claimed::Ours);
    assert_eq!(publish(subject, &claim("k", "b")).await, Claimed::Held(waits("a")));
    assert_eq!(publish(subject, &claim("k", "a")).await, Claimed::Ours, "asked again because the answer was lost");
    assert_eq!(ready(subject).await, 1);
}

pub async fn of_a_hundred_at_once_one_is_published(subject: &Subject) {
    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let claims: Vec<_> = ids.iter().map(|id| claim("k", id)).collect();
    let brokers = [&subject.broker, &subject.other];
    let sent = join_all(claims.iter().zip(brokers.iter().cycle()).map(|(claim, broker)| publish_on(&***broker, claim)));
    let sent = sent.await;
    assert_eq!(sent.iter().filter(|claimed| **claimed == Claimed::Ours).count(), 1);
    let first = holder(subject, "k").await.unwrap();
    assert_eq!(sent.iter().filter(|claimed| **claimed == Claimed::Held(first.clone())).count(), 99);
    assert_eq!(ready(subject).await, 1);
}

pub async fn keys_do_not_disturb_each_other(subject: &Subject) {
    assert_eq!(publish(subject, &claim("k", "a")).await, Claimed::Ours);
    assert_eq!(publish(subject, &claim("l", "b")).await, Claimed::Ours);
    let receipt = take(subject).await;
    assert_eq!(settle(subject, receipt, Disposition::Ack, end("k", "a", None)).await, Settled::Done);
    assert_eq!((holder(subject, "k").await, holder(subject, "l").await), (None, Some(waits("b"))));
}

pub async fn a_settlement_gives_it_back(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    let receipt = take(subject).await;
    assert!(begin(subject, "k", "a", AtStart::Hold(KEEP)).await);
    assert_eq!(holder(subject, "k").await, Some(runs("a")));
    assert_eq!(settle(subject, receipt, Disposition::Ack, end("k", "a", None)).await, Settled::Done);
    assert_eq!(publish(subject, &claim("k", "b")).await, Claimed::Ours);
}

pub async fn a_lost_settlement_gives_nothing_back(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    let late = take(subject).await;
    (subject.advance)(Duration::from_mins(1)).await;
    subject.broker.recover().await.unwrap();
    assert_eq!(settle(subject, late, Disposition::Ack, end("k", "a", None)).await, Settled::Lost);
    assert_eq!(holder(subject, "k").await, Some(waits("a")), "it is delivered again, and still unique");
}

pub async fn only_its_holder_gives_it_back(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    (subject.advance)(KEEP).await;
    assert_eq!(publish(subject, &claim("k", "b")).await, Claimed::Ours, "the time of the first is over");
    let receipt = take(subject).await;
    assert!(begin(subject, "k", "a", AtStart::Hold(KEEP)).await, "but it was not called off");
    settle(subject, receipt, Disposition::Ack, end("k", "a", None)).await;
    assert_eq!(holder(subject, "k").await, Some(waits("b")));
}

pub async fn it_ends_when_nothing_is_heard_of_its_holder(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    (subject.advance)(KEEP / 2).await;
    assert!(begin(subject, "k", "a", AtStart::Hold(KEEP)).await);
    (subject.advance)(KEEP / 2 + Duration::from_secs(1)).await;
    assert_eq!(holder(subject, "k").await, Some(runs("a")), "held anew when the attempt began");
    (subject.advance)(KEEP / 2).await;
    assert_eq!(holder(subject, "k").await, None);
}

pub async fn what_comes_back_keeps_it(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    let receipt = take(subject).await;
    begin(subject, "k", "a", AtStart::Hold(KEEP)).await;
    assert_eq!(settle(subject, receipt, Disposition::Requeue, end("k", "a", Some(KEEP * 2))).await, Settled::Done);
    assert_eq!(holder(subject, "k").await, Some(waits("a")), "it waits again");
    (subject.advance)(KEEP + Duration::from_secs(1)).await;
    assert_eq!(publish(subject, &claim("k", "b")).await, Claimed::Held(waits("a")));
}

pub async fn it_may_be_free_from_the_start(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    assert!(begin(subject, "k", "a", AtStart::Release).await);
    assert_eq!(publish(subject, &claim("k", "b")).await, Claimed::Ours);
    assert!(begin(subject, "k", "a", AtStart::Release).await, "an attempt that begins once more");
    assert_eq!(holder(subject, "k").await, Some(waits("b")), "takes nothing from another");
}

pub async fn the_newer_takes_the_place_of_one_that_waits(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    assert_eq!(publish(subject, &replacing("k", "b")).await, Claimed::Replaced("a".to_owned()));
    assert_eq!(holder(subject, "k").await, Some(waits("b")));
    assert!(!begin(subject, "k", "a", AtStart::Hold(KEEP)).await, "it was called off");
    assert!(begin(subject, "k", "b", AtStart::Hold(KEEP)).await);
    assert_eq!(publish(subject, &replacing("k", "c")).await, Claimed::Held(runs("b")), "not of one that runs");
}

pub async fn one_that_has_ended_elsewhere_gives_way(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    let over = |id: &str| UniqueClaim { over: Some(id.to_owned()), ..claim("k", "b") };
    assert_eq!(publish(subject, &over("z")).await, Claimed::Held(waits("a")), "it is not that one");
    assert_eq!(publish(subject, &over("a")).await, Claimed::Ours);
    assert_eq!(holder(subject, "k").await, Some(waits("b")));
}

pub async fn a_period_goes_on_while_it_runs(subject: &Subject) {
    publish(subject, &claim("k", "a")).await;
    (subject.advance)(KEEP / 2).await;
    assert!(begin(subject, "k", "a", AtStart::Note).await);
    assert_eq!(holder(subject, "k").await, Some(runs("a")));
    (subject.advance)(KEEP / 2 + Duration::from_secs(1)).await;
    assert_eq!(holder(subject, "k").await, None);
    assert!(begin(subject, "k", "a", AtStart::Note).await);
    assert_eq!(holder(subject, "k").await, None, "a period that is over is not begun again");
}
