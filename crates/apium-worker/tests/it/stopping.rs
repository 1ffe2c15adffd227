//! Stopping well: what runs may end, what does not is given back, and no silent broker keeps a process alive.

use std::time::Duration;

use apium_core::{Broker, Fleet, Signature};
use tokio::time::Instant;

use crate::kit::Rig;
use crate::probe::Fault;
use crate::tasks;

/// The longest a stop takes beyond `stop_timeout`, whatever the broker does.
const BOUND: Duration = Duration::from_secs(15);

fn hold(name: &str) -> Signature {
    tasks::hold::s(name.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_at_once_and_says_goodbye() {
    let mut rig = Rig::started();
    rig.probe.called("wait", 1).await;
    rig.probe.called("beat", 1).await;
    assert_eq!(rig.memory.workers().await.unwrap()[0].name, "w@test");
    let asked = Instant::now();
    rig.stopped().await;
    assert!(asked.elapsed() < Duration::from_millis(100));
    assert!(rig.memory.workers().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_warm_stop_lets_what_runs_end_and_takes_nothing_new() {
    let mut rig = Rig::started();
    let running = rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    rig.stop.request();
    let waiting = rig.send(&hold("b")).await;
    tokio::time::advance(Duration::from_secs(20)).await;
    rig.stage.cue();
    rig.ended().await;
    assert_eq!(rig.status(running.id()).await.as_deref(), Some("SUCCESS"));
    assert_eq!((rig.status(waiting.id()).await, rig.depth().await), (None, (1, 0, 0)));
}

/// A drain longer than the lease must not lose it.
#[tokio::test(start_paused = true)]
async fn what_drains_keeps_its_lease() {
    let mut rig = Rig::new();
    rig.options.stop_timeout = Duration::from_mins(10);
    rig.start();
    let running = rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    rig.stop.request();
    for _ in 0..15 {
        rig.probe.called("renew", rig.probe.calls("renew") + 1).await;
        assert_eq!(rig.memory.recover().await.unwrap(), 0);
    }
    rig.stage.cue();
    rig.ended().await;
    assert_eq!(rig.status(running.id()).await.as_deref(), Some("SUCCESS"));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_runs_is_given_back() {
    let mut rig = Rig::started();
    let running = rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    let asked = Instant::now();
    rig.stopped().await;
    let took = asked.elapsed();
    assert!(took >= rig.options.stop_timeout && took < rig.options.stop_timeout + Duration::from_secs(1), "{took:?}");
    assert_eq!(rig.stage.notes(), ["a begun", "a dropped"]);
    assert_eq!((rig.depth().await, rig.status(running.id()).await), ((1, 0, 0), None));
    let (delivery, message) = rig.take_message().await;
    assert!(delivery.redelivered);
    assert_eq!((message.headers.id.as_str(), message.headers.retries), (running.id(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_request_stops_cold() {
    let mut rig = Rig::started();
    rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    let asked = Instant::now();
    rig.stop.request();
    rig.stopped().await;
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    assert_eq!((rig.stage.notes().len(), rig.depth().await), (2, (1, 0, 0)));
}

/// Its claim was on the way when the worker was told to stop: it is given back without having begun.
#[tokio::test(start_paused = true)]
async fn what_arrives_after_a_cold_stop_does_not_begin() {
    let mut rig = Rig::new();
    rig.send(&hold("a")).await;
    rig.send(&tasks::early::s("b".to_owned())).await;
    let gate = rig.probe.gate("claim");
    rig.start();
    rig.probe.called("claim", 1).await;
    rig.stop.request();
    rig.stop.request();
    gate.notify_one();
    rig.ended().await;
    assert_eq!((rig.stage.notes().len(), rig.depth().await), (0, (2, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_bounded_time_when_the_broker_is_away() {
    let mut rig = Rig::started();
    let running = rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    rig.probe.set_down(true);
    let asked = Instant::now();
    rig.stage.cue();
    rig.stopped().await;
    assert!(asked.elapsed() < rig.options.stop_timeout + BOUND, "{:?}", asked.elapsed());
    // Nothing is lost: the lease runs out, and another worker takes it.
    rig.probe.set_down(false);
    tokio::time::advance(rig.options.lease * 2).await;
    assert_eq!(rig.memory.recover().await.unwrap(), 1);
    assert_eq!((rig.depth().await, rig.status(running.id()).await), ((1, 0, 0), None));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_bounded_time_when_the_broker_is_silent() {
    for running in [false, true] {
        let mut rig = Rig::started();
        if running {
            rig.send(&hold("a")).await;
            rig.stage.reached("a begun").await;
        }
        rig.probe.set_silent();
        let asked = Instant::now();
        rig.stopped().await;
        assert!(asked.elapsed() < rig.options.stop_timeout + BOUND, "{:?}", asked.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_never_answered_does_not_hold_up_a_stop() {
    let mut rig = Rig::new();
    rig.probe.plan("claim", Fault::Hangs);
    rig.start();
    rig.probe.called("claim", 1).await;
    let asked = Instant::now();
    rig.stopped().await;
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_reached_its_broker_stops_at_once() {
    for silent in [false, true] {
        let mut rig = Rig::new();
        if silent {
            rig.probe.set_silent();
        }
        rig.probe.set_down(true);
        rig.start();
        rig.probe.called("revocations", 1).await;
        let asked = Instant::now();
        rig.stopped().await;
        assert!(asked.elapsed() < Duration::from_millis(100));
        assert_eq!(rig.probe.calls("claim"), 0, "it must not begin before it knows what was revoked");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_begins_when_its_broker_comes() {
    let mut rig = Rig::new();
    let pending = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.probe.set_down(true);
    rig.start();
    rig.probe.called("revocations", 3).await;
    rig.probe.set_down(false);
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
}
