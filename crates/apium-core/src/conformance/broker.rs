//! What a broker promises: order, one holder at a time, leases, settlement in one step, waking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use apium_protocol::{RawJson, ResultRecord};

use super::{Subject, message};
use crate::broker::{Broker, Claim, Delivery, Disposition, Outgoing, Receipt, Settled, Settlement};
use crate::clock::{Clock, SystemClock, after};
use crate::dead::{DeadFilter, DeadLetter, DeadReason};
use crate::results::{Lookup, StoredResult};

const LEASE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(10);

async fn publish(subject: &Subject, queue: &str, bodies: &[&str]) {
    let messages: Vec<_> = bodies.iter().map(|body| message(queue, &envelope(body))).collect();
    subject.broker.publish(&messages).await.unwrap();
}

async fn claim_on(broker: &dyn Broker, queues: &[&str], max: usize) -> Vec<Delivery> {
    let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
    broker.claim(&Claim { queues: &queues, max, lease: LEASE }).await.unwrap()
}

async fn claim(subject: &Subject, max: usize) -> Vec<Delivery> {
    claim_on(&*subject.broker, &["q"], max).await
}

async fn one(subject: &Subject) -> Delivery {
    let mut deliveries = claim(subject, 1).await;
    deliveries.pop().expect("a message to claim")
}

async fn settle(subject: &Subject, settlement: Settlement) -> Settled {
    subject.broker.settle(vec![settlement]).await.unwrap()[0]
}

/// A small envelope with a body that tells it apart, shaped as a Celery peer would write it.
fn envelope(body: &str) -> String {
    format!(
        "{{\"body\": \"{body}\", \"headers\": {{\"task\": \"t\", \"id\": \"{body}\"}}, \"properties\": {{\"delivery_info\": {{\"exchange\": \"\", \"routing_key\": \"q\"}}, \"delivery_tag\": \"tag-{body}\", \"priority\": 0}}, \"x\": NaN}}"
    )
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8(delivery.bytes.to_vec()).unwrap()).collect()
}

fn envelopes(bodies: &[&str]) -> Vec<String> {
    bodies.iter().map(|body| envelope(body)).collect()
}

fn result(id: &str, status: &str) -> StoredResult {
    StoredResult::of(&ResultRecord::new(id, status, RawJson::from(&3).unwrap()), Some(Duration::from_mins(1)))
}

fn letter(id: &str, bytes: &[u8]) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        queue: "q".to_owned(),
        priority: 3,
        reason: DeadReason::Unknown,
        error: "no task of that name".to_owned(),
        task: Some("t".to_owned()),
        task_id: Some("a".to_owned()),
        attempts: 1,
        worker: "w@h".to_owned(),
        died_with: Vec::new(),
        at: "2026-11-22T00:00:00Z".to_owned(),
        message: bytes.to_vec(),
    }
}

pub async fn publishes_in_order(subject: &Subject) {
    publish(subject, "q", &["a", "b", "c"]).await;
    assert_eq!(texts(&claim(subject, 10).await), envelopes(&["a", "b", "c"]));
}

pub async fn serves_low_priorities_first(subject: &Subject) {
    for (body, priority) in [("late", 9), ("mid", 4), ("first", 0), ("also mid", 5), ("clamped", 200)] {
        let outgoing = Outgoing { priority, ..message("q", &envelope(body)) };
        subject.broker.publish(&[outgoing]).await.unwrap();
    }
    let served = texts(&claim(subject, 10).await);
    assert_eq!(served, envelopes(&["first", "mid", "also mid", "late", "clamped"]));
}

pub async fn claims_from_several_queues(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    publish(subject, "r", &["b"]).await;
    publish(subject, "other", &["c"]).await;
    let deliveries = claim_on(&*subject.broker, &["r", "q"], 10).await;
    let mut queues: Vec<_> = deliveries.iter().map(|delivery| &*delivery.receipt.queue).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["q", "r"]);
}

pub async fn claims_no_more_than_asked(subject: &Subject) {
    publish(subject, "q", &["a", "b", "c"]).await;
    assert_eq!(claim(subject, 2).await.len(), 2);
    assert_eq!(claim(subject, 2).await.len(), 1);
    assert_eq!(claim(subject, 2).await.len(), 0);
}

pub async fn keeps_bytes(subject: &Subject) {
    let odd = r#"{"body": "W1tdXQ==", "headers": {"big": 123456789012345678901234567890, "e": [], "nan": NaN}, "s": "\ud800 é"}"#;
    subject.broker.publish(&[message("q", odd)]).await.unwrap();
    let delivery = one(subject).await;
    assert_eq!(&*delivery.bytes, odd.as_bytes());
    assert_eq!(settle(subject, Settlement::of(delivery.receipt, Disposition::Requeue)).await, Settled::Done);
    assert_eq!(&*one(subject).await.bytes, odd.as_bytes());
}

pub async fn hands_a_message_to_one_worker_only(subject: &Subject) {
    let bodies: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    publish(subject, "q", &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    loop {
        let (ours, theirs) = tokio::join!(claim_on(&*subject.broker, &["q"], 7), claim_on(&*subject.other, &["q"], 5));
        if ours.is_empty() && theirs.is_empty() {
            break;
        }
        seen.extend(texts(&ours));
        seen.extend(texts(&theirs));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200);
}

pub async fn settles_once(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    assert_eq!(settle(subject, Settlement::ack(delivery.receipt.clone())).await, Settled::Done);
    assert_eq!(settle(subject, Settlement::ack(delivery.receipt)).await, Settled::Lost);
    (subject.advance)(LEASE * 2).await;
    subject.broker.recover().await.unwrap();
    assert!(claim(subject, 1).await.is_empty());
}

pub async fn restores_an_expired_lease(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let first = one(subject).await;
    assert!(!first.redelivered);
    assert_eq!(subject.broker.recover().await.unwrap(), 0, "a living lease is left alone");
    (subject.advance)(LEASE * 2).await;
    assert_eq!(subject.other.recover().await.unwrap(), 1);
    let second = one(subject).await;
    assert_eq!(second.bytes, first.bytes);
    assert!(second.redelivered);
    assert_ne!(second.receipt, first.receipt);
}

pub async fn keeps_a_renewed_lease(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    for _ in 0..4 {
        (subject.advance)(LEASE / 2).await;
        assert!(subject.broker.renew(std::slice::from_ref(&delivery.receipt), LEASE).await.unwrap().is_empty());
        assert_eq!(subject.other.recover().await.unwrap(), 0);
    }
    assert_eq!(settle(subject, Settlement::ack(delivery.receipt)).await, Settled::Done);
}

pub async fn tells_a_lost_lease(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    (subject.advance)(LEASE * 2).await;
    subject.other.recover().await.unwrap();
    let lost = subject.broker.renew(std::slice::from_ref(&delivery.receipt), LEASE).await.unwrap();
    assert_eq!(lost, [delivery.receipt]);
}

pub async fn refuses_a_late_settlement(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let late = one(subject).await;
    (subject.advance)(LEASE * 2).await;
    subject.other.recover().await.unwrap();
    let holder = one(subject).await;
    for disposition in [Disposition::Ack, Disposition::Requeue, Disposition::DeadLetter(letter("d", b"x").into())] {
        assert_eq!(settle(subject, Settlement::of(late.receipt.clone(), disposition)).await, Settled::Lost);
    }
    assert_eq!(settle(subject, Settlement::ack(holder.receipt)).await, Settled::Done);
    assert!(subject.broker.dead_letters(&DeadFilter::default()).await.unwrap().is_empty());
}

pub async fn settles_with_all_consequences(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    let settlement = Settlement::ack(delivery.receipt)
        .with_result(Some(result("a", "SUCCESS")))
        .sending(message("r", &envelope("next")));
    assert_eq!(settle(subject, settlement).await, Settled::Done);
    assert!(matches!(subject.results.lookup("a").await.unwrap(), Lookup::Stored(record) if record.status == "SUCCESS"));
    assert_eq!(texts(&claim_on(&*subject.broker, &["r"], 1).await), envelopes(&["next"]));
}

pub async fn writes_nothing_when_lost(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    (subject.advance)(LEASE * 2).await;
    subject.other.recover().await.unwrap();
    let settlement = Settlement::ack(delivery.receipt)
        .with_result(Some(result("a", "SUCCESS")))
        .sending(message("r", &envelope("next")));
    assert_eq!(settle(subject, settlement).await, Settled::Lost);
    assert!(matches!(subject.results.lookup("a").await.unwrap(), Lookup::Unknown));
    assert!(claim_on(&*subject.broker, &["r"], 1).await.is_empty());
}

/// Among others that are kept, whatever else is in the batch; and what stood there before is left as it was.
pub async fn writes_of_a_batch_what_is_held(subject: &Subject) {
    publish(subject, "q", &["a", "b", "c", "d"]).await;
    let mut deliveries = claim(subject, 4).await.into_iter();
    let mut ended = || deliveries.next().map(|delivery| Settlement::ack(delivery.receipt)).unwrap();
    let (lost, kept) = (ended(), ended());
    settle(subject, lost.clone()).await;
    subject.results.store(&result("c", "STARTED")).await.unwrap();
    let batch = vec![
        lost.clone().with_result(Some(result("a", "SUCCESS"))),
        kept.with_result(Some(result("b", "SUCCESS"))),
        lost.with_result(Some(result("c", "SUCCESS"))),
        ended().sending(message("r", &envelope("next"))),
        ended(),
    ];
    let settled = subject.broker.settle(batch).await.unwrap();
    assert_eq!(settled, [Settled::Lost, Settled::Done, Settled::Lost, Settled::Done, Settled::Done]);
    let mut found = Vec::new();
    for id in ["a", "b", "c"] {
        found.push(match subject.results.lookup(id).await.unwrap() {
            Lookup::Stored(record) => record.status,
            _ => String::new(),
        });
    }
    assert_eq!(found, ["", "SUCCESS", "STARTED"]);
    assert_eq!(texts(&claim_on(&*subject.broker, &["r"], 1).await), envelopes(&["next"]));
}

pub async fn requeues_to_the_front(subject: &Subject) {
    publish(subject, "q", &["a", "b"]).await;
    let first = one(subject).await;
    settle(subject, Settlement::of(first.receipt, Disposition::Requeue)).await;
    let again = claim(subject, 2).await;
    assert_eq!(texts(&again), envelopes(&["a", "b"]));
    assert!(again[0].redelivered && !again[1].redelivered);
}

pub async fn requeues_to_the_end(subject: &Subject) {
    publish(subject, "q", &["a", "b"]).await;
    let first = one(subject).await;
    settle(subject, Settlement::of(first.receipt, Disposition::RequeueLast)).await;
    assert_eq!(texts(&claim(subject, 2).await), envelopes(&["b", "a"]));
}

pub async fn delays_what_is_not_due(subject: &Subject) {
    let due = after(SystemClock.now(), Duration::from_hours(1));
    let outgoing = Outgoing { not_before: Some(due), ..message("q", &envelope("later")) };
    subject.broker.publish(&[outgoing]).await.unwrap();
    assert!(claim(subject, 1).await.is_empty());
    assert_eq!(subject.broker.recover().await.unwrap(), 0);
    (subject.advance)(Duration::from_secs(3_700)).await;
    assert_eq!(texts(&claim(subject, 1).await), envelopes(&["later"]));
}

pub async fn defers_a_delivery(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    let due = after(SystemClock.now(), Duration::from_hours(1));
    assert_eq!(settle(subject, Settlement::of(delivery.receipt.clone(), Disposition::Defer(due))).await, Settled::Done);
    (subject.advance)(LEASE * 2).await;
    assert_eq!(subject.broker.recover().await.unwrap(), 0, "what waits for its time is nobody's loss");
    assert!(claim(subject, 1).await.is_empty());
    assert_eq!(subject.broker.depths(&["q".to_owned()]).await.unwrap()[0].delayed, 1);
    (subject.advance)(Duration::from_hours(1)).await;
    let due_now = one(subject).await;
    assert_eq!(due_now.bytes, delivery.bytes);
    assert_eq!(settle(subject, Settlement::ack(due_now.receipt)).await, Settled::Done);
}

pub async fn wakes_on_publish(subject: &Subject) {
    wakes(subject, &*subject.broker).await;
}

pub async fn wakes_on_publish_elsewhere(subject: &Subject) {
    wakes(subject, &*subject.other).await;
}

/// The waiter must be back well before its time, whichever side of its registration the message lands on.
async fn wakes(subject: &Subject, publisher: &dyn Broker) {
    let queues = ["q".to_owned()];
    for round in 0..5 {
        let waited = std::time::Instant::now();
        let wait = subject.broker.wait(&queues, SOON);
        let messages = [message("q", &envelope("a"))];
        let (woken, published) = tokio::join!(wait, async {
            tokio::task::yield_now().await;
            publisher.publish(&messages).await
        });
        woken.unwrap();
        published.unwrap();
        assert!(waited.elapsed() < SOON / 2, "round {round}: woke only after {:?}", waited.elapsed());
        let delivery = one(subject).await;
        settle(subject, Settlement::ack(delivery.receipt)).await;
    }
}

pub async fn wakes_when_due(subject: &Subject) {
    let due = after(SystemClock.now(), Duration::from_hours(1));
    let outgoing = Outgoing { not_before: Some(due), ..message("q", &envelope("later")) };
    subject.broker.publish(&[outgoing]).await.unwrap();
    (subject.advance)(Duration::from_secs(3_601)).await;
    let waited = std::time::Instant::now();
    subject.broker.wait(&["q".to_owned()], SOON).await.unwrap();
    assert!(waited.elapsed() < SOON / 2);
    assert_eq!(claim(subject, 1).await.len(), 1);
}

/// A retry that is due in a moment, sent while the worker sleeps, must not wait for the sleep's end.
pub async fn wakes_when_a_later_message_is_due(subject: &Subject) {
    let waited = std::time::Instant::now();
    let queues = ["q".to_owned()];
    let wait = subject.broker.wait(&queues, SOON);
    let due = after(SystemClock.now(), Duration::from_millis(100));
    let messages = [Outgoing { not_before: Some(due), ..message("q", &envelope("soon")) }];
    let (woken, published) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        subject.other.publish(&messages).await
    });
    woken.unwrap();
    published.unwrap();
    assert!(waited.elapsed() < SOON / 2, "woke only after {:?}", waited.elapsed());
}

pub async fn wait_ends_in_time(subject: &Subject) {
    let waited = std::time::Instant::now();
    for at_most in [Duration::from_millis(50), Duration::ZERO] {
        let wait = tokio::time::timeout(SOON, subject.broker.wait(&["q".to_owned()], at_most)).await;
        wait.expect("a wait that ends in time").unwrap();
    }
    assert!(waited.elapsed() < SOON / 2);
}

pub async fn purges_only_what_waits(subject: &Subject) {
    publish(subject, "q", &["a", "b", "c"]).await;
    publish(subject, "r", &["d"]).await;
    let held = one(subject).await;
    assert_eq!(subject.broker.purge("q").await.unwrap(), 2);
    assert_eq!(subject.broker.purge("q").await.unwrap(), 0);
    assert_eq!(settle(subject, Settlement::ack(held.receipt)).await, Settled::Done);
    assert_eq!(claim_on(&*subject.broker, &["r"], 5).await.len(), 1);
}

pub async fn counts_depths(subject: &Subject) {
    publish(subject, "q", &["a", "b", "c"]).await;
    let due = after(SystemClock.now(), Duration::from_hours(1));
    let delayed = Outgoing { not_before: Some(due), ..message("q", &envelope("later")) };
    subject.broker.publish(&[delayed]).await.unwrap();
    one(subject).await;
    let depth = subject.broker.depths(&["q".to_owned()]).await.unwrap().remove(0);
    assert_eq!((depth.ready, depth.delayed, depth.claimed), (2, 1, 1));
    assert!(depth.oldest_age_seconds.is_some_and(|age| age < 10.0), "{depth:?}");
    (subject.advance)(Duration::from_mins(1)).await;
    let later = subject.broker.depths(&["q".to_owned(), "empty".to_owned()]).await.unwrap();
    assert!(later[0].oldest_age_seconds.is_some_and(|age| (59.0..90.0).contains(&age)), "{later:?}");
    assert_eq!(later[1].oldest_age_seconds, None);
    let all = subject.broker.depths(&[]).await.unwrap();
    assert!(all.iter().any(|depth| depth.queue == "q" && depth.ready == 2), "{all:?}");
}

pub async fn keeps_dead_letters(subject: &Subject) {
    publish(subject, "q", &["a", "b"]).await;
    let bytes = [0xff, 0xfe, b'{'];
    for id in ["first", "second"] {
        let delivery = one(subject).await;
        settle(subject, Settlement::of(delivery.receipt, Disposition::DeadLetter(letter(id, &bytes).into()))).await;
    }
    let letters = subject.broker.dead_letters(&DeadFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(subject.broker.dead_letter("second").await.unwrap(), Some(letter("second", &bytes)));
    assert_eq!(subject.broker.dead_letter("third").await.unwrap(), None);
    let elsewhere = DeadFilter { queue: Some("elsewhere".to_owned()), ..DeadFilter::default() };
    assert!(subject.broker.dead_letters(&elsewhere).await.unwrap().is_empty());
    assert!(claim(subject, 1).await.is_empty());
}

pub async fn replays_the_original_bytes(subject: &Subject) {
    publish(subject, "q", &["a"]).await;
    let delivery = one(subject).await;
    let dead = letter("d", &delivery.bytes);
    settle(subject, Settlement::of(delivery.receipt, Disposition::DeadLetter(dead.into()))).await;
    assert!(subject.broker.replay("d", None).await.unwrap());
    assert!(!subject.broker.replay("d", None).await.unwrap());
    let again = one(subject).await;
    assert_eq!(again.bytes, delivery.bytes);
}

pub async fn settles_without_a_receipt(subject: &Subject) {
    let early = |disposition, id| Settlement {
        results: vec![result(id, "SUCCESS")],
        send: vec![message("r", &envelope(id))],
        queue: Some("q".into()),
        ..Settlement::without_delivery(disposition)
    };
    assert_eq!(settle(subject, early(Disposition::Ack, "early")).await, Settled::Done);
    let kept = Disposition::DeadLetter(letter("d", b"x").into());
    assert_eq!(settle(subject, early(kept, "given up")).await, Settled::Done);
    for id in ["early", "given up"] {
        assert!(matches!(subject.results.lookup(id).await.unwrap(), Lookup::Stored(_)), "{id}");
    }
    assert_eq!(texts(&claim_on(&*subject.broker, &["r"], 5).await), envelopes(&["early", "given up"]));
    assert_eq!(subject.broker.dead_letter("d").await.unwrap(), Some(letter("d", b"x")));
}

pub async fn claims_many_at_once(subject: &Subject) {
    let bodies: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    publish(subject, "q", &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let deliveries = claim(subject, 500).await;
    assert_eq!(deliveries.len(), 500);
    let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
    assert!(subject.broker.renew(&receipts, LEASE).await.unwrap().is_empty());
    let settled = subject.broker.settle(receipts.into_iter().map(Settlement::ack).collect()).await.unwrap();
    assert!(settled.iter().all(|settled| *settled == Settled::Done));
    assert_eq!(subject.broker.depths(&["q".to_owned()]).await.unwrap()[0].claimed, 0);
}
