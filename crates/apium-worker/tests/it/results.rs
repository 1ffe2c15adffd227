//! What is stored besides the verdict: STARTED, states of the task's own, nothing at all, or elsewhere.

use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::protocol::{Headers, Message, Payload, Properties};
use apium_core::{Client, Lookup, ResultStore, Routes, Signature};

use crate::kit::{PATIENCE, Rig};
use crate::probe::Fault;
use crate::tasks;

fn quiet(how: &str) -> Signature {
    tasks::quiet::s(how.to_owned())
}

async fn stored(rig: &Rig, id: &str) -> apium_core::protocol::ResultRecord {
    match rig.client.pending(id).lookup().await.unwrap() {
        Lookup::Stored(record) => *record,
        other => panic!("nothing stored: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn started_is_stored_when_asked_for() {
    let rig = Rig::started();
    let announced = rig.send(&tasks::announced::s("a".to_owned())).await;
    let silent = rig.send(&tasks::hold::s("b".to_owned())).await;
    rig.stage.count(2).await;
    let record = stored(&rig, announced.id()).await;
    assert_eq!((record.status.as_str(), record.date_done.as_deref()), ("STARTED", None));
    let told: serde_json::Value = record.result.to().unwrap();
    assert_eq!(told, serde_json::json!({"pid": std::process::id(), "hostname": "w@test"}));
    assert_eq!(rig.status(silent.id()).await, None);
    rig.stage.cue();
    assert_eq!(rig.record(announced.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn the_worker_may_ask_for_it_too() {
    let mut rig = Rig::new();
    rig.options.track_started = true;
    rig.start();
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.count(1).await;
    assert_eq!(rig.status(pending.id()).await.as_deref(), Some("STARTED"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_when_started_cannot_be_stored() {
    let rig = Rig::started();
    rig.probe.plan("store", Fault::Broken);
    let pending = rig.send(&tasks::announced::s("a".to_owned())).await;
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    // One that hangs there can still be called off.
    rig.probe.plan("store", Fault::Hangs);
    let pending = rig.send(&tasks::announced::s("b".to_owned())).await;
    rig.probe.called("store", 2).await;
    pending.revoke().await.unwrap();
    rig.probe.settled(2).await;
    assert_eq!(rig.record(pending.id()).await.status, "REVOKED");
    assert_eq!(rig.stage.notes(), ["a begun", "a ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_may_store_states_of_its_own() {
    let rig = Rig::started();
    let pending = rig.send(&tasks::progress::s()).await;
    rig.stage.reached("half").await;
    let record = stored(&rig, pending.id()).await;
    assert_eq!((record.status.as_str(), record.result.as_str()), ("PROCESSING", "{\"done\": 50}"));
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.result.as_str(), "\"all\"");
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_result_gets_none() {
    let rig = Rig::started();
    let by_option = rig.send(&quiet("value")).await;
    let by_option_failed = rig.send(&quiet("plain")).await;
    let by_message = rig.send(&tasks::add::s(1, 1, None).ignore_result(true)).await;
    rig.probe.settled(3).await;
    for pending in [by_option, by_option_failed, by_message] {
        assert_eq!(rig.status(pending.id()).await, None);
    }
    assert_eq!(rig.probe.calls("store"), 0);
    assert_eq!(rig.depth().await, (0, 0, 0));
    // The sender's word counts before the task's.
    assert_eq!(rig.outcome(&quiet("value").ignore_result(false)).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn results_are_kept_as_long_as_the_task_or_the_worker_says() {
    let mut rig = Rig::new();
    rig.options.result_expires = Some(Duration::from_mins(5));
    rig.stage.cue();
    rig.start();
    let short = rig.send(&tasks::announced::s("a".to_owned()).remember(Duration::from_hours(1))).await;
    let long = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.record(short.id()).await;
    rig.record(long.id()).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(matches!(short.lookup().await.unwrap(), Lookup::Expired));
    assert_eq!(rig.status(long.id()).await.as_deref(), Some("SUCCESS"));
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(matches!(long.lookup().await.unwrap(), Lookup::Unknown));
}

#[tokio::test(start_paused = true)]
async fn results_may_live_elsewhere() {
    let mut rig = Rig::new();
    let elsewhere = Memory::with_clock(rig.clock.clone());
    rig.client = Client::new(rig.probe.clone(), Arc::new(elsewhere.clone()), Routes::default());
    rig.start();
    let sum = rig.send(&tasks::add::s(1, 1, None)).await;
    let failed = rig.send(&Signature::new("no.such")).await;
    for (pending, status) in [(sum, "SUCCESS"), (failed, "FAILURE")] {
        assert_eq!(pending.record(PATIENCE).await.unwrap().status, status);
        assert!(matches!(rig.memory.lookup(pending.id()).await.unwrap(), Lookup::Unknown));
    }
    rig.dead(1).await;
    rig.probe.settled(2).await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}

/// Stored first: if the store is away, the message is not acknowledged before it is back.
#[tokio::test(start_paused = true)]
async fn a_result_elsewhere_is_stored_before_the_message_is_settled() {
    let mut rig = Rig::new();
    let broker = Arc::new(rig.memory.clone());
    let queue = Memory::with_clock(rig.clock.clone());
    // The probe keeps the results, a second memory the queue.
    rig.client = Client::new(Arc::new(queue.clone()), rig.probe.clone(), Routes::default());
    drop(broker);
    rig.probe.plan("store", Fault::Before);
    rig.probe.plan("store", Fault::After);
    let gate = rig.probe.gate("store");
    rig.start();
    let pending = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.probe.called("store", 3).await;
    let depth = |queue: Memory| async move {
        apium_core::Broker::depths(&queue, &["celery".to_owned()]).await.unwrap()[0].claimed
    };
    assert_eq!(depth(queue.clone()).await, 1);
    gate.notify_one();
    assert_eq!(pending.record(PATIENCE).await.unwrap().status, "SUCCESS");
    rig.stopped().await;
    assert_eq!(depth(queue).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_stands_in_the_record() {
    let rig = Rig::started();
    let headers = Headers { group: Some("g".to_owned()), ..Headers::new("t.nothing", "a") };
    rig.publish(Message::new(headers, &Payload::default(), Properties::default()).encode()).await;
    assert_eq!(rig.record("a").await.group_id.as_deref(), Some("g"));
}

#[tokio::test(start_paused = true)]
async fn extended_results_tell_the_call() {
    let mut rig = Rig::new();
    rig.options.result_extended = true;
    rig.start();
    let signature = tasks::progress::s().stamp("mid", "z");
    let pending = rig.send(&signature).await;
    rig.stage.reached("half").await;
    let expected = r#"{"name": "t.progress", "args": [], "kwargs": {}, "worker": "w@test", "retries": 0, "queue": "celery", "stamped_headers": ["mid"], "mid": "z"}"#;
    let fields =
        |record: &apium_core::protocol::ResultRecord| apium_core::protocol::RawJson::object(&record.other).to_string();
    assert_eq!(fields(&stored(&rig, pending.id()).await), expected, "a state of its own too");
    rig.stage.cue();
    let record = rig.record(pending.id()).await;
    assert_eq!(fields(&record), expected);
    let extended = record.extended().unwrap();
    assert_eq!((extended.worker.as_deref(), extended.retries), (Some("w@test"), Some(0)));
}
