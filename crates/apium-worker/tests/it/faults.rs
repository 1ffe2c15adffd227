//! A broker that fails now and then: nothing is lost, nothing is settled twice (the probe fails the test if it is).

use std::time::Duration;

use apium_core::Broker;

use crate::kit::Rig;
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

/// One that the broker refuses for good spoils no other, and its message is delivered again.
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
    for pending in &pending {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
    rig.stopped().await;
    assert_eq!((rig.probe.seen().written.len(), vitals.processed()), (4, 5));
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
