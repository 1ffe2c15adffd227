//! Leases: kept while an attempt lasts; once another worker has the message, nothing of ours counts.

use std::sync::Arc;
use std::time::Duration;

use apium_core::{Broker, TestClock};

use crate::kit::Rig;
use crate::probe::Fault;
use crate::tasks;

#[tokio::test(start_paused = true)]
async fn an_attempt_may_last_longer_than_its_lease() {
    let rig = Rig::started();
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    rig.probe.called("renew", 20).await;
    assert_eq!(rig.memory.recover().await.unwrap(), 0);
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    assert_eq!(rig.stage.notes(), ["a begun", "a ended"]);
}

/// The store's clock jumps: another worker takes the message before ours could renew its lease.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_its_lease_is_called_off_and_writes_nothing() {
    let clock = Arc::new(TestClock::default());
    let mut rig = Rig::with_clock(clock.clone());
    let vitals = rig.start();
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    clock.advance(rig.options.lease * 2);
    assert_eq!(rig.memory.recover().await.unwrap(), 1);
    let other = rig.take().await;
    assert_eq!(other.len(), 1);
    rig.stage.reached("a dropped").await;
    rig.stopped().await;
    assert_eq!((rig.status(pending.id()).await, rig.probe.seen().settled), (None, 0));
    assert_eq!((rig.depth().await, vitals.active()), ((0, 0, 1), 0));
}

/// It ended before it was told: the settlement is refused, with all it would have caused.
#[tokio::test(start_paused = true)]
async fn an_outcome_that_comes_too_late_is_not_written() {
    let clock = Arc::new(TestClock::default());
    let mut rig = Rig::with_clock(clock.clone());
    // Renewals that never arrive.
    rig.probe.plan("renew", Fault::Hangs);
    let vitals = rig.start();
    let ended = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    clock.advance(rig.options.lease * 2);
    assert_eq!(rig.memory.recover().await.unwrap(), 1);
    let other = rig.take().await;
    assert!(other[0].redelivered);
    rig.stage.cue();
    rig.probe.settled(1).await;
    rig.stopped().await;
    assert_eq!(rig.status(ended.id()).await, None);
    assert!(rig.probe.seen().written.is_empty());
    assert_eq!(vitals.processed(), 1);
    assert!(crate::vitals::text(&vitals).contains("apium_tasks_total{task=\"t.hold\",state=\"LOST\"} 1"));
    assert!(crate::vitals::text(&vitals).contains("apium_leases_lost_total 1"));
}

/// Nobody has taken the message: a lease that ran out while the worker could not be heard is still ours.
#[tokio::test(start_paused = true)]
async fn a_lease_that_ran_out_unnoticed_costs_nothing() {
    let clock = Arc::new(TestClock::default());
    let mut rig = Rig::with_clock(clock.clone());
    rig.probe.plan("recover", Fault::Hangs);
    rig.start();
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    clock.advance(rig.options.lease * 2);
    rig.probe.called("renew", rig.probe.calls("renew") + 2).await;
    rig.stage.cue();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}
