//! A revoke reaches a task wherever it is: waiting, deferred, being judged, running.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use apium_core::protocol::{Headers, Message, Payload, Properties, RawJson};
use apium_core::{Revocation, Signature};
use serde_json::json;
use tokio::time::Instant;

use crate::kit::{Rig, assert_told};
use crate::tasks::{self, Reluctant};

#[track_caller]
fn assert_revoked(record: &apium_core::protocol::ResultRecord, why: &str) {
    assert_told(record, "REVOKED", "celery.exceptions", "TaskRevokedError", why);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_never_runs() {
    let mut rig = Rig::new();
    let waiting = rig.send(&tasks::hold::s("a".to_owned())).await;
    let deferred = rig.send(&tasks::hold::s("b".to_owned()).countdown(Duration::from_mins(5))).await;
    assert!(waiting.revoke().await.unwrap());
    rig.start();
    rig.probe.settled(2).await;
    assert_revoked(&rig.record(waiting.id()).await, "revoked");
    assert!(deferred.revoke().await.unwrap());
    tokio::time::advance(Duration::from_mins(6)).await;
    rig.probe.settled(3).await;
    assert_revoked(&rig.record(deferred.id()).await, "revoked");
    assert!(rig.stage.notes().is_empty());
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_runs_is_stopped_and_does_nothing_more() {
    let rig = Rig::started();
    let running = rig.send(&tasks::hold::s("a".to_owned())).await;
    let other = rig.send(&tasks::hold::s("b".to_owned())).await;
    rig.stage.count(2).await;
    let asked = Instant::now();
    assert!(running.revoke().await.unwrap());
    rig.probe.settled(1).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_revoked(&rig.record(running.id()).await, "terminated");
    rig.stage.cue();
    assert_eq!(rig.record(other.id()).await.status, "SUCCESS");
    assert_eq!(rig.stage.notes(), ["a begun", "b begun", "a dropped", "b ended"]);
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_retry_is_not_tried_again() {
    let rig = Rig::started();
    let pending = rig.send(&tasks::end::s("in 30 s".to_owned())).await;
    rig.probe.settled(1).await;
    assert!(pending.revoke().await.unwrap());
    rig.probe.settled(2).await;
    assert_revoked(&rig.record(pending.id()).await, "revoked");
    assert_eq!(rig.stage.notes(), ["attempt 0"]);
}

#[tokio::test]
async fn blocking_work_hears_of_it() {
    let rig = Rig::started();
    let running = rig.send(&tasks::idle_thread::s()).await;
    rig.stage.reached("blocking").await;
    running.revoke().await.unwrap();
    rig.stage.reached("told").await;
    rig.probe.settled(1).await;
    assert_revoked(&rig.record(running.id()).await, "terminated");
}

/// The judge has let it pass, the lease book does not know it yet: there is nothing to call off, and still it must
/// not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn one_that_is_being_judged_does_not_begin() {
    let mut rig = Rig::new();
    let (open, gate) = mpsc::channel();
    rig.registry.register(Reluctant {
        stage: rig.stage.clone(),
        gate: Mutex::new(gate),
        asked: AtomicUsize::default(),
    });
    rig.start();
    let pending = rig.send(&Signature::new("t.reluctant")).await;
    rig.stage.reached("judged").await;
    let asked = rig.probe.calls("revocations");
    pending.revoke().await.unwrap();
    // The worker asks again once it has dealt with the answer.
    rig.probe.called("revocations", asked + 1).await;
    open.send(()).unwrap();
    rig.probe.settled(1).await;
    assert_revoked(&rig.record(pending.id()).await, "terminated");
    assert_eq!(rig.stage.notes(), ["judged"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_ended_cannot_be_revoked() {
    let rig = Rig::started();
    let done = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.record(done.id()).await;
    assert!(!done.revoke().await.unwrap());
    assert_eq!(rig.record(done.id()).await.status, "SUCCESS");
}

/// By position or by name, it is the same argument.
#[tokio::test(start_paused = true)]
async fn ones_with_an_argument_never_run_as_long_as_that_counts() {
    let mut rig = Rig::new();
    let by_place = rig.send(&tasks::add::s(7, 1, None)).await;
    let by_name = rig.send(&Signature::new("t.add").kwarg("y", 1).kwarg("x", 7)).await;
    let other = rig.send(&tasks::add::s(8, 7, None)).await;
    let what = Revocation {
        task: Some("t.add".to_owned()),
        arguments: [("x".to_owned(), json!(7)), ("1".to_owned(), json!(1))].into(),
        until: Some(rig.clock.now().as_second() + 60),
        ..Revocation::default()
    };
    rig.client.call_off(&what, Duration::from_mins(1)).await.unwrap();
    rig.start();
    for pending in [by_place, by_name] {
        assert_revoked(&rig.record(pending.id()).await, "revoked");
    }
    assert_eq!(rig.record(other.id()).await.status, "SUCCESS");
    tokio::time::advance(Duration::from_mins(2)).await;
    assert_eq!(rig.outcome(&tasks::add::s(7, 1, None)).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn ones_that_run_end_only_if_that_is_asked_for() {
    let rig = Rig::started();
    let ended = rig.send(&tasks::hold::s("a".to_owned())).await;
    let goes_on = rig.send(&tasks::hold::s("b".to_owned())).await;
    rig.stage.count(2).await;
    let of = |name: &str, terminate| Revocation {
        task: Some("t.hold".to_owned()),
        arguments: [("name".to_owned(), json!(name))].into(),
        terminate,
        ..Revocation::default()
    };
    rig.client.call_off(&of("b", false), Duration::from_mins(1)).await.unwrap();
    let asked = Instant::now();
    rig.client.call_off(&of("a", true), Duration::from_mins(1)).await.unwrap();
    rig.probe.settled(1).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_revoked(&rig.record(ended.id()).await, "terminated");
    rig.stage.cue();
    assert_eq!(rig.record(goes_on.id()).await.status, "SUCCESS");
}

/// Whoever said it, a Python client perhaps, and whoever heard it: it holds for workers that start later.
#[tokio::test(start_paused = true)]
async fn what_one_worker_has_heard_the_next_one_knows() {
    let mut rig = Rig::controlled().await;
    rig.ask("revoke", json!({"task_id": "one"})).await;
    rig.ask("revoke_by_stamped_headers", json!({"headers": {"order": "o1"}})).await;
    rig.stopped().await;
    let mut next = Rig::on(&rig);
    let mut stamped = Headers::new("t.nothing", "two");
    stamped.stamped_headers = Some(vec!["order".to_owned()]);
    stamped.stamps = RawJson::from(&json!({"order": ["o1"]})).unwrap();
    for headers in [Headers::new("t.nothing", "one"), stamped] {
        rig.publish(Message::new(headers, &Payload::default(), Properties::default()).encode()).await;
    }
    next.start();
    for id in ["one", "two"] {
        assert_revoked(&next.record(id).await, "revoked");
    }
}
