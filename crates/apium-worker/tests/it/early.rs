//! At most once: the message is gone before the attempt begins, and whatever the attempt causes is written all the same.

use std::collections::HashSet;
use std::time::Duration;

use apium_core::{Broker, DeadReason, Signature};

use crate::kit::{Rig, assert_told};
use crate::probe::Fault;
use crate::tasks;

fn early(name: &str) -> Signature {
    tasks::early::s(name.to_owned())
}

fn ending(how: &str) -> Signature {
    tasks::early_end::s(how.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_message_is_gone_before_the_attempt_begins() {
    let rig = Rig::started();
    let gate = rig.probe.gate("settle");
    let pending = rig.send(&early("a")).await;
    rig.probe.called("settle", 1).await;
    assert_eq!(rig.depth().await, (0, 0, 0));
    // However long the answer takes, a renewal that finds the message gone must not call the attempt off.
    let looks = rig.probe.calls("recover");
    rig.probe.called("recover", looks + 12).await;
    assert!(rig.stage.notes().is_empty(), "it must not begin before that is sure");
    gate.notify_one();
    rig.stage.reached("a begun").await;
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    assert_eq!(rig.probe.seen().settled, 2);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_lease_left_to_lose() {
    let rig = Rig::started();
    let pending = rig.send(&early("a")).await;
    rig.stage.reached("a begun").await;
    // Twice the lease long.
    let looks = rig.probe.calls("recover");
    rig.probe.called("recover", looks + 12).await;
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    assert_eq!(rig.probe.calls("renew"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_lease_was_lost_before_it_was_acknowledged_does_not_run() {
    let mut rig = Rig::new();
    rig.send(&early("a")).await;
    let gate = rig.probe.gate("claim");
    let vitals = rig.start();
    rig.probe.called("claim", 1).await;
    tokio::time::advance(rig.options.lease * 2).await;
    assert_eq!(rig.memory.recover().await.unwrap(), 1);
    let other = rig.take().await;
    gate.notify_one();
    rig.probe.settled(1).await;
    rig.stopped().await;
    assert!(rig.stage.notes().is_empty());
    assert_eq!((other.len(), vitals.active()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_acknowledgement_is_refused_does_not_run() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    rig.probe.plan("settle", Fault::Broken);
    let vitals = rig.start();
    rig.send(&early("a")).await;
    rig.probe.called("settle", 1).await;
    // The slot is free again, and the message comes back when its lease has run out.
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert_eq!((rig.stage.notes().len(), vitals.active()), (0, 0));
    rig.stage.reached("a begun").await;
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_is_late_is_waited_for() {
    let rig = Rig::started();
    rig.probe.plan("settle", Fault::Before);
    let pending = rig.send(&early("a")).await;
    rig.stage.reached("a begun").await;
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    assert_eq!(rig.stage.notes(), ["a begun", "a ended"]);
}

/// The message is gone, and nobody will run it: that must not pass in silence.
#[tokio::test(start_paused = true)]
async fn an_acknowledgement_whose_answer_is_lost_is_told_to_the_caller() {
    let mut rig = Rig::new();
    rig.probe.plan("settle", Fault::After);
    let vitals = rig.start();
    let pending = rig.send(&early("a")).await;
    let sentence = "the broker did not answer the acknowledgement that goes before the task, and does not know the \
                    message now: the task was not run, because it may run once only";
    assert_told(&rig.record(pending.id()).await, "FAILURE", "billiard.exceptions", "WorkerLostError", sentence);
    rig.stopped().await;
    assert!(rig.stage.notes().is_empty());
    assert_eq!((rig.depth().await, vitals.processed()), ((0, 0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn it_is_retried_and_given_up_like_any_other() {
    let rig = Rig::started();
    let told = rig.outcome(&ending("retryable")).await;
    assert_told(&told, "FAILURE", "builtins", "ValueError", "retryable");
    assert_eq!(rig.stage.notes(), ["attempt 0", "attempt 1"]);
    assert_eq!(rig.dead(1).await[0].reason, DeadReason::RetriesExhausted);
    assert_eq!(rig.outcome(&ending("reject")).await.status, "FAILURE");
    let letters = rig.dead(2).await;
    assert_eq!(letters[0].reason, DeadReason::Rejected);
    assert!(rig.memory.replay(&letters[0].id, None).await.unwrap());
    rig.stage.count(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_requeue_sends_it_anew() {
    let rig = Rig::started();
    let record = rig.outcome(&ending("requeue")).await;
    assert_eq!((record.status.as_str(), record.result.as_str()), ("SUCCESS", "99"));
    assert_eq!(rig.depth().await, (0, 0, 0));
    // Redis would take the second for the first, told again.
    let tags: HashSet<String> = rig.stage.notes().into_iter().collect();
    assert_eq!(tags.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_revoke_stops_it() {
    let rig = Rig::started();
    let pending = rig.send(&early("a")).await;
    rig.stage.reached("a begun").await;
    pending.revoke().await.unwrap();
    rig.stage.reached("a dropped").await;
    rig.probe.settled(2).await;
    assert_told(&rig.record(pending.id()).await, "REVOKED", "celery.exceptions", "TaskRevokedError", "terminated");
}

/// It cannot be given back: a second attempt would be one too many. Its caller is told.
#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_by_a_stop_has_failed() {
    let mut rig = Rig::started();
    let pending = rig.send(&early("a")).await;
    rig.stage.reached("a begun").await;
    rig.options.stop_timeout = Duration::ZERO;
    rig.stop.request();
    rig.stopped().await;
    let told = rig.record(pending.id()).await;
    let sentence = "the worker stopped before the task ended, and its message had been acknowledged before it began";
    assert_told(&told, "FAILURE", "billiard.exceptions", "WorkerLostError", sentence);
    assert_eq!(rig.depth().await, (0, 0, 0));
}
