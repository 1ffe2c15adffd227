//! A loop that panics takes the whole worker with it: no half of one lives on, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apium_core::{Broker, Clock};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::kit::{PATIENCE, Rig};
use crate::probe::Fault;
use crate::tasks;

/// Tells the time until it is broken.
#[derive(Default)]
struct Breakable(AtomicBool);

impl Clock for Breakable {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::Relaxed), "no time");
        Timestamp::now()
    }
}

/// Waits until the worker has broken off, and asserts that it did so soon, telling why, and stopped everything.
async fn broken_off(rig: &mut Rig, told: &str) {
    let ended = tokio::time::timeout(PATIENCE, rig.verdict()).await.expect("it lives on");
    let sentence = ended.unwrap_err().to_string();
    assert!(sentence.contains(told), "{sentence}");
    assert!(rig.stop.is_requested(), "whoever goes by the signal is told too");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_panics_ends_the_worker_and_what_runs_is_given_back() {
    for (call, told) in [
        ("beat", "the heartbeat panicked: beat fell over"),
        ("renew", "the lease loop panicked: renew fell over"),
        ("revocations", "the revocation loop panicked"),
        ("recover", "the recovery loop panicked"),
    ] {
        let mut rig = Rig::started();
        let running = rig.send(&tasks::hold::s("a".to_owned())).await;
        rig.stage.reached("a begun").await;
        rig.probe.plan(call, Fault::Panics);
        if call == "revocations" {
            rig.client.revoke("another").await.unwrap();
        }
        let planned = Instant::now();
        broken_off(&mut rig, told).await;
        assert!(planned.elapsed() < rig.options.lease, "{call}: {:?}", planned.elapsed());
        assert_eq!(rig.stage.notes(), ["a begun", "a dropped"], "{call}");
        assert_eq!((rig.depth().await, rig.status(running.id()).await), ((1, 0, 0), None), "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claiming_loop_that_panics_gives_back_what_runs() {
    for call in ["claim", "wait"] {
        let mut rig = Rig::started();
        rig.send(&tasks::hold::s("a".to_owned())).await;
        rig.stage.reached("a begun").await;
        rig.probe.plan(call, Fault::Panics);
        broken_off(&mut rig, "the claiming loop panicked").await;
        assert_eq!((rig.stage.notes().len(), rig.depth().await), (2, (1, 0, 0)), "{call}");
    }
    let mut rig = Rig::new();
    rig.probe.plan("claim", Fault::Panics);
    rig.start();
    broken_off(&mut rig, "claim fell over").await;
}

/// Those whose settlement broke the loop come back when their leases run out; what still ran is given back at once.
#[tokio::test(start_paused = true)]
async fn a_settling_loop_that_panics_claims_nothing_more_and_writes_what_is_given_back() {
    for alone in [false, true] {
        let mut rig = Rig::started();
        rig.send(&tasks::hold::s("a".to_owned())).await;
        rig.stage.reached("a begun").await;
        if alone {
            (0..3).for_each(|_| rig.probe.plan("settle", Fault::Before));
        }
        rig.probe.plan("settle", Fault::Panics);
        rig.send(&tasks::add::s(1, 1, None)).await;
        rig.probe.called("settle", 1).await;
        for n in 0..10 {
            rig.send(&tasks::add::s(n, 0, None)).await;
        }
        broken_off(&mut rig, "the settling loop panicked: settle fell over").await;
        let (ready, delayed, claimed) = rig.depth().await;
        let settled = u64::try_from(rig.probe.seen().written.len()).unwrap();
        assert_eq!(delayed, 0, "alone: {alone}");
        assert!((1..=rig.options.concurrency as u64).contains(&claimed), "alone: {alone}, {claimed}");
        assert!(ready + claimed + settled >= 12, "{ready} {settled}");
        tokio::time::advance(rig.options.lease * 2).await;
        assert_eq!(rig.memory.recover().await.unwrap() as u64, claimed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_handles_a_delivery_must_not_panic_either() {
    let clock = Arc::new(Breakable::default());
    let mut rig = Rig::with_clock(Arc::new(crate::kit::TokioClock::default()));
    rig.clock = clock.clone();
    rig.start();
    rig.probe.called("wait", 1).await;
    clock.0.store(true, Ordering::Relaxed);
    rig.send(&tasks::add::s(1, 1, None)).await;
    broken_off(&mut rig, "the handling of a delivery panicked: no time").await;
    assert_eq!(rig.depth().await, (0, 0, 1), "delivered again when its lease runs out");
}

/// A panic in the middle of a warm stop makes it a cold one.
#[tokio::test(start_paused = true)]
async fn a_panic_while_it_drains_is_told_too() {
    let mut rig = Rig::new();
    rig.options.stop_timeout = Duration::from_mins(30);
    rig.start();
    rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    rig.stop.request();
    rig.probe.plan("renew", Fault::Panics);
    broken_off(&mut rig, "the lease loop panicked").await;
    assert_eq!(rig.depth().await, (1, 0, 0));
}
