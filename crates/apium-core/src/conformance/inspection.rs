//! What a store that outlives its process tells of itself: the truth, a bounded part of it, and without a trace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use apium_protocol::{RawJson, ResultRecord};
use jiff::SignedDuration;

use super::{Subject, message};
use crate::broker::{Claim, Delivery, Disposition, Outgoing, Settlement};
use crate::clock::{Clock, SystemClock};
use crate::dead::{DeadLetter, DeadReason};
use crate::fleet::WorkerCard;
use crate::inspection::{Durability, Facts, Held, Inspection, READ_UP_TO, SAMPLE};
use crate::results::StoredResult;

const LEASE: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);

fn inspection(subject: &Subject) -> &dyn Inspection {
    subject.other.inspection().expect("it outlives its process, so there is something to look at")
}

async fn examine(subject: &Subject) -> Facts {
    inspection(subject).examine().await.unwrap()
}

fn envelope(id: &str) -> String {
    format!("{{\"body\": \"W10=\", \"headers\": {{\"id\": \"{id}\"}}, \"properties\": {{}}}}")
}

async fn publish(subject: &Subject, queue: &str, ids: &[&str]) {
    let messages: Vec<_> = ids.iter().map(|id| message(queue, &envelope(id))).collect();
    subject.broker.publish(&messages).await.unwrap();
}

async fn claim(subject: &Subject, max: usize) -> Vec<Delivery> {
    subject.broker.claim(&Claim { queues: &["q".to_owned()], max, lease: LEASE }).await.unwrap()
}

fn card(name: &str) -> WorkerCard {
    WorkerCard {
        name: name.to_owned(),
        queues: vec!["q".to_owned()],
        tasks: Vec::new(),
        concurrency: 1,
        active: 0,
        processed: 0,
        pid: 1,
        started: "2026-11-23T00:00:00Z".to_owned(),
    }
}

pub async fn an_empty_store_tells_what_it_is(subject: &Subject) {
    let facts = examine(subject).await;
    assert!(!facts.store.kind.is_empty() && !facts.store.version.is_empty());
    assert_ne!(facts.store.durability, Durability::Unknown);
    assert_eq!(facts.store.trouble, None);
    assert!(facts.messages.is_empty() && facts.workers.is_empty() && facts.whole);
    assert_eq!((facts.orphans, facts.dead, facts.results), (0, 0, (0, 0)));
    let ahead = facts.now - SystemClock.now().as_duration().as_secs_f64();
    assert!(ahead.abs() < 5.0, "its clock is {ahead} s ahead");
}

pub async fn tells_what_waits_and_who_holds_what(subject: &Subject) {
    publish(subject, "q", &["held", "first", "second"]).await;
    assert_eq!(claim(subject, 1).await.len(), 1);
    let due = SystemClock.now().saturating_add(SignedDuration::from_hours(1)).unwrap();
    let later = Outgoing { not_before: Some(due), ..message("late", &envelope("later")) };
    subject.broker.publish(&[later]).await.unwrap();
    let facts = examine(subject).await;
    let ready: BTreeMap<_, _> = facts.queues.iter().filter(|(_, ready)| *ready > 0).cloned().collect();
    assert_eq!(ready, BTreeMap::from([("q".to_owned(), 2)]));
    let mut seen = BTreeMap::new();
    for sample in &facts.messages {
        let text = String::from_utf8(sample.envelope.clone().unwrap()).unwrap();
        assert!(sample.bytes >= text.len() as u64);
        seen.insert(text, (sample.queue.as_str(), sample.held));
    }
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[&envelope("first")], ("q", Held::Waiting));
    assert_eq!(seen[&envelope("second")], ("q", Held::Waiting));
    assert_eq!(seen[&envelope("later")], ("late", Held::Delayed));
    let ("q", Held::Leased { until }) = seen[&envelope("held")] else { panic!("{seen:?}") };
    let left = until - facts.now;
    assert!((25.0..=30.0).contains(&left), "its lease ends in {left} s");
}

pub async fn tells_dead_letters_and_who_lives(subject: &Subject) {
    publish(subject, "q", &["bad"]).await;
    let bad = claim(subject, 1).await.remove(0);
    let letter = DeadLetter {
        id: "d".to_owned(),
        queue: "q".to_owned(),
        priority: 0,
        reason: DeadReason::Unknown,
        error: "no task of that name".to_owned(),
        task: None,
        task_id: None,
        attempts: 1,
        worker: "w@h".to_owned(),
        died_with: Vec::new(),
        at: "2026-11-23T00:00:00Z".to_owned(),
        message: bad.bytes.to_vec(),
    };
    subject.broker.settle(vec![Settlement::of(bad.receipt, Disposition::DeadLetter(letter.into()))]).await.unwrap();
    subject.broker.beat(&card("silent@h"), MINUTE).await.unwrap();
    (subject.advance)(MINUTE * 2).await;
    subject.broker.beat(&card("b@h"), MINUTE).await.unwrap();
    subject.broker.beat(&card("a@h"), MINUTE).await.unwrap();
    let facts = examine(subject).await;
    let workers: Vec<_> = facts.workers.iter().map(|card| card.name.as_str()).collect();
    assert_eq!((workers.as_slice(), facts.dead), (["a@h", "b@h"].as_slice(), 1));
}

pub async fn what_is_large_is_measured_and_not_read(subject: &Subject) {
    let large = "x".repeat(READ_UP_TO as usize);
    publish(subject, "q", &["small", &large]).await;
    let facts = examine(subject).await;
    let (read, measured): (Vec<_>, Vec<_>) = facts.messages.iter().partition(|sample| sample.envelope.is_some());
    assert_eq!((read.len(), measured.len()), (1, 1));
    assert!(measured[0].bytes > u64::from(READ_UP_TO));
}

pub async fn tells_results_that_are_kept_for_ever(subject: &Subject) {
    for (id, keep) in [("a", Some(MINUTE)), ("b", None), ("c", Some(MINUTE))] {
        let record = ResultRecord::new(id, "SUCCESS", RawJson::from(&1).unwrap());
        subject.results.store(&StoredResult::of(&record, keep)).await.unwrap();
    }
    let facts = subject.results.inspection().expect("as its broker").examine().await.unwrap();
    assert_eq!(facts.results, (3, 1));
}

pub async fn a_look_costs_no_more_for_more(subject: &Subject) {
    let ids: Vec<_> = (0..1_200).map(|id| id.to_string()).collect();
    publish(subject, "q", &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(claim(subject, 200).await.len(), 200);
    let facts = examine(subject).await;
    let most = 4 * SAMPLE as usize;
    assert!((1..=most).contains(&facts.messages.len()), "{} messages are shown", facts.messages.len());
    assert!(facts.queues.contains(&("q".to_owned(), 1_000)), "{:?}", facts.queues);
    let mut shown = Vec::new();
    assert!(inspection(subject).look_through(&mut |bytes| shown.push(bytes.to_vec())).await.unwrap());
    shown.sort();
    shown.dedup();
    let mut expected: Vec<_> = ids.iter().map(|id| envelope(id).into_bytes()).collect();
    expected.sort();
    assert!(shown == expected, "{} of {} were shown", shown.len(), expected.len());
}

pub async fn looking_changes_nothing(subject: &Subject) {
    publish(subject, "q", &["held", "first", "second"]).await;
    let held = claim(subject, 1).await.remove(0);
    let depths = subject.broker.depths(&["q".to_owned()]).await.unwrap();
    for _ in 0..2 {
        examine(subject).await;
        assert!(inspection(subject).look_through(&mut |_| ()).await.unwrap());
    }
    let again = subject.broker.depths(&["q".to_owned()]).await.unwrap();
    assert_eq!((again[0].ready, again[0].claimed), (depths[0].ready, depths[0].claimed));
    let left = claim(subject, 10).await;
    let texts: Vec<_> = left.iter().map(|delivery| String::from_utf8(delivery.bytes.to_vec()).unwrap()).collect();
    assert_eq!(texts, [envelope("first"), envelope("second")]);
    assert!(left.iter().all(|delivery| !delivery.redelivered && delivery.deaths.is_empty()));
    assert!(subject.broker.renew(&[held.receipt], LEASE).await.unwrap().is_empty());
}
