//! What a result store promises: nothing overwrites a success, waiters are told, expiry is told from ignorance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use apium_protocol::{Extended, Headers, RawJson, ResultRecord};

use super::Subject;
use crate::client::Client;
use crate::results::{Lookup, StoredResult};
use crate::routing::Routes;
use crate::signature::{Signature, group};
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

pub async fn keeps_a_record_whole(subject: &Subject) {
    let json = |text: &str| RawJson::parse(text).unwrap();
    let extended = Extended {
        name: Some("app.add".to_owned()),
        args: json("[1, NaN]"),
        kwargs: json(r#"{"é": null}"#),
        worker: Some("w@host".to_owned()),
        retries: Some(2),
        queue: Some("celery".to_owned()),
    };
    let headers = Headers {
        stamped_headers: Some(vec!["mid".to_owned()]),
        stamps: json(r#"{"mid": "z"}"#),
        ..Headers::new("app.add", "a")
    };
    let record = ResultRecord {
        traceback: Some("Traceback…\n  File \"é\"".to_owned()),
        children: json(r#"[[["b", [["a", null], null]], null], [["g", null], [[["c", null], null]]]]"#),
        date_done: Some("2026-11-22T15:12:14.034619+00:00".to_owned()),
        group_id: Some("g".to_owned()),
        parent_id: Some("p".to_owned()),
        other: extended.to_members(&headers),
        ..ResultRecord::new("a", "FAILURE", json(r#"{"exc_type": "E", "exc_message": [], "exc_module": "m"}"#))
    };
    assert!(subject.results.store(&StoredResult::of(&record, Some(KEEP))).await.unwrap());
    let Lookup::Stored(found) = subject.results.lookup("a").await.unwrap() else { panic!("not stored") };
    assert_eq!((*found).extended(), Some(extended));
    assert_eq!(*found, record);
}

pub async fn many_are_waited_for(subject: &Subject) {
    let client = Client::new(subject.broker.clone(), subject.results.clone(), Routes::default());
    let members = (0..1000).map(|n| Signature::new("app.n").task_id(n.to_string()));
    let pending = client.send(&group(members)).await.unwrap();
    let store = async |id: &str, status: &str, value: &str| {
        assert!(subject.results.store(&result(id, status, value)).await.unwrap());
    };
    let (values, ()) = tokio::join!(pending.get::<Vec<usize>>(SOON * 6), async {
        for n in (0..1000).rev() {
            store(&n.to_string(), "SUCCESS", &n.to_string()).await;
        }
    });
    assert_eq!(values.unwrap(), (0..1000).collect::<Vec<_>>());
    subject.results.forget("1").await.unwrap();
    subject.results.forget("999").await.unwrap();
    let (failed, ()) = tokio::join!(pending.get::<Vec<usize>>(SOON * 6), store("999", "FAILURE", "{}"));
    assert!(matches!(failed, Err(crate::ResultError::Failed { .. })), "though another has not ended: {failed:?}");
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
