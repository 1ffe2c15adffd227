//! What is tried again, when, how often, and what the message of another try keeps.

use std::time::Duration;

use apium_core::client::{iso, parse_iso};
use apium_core::clock::after;
use apium_core::protocol::{Headers, Message, Payload, Properties, RawJson};
use apium_core::{Broker, DeadReason, Outgoing, Signature};
use tokio::time::Instant;

use crate::kit::{Rig, assert_told};
use crate::tasks;

fn end(how: &str) -> Signature {
    tasks::end::s(how.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_retryable_error_is_tried_again() {
    let rig = Rig::started();
    assert_eq!(rig.outcome(&end("once")).await.result.as_str(), "1");
    assert_eq!(rig.stage.notes(), ["attempt 0", "attempt 1"]);
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.dead(0).await;
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_not_unless_the_task_says_so() {
    let rig = Rig::started();
    assert_told(&rig.outcome(&end("plain")).await, "FAILURE", "builtins", "ValueError", "plain");
    let auto = |how: &str| tasks::auto::s(how.to_owned());
    assert_told(&rig.outcome(&auto("fatal")).await, "FAILURE", "builtins", "ValueError", "fatal");
    assert_told(&rig.outcome(&auto("panic")).await, "FAILURE", "rust", "Panic", "out of order");
    assert_eq!(rig.stage.notes(), ["attempt 0"; 3]);
    rig.dead(0).await;
    assert_eq!(rig.outcome(&auto("plain")).await.status, "FAILURE");
    assert_eq!(rig.stage.notes()[3..], ["attempt 0", "attempt 1"]);
    rig.dead(1).await;
}

#[tokio::test(start_paused = true)]
async fn when_retries_are_used_up_the_original_error_is_told() {
    let rig = Rig::started();
    let pending = rig.send(&end("retryable").priority(3)).await;
    let told = rig.record(pending.id()).await;
    assert_told(&told, "FAILURE", "builtins", "ValueError", "retryable");
    assert_eq!(rig.stage.notes(), ["attempt 0", "attempt 1", "attempt 2"]);
    let letter = rig.dead(1).await.remove(0);
    assert_eq!((letter.reason, letter.attempts, letter.priority), (DeadReason::RetriesExhausted, 3, 3));
    assert_eq!(letter.error, "ValueError: retryable");
    assert_eq!(rig.depth().await, (0, 0, 0));
    // Replayed, the last try is made once more.
    assert!(rig.memory.replay(&letter.id, None).await.unwrap());
    rig.stage.count(4).await;
    assert_eq!(rig.stage.notes()[3], "attempt 2");
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_is_named_is_kept_to() {
    let rig = Rig::started();
    let began = Instant::now();
    rig.outcome(&end("in 30 s")).await;
    let took = began.elapsed();
    assert!((Duration::from_mins(1)..Duration::from_secs(61)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_back_off_doubles_up_to_its_limit() {
    let rig = Rig::started();
    let pending = rig.send(&tasks::steady::s()).await;
    let mut gaps = Vec::new();
    rig.stage.count(1).await;
    for attempt in 2..=6 {
        let before = Instant::now();
        rig.stage.count(attempt).await;
        gaps.push(before.elapsed().as_secs_f64().round());
    }
    assert_eq!(gaps, [1.0, 2.0, 4.0, 4.0, 4.0]);
    assert_eq!(rig.record(pending.id()).await.status, "FAILURE");
}

#[tokio::test(start_paused = true)]
async fn jitter_only_ever_shortens_it() {
    let rig = Rig::started();
    let began = Instant::now();
    let mut total = 0.0;
    for _ in 0..20 {
        rig.outcome(&tasks::jittery::s()).await;
    }
    total += began.elapsed().as_secs_f64();
    // Twenty times 10 + 20 + 20 seconds at the most, half of it on average.
    assert!((250.0..750.0).contains(&total), "{total}");
}

#[tokio::test(start_paused = true)]
async fn the_next_message_keeps_all_that_is_not_about_the_try() {
    let mut rig = Rig::new();
    let payload = Payload::new(RawJson::parse("[\"retryable\"]").unwrap(), RawJson::parse("{}").unwrap());
    let headers = Headers {
        root_id: Some("root".to_owned()),
        parent_id: Some("parent".to_owned()),
        group: Some("g".to_owned()),
        retries: 1,
        timelimit: (Some(7.5), None),
        redelivered: true,
        other: vec![("x-tenant".to_owned(), RawJson::parse("{\"id\": 7}").unwrap())],
        ..Headers::new("t.end", "me")
    };
    let properties = Properties {
        priority: Some(5),
        delivery_tag: "old".to_owned(),
        reply_to: Some("elsewhere".to_owned()),
        other: vec![("x".to_owned(), RawJson::parse("[1]").unwrap())],
        ..Properties::default()
    };
    let sent = Message::new(headers, &payload, properties);
    let outgoing = Outgoing { queue: "celery".to_owned(), priority: 5, bytes: sent.encode(), not_before: None };
    rig.memory.publish(&[outgoing]).await.unwrap();
    rig.start();
    rig.probe.settled(1).await;
    let now = rig.clock.now();
    assert_eq!(rig.status("me").await.as_deref(), Some("RETRY"));
    assert_eq!(rig.depth().await, (0, 1, 0));
    rig.stopped().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let (delivery, mut again) = rig.take_message().await;
    let due = parse_iso(again.headers.eta.as_deref().unwrap()).unwrap();
    assert!(now <= due && due <= after(now, Duration::from_secs(2)), "{due}");
    assert_ne!(again.properties.delivery_tag, "old");
    assert_eq!((delivery.priority, delivery.redelivered), (5, false));
    let expected = Headers {
        retries: 2,
        parent_id: Some("me".to_owned()),
        eta: Some(iso(due)),
        redelivered: false,
        ..sent.headers.clone()
    };
    assert_eq!(again.headers, expected);
    again.properties.delivery_tag = "old".to_owned();
    assert_eq!((again.properties, again.body), (sent.properties, sent.body));
}

#[tokio::test(start_paused = true)]
async fn the_record_of_a_retry_tells_the_error() {
    let rig = Rig::started();
    let pending = rig.send(&end("in 30 s")).await;
    rig.probe.settled(1).await;
    let apium_core::Lookup::Stored(record) = pending.lookup().await.unwrap() else { panic!("nothing stored") };
    assert_told(&record, "RETRY", "builtins", "ValueError", "in 30 s");
    assert_eq!(record.date_done, None);
    let traceback = record.traceback.unwrap();
    assert!(traceback.starts_with("Traceback"), "{traceback}");
    assert!(traceback.ends_with("\nRetry in 30s: ValueError: in 30 s\n"), "{traceback}");
}

/// Protocol 1 keeps the count in its body; one that is not counted up would be tried for ever.
#[tokio::test(start_paused = true)]
async fn a_message_of_protocol_1_is_counted_up() {
    let rig = Rig::started();
    let body = RawJson::string(r#"{"task": "t.end", "id": "one", "args": ["retryable"], "kwargs": {}, "retries": 1}"#);
    rig.publish(format!(
        r#"{{"body": {body}, "content-type": "application/json", "content-encoding": "utf-8", "headers": {{}}, "properties": {{"delivery_tag": "t", "delivery_info": {{"exchange": "", "routing_key": "celery"}}}}}}"#
    ))
    .await;
    assert_told(&rig.record("one").await, "FAILURE", "builtins", "ValueError", "retryable");
    assert_eq!(rig.stage.notes(), ["attempt 1", "attempt 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_reject_gives_the_message_up() {
    let rig = Rig::started();
    let told = rig.outcome(&tasks::auto::s("reject".to_owned())).await;
    assert_told(&told, "FAILURE", "celery.exceptions", "Reject", "not mine");
    assert_eq!(rig.dead(1).await[0].reason, DeadReason::Rejected);
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_requeue_goes_to_the_end_of_the_queue() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    let back = rig.send(&end("requeue")).await;
    rig.send(&tasks::blocking::s("next".to_owned())).await;
    rig.start();
    assert_eq!(rig.record(back.id()).await.status, "SUCCESS");
    let notes = rig.stage.notes();
    assert_eq!((notes.len(), notes[0].as_str(), notes[2].as_str()), (3, "attempt 0", "attempt 0"), "{notes:?}");
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_ignored_attempt_stores_nothing() {
    let rig = Rig::started();
    let pending = rig.send(&end("ignore")).await;
    rig.probe.settled(1).await;
    assert_eq!(rig.status(pending.id()).await, None);
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.dead(0).await;
}

#[tokio::test(start_paused = true)]
async fn another_try_may_have_other_arguments() {
    let rig = Rig::started();
    let told = rig.outcome(&Signature::new("t.again").kwarg("x", 1).kwarg("y", 2).kwarg("how", "args")).await;
    assert_eq!(told.result.as_str(), "[2, 3, \"args\", 1]");
    let told = rig.outcome(&Signature::new("t.again").arg(1).arg(2).arg("kwargs")).await;
    assert_eq!(told.result.as_str(), "[2, 2, \"kwargs\", 1]");
}

#[tokio::test(start_paused = true)]
async fn a_task_may_say_how_long_its_calls_are_good_for() {
    let rig = Rig::new();
    rig.send(&tasks::brief::s()).await;
    let (_, message) = rig.take_message().await;
    let expires = message.headers.expires.as_deref().and_then(parse_iso).unwrap();
    assert!(expires <= after(jiff::Timestamp::now(), Duration::from_secs(5)), "{expires}");
}

#[tokio::test(start_paused = true)]
async fn another_try_may_be_the_last_and_expire() {
    let rig = Rig::started();
    let told = rig.outcome(&Signature::new("t.again").arg(1).arg(2).arg("never")).await;
    assert_told(
        &told,
        "FAILURE",
        "celery.exceptions",
        "MaxRetriesExceededError",
        &format!("Can't retry t.again[{}] args:(1, 2, 'never') kwargs:{{}}", told.task_id),
    );
    let pending = rig.send(&Signature::new("t.again").arg(1).arg(2).arg("too late")).await;
    rig.stage.reached("attempt 0").await;
    let told = rig.record(pending.id()).await;
    assert_told(&told, "REVOKED", "celery.exceptions", "TaskRevokedError", "expired");
}
