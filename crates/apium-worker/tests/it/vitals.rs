//! What a worker says of itself: metrics, heartbeat, when it last heard from its broker.

use std::time::Duration;

use apium_core::{Fleet, Signature, WorkerCard};
use apium_worker::Vitals;
use prometheus_client::registry::Registry;

use crate::kit::{Rig, keep_log, log};
use crate::tasks;

/// The metrics as a scraper reads them.
pub(crate) fn text(vitals: &Vitals) -> String {
    let mut registry = Registry::default();
    vitals.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn metrics_count_attempts_by_task_and_state() {
    let mut rig = Rig::new();
    let vitals = rig.start();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    rig.outcome(&tasks::end::s("once".to_owned())).await;
    rig.outcome(&Signature::new("no.such")).await;
    rig.outcome(&Signature::new("none.either")).await;
    rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    let text = text(&vitals);
    for line in [
        "apium_tasks_total{task=\"t.add\",state=\"SUCCESS\"} 2",
        "apium_tasks_total{task=\"t.end\",state=\"RETRY\"} 1",
        "apium_tasks_total{task=\"t.end\",state=\"SUCCESS\"} 1",
        "apium_tasks_total{task=\"(unknown)\",state=\"FAILURE\"} 2",
        "apium_task_duration_seconds_count{task=\"t.add\"} 2",
        "apium_tasks_active 1",
        "apium_leases_lost_total 0",
        "apium_deliveries_recovered_total 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in:\n{text}");
    }
    assert_eq!((vitals.active(), vitals.processed()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn recovered_messages_are_counted() {
    let mut rig = Rig::new();
    for n in 0..3 {
        rig.send(&tasks::add::s(n, 0, None)).await;
    }
    assert_eq!(rig.take().await.len(), 3);
    let vitals = rig.start();
    rig.probe.settled(3).await;
    assert!(text(&vitals).contains("apium_deliveries_recovered_total 3"));
}

#[tokio::test(start_paused = true)]
async fn it_knows_when_its_broker_last_answered() {
    let mut rig = Rig::new();
    rig.probe.set_down(true);
    let vitals = rig.start();
    rig.probe.called("revocations", 2).await;
    assert_eq!(vitals.last_claim_age(), None);
    rig.probe.set_down(false);
    rig.probe.called("wait", 1).await;
    assert!(vitals.last_claim_age().unwrap() < Duration::from_secs(10));
    rig.probe.set_down(true);
    rig.probe.called("beat", rig.probe.calls("beat") + 30).await;
    assert!(vitals.last_claim_age().unwrap() > Duration::from_secs(50));
}

/// A worker with its hands full claims nothing, and is none the worse for it.
#[tokio::test(start_paused = true)]
async fn a_busy_worker_hears_from_its_broker_too() {
    let mut rig = Rig::new();
    let vitals = rig.start();
    for name in ["a", "b"] {
        rig.send(&tasks::hold::s(name.to_owned())).await;
    }
    rig.stage.count(2).await;
    rig.probe.called("beat", rig.probe.calls("beat") + 30).await;
    assert!(vitals.last_claim_age().unwrap() < Duration::from_secs(5), "{:?}", vitals.last_claim_age());
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_shows_what_it_does() {
    let rig = Rig::started();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    rig.probe.called("beat", rig.probe.calls("beat") + 2).await;
    let card = rig.memory.workers().await.unwrap().remove(0);
    assert_eq!((card.name.as_str(), card.queues.as_slice()), ("w@test", ["celery".to_owned()].as_slice()));
    assert_eq!((card.concurrency, card.active, card.processed), (2, 1, 1));
    assert_eq!(card.pid, std::process::id());
    assert!(card.tasks.contains(&"t.add".to_owned()));
    assert!(card.started.parse::<jiff::Timestamp>().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_namesake_is_named_at_the_start_and_stays_when_the_other_leaves() {
    keep_log();
    let mut rig = Rig::new();
    rig.options.name = "twin@test".to_owned();
    rig.start();
    // Later than it began: they are told apart by that.
    rig.probe.called("beat", 3).await;
    let warned = || log().lines().filter(|line| line.contains("another worker is named twin@test")).count();
    assert_eq!(warned(), 0);
    let mut other = Rig::on(&rig);
    other.start();
    rig.probe.called("beat", 8).await;
    assert_eq!(warned(), 1);
    assert!(log().contains("give each its own name with -n"));
    let names = |cards: Vec<WorkerCard>| cards.into_iter().map(|card| card.name).collect::<Vec<_>>();
    assert_eq!(names(rig.memory.workers().await.unwrap()), ["twin@test", "twin@test"]);
    other.stopped().await;
    assert_eq!(names(rig.memory.workers().await.unwrap()), ["twin@test"]);
}
