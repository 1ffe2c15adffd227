//! A broker that fails now and then: nothing is lost, nothing is settled twice (the probe fails the test if it is).

use std::time::Duration;

use apium_core::protocol::Message;
use apium_core::{BackendError, Broker, DeadReason};

use crate::kit::{Rig, assert_told};
use crate::probe::Fault;
use crate::tasks;

/// Sends twenty sums through a worker whose broker fails as planned, and waits for all results.
async fn twenty(rig: &mut Rig) {
    rig.options.concurrency = 4;
    rig.start();
    let mut pending = Vec::new();
    for n in 0..20 {
        pending.push(rig.send(&tasks::add::s(n, 1, None)).await);
    }
    for (n, pending) in pending.iter().enumerate() {
        assert_eq!(rig.record(pending.id()).await.result.as_str(), (n + 1).to_string());
    }
    rig.stopped().await;
    assert_eq!(rig.depth().await, (0, 0, 0));
    assert_eq!(rig.probe.seen().written.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn claims_that_fail() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.probe.plan("claim", Fault::Before);
        rig.probe.plan("claim", Fault::Broken);
    }
    twenty(&mut rig).await;
}

/// The messages are ours and we do not know it: they come back when their leases run out.
#[tokio::test(start_paused = true)]
async fn claims_whose_answer_is_lost() {
    let mut rig = Rig::new();
    for n in 0..3 {
        rig.send(&tasks::add::s(n, 0, None)).await;
    }
    rig.probe.plan("claim", Fault::After);
    let vitals = rig.start();
    rig.probe.settled(3).await;
    rig.stopped().await;
    assert_eq!((rig.probe.seen().written.len(), vitals.processed()), (3, 3));
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn settlements_that_fail() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.probe.plan("settle", Fault::Before);
        rig.probe.plan("settle", Fault::After);
    }
    twenty(&mut rig).await;
}

/// The repeat finds no lease, but no other worker has taken the message: the attempt counts as what it was.
#[tokio::test(start_paused = true)]
async fn a_settlement_whose_answer_is_lost_is_not_taken_for_a_lost_lease() {
    let mut rig = Rig::new();
    rig.probe.plan("settle", Fault::After);
    let vitals = rig.start();
    let mut registry = prometheus_client::registry::Registry::default();
    vitals.register(&mut registry);
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    rig.stopped().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in ["apium_leases_lost_total 0", "apium_tasks_total{task=\"t.add\",state=\"SUCCESS\"} 1"] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_else_that_fails() {
    let mut rig = Rig::new();
    for call in ["renew", "wait", "revocations", "recover", "beat", "leave"] {
        rig.probe.plan(call, Fault::Before);
        rig.probe.plan(call, Fault::Broken);
    }
    twenty(&mut rig).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle() {
    let mut rig = Rig::started();
    let running = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    rig.probe.set_down(true);
    rig.stage.cue();
    let tries = rig.probe.calls("settle");
    rig.probe.called("settle", tries + 5).await;
    rig.probe.set_down(false);
    assert_eq!(rig.record(running.id()).await.status, "SUCCESS");
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    rig.stopped().await;
    assert_eq!(rig.stage.notes(), ["a begun", "a ended"], "once only");
}

/// One that the broker refuses for good spoils no other, and its message is kept.
#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_written_one_by_one() {
    let mut rig = Rig::new();
    rig.options.concurrency = 4;
    let first = rig.probe.gate("settle");
    rig.probe.plan("settle", Fault::Broken);
    rig.probe.plan("settle", Fault::Broken);
    rig.stage.cue();
    let vitals = rig.start();
    let mut pending = vec![rig.send(&tasks::hold::s("first".to_owned())).await];
    rig.probe.called("settle", 1).await;
    // Three verdicts wait for the first to be written; they are refused together, and then one of them by itself.
    for name in ["a", "b", "c"] {
        pending.push(rig.send(&tasks::hold::s(name.to_owned())).await);
    }
    rig.stage.count(8).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    first.notify_one();
    let mut states = Vec::new();
    for pending in &pending {
        states.push(rig.record(pending.id()).await.status);
    }
    states.sort();
    assert_eq!(states, ["FAILURE", "SUCCESS", "SUCCESS", "SUCCESS"]);
    rig.stopped().await;
    assert_eq!((rig.probe.seen().written.len(), vitals.processed()), (4, 4));
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.dead(1).await;
}

/// Delivered again, it would be run again every lease, and refused again, without end.
#[tokio::test(start_paused = true)]
async fn a_refused_outcome_is_kept_as_a_dead_letter_and_its_caller_is_told() {
    let mut rig = Rig::new();
    rig.probe.poison("poison", BackendError::Broken("too large for this backend".to_owned()));
    rig.stage.cue();
    let vitals = rig.start();
    let pending = rig.send(&tasks::hold::s("poison".to_owned())).await;
    assert_told(
        &rig.record(pending.id()).await,
        "FAILURE",
        "celery.exceptions",
        "Reject",
        "too large for this backend",
    );
    rig.stopped().await;
    let letter = rig.dead(1).await.remove(0);
    assert_eq!((letter.reason, letter.error.as_str()), (DeadReason::Rejected, "Reject: too large for this backend"));
    assert_eq!(Message::decode(&letter.message).unwrap().headers.id, pending.id());
    assert_eq!((rig.stage.notes().len(), vitals.processed()), (2, 1), "once only");
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn when_every_result_is_refused_the_message_is_kept_all_the_same() {
    let mut rig = Rig::new();
    rig.probe.poison("task_id", BackendError::Broken("no results here".to_owned()));
    rig.start();
    let rejected = rig.send(&tasks::end::s("reject".to_owned())).await;
    rig.probe.settled(1).await;
    let added = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.probe.settled(2).await;
    rig.stopped().await;
    let errors: Vec<_> = rig.dead(2).await.into_iter().map(|letter| letter.error).collect();
    assert_eq!(errors, ["Reject: no results here", "Reject: not mine"], "what the task said is not forgotten");
    assert_eq!((rig.status(rejected.id()).await, rig.status(added.id()).await), (None, None));
    assert_eq!(rig.depth().await, (0, 0, 0));
}

/// That looks like an outage each time. Whoever else settles must not wait for its end, and it must end.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_breaks_the_connection_holds_up_no_other() {
    let mut rig = Rig::new();
    rig.probe.poison("poison", BackendError::Unavailable("the connection was lost".to_owned()));
    rig.stage.cue();
    rig.start();
    let bad = rig.send(&tasks::hold::s("poison".to_owned())).await;
    rig.probe.called("settle", 1).await;
    for n in 0..5 {
        assert_eq!(rig.outcome(&tasks::add::s(n, 1, None)).await.status, "SUCCESS");
    }
    assert_eq!(rig.status(bad.id()).await, None, "it is still being tried");
    assert_eq!(rig.record(bad.id()).await.status, "FAILURE");
    rig.stopped().await;
    rig.dead(1).await;
    assert_eq!(rig.stage.notes().len(), 2, "once only");
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_on_real_threads() {
    let mut rig = Rig::new();
    rig.options.concurrency = 16;
    for _ in 0..2 {
        for call in ["claim", "settle", "wait", "renew"] {
            rig.probe.plan(call, Fault::Before);
        }
        rig.probe.plan("settle", Fault::After);
    }
    let vitals = rig.start();
    let mut pending = Vec::new();
    for n in 0..1000 {
        pending.push(rig.send(&tasks::add::s(n, 1, None)).await);
    }
    for (n, pending) in pending.iter().enumerate() {
        assert_eq!(rig.record(pending.id()).await.result.as_str(), (n + 1).to_string());
    }
    rig.stopped().await;
    assert_eq!((rig.probe.seen().written.len(), vitals.processed()), (1000, 1000));
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_worker_held_is_taken_up() {
    let mut rig = Rig::new();
    let pending = rig.send(&tasks::request::s(Vec::new())).await;
    assert_eq!(rig.take().await.len(), 1, "claimed by a worker that is heard of no more");
    rig.start();
    let told: serde_json::Value = rig.record(pending.id()).await.result.to().unwrap();
    assert_eq!(told["redelivered"], true);
    assert!(rig.memory.depths(&[]).await.unwrap().is_empty());
}

/// Settings nothing could work with are brought to the nearest that can.
#[tokio::test(start_paused = true)]
async fn impossible_settings_do_not_stop_a_worker() {
    let mut rig = Rig::new();
    rig.options.concurrency = 0;
    rig.options.lease = Duration::ZERO;
    rig.options.poll_interval = Duration::ZERO;
    rig.start();
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    rig.stopped().await;
    let mut rig = Rig::new();
    rig.options.concurrency = usize::MAX;
    rig.start();
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
}
