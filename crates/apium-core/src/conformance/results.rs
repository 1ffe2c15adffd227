//! What a result store promises: nothing overwrites a success, waiters are told, expiry is told from ignorance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use apium_protocol::{RawJson, ResultRecord};

use super::Subject;
use crate::results::{Lookup, StoredResult};
use crate::state::Overwrite;

const KEEP: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(10);

fn result(id: &str, status: &str, value: &str) -> StoredResult {
    StoredResult::of(&ResultRecord::new(id, status, RawJson::parse(value).unwrap()), Some(KEEP))
}

async fn status(subject: &Subject, id: &str) -> String {
    match subject.results.lookup(id).await.unwrap() {
        Lookup::Stored(record) => record.status,
        other => format!("{other:?}"),
    }
}

pub async fn unknown_until_stored(subject: &Subject) {
    assert_eq!(status(subject, "never").await, "Unknown");
}

pub async fn stores_and_reads_back(subject: &Subject) {
    let value = r#"{"status": "SUCCESS", "n": NaN, "big": 123456789012345678901234567890, "é": "\ud83d\ude00"}"#;
    assert!(subject.results.store(&result("a", "PROCESSING", value)).await.unwrap());
    let Lookup::Stored(record) = subject.results.lookup("a").await.unwrap() else { panic!("not stored") };
    assert_eq!((record.status.as_str(), record.result.as_str()), ("PROCESSING", value));
    assert!(
        subject.results.store(&result("a", "SUCCESS", "3")).await.unwrap(),
        "a custom state gives way, whatever its metadata says"
    );
    subject.results.forget("a").await.unwrap();
    assert_eq!(status(subject, "a").await, "Unknown");
}

pub async fn success_is_final(subject: &Subject) {
    assert!(subject.results.store(&result("a", "SUCCESS", "1")).await.unwrap());
    for late in ["FAILURE", "RETRY", "STARTED", "REVOKED", "SUCCESS"] {
        assert!(!subject.results.store(&result("a", late, "2")).await.unwrap());
    }
    let Lookup::Stored(record) = subject.results.lookup("a").await.unwrap() else { panic!("not stored") };
    assert_eq!(record.result.as_str(), "1");
}

pub async fn failure_gives_way(subject: &Subject) {
    assert!(subject.results.store(&result("a", "FAILURE", "1")).await.unwrap());
    assert!(subject.results.store(&result("a", "SUCCESS", "2")).await.unwrap());
    assert_eq!(status(subject, "a").await, "SUCCESS");
}

pub async fn revoke_does_not_touch_what_began(subject: &Subject) {
    for (id, state, told) in
        [("a", "STARTED", false), ("b", "PROCESSING", false), ("c", "FAILURE", false), ("d", "RETRY", true)]
    {
        subject.results.store(&result(id, state, "1")).await.unwrap();
        let revoke = StoredResult { over: Overwrite::Waiting, ..result(id, "REVOKED", "2") };
        assert_eq!(subject.results.store(&revoke).await.unwrap(), told, "over {state}");
    }
    let fresh = StoredResult { over: Overwrite::Waiting, ..result("e", "REVOKED", "2") };
    assert!(subject.results.store(&fresh).await.unwrap());
}

pub async fn waits_for_a_ready_state(subject: &Subject) {
    subject.results.store(&result("a", "STARTED", "1")).await.unwrap();
    let waited = std::time::Instant::now();
    let (record, stored) = tokio::join!(subject.results.wait("a", SOON), async {
        tokio::task::yield_now().await;
        subject.results.store(&result("a", "RETRY", "2")).await.unwrap();
        subject.results.store(&result("a", "SUCCESS", "3")).await.unwrap()
    });
    assert!(stored);
    assert_eq!(record.unwrap().expect("a record").result.as_str(), "3");
    assert!(waited.elapsed() < SOON / 2, "{:?}", waited.elapsed());
    assert!(subject.results.wait("a", SOON).await.unwrap().is_some(), "one that is ready already is read at once");
}

pub async fn wait_times_out(subject: &Subject) {
    for at_most in [Duration::from_millis(30), Duration::ZERO] {
        assert!(subject.results.wait("a", at_most).await.unwrap().is_none());
    }
}

pub async fn expires(subject: &Subject) {
    subject
        .results
        .store(&StoredResult { expires: Some(Duration::from_secs(1)), ..result("a", "SUCCESS", "1") })
        .await
        .unwrap();
    subject.results.store(&StoredResult { expires: None, ..result("b", "SUCCESS", "1") }).await.unwrap();
    (subject.advance)(Duration::from_secs(2)).await;
    assert_eq!(status(subject, "a").await, "Unknown");
    assert_eq!(status(subject, "b").await, "SUCCESS");
}

pub async fn remembers_and_forgets(subject: &Subject) {
    subject.results.remember("a", KEEP).await.unwrap();
    assert_eq!(status(subject, "a").await, "Waiting");
    let remembered =
        StoredResult { expires: Some(Duration::from_secs(1)), remember: Some(KEEP), ..result("a", "SUCCESS", "1") };
    subject.results.store(&remembered).await.unwrap();
    assert_eq!(status(subject, "a").await, "SUCCESS");
    (subject.advance)(Duration::from_secs(2)).await;
    assert_eq!(status(subject, "a").await, "Expired");
    subject.results.remember("b", Duration::from_secs(1)).await.unwrap();
    (subject.advance)(Duration::from_secs(2)).await;
    assert_eq!(status(subject, "b").await, "Unknown");
    (subject.advance)(KEEP).await;
    subject.results.remember("a", KEEP).await.unwrap();
    assert_eq!(status(subject, "a").await, "Waiting", "what was known of an id long ago does not count");
}
