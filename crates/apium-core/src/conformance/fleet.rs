//! What a fleet port promises: the living are shown, the silent are not, a revoke reaches everyone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use super::Subject;
use crate::fleet::WorkerCard;
use crate::revocation::Revocation;

const TTL: Duration = Duration::from_secs(1);
const KEEP: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(10);

fn card(name: &str) -> WorkerCard {
    WorkerCard {
        name: name.to_owned(),
        queues: vec!["q".to_owned()],
        tasks: vec!["t".to_owned()],
        concurrency: 2,
        active: 1,
        processed: 7,
        pid: 42,
        started: "2026-11-22T00:00:00Z".to_owned(),
    }
}

async fn names(subject: &Subject) -> Vec<String> {
    subject.other.workers().await.unwrap().into_iter().map(|card| card.name).collect()
}

pub async fn shows_the_living(subject: &Subject) {
    subject.broker.beat(&card("b@h"), KEEP).await.unwrap();
    subject.broker.beat(&card("a@h"), KEEP).await.unwrap();
    assert_eq!(names(subject).await, ["a@h", "b@h"]);
    assert_eq!(subject.other.workers().await.unwrap()[0], card("a@h"));
}

pub async fn a_silent_worker_is_gone(subject: &Subject) {
    subject.broker.beat(&card("a@h"), TTL).await.unwrap();
    subject.broker.beat(&card("b@h"), KEEP).await.unwrap();
    (subject.advance)(TTL * 2).await;
    assert_eq!(names(subject).await, ["b@h"]);
}

pub async fn a_leaver_is_gone(subject: &Subject) {
    subject.broker.beat(&card("a@h"), KEEP).await.unwrap();
    subject.broker.leave(&card("a@h")).await.unwrap();
    assert!(names(subject).await.is_empty());
}

/// On one machine two workers have the same name unless they are given others; their process ids differ. In two
/// containers these are the same too, and only the moments they started at differ.
pub async fn tells_namesakes_apart(subject: &Subject) {
    let first = card("a@h");
    let second = WorkerCard { pid: 43, processed: 3, ..card("a@h") };
    let third = WorkerCard { started: "2026-11-22T00:00:01Z".to_owned(), ..card("a@h") };
    for card in [&card("b@h"), &first, &second, &third] {
        subject.broker.beat(card, KEEP).await.unwrap();
    }
    let later = WorkerCard { processed: 8, active: 0, ..first.clone() };
    subject.broker.beat(&later, KEEP).await.unwrap();
    let all = subject.other.workers().await.unwrap();
    assert_eq!(all.iter().map(|card| card.name.as_str()).collect::<Vec<_>>(), ["a@h", "a@h", "a@h", "b@h"]);
    for card in [&later, &second, &third] {
        assert!(all.contains(card), "{card:?}");
    }
    subject.broker.leave(&first).await.unwrap();
    subject.broker.leave(&third).await.unwrap();
    assert_eq!(subject.other.workers().await.unwrap(), [second, card("b@h")], "who leaves takes no other along");
}

pub async fn tells_revocations_once(subject: &Subject) {
    subject.broker.revoke("a", KEEP).await.unwrap();
    subject.broker.revoke("b", KEEP).await.unwrap();
    let first = subject.other.revocations(0, SOON).await.unwrap();
    assert_eq!(first.ids, ["a", "b"]);
    subject.broker.revoke("c", KEEP).await.unwrap();
    let second = subject.other.revocations(first.cursor, SOON).await.unwrap();
    assert_eq!(second.ids, ["c"]);
    let none = subject.other.revocations(second.cursor, Duration::from_millis(20)).await.unwrap();
    assert!(none.ids.is_empty());
}

/// A worker that starts asks this way; a backend to which "wait for no time" means "wait for ever" would hang it.
pub async fn does_not_wait_when_given_no_time(subject: &Subject) {
    let asked = subject.other.revocations(0, Duration::ZERO);
    assert!(tokio::time::timeout(SOON, asked).await.unwrap().unwrap().ids.is_empty());
    subject.broker.revoke("a", KEEP).await.unwrap();
    let asked = subject.other.revocations(0, Duration::ZERO);
    assert_eq!(tokio::time::timeout(SOON, asked).await.unwrap().unwrap().ids, ["a"]);
}

pub async fn wakes_on_revoke(subject: &Subject) {
    let start = subject.other.revocations(0, Duration::from_millis(20)).await.unwrap();
    let waited = std::time::Instant::now();
    let (told, revoked) = tokio::join!(subject.other.revocations(start.cursor, SOON), async {
        tokio::task::yield_now().await;
        subject.broker.revoke("a", KEEP).await
    });
    revoked.unwrap();
    assert_eq!(told.unwrap().ids, ["a"]);
    assert!(waited.elapsed() < SOON / 2, "{:?}", waited.elapsed());
}

pub async fn remembers_revocations(subject: &Subject) {
    subject.broker.revoke("short", Duration::from_secs(1)).await.unwrap();
    subject.broker.revoke("long", KEEP).await.unwrap();
    (subject.advance)(Duration::from_secs(2)).await;
    assert_eq!(subject.other.revocations(0, SOON).await.unwrap().ids, ["long"]);
}

/// By stamp, by name and arguments, by ids that may go on where they run: kept and told as it was given.
pub async fn keeps_other_revocations(subject: &Subject) {
    let stamps = [("customer".to_owned(), vec!["7".to_owned()])].into();
    let stamped = Revocation { stamps, ..Revocation::default() };
    let arguments = [("x".to_owned(), 1.into())].into();
    let called = Revocation { task: Some("t".to_owned()), arguments, until: Some(9), ..Revocation::default() };
    let ids = Revocation { ids: vec!["b".to_owned()], terminate: true, ..Revocation::default() };
    subject.broker.call_off(&stamped, KEEP).await.unwrap();
    subject.broker.call_off(&called, Duration::from_secs(1)).await.unwrap();
    let first = subject.other.revocations(0, SOON).await.unwrap();
    assert_eq!((first.ids, first.rules), (Vec::<String>::new(), vec![stamped.clone(), called]));
    (subject.advance)(Duration::from_secs(2)).await;
    subject.broker.revoke("a", KEEP).await.unwrap();
    subject.broker.call_off(&ids, KEEP).await.unwrap();
    let second = subject.other.revocations(first.cursor, SOON).await.unwrap();
    assert_eq!((second.ids, second.rules), (vec!["a".to_owned()], vec![ids.clone()]));
    let all = subject.other.revocations(0, SOON).await.unwrap();
    assert_eq!((all.ids, all.rules), (vec!["a".to_owned()], vec![stamped, ids]));
}
