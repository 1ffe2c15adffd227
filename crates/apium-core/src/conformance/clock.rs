//! What a broker promises when its clock is set, forward or back: the living keep what they hold, the dead keep nothing,
//! and what goes by the time of day goes by it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test kit: each function is one promise, told by its name")]

use std::time::Duration;

use jiff::SignedDuration;

use super::{Subject, message};
use crate::broker::{Claim, Delivery, Outgoing, Settled, Settlement};
use crate::clock::{Clock, SystemClock};
use crate::limits::{Admission, Admitted, Limit};

const LEASE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Publishes one of each body and claims them all.
async fn hold(subject: &Subject, bodies: &[&str], lease: Duration) -> Vec<Delivery> {
    let messages: Vec<_> = bodies.iter().map(|body| message("q", body)).collect();
    subject.broker.publish(&messages).await.unwrap();
    let held = subject.broker.claim(&Claim { queues: &["q".to_owned()], max: bodies.len(), lease }).await.unwrap();
    assert_eq!(held.len(), bodies.len());
    held
}

/// What is claimed now.
async fn come(subject: &Subject) -> Vec<String> {
    let come = subject.broker.claim(&Claim { queues: &["q".to_owned()], max: 10, lease: LEASE }).await.unwrap();
    come.iter().map(|delivery| String::from_utf8(delivery.bytes.to_vec()).unwrap()).collect()
}

async fn renew(subject: &Subject, held: &Delivery, lease: Duration) {
    let lost = subject.broker.renew(std::slice::from_ref(&held.receipt), lease).await.unwrap();
    assert!(lost.is_empty(), "the living lost what they held");
}

async fn recover(subject: &Subject) -> usize {
    subject.other.recover().await.unwrap()
}

async fn settles(subject: &Subject, held: Delivery) {
    assert_eq!(subject.broker.settle(vec![Settlement::ack(held.receipt)]).await.unwrap(), [Settled::Done]);
}

pub async fn set_forward_the_living_keep_what_they_hold(subject: &Subject) {
    recover(subject).await;
    let [living, _dead] = hold(subject, &["living", "dead"], LEASE).await.try_into().unwrap();
    (subject.advance)(SECOND * 5).await;
    (subject.set)(HOUR).await;
    assert_eq!(recover(subject).await, 0, "nobody has died yet");
    for _ in 0..2 {
        (subject.advance)(SECOND * 10).await;
        renew(subject, &living, LEASE).await;
        assert_eq!(recover(subject).await, 0);
    }
    (subject.advance)(SECOND * 10).await;
    assert_eq!(recover(subject).await, 1, "the lease of the dead one is over, as if nobody had set the clock");
    assert_eq!(come(subject).await, ["dead"]);
    settles(subject, living).await;
}

pub async fn set_forward_a_longer_lease_is_heeded_too(subject: &Subject) {
    recover(subject).await;
    let lease = LEASE * 10;
    let held = hold(subject, &["long"], lease).await.remove(0);
    (subject.set)(HOUR).await;
    for _ in 0..9 {
        (subject.advance)(SECOND * 11).await;
        assert_eq!(recover(subject).await, 0);
    }
    renew(subject, &held, lease).await;
    (subject.advance)(lease + SECOND).await;
    assert_eq!(recover(subject).await, 1);
}

pub async fn set_back_the_dead_keep_nothing(subject: &Subject) {
    recover(subject).await;
    let [living, _dead] = hold(subject, &["living", "dead"], LEASE).await.try_into().unwrap();
    (subject.set)(-HOUR).await;
    for _ in 0..3 {
        assert_eq!(recover(subject).await, 0);
        (subject.advance)(SECOND * 9).await;
        renew(subject, &living, LEASE).await;
    }
    assert_eq!(recover(subject).await, 0);
    (subject.advance)(SECOND * 4).await;
    assert_eq!(recover(subject).await, 1, "a lease after it was seen");
    assert_eq!(come(subject).await, ["dead"]);
    settles(subject, living).await;
}

pub async fn set_back_before_a_worker_starts_the_dead_keep_nothing(subject: &Subject) {
    hold(subject, &["dead"], LEASE).await;
    (subject.set)(-HOUR).await;
    assert_eq!(recover(subject).await, 0, "the first look of this one");
    (subject.advance)(LEASE + SECOND).await;
    assert_eq!(recover(subject).await, 1);
}

pub async fn set_back_no_lease_is_cut_below_what_its_holder_asks_for(subject: &Subject) {
    recover(subject).await;
    let lease = LEASE * 10;
    hold(subject, &["long"], lease).await;
    hold(subject, &["short"], LEASE).await;
    (subject.set)(-HOUR).await;
    assert_eq!(recover(subject).await, 0);
    (subject.advance)(LEASE + SECOND).await;
    assert_eq!(recover(subject).await, 1);
    (subject.advance)(SECOND * 268).await;
    assert_eq!(recover(subject).await, 0);
    (subject.advance)(SECOND * 2).await;
    assert_eq!(recover(subject).await, 1);
}

pub async fn set_forward_before_a_worker_starts_the_living_keep_what_they_hold(subject: &Subject) {
    let held = hold(subject, &["living"], LEASE).await.remove(0);
    (subject.set)(HOUR).await;
    let started = (subject.start)().await;
    for _ in 0..5 {
        assert_eq!(started.recover().await.unwrap(), 0, "it has just come, and cannot tell");
        (subject.advance)(SECOND * 2).await;
    }
    renew(subject, &held, LEASE).await;
    (subject.advance)(SECOND * 20).await;
    assert_eq!(started.recover().await.unwrap(), 0);
    (subject.advance)(SECOND * 11).await;
    assert_eq!(started.recover().await.unwrap(), 1);
}

pub async fn set_to_and_fro_nothing_comes_twice(subject: &Subject) {
    recover(subject).await;
    let held = hold(subject, &["a"], LEASE).await.remove(0);
    for by in [HOUR, -HOUR, -HOUR, HOUR, HOUR] {
        (subject.set)(by).await;
        assert_eq!(recover(subject).await, 0);
        (subject.advance)(SECOND * 9).await;
        assert_eq!(recover(subject).await, 0);
        renew(subject, &held, LEASE).await;
    }
    (subject.advance)(SECOND * 31).await;
    assert_eq!(recover(subject).await, 1);
}

pub async fn set_back_many_are_brought_down(subject: &Subject) {
    recover(subject).await;
    let bodies: Vec<_> = (0..2_500).map(|number| number.to_string()).collect();
    hold(subject, &bodies.iter().map(String::as_str).collect::<Vec<_>>(), LEASE).await;
    (subject.set)(-HOUR).await;
    assert_eq!(recover(subject).await, 0);
    (subject.advance)(LEASE + SECOND).await;
    let mut back = 0;
    loop {
        match recover(subject).await {
            0 => break,
            some => back += some,
        }
    }
    assert_eq!(back, bodies.len());
}

pub async fn what_waits_for_its_time_goes_by_the_clock(subject: &Subject) {
    recover(subject).await;
    // All that is known of the clock of a subject is that it began as the machine's.
    let due = SystemClock.now().saturating_add(SignedDuration::from_mins(30)).unwrap();
    let later = Outgoing { not_before: Some(due), ..message("q", "later") };
    subject.broker.publish(std::slice::from_ref(&later)).await.unwrap();
    (subject.set)(-HOUR).await;
    recover(subject).await;
    (subject.advance)(LEASE * 61).await;
    assert!(come(subject).await.is_empty(), "half an hour has passed, and the clock has not come there");
    (subject.set)(HOUR).await;
    recover(subject).await;
    assert_eq!(come(subject).await, ["later"]);
}

pub async fn set_forward_no_more_run_at_once(subject: &Subject) {
    recover(subject).await;
    let name = "task:t".to_owned();
    let one = Limit { concurrency: Some(1), ..Limit::default() };
    subject.broker.limits().set_limit(&name, &one).await.unwrap();
    let admit = async |held: &Delivery| {
        let task_id = String::from_utf8(held.bytes.to_vec()).unwrap();
        let ask = Admission { receipt: held.receipt.clone(), task_id, limits: vec![name.clone()], unique: None };
        subject.broker.limits().admit(&ask).await.unwrap()
    };
    let first = hold(subject, &["first"], LEASE).await.remove(0);
    assert_eq!(admit(&first).await, Admitted::Now);
    (subject.set)(HOUR).await;
    recover(subject).await;
    let second = hold(subject, &["second"], LEASE).await.remove(0);
    assert!(matches!(admit(&second).await, Admitted::Waits { .. }), "the first lives and holds its place");
}

/// Those of these that have to wait, where two may start in any ten seconds; the others have come to their end.
async fn start(subject: &Subject, ids: &[&'static str]) -> Vec<&'static str> {
    let name = "task:t".to_owned();
    let pace = Limit { rate: Some("2/10s".parse().unwrap()), ..Limit::default() };
    subject.broker.limits().set_limit(&name, &pace).await.unwrap();
    let mut waiting = Vec::new();
    for id in ids {
        let held = hold(subject, &[id], LEASE).await.remove(0);
        let receipt = held.receipt.clone();
        let ask = Admission { receipt, task_id: (*id).to_owned(), limits: vec![name.clone()], unique: None };
        match subject.broker.limits().admit(&ask).await.unwrap() {
            Admitted::Now => settles(subject, held).await,
            _ => waiting.push(*id),
        }
    }
    waiting
}

pub async fn set_back_no_more_start_than_may(subject: &Subject) {
    subject.broker.recover().await.unwrap();
    assert!(start(subject, &["a", "b"]).await.is_empty());
    (subject.set)(-HOUR).await;
    subject.broker.recover().await.unwrap();
    assert_eq!(start(subject, &["c", "d"]).await, ["c", "d"], "the two have just started, whatever the clock shows");
    (subject.advance)(SECOND * 11).await;
    subject.broker.recover().await.unwrap();
    assert_eq!(come(subject).await.len(), 2);
}

pub async fn set_back_a_rate_goes_on(subject: &Subject) {
    subject.broker.recover().await.unwrap();
    let waiting = start(subject, &["a", "b", "c", "d"]).await;
    assert_eq!(waiting, ["c", "d"]);
    (subject.set)(-HOUR).await;
    subject.broker.recover().await.unwrap();
    (subject.advance)(SECOND * 11).await;
    subject.broker.recover().await.unwrap();
    let mut come = come(subject).await;
    come.sort();
    assert_eq!(come, waiting, "and do not wait for an hour");
}
