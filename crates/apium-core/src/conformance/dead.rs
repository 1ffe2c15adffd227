//! What a broker promises of dead letters: they are found by what is known of them, counted, dropped and replayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use jiff::Timestamp;

use super::Subject;
use crate::broker::{Claim, Delivery, Disposition, Settled, Settlement};
use crate::clock::{Clock, SystemClock};
use crate::dead::{DeadFilter, DeadLetter, DeadReason, MOST_DEATHS};
use crate::fleet::WorkerCard;

/// Letters of three days, tasks, queues, reasons and errors; the last is the newest.
async fn letters(subject: &Subject) {
    for (id, queue, task, reason, error, at) in [
        ("one", "q", Some("mail.send"), DeadReason::Rejected, "Reject: no such box", "2026-11-20T12:00:00Z"),
        ("two", "r", Some("mail.send"), DeadReason::RetriesExhausted, "TimeoutError: box", "2026-11-21T12:00:00Z"),
        ("three", "q", None, DeadReason::Undecodable, "DecodeError: byte 0", "2026-11-22T12:00:00Z"),
        ("four", "q", Some("mail.read"), DeadReason::Rejected, "Reject: 100%_odd", "2026-11-22T12:00:00.000001Z"),
    ] {
        let letter = DeadLetter {
            id: id.to_owned(),
            queue: queue.to_owned(),
            priority: 0,
            reason,
            error: error.to_owned(),
            task: task.map(ToOwned::to_owned),
            task_id: None,
            attempts: 1,
            worker: "w@h".to_owned(),
            died_with: Vec::new(),
            at: at.to_owned(),
            message: id.as_bytes().to_vec(),
        };
        let kept = Settlement::without_delivery(Disposition::DeadLetter(letter.into()));
        subject.broker.settle(vec![kept]).await.unwrap();
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub async fn letters_are_found_by_what_is_known(subject: &Subject) {
    letters(subject).await;
    let all = DeadFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (all(), vec!["four", "three", "two", "one"]),
        (DeadFilter { limit: Some(2), ..all() }, vec!["four", "three"]),
        (DeadFilter { task: text("mail.send"), ..all() }, vec!["two", "one"]),
        (DeadFilter { task: text("mail.send"), queue: text("q"), ..all() }, vec!["one"]),
        (DeadFilter { reason: Some(DeadReason::Rejected), ..all() }, vec!["four", "one"]),
        (DeadFilter { reason: Some(DeadReason::Rejected), limit: Some(1), queue: text("q"), ..all() }, vec!["four"]),
        (DeadFilter { error: text("box"), ..all() }, vec!["two", "one"]),
        (DeadFilter { error: text("100%_"), ..all() }, vec!["four"]),
        (DeadFilter { error: text("0__o"), ..all() }, vec![]),
        (DeadFilter { since: Some(time("2026-11-21T12:00:00Z")), ..all() }, vec!["four", "three", "two"]),
        (DeadFilter { before: Some(time("2026-11-22T12:00:00Z")), ..all() }, vec!["two", "one"]),
        (DeadFilter { since: Some(time("2026-11-22T12:00:00.000001Z")), error: text("Reject"), ..all() }, vec!["four"]),
    ] {
        let letters = subject.broker.dead_letters(&filter).await.unwrap();
        let found: Vec<_> = letters.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(subject.broker.dead_ids(&filter).await.unwrap(), expected, "{filter:?}");
    }
}

pub async fn dropped_letters_are_gone(subject: &Subject) {
    letters(subject).await;
    let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(subject.broker.drop_dead(&ids(&["two", "nobody", "four"])).await.unwrap(), 2);
    assert_eq!(subject.broker.drop_dead(&ids(&["two"])).await.unwrap(), 0);
    assert_eq!(subject.broker.drop_dead(&[]).await.unwrap(), 0);
    assert_eq!(subject.broker.dead_ids(&DeadFilter::default()).await.unwrap(), ["three", "one"]);
    assert!(!subject.broker.replay("two", None).await.unwrap());
    assert_eq!(subject.broker.dead_letter("four").await.unwrap(), None);
}

pub async fn replays_other_bytes_if_told(subject: &Subject) {
    letters(subject).await;
    assert!(subject.broker.replay("one", Some(b"other".to_vec())).await.unwrap());
    assert!(!subject.broker.replay("one", Some(b"other".to_vec())).await.unwrap());
    let queues = ["q".to_owned()];
    let claim = Claim { queues: &queues, max: 5, lease: Duration::from_secs(30) };
    let claimed = subject.broker.claim(&claim).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(&*claimed[0].bytes, b"other");
    assert_eq!(subject.broker.dead_ids(&DeadFilter::default()).await.unwrap(), ["four", "three", "two"]);
}

const LEASE: Duration = Duration::from_secs(30);

async fn claim(subject: &Subject) -> Delivery {
    let queues = ["q".to_owned()];
    let claim = Claim { queues: &queues, max: 1, lease: LEASE };
    subject.broker.claim(&claim).await.unwrap().pop().expect("a message to claim")
}

async fn settle(subject: &Subject, delivery: Delivery, disposition: Disposition) {
    subject.broker.settle(vec![Settlement::of(delivery.receipt, disposition)]).await.unwrap();
}

async fn beat(subject: &Subject, name: &str) {
    let card = WorkerCard {
        name: name.to_owned(),
        queues: vec!["q".to_owned()],
        tasks: Vec::new(),
        concurrency: 1,
        active: 0,
        processed: 0,
        pid: 42,
        started: "2026-11-22T00:00:00Z".to_owned(),
    };
    subject.broker.beat(&card, LEASE).await.unwrap();
}

/// Lets the lease of what is claimed run out.
async fn die(subject: &Subject) {
    (subject.advance)(LEASE * 2).await;
    assert_eq!(subject.other.recover().await.unwrap(), 1);
}

pub async fn tells_whose_lease_ran_out(subject: &Subject) {
    let message = super::message("q", "{\"the\": \"same bytes\"}");
    subject.broker.publish(std::slice::from_ref(&message)).await.unwrap();
    for (name, before) in [("a@h", vec![]), ("b@h", vec!["a@h"]), ("b@h", vec!["a@h", "b@h"])] {
        beat(subject, name).await;
        let delivery = claim(subject).await;
        assert_eq!(delivery.deaths, before);
        assert_eq!(&*delivery.bytes, message.bytes, "they stand beside the message, not in it");
        die(subject).await;
    }
    let all = ["a@h", "b@h", "b@h"];
    for disposition in [Disposition::Requeue, Disposition::RequeueLast, Disposition::Defer(SystemClock.now())] {
        let delivery = claim(subject).await;
        assert_eq!(delivery.deaths, all, "nor does it cost anything to be given back");
        settle(subject, delivery, disposition).await;
        (subject.advance)(Duration::from_secs(1)).await;
    }
    let delivery = claim(subject).await;
    assert_eq!(delivery.deaths, all);
    settle(subject, delivery, Disposition::Ack).await;
    subject.broker.publish(&[message]).await.unwrap();
    assert!(claim(subject).await.deaths.is_empty(), "forgotten once it was done with");
}

pub async fn a_renewed_lease_is_no_death(subject: &Subject) {
    subject.broker.publish(&[super::message("q", "{}")]).await.unwrap();
    let delivery = claim(subject).await;
    for _ in 0..4 {
        (subject.advance)(LEASE / 2).await;
        subject.broker.renew(std::slice::from_ref(&delivery.receipt), LEASE).await.unwrap();
        assert_eq!(subject.other.recover().await.unwrap(), 0);
    }
    settle(subject, delivery, Disposition::Requeue).await;
    assert!(claim(subject).await.deaths.is_empty());
}

pub async fn a_dead_letter_takes_its_deaths_along(subject: &Subject) {
    subject.broker.publish(&[super::message("q", "{}")]).await.unwrap();
    beat(subject, "w@h").await;
    claim(subject).await;
    die(subject).await;
    let delivery = claim(subject).await;
    let letter = DeadLetter {
        id: "poisoned".to_owned(),
        queue: "q".to_owned(),
        priority: 0,
        reason: DeadReason::Poison,
        error: "it kills".to_owned(),
        task: None,
        task_id: None,
        attempts: 1,
        worker: "w@h".to_owned(),
        died_with: delivery.deaths.clone(),
        at: "2026-11-22T00:00:00Z".to_owned(),
        message: delivery.bytes.to_vec(),
    };
    settle(subject, delivery, Disposition::DeadLetter(letter.clone().into())).await;
    assert_eq!(subject.broker.dead_letter("poisoned").await.unwrap(), Some(letter));
    assert!(subject.broker.replay("poisoned", None).await.unwrap());
    assert!(claim(subject).await.deaths.is_empty(), "what is replayed starts anew");
}

pub async fn who_gives_it_back_may_count_a_death(subject: &Subject) {
    let message = super::message("q", "{\"the\": \"same bytes\"}");
    subject.broker.publish(&[message.clone(), super::message("q", "{}")]).await.unwrap();
    beat(subject, "w@h").await;
    claim(subject).await;
    die(subject).await;
    settle(subject, claim(subject).await, Disposition::Died("a child of w@h".to_owned())).await;
    let delivery = claim(subject).await;
    assert_eq!((&*delivery.bytes, delivery.redelivered), (&message.bytes[..], true), "at the front of its queue");
    assert_eq!(delivery.deaths, ["w@h", "a child of w@h"]);
    for n in 0..MOST_DEATHS {
        let delivery = claim(subject).await;
        assert_eq!(&*delivery.bytes, b"{}", "the other's deaths are its own");
        settle(subject, delivery, Disposition::Died(n.to_string())).await;
    }
    settle(subject, delivery, Disposition::Died("one more".to_owned())).await;
    let delivery = claim(subject).await;
    assert_eq!(delivery.deaths, ["w@h", "a child of w@h", "one more"]);
    settle(subject, delivery.clone(), Disposition::Ack).await;
    let lost = Settlement::of(delivery.receipt, Disposition::Died("nobody".to_owned()));
    assert_eq!(subject.broker.settle(vec![lost]).await.unwrap(), [Settled::Lost]);
    let other = claim(subject).await;
    assert_eq!((other.deaths.len(), other.deaths[0].as_str()), (MOST_DEATHS, "0"));
}

pub async fn only_the_latest_deaths_are_kept(subject: &Subject) {
    subject.broker.publish(&[super::message("q", "{}")]).await.unwrap();
    for n in 0..MOST_DEATHS + 2 {
        beat(subject, &n.to_string()).await;
        claim(subject).await;
        die(subject).await;
    }
    let deaths = claim(subject).await.deaths;
    assert_eq!((deaths.len(), deaths[0].as_str()), (MOST_DEATHS, "2"));
}
