//! Deliveries that no attempt can help: each is kept byte for byte, and its caller told where that is possible.

use std::time::Duration;

use apium_core::bodies::PlainBodies;
use apium_core::clock::after;
use apium_core::protocol::{Headers, Message, Payload, Properties, RawJson};
use apium_core::replay::{self, Edit};
use apium_core::{Broker, DeadReason, Signature};

use crate::kit::{Rig, assert_told};
use crate::tasks;

fn message(task: &str, id: &str) -> Message {
    Message::new(Headers::new(task, id), &Payload::default(), Properties::default())
}

#[tokio::test(start_paused = true)]
async fn arguments_that_do_not_fit() {
    let rig = Rig::started();
    let calls = [
        (Signature::new("t.add"), "add() missing 1 required positional argument: 'x'"),
        (Signature::new("t.add").kwarg("w", 1), "add() got an unexpected keyword argument 'w'"),
        ((0..4).fold(Signature::new("t.add"), Signature::arg), "add() takes 3 positional arguments but 4 were given"),
    ];
    for (call, sentence) in &calls {
        assert_told(&rig.outcome(call).await, "FAILURE", "builtins", "TypeError", sentence);
    }
    let record = rig.outcome(&Signature::new("t.add").arg("one").priority(4)).await;
    assert!(crate::kit::exception(&record).2.starts_with("add() argument 'x': "), "{record:?}");
    let letter = rig.dead(4).await.remove(0);
    assert_eq!((letter.reason, letter.attempts, letter.priority), (DeadReason::Arguments, 1, 4));
    assert_eq!((letter.task.as_deref(), letter.task_id), (Some("t.add"), Some(record.task_id)));
    assert_eq!((letter.queue.as_str(), letter.worker.as_str()), ("celery", "w@test"));
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_nobody_knows() {
    let rig = Rig::started();
    let told = rig.outcome(&Signature::new("no.such")).await;
    assert_told(&told, "FAILURE", "celery.exceptions", "NotRegistered", "no.such");
    let letter = rig.dead(1).await.remove(0);
    assert_eq!((letter.reason, letter.task.as_deref()), (DeadReason::Unknown, Some("no.such")));
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_message() {
    let rig = Rig::started();
    let odd: [&[u8]; 3] = [&[0xff, 0xfe, b'{'], b"", b"{\"headers\": {\"task\": \"t.add\"}, \"body\": \"\"}"];
    for (kept, bytes) in odd.into_iter().enumerate() {
        rig.publish(bytes).await;
        let letter = rig.dead(kept + 1).await.remove(0);
        assert_eq!((letter.message.as_slice(), letter.reason), (bytes, DeadReason::Undecodable));
        assert_eq!((letter.task_id, letter.attempts), (None, 1));
    }
    assert_eq!(rig.probe.calls("store"), 0);
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_at_least_tells_its_id() {
    let rig = Rig::started();
    let broken_headers = r#"{"body": "", "headers": {"task": "t.add", "id": "a", "retries": "many"}}"#;
    let mut broken_body = message("t.add", "b");
    broken_body.body = "!".to_owned();
    let broken_body = broken_body.encode();
    rig.publish(broken_headers).await;
    rig.publish(broken_body.clone()).await;
    for id in ["a", "b"] {
        let record = rig.record(id).await;
        let (module, exc_type, message) = crate::kit::exception(&record);
        assert_eq!(
            (record.status.as_str(), module.as_str(), exc_type.as_str()),
            ("FAILURE", "kombu.exceptions", "DecodeError")
        );
        assert!(message.contains(&format!("t.add[{id}]")), "{message}");
    }
    let mut kept: Vec<_> = rig.dead(2).await.into_iter().map(|letter| letter.message).collect();
    kept.sort();
    let mut sent = vec![broken_headers.as_bytes().to_vec(), broken_body];
    sent.sort();
    assert_eq!(kept, sent);
}

#[tokio::test(start_paused = true)]
async fn a_serialisation_that_is_not_read_here() {
    let rig = Rig::started();
    let mut pickled = message("t.add", "p");
    pickled.content_type = "application/x-python-serialize".to_owned();
    rig.publish(pickled.encode()).await;
    let record = rig.record("p").await;
    assert_eq!(crate::kit::exception(&record).1, "ContentDisallowed");
    assert_eq!(rig.dead(1).await[0].message, pickled.encode());
}

#[tokio::test(start_paused = true)]
async fn times_that_are_none() {
    let rig = Rig::started();
    for (id, field) in [("e", "eta"), ("x", "expires")] {
        let mut odd = message("t.nothing", id);
        *(if id == "e" { &mut odd.headers.eta } else { &mut odd.headers.expires }) = Some("tomorrow".to_owned());
        rig.publish(odd.encode()).await;
        let sentence = format!("invalid {field} value \"tomorrow\": not an ISO 8601 time");
        assert_told(&rig.record(id).await, "FAILURE", "celery.exceptions", "InvalidTaskError", &sentence);
    }
    assert!(rig.dead(2).await.iter().all(|letter| letter.reason == DeadReason::Undecodable));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_expired() {
    let rig = Rig::started();
    let past = rig.clock.now() - jiff::SignedDuration::from_secs(1);
    let told = rig.outcome(&tasks::hold::s("late".to_owned()).expires(past)).await;
    assert_told(&told, "REVOKED", "celery.exceptions", "TaskRevokedError", "expired");
    assert!(rig.stage.notes().is_empty());
    let soon = after(rig.clock.now(), Duration::from_secs(5));
    let in_time = rig.outcome(&tasks::nothing::s().expires(soon)).await;
    assert_eq!(in_time.status, "SUCCESS");
    rig.dead(0).await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}

/// If asked to, it is kept, and can be sent again without its expiry.
#[tokio::test(start_paused = true)]
async fn a_message_that_has_expired_may_be_kept() {
    let mut rig = Rig::new();
    rig.options.dead_letter_expired = true;
    rig.start();
    let past = rig.clock.now() - jiff::SignedDuration::from_secs(1);
    let told = rig.outcome(&tasks::add::s(1, 2, None).expires(past)).await;
    assert_told(&told, "REVOKED", "celery.exceptions", "TaskRevokedError", "expired");
    let letter = rig.dead(1).await.remove(0);
    assert_eq!((letter.reason, letter.error.as_str()), (DeadReason::Expired, "TaskRevokedError: expired"));
    let again = replay::instead(&letter, &Edit::default(), &PlainBodies).unwrap();
    assert!(rig.memory.replay(&letter.id, again).await.unwrap());
    rig.probe.settled(2).await;
    assert_eq!(rig.record(&told.task_id).await.result.as_str(), "3");
}

/// Whatever a header says, it is only a number.
#[tokio::test(start_paused = true)]
async fn more_retries_than_can_be_counted() {
    let rig = Rig::started();
    let mut odd = message("t.add", "o");
    odd.headers.retries = u32::MAX;
    rig.publish(odd.encode()).await;
    assert_eq!(rig.record("o").await.status, "FAILURE");
    assert_eq!(rig.dead(1).await[0].attempts, u32::MAX);
}

#[tokio::test(start_paused = true)]
async fn protocol_1_is_read_too() {
    let rig = Rig::started();
    let body = RawJson::string(r#"{"task": "t.add", "id": "one", "args": [1, 2], "kwargs": {"z": 3}}"#);
    rig.publish(format!(
        r#"{{"body": {body}, "content-type": "application/json", "content-encoding": "utf-8", "headers": {{}}, "properties": {{"delivery_tag": "t", "delivery_info": {{"exchange": "", "routing_key": "celery"}}}}}}"#
    ))
    .await;
    assert_eq!(rig.record("one").await.result.as_str(), "6");
}
