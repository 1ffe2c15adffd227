//! What a broker promises of a limit that both admits attempts and is spent: they count together, and nobody in its line
//! is forgotten. Of several stores, where the one that admits is the one that counts what is spent.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test kit: each function is one promise, told by its name")]

use std::time::{Duration, Instant};

use super::Subject;
use super::limits::{admit, arrive, comes, end, rate, set, take_one};
use super::spending::{had, refused, refuses};
use crate::limits::{GRACE, Limit, PlaceEnd};

const LIMIT: [&str; 1] = ["task:t"];
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// One that is admitted and ends.
async fn runs(subject: &Subject, id: &str) {
    let delivery = arrive(subject, id, &LIMIT).await.unwrap();
    end(subject, delivery, &LIMIT, PlaceEnd::Good).await;
}

pub async fn what_is_spent_and_what_is_admitted_count_together(subject: &Subject) {
    let began = Instant::now();
    set(subject, LIMIT[0], Limit { concurrency: Some(1), breaker: "1/1m:1h".parse().ok(), ..rate("3/1m") }).await;
    let first = arrive(subject, "a", &LIMIT).await.unwrap();
    assert_eq!(had(subject, &LIMIT, 1).await, Some(1), "that its place is taken holds up no spending");
    end(subject, first, &LIMIT, PlaceEnd::Neither).await;
    runs(subject, "b").await;
    refuses(subject, LIMIT[0], 1, MINUTE, began).await;
    assert!(arrive(subject, "c", &LIMIT).await.is_none());
    (subject.advance)(SECOND * 61).await;
    let called = comes(subject, "c", &LIMIT).await;
    end(subject, called, &LIMIT, PlaceEnd::Bad).await;
    assert_eq!(had(subject, &LIMIT, 2).await, Some(0), "that its breaker is open does not, either");
}

pub async fn who_spends_overtakes_nobody_who_was_called(subject: &Subject) {
    let began = Instant::now();
    set(subject, LIMIT[0], rate("3/1m")).await;
    for id in ["a", "b", "c"] {
        runs(subject, id).await;
    }
    assert!(arrive(subject, "d", &LIMIT).await.is_none());
    (subject.advance)(SECOND * 61).await;
    assert_eq!(refused(subject, &LIMIT, 3).await, (LIMIT[0].to_owned(), GRACE));
    assert_eq!(had(subject, &LIMIT, 0).await, Some(2));
    assert_eq!(had(subject, &LIMIT, 2).await, Some(0));
    let called = comes(subject, "d", &LIMIT).await;
    end(subject, called, &LIMIT, PlaceEnd::Good).await;
    refuses(subject, LIMIT[0], 1, MINUTE, began).await;
}

pub async fn who_is_called_and_does_not_come_is_not_waited_for(subject: &Subject) {
    set(subject, LIMIT[0], rate("2/1m")).await;
    for id in ["a", "b"] {
        runs(subject, id).await;
    }
    assert!(arrive(subject, "c", &LIMIT).await.is_none());
    (subject.advance)(MINUTE + GRACE + SECOND).await;
    assert_eq!(had(subject, &LIMIT, 2).await, Some(0));
    let late = take_one(subject).await;
    assert_eq!(admit(subject, &late, &LIMIT).await.as_deref(), Some(LIMIT[0]));
}

pub async fn who_waits_for_what_was_spent_is_called(subject: &Subject) {
    set(subject, LIMIT[0], rate("2/1m")).await;
    for _ in 0..2 {
        had(subject, &LIMIT, 1).await;
        (subject.advance)(SECOND).await;
    }
    for id in ["a", "b", "c"] {
        assert!(arrive(subject, id, &LIMIT).await.is_none());
        (subject.advance)(SECOND / 10).await;
    }
    (subject.advance)(MINUTE).await;
    for id in ["a", "b"] {
        let called = comes(subject, id, &LIMIT).await;
        end(subject, called, &LIMIT, PlaceEnd::Good).await;
    }
    (subject.advance)(MINUTE + SECOND).await;
    comes(subject, "c", &LIMIT).await;
}
