//! Shared limits at the worker's door: who is over one waits in the store, holds up nobody, and costs no attempt.

use std::time::Duration;

use apium_core::limits::{Admission, Admitted, BreakerState, Limit, LimitUse, Limits, Spent};
use apium_core::{Broker, Context, Disposition, Fleet, Settled, Settlement, Signature, State, TaskError};
use apium_macros::task;
use tokio::time::Instant;

use crate::kit::{Rig, Stage};
use crate::probe::Fault;
use crate::tasks;

/// Two at once, and one of each tenant.
#[task(crate = apium_core, name = "s.mail", limit(concurrency = 2), limit(concurrency = 1, by = tenant))]
async fn mail(#[default("acme".to_owned())] tenant: String, name: String, stage: State<Stage>) {
    stage.note(format!("{name} of {tenant}"));
    stage.await_cue().await;
}

#[task(crate = apium_core, name = "s.early", acks_late = false, time_limit = 60, limit(concurrency = 1))]
async fn early(name: String, stage: State<Stage>) {
    stage.note(name);
    stage.await_cue().await;
}

/// Fails as long as it is told to.
#[task(crate = apium_core, name = "s.fragile", max_retries = 3, retry_backoff = 1, retry_jitter = false, limit(breaker = "2/1m:30s"))]
async fn fragile(how: String, stage: State<Stage>) -> Result<(), TaskError> {
    stage.note(how.clone());
    match how.as_str() {
        "retry" if !stage.cued() => Err(TaskError::new("IOError", "not now").retryable()),
        "fail" => Err(TaskError::new("IOError", "no")),
        _ => Ok(()),
    }
}

/// Asks a provider twice in an attempt, or comes back when that has room.
#[task(crate = apium_core, name = "s.asks")]
async fn asks(context: Context, stage: State<Stage>) -> Result<(), TaskError> {
    if let Spent::After { wait, .. } = context.spend(&["provider=virustotal"], 2).await? {
        return Err(TaskError::new("Busy", "the provider has had enough").retry_in(wait));
    }
    stage.note(context.task_id());
    Ok(())
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.registry.register(asks);
    rig.registry.register(mail);
    rig.registry.register(early);
    rig.registry.register(fragile);
    rig.options.concurrency = 4;
    rig
}

fn hold(name: &str) -> Signature {
    tasks::hold::s(name.to_owned())
}

fn at_once(concurrency: u32) -> Limit {
    Limit { concurrency: Some(concurrency), ..Limit::default() }
}

async fn used(rig: &Rig, name: &str) -> LimitUse {
    rig.memory.limit_uses().await.unwrap().into_iter().find(|used| used.name == name).unwrap()
}

/// Waits until so many stand in a line.
async fn waiting(rig: &Rig, name: &str, count: u64) {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    while used(rig, name).await.waiting != count {
        look.tick().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_task_holds_up_no_other_and_costs_no_attempt() {
    let mut rig = rig();
    rig.memory.set_limit("task:t.hold", &at_once(1)).await.unwrap();
    rig.start();
    let mut sent = vec![rig.send(&hold("a")).await];
    rig.stage.reached("a begun").await;
    for name in ["b", "c", "d", "e", "f", "g"] {
        sent.push(rig.send(&hold(name)).await);
    }
    waiting(&rig, "task:t.hold", 6).await;
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS", "four slots, and six that wait");
    assert_eq!(rig.stage.notes(), ["a begun"]);
    assert_eq!(rig.status(sent[1].id()).await, None, "nothing is told of one that waits");
    rig.stage.cue();
    for pending in &sent {
        let record = rig.record(pending.id()).await;
        assert_eq!((record.status.as_str(), record.result.as_str().len()), ("SUCCESS", 3));
    }
    // One question each when it came, and one when it was called.
    assert_eq!(rig.probe.calls("admit"), 1 + 6 * 2);
    assert_eq!(used(&rig, "task:t.hold").await.running, 0);
    rig.stopped().await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn where_no_limit_applies_the_broker_is_not_asked() {
    let rig = Rig::started();
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    rig.memory.set_limit("task:t.hold", &at_once(1)).await.unwrap();
    rig.memory.set_limit("tenant=*", &at_once(1)).await.unwrap();
    rig.probe.called("limits_set", 3).await;
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert_eq!((rig.probe.calls("admit"), rig.probe.calls("declare")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_a_running_worker() {
    let rig = Rig::started();
    rig.memory.set_limit("queue:celery", &at_once(1)).await.unwrap();
    rig.probe.called("limits_set", 3).await;
    let (_a, _b) = (rig.send(&hold("a")).await, rig.send(&hold("b")).await);
    rig.stage.reached("a begun").await;
    waiting(&rig, "queue:celery", 1).await;
    let changed = Instant::now();
    rig.memory.set_limit("queue:celery", &at_once(2)).await.unwrap();
    rig.stage.reached("b begun").await;
    assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_value_of_an_argument_has_its_own_places() {
    let mut rig = rig();
    rig.start();
    for (tenant, name) in [("acme", "a"), ("acme", "b"), ("bolt", "c"), ("crux", "d")] {
        rig.send(&mail::s(tenant.to_owned(), name.to_owned())).await;
    }
    rig.stage.count(2).await;
    waiting(&rig, "task:s.mail", 1).await;
    assert_eq!(rig.stage.notes(), ["a of acme", "c of bolt"], "two at once, and one of each tenant");
    assert_eq!(used(&rig, "tenant=acme").await.waiting, 1);
    let by_default = Signature::new("s.mail").kwarg("name", "e");
    let pending = rig.send(&by_default).await;
    rig.stage.cue();
    rig.record(pending.id()).await;
    rig.stage.reached("e of acme").await;
    rig.stage.count(5).await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_by_all_attempts_together() {
    let mut rig = rig();
    rig.memory.set_limit("task:t.noted", &Limit { rate: "2/10s".parse().ok(), ..Limit::default() }).await.unwrap();
    rig.start();
    let mut other = Rig::on(&rig);
    other.start();
    let began = Instant::now();
    let mut sent = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        sent.push(rig.send(&tasks::noted::s(name.to_owned())).await);
    }
    for pending in &sent {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
    let took = began.elapsed().as_secs_f64();
    assert!((20.0..20.5).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn what_an_attempt_does_several_times_is_counted_over_all_workers() {
    let mut rig = rig();
    let pace = Limit { rate: "4/1m".parse().ok(), ..Limit::default() };
    rig.memory.set_limit("provider=virustotal", &pace).await.unwrap();
    rig.start();
    let mut other = Rig::on(&rig);
    other.registry.register(asks);
    other.start();
    let began = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(rig.send(&asks::s()).await);
    }
    for pending in &sent {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
    let took = began.elapsed().as_secs_f64();
    assert!((120.0..125.0).contains(&took), "{took}");
    assert_eq!(rig.stage.notes().len() + other.stage.notes().len(), 5);
    assert_eq!(rig.probe.calls("spend"), 5 + 3 + 1);
    assert_eq!(rig.probe.calls("admit"), 0, "nobody stands in a line for it");
    let used = used(&rig, "provider=virustotal").await;
    assert_eq!((used.running, used.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_lets_wait_and_not_fail() {
    let mut rig = rig();
    rig.start();
    let began = Instant::now();
    let retried = rig.send(&fragile::s("retry".to_owned())).await;
    rig.stage.count(2).await;
    waiting(&rig, "task:s.fragile", 1).await;
    assert_eq!(used(&rig, "task:s.fragile").await.state, Some(BreakerState::Open));
    let others = [rig.send(&fragile::s("b".to_owned())).await, rig.send(&fragile::s("c".to_owned())).await];
    waiting(&rig, "task:s.fragile", 3).await;
    assert_eq!(rig.stage.notes(), ["retry", "retry"]);
    rig.stage.cue();
    for pending in others.iter().chain([&retried]) {
        let record = rig.record(pending.id()).await;
        assert_eq!(record.status, "SUCCESS");
    }
    let took = began.elapsed().as_secs_f64();
    assert!((31.0..32.5).contains(&took), "{took}");
    assert_eq!(used(&rig, "task:s.fragile").await.state, Some(BreakerState::Closed));
    assert_eq!(rig.stage.notes().iter().filter(|note| *note == "retry").count(), 3, "waiting has cost no attempt");
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_early_holds_its_place_to_its_end() {
    let mut rig = rig();
    rig.start();
    let first = rig.send(&early::s("a".to_owned())).await;
    rig.stage.reached("a").await;
    let second = rig.send(&early::s("b".to_owned())).await;
    waiting(&rig, "task:s.early", 1).await;
    assert_eq!(used(&rig, "task:s.early").await.running, 1);
    rig.stage.cue();
    assert_eq!(rig.record(first.id()).await.status, "SUCCESS");
    assert_eq!(rig.record(second.id()).await.status, "SUCCESS");
    assert_eq!(used(&rig, "task:s.early").await.running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_retried_or_revoked_attempt_gives_its_place_back() {
    let mut rig = rig();
    rig.memory.set_limit("queue:celery", &at_once(1)).await.unwrap();
    rig.start();
    let cancelled = rig.send(&hold("a")).await;
    rig.stage.reached("a begun").await;
    let waits = rig.send(&hold("b")).await;
    let next = rig.send(&tasks::add::s(1, 1, None)).await;
    waiting(&rig, "queue:celery", 2).await;
    // One of those that wait is called off, and then the one that runs.
    rig.memory.revoke(waits.id(), Duration::from_hours(1)).await.unwrap();
    rig.memory.revoke(cancelled.id(), Duration::from_hours(1)).await.unwrap();
    let began = Instant::now();
    assert_eq!(rig.record(next.id()).await.status, "SUCCESS");
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for one that was called off");
    assert_eq!(rig.record(cancelled.id()).await.status, "REVOKED");
    assert_eq!(rig.record(waits.id()).await.status, "REVOKED");
    for how in ["plain", "fatal", "reject", "ok"] {
        let failed = rig.send(&tasks::end::s(how.to_owned())).await;
        rig.record(failed.id()).await;
    }
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert_eq!(used(&rig, "queue:celery").await.running, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_starts_it_once() {
    let mut rig = rig();
    rig.memory.set_limit("task:t.noted", &at_once(1)).await.unwrap();
    rig.start();
    rig.probe.plan("admit", Fault::After);
    assert_eq!(rig.outcome(&tasks::noted::s("a".to_owned())).await.status, "SUCCESS");
    rig.probe.plan("admit", Fault::Broken);
    let began = Instant::now();
    assert_eq!(rig.outcome(&tasks::noted::s("b".to_owned())).await.status, "SUCCESS");
    assert!(began.elapsed() >= Duration::from_secs(5), "who cannot ask puts it off");
    assert_eq!(rig.stage.notes(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn limits_of_tasks_are_installed_once_and_an_operator_counts_before_them() {
    let mut first = rig();
    first.memory.set_limit("task:s.early", &at_once(7)).await.unwrap();
    first.start();
    first.probe.called("limits_set", 2).await;
    assert_eq!(used(&first, "task:s.early").await.limit, at_once(7));
    assert_eq!(used(&first, "tenant=*").await.limit, at_once(1));
    let breaker = Limit { breaker: "2/1m:30s".parse().ok(), ..Limit::default() };
    assert_eq!(used(&first, "task:s.fragile").await.limit, breaker);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_gives_its_place_back_with_its_lease() {
    let mut rig = rig();
    rig.memory.set_limit("task:t.hold", &at_once(1)).await.unwrap();
    rig.send(&hold("a")).await;
    // As a worker that claims, is admitted, and is never heard of again.
    let dead = rig.take().await.remove(0);
    let ask = Admission {
        receipt: dead.receipt.clone(),
        task_id: "a".to_owned(),
        limits: vec!["task:t.hold".to_owned()],
        unique: None,
    };
    assert_eq!(rig.memory.admit(&ask).await.unwrap(), Admitted::Now);
    let began = Instant::now();
    rig.start();
    rig.stage.cue();
    assert_eq!(rig.outcome(&hold("b")).await.status, "SUCCESS");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(25) && took < Duration::from_secs(45), "{took:?}");
    let late = rig.memory.settle(vec![Settlement::of(dead.receipt, Disposition::Ack)]).await.unwrap();
    assert_eq!(late, [Settled::Lost]);
}
