//! Shared queues at the worker's door: whoever has little to do does not wait behind whoever has much.

use std::time::Duration;

use apium_core::limits::{Limit, Limits};
use apium_core::{DeadReason, Pending, Signature, State};
use apium_macros::task;
use tokio::time::Instant;

use crate::kit::{Rig, Stage};
use crate::probe::Fault;
use crate::tasks;

/// Takes a second.
#[task(crate = apium_core, name = "h.work", limit(by = tenant))]
async fn work(#[default("acme".to_owned())] tenant: String, stage: State<Stage>) {
    stage.note(tenant.clone());
    let a_second = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>());
    assert!(a_second.await.is_err());
    stage.note(format!("{tenant} ended"));
}

async fn rig(concurrency: usize) -> Rig {
    let mut rig = Rig::new();
    rig.registry.register(work);
    rig.options.concurrency = concurrency;
    set(&rig, "queue:celery", Limit { share: Some("tenant".to_owned()), ..Limit::default() }).await;
    rig
}

async fn set(rig: &Rig, name: &str, limit: Limit) {
    limit.check(name).unwrap();
    rig.memory.set_limit(name, &limit).await.unwrap();
}

async fn send(rig: &Rig, tenant: &str, count: usize) -> Vec<Pending> {
    let mut sent = Vec::new();
    for _ in 0..count {
        sent.push(rig.send(&work::s(tenant.to_owned())).await);
    }
    sent
}

async fn all_succeed(rig: &Rig, sent: &[Pending]) {
    for pending in sent {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
}

/// How many of these begin before the last of those.
fn before(rig: &Rig, these: &str, those: &str) -> usize {
    let notes = rig.stage.notes();
    let last = notes.iter().rposition(|note| note == those).unwrap();
    notes[..last].iter().filter(|note| *note == these).count()
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_waits_for_the_one_that_runs() {
    let mut rig = rig(1).await;
    rig.start();
    let mut sent = send(&rig, "acme", 30).await;
    rig.stage.count(5).await;
    let began = before(&rig, "acme", "acme") + 1;
    sent.extend(send(&rig, "bolt", 1).await);
    all_succeed(&rig, &sent).await;
    assert!(before(&rig, "acme", "bolt") <= began + 1, "{:?}", rig.stage.notes());
    rig.stopped().await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn weights_count_and_may_be_those_of_the_kind() {
    let mut rig = rig(1).await;
    set(&rig, "tenant=*", Limit { weight: Some(0.5), ..Limit::default() }).await;
    set(&rig, "tenant=bolt", Limit { weight: Some(2.0), ..Limit::default() }).await;
    let mut sent = send(&rig, "acme", 12).await;
    sent.extend(send(&rig, "bolt", 12).await);
    // Left out, the argument is what the task says it is then.
    sent.push(rig.send(&Signature::new("h.work")).await);
    rig.start();
    all_succeed(&rig, &sent).await;
    let of_acme = before(&rig, "acme", "bolt");
    assert!((2..=4).contains(&of_acme), "4 turns of bolt for one of acme: {of_acme} of acme among bolt's 12");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_each_share_holds_and_lets_others_pass() {
    let mut rig = rig(4).await;
    set(&rig, "tenant=*", Limit { concurrency: Some(1), ..Limit::default() }).await;
    rig.start();
    let began = Instant::now();
    let many = send(&rig, "acme", 20).await;
    let few = send(&rig, "bolt", 3).await;
    all_succeed(&rig, &few).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    all_succeed(&rig, &many).await;
    let took = began.elapsed().as_secs_f64();
    assert!((20.0..24.0).contains(&took), "one at a time, and no turn missed: {took}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_and_what_has_no_share_have_their_turn() {
    let mut rig = rig(2).await;
    rig.publish("{").await;
    rig.start();
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS", "it has no such argument");
    let unknown = rig.send(&Signature::new("no.such.task")).await;
    assert_eq!(rig.record(unknown.id()).await.status, "FAILURE");
    let reasons: Vec<_> = rig.dead(2).await.into_iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, [DeadReason::Unknown, DeadReason::Undecodable]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_sort_costs_no_message_and_no_death() {
    let mut rig = rig(2).await;
    rig.start();
    rig.probe.called("claim", 1).await;
    for fault in [Fault::Before, Fault::After, Fault::Broken] {
        rig.probe.plan("sort", fault);
        let sent = send(&rig, "acme", 3).await;
        all_succeed(&rig, &sent).await;
    }
    assert_eq!(rig.stage.notes().len(), 18, "each once");
    rig.stopped().await;
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sorted_when_the_queue_is_shared_no_more_goes_back() {
    let mut rig = rig(1).await;
    rig.start();
    let sent = send(&rig, "acme", 5).await;
    rig.stage.reached("acme").await;
    rig.probe.called("sort", 1).await;
    assert!(rig.memory.drop_limit("queue:celery").await.unwrap());
    all_succeed(&rig, &sent).await;
    set(&rig, "queue:celery", Limit { share: Some("tenant".to_owned()), ..Limit::default() }).await;
    let sent = send(&rig, "acme", 2).await;
    all_succeed(&rig, &sent).await;
}
