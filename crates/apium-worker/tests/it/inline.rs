//! Inline: what is sent runs where it is sent, and leaves the very records that a worker leaves.

use std::time::Duration;

use apium_core::limits::Limit;
use apium_core::protocol::RawJson;
use apium_core::signature::{chain, chord, group};
use apium_core::{
    BackendError, Context, DeadFilter, Lookup, Registry, ResultError, SendError, Signature, State, TaskError,
};
use apium_macros::task;
use jiff::Timestamp;
use serde_json::Value;

use crate::canvas;
use crate::kit::{PATIENCE, Rig, Stage, assert_told};
use crate::tasks::add;
use crate::twin::{by_a_worker, by_the_sender, inline};

/// Sends itself, so deep, and waits for what comes of it.
#[task(crate = apium_core, name = "i.descend")]
async fn descend(context: Context, depth: u32) -> Result<u32, TaskError> {
    if depth == 0 {
        return Ok(0);
    }
    let below: u32 = context.send(descend::s(depth - 1)).await?.get(PATIENCE).await?;
    Ok(below + 1)
}

/// Sends a whole canvas, and waits for its value.
#[task(crate = apium_core, name = "i.gathers")]
async fn gathers(context: Context) -> Result<i64, TaskError> {
    let canvas = group((0..3).map(|n| add::s(n, n, None))).then(Signature::new("c.total"));
    Ok(context.send(canvas).await?.get(PATIENCE).await?)
}

#[task(crate = apium_core, name = "i.number")]
async fn number() -> f64 {
    f64::NAN
}

#[task(crate = apium_core, name = "i.spends")]
async fn spends(context: Context) -> Result<String, TaskError> {
    Ok(format!("{:?}", context.spend(&["provider=x"], 1).await?))
}

/// Sends one that fails, and says whether it came to know.
#[task(crate = apium_core, name = "i.hears")]
async fn hears(context: Context, stage: State<Stage>) -> Result<(), TaskError> {
    let sent = context.send(Signature::new("t.end").arg("plain")).await;
    stage.note(format!("heard of it: {}", sent.is_err()));
    sent?;
    Ok(())
}

fn register(registry: &mut Registry) {
    canvas::register(registry);
    registry.register(descend);
    registry.register(gathers);
    registry.register(number);
    registry.register(hears);
    registry.register(spends);
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    register(&mut rig.registry);
    rig
}

fn named(task: &str) -> Signature {
    Signature::new(task)
}

fn end(how: &str) -> Signature {
    named("t.end").arg(how)
}

fn plus(y: i64) -> Signature {
    named("t.add").arg(y)
}

fn total() -> Signature {
    named("c.total")
}

#[track_caller]
fn same(name: &str, inline: &crate::twin::Left, worker: &crate::twin::Left) {
    assert_eq!(inline, worker, "{name}: inline first, the worker's second");
}

async fn alike(calls: Vec<(&'static str, Signature)>) {
    for (name, signature) in calls {
        let worker = by_a_worker(register, &signature).await;
        let inline = by_the_sender(register, &signature).await;
        same(name, &inline, &worker);
    }
}

#[tokio::test(start_paused = true)]
async fn one_task_leaves_the_same_however_it_ends() {
    alike(vec![
        ("success", add::s(2, 2, None)),
        ("no value", named("t.nothing")),
        ("by name", named("t.add").kwarg("x", 1)),
        ("a number that is none", named("i.number")),
        ("a thread of its own", named("t.blocking").arg("text")),
        ("Celery's own task", named("celery.accumulate").arg(1).arg(2)),
        ("failure", end("plain")),
        ("failure for good", end("fatal")),
        ("an error of Rust", end("io")),
        ("panic", end("panic")),
        ("rejected", end("reject")),
        ("requeued", end("requeue")),
        ("ignored", end("ignore")),
        ("revived by a retry", end("once")),
        ("retries used up", end("retryable")),
        ("retries with a delay", end("in 30 s")),
        ("retried whatever the error", named("t.auto").arg("plain")),
        ("growing pauses", named("t.steady")),
        ("other arguments", named("t.again").arg(1).arg(2).arg("args")),
        ("no retry allowed", named("t.again").arg(1).arg(2).arg("never")),
        ("a missing argument", named("t.add")),
        ("one too many", named("t.add").arg(1).arg(2).arg(3).arg(4)),
        ("a wrong type", named("t.add").arg("one")),
        ("a name nobody knows", named("t.add").kwarg("x", 1).kwarg("w", 1)),
        ("unknown", named("t.unknown")),
        ("a state of its own", named("t.progress")),
        ("announced", named("t.announced").arg("n")),
        ("nothing stored", named("t.quiet").arg("plain")),
        ("acknowledged before", named("t.early_end").arg("once")),
        ("a time limit", named("t.heedful").arg(false)),
        ("expired", add::s(1, 1, None).expires(Timestamp::UNIX_EPOCH)),
        ("remembered", add::s(1, 1, None).remember(Duration::from_hours(1))),
        ("what it knows of itself", named("t.request")),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_canvas_leaves_the_same() {
    let three = || group((1..4).map(|n| add::s(n, n, None)));
    alike(vec![
        ("chain", add::s(2, 2, None).then(plus(4)).then(plus(8))),
        ("a chain that breaks", add::s(2, 2, None).then(named("c.fail")).then(plus(8)).then(plus(9))),
        ("a retry within a chain", end("once").then(plus(8))),
        ("group", three()),
        ("a group with a failure", group([add::s(1, 1, None), named("c.fail"), named("t.unknown")])),
        ("chord", chord([add::s(1, 1, None), add::s(2, 2, None)], total())),
        ("an empty chord", chord([], total())),
        ("a chord within a chain", add::s(1, 1, None).then(group([plus(1), plus(2)])).then(total()).then(plus(1))),
        ("a chord within a chord", group([three().then(total()), add::s(1, 0, None)]).then(total())),
        ("a chord with a failure", chord([add::s(1, 1, None), named("c.fail")], total()).then(plus(1))),
        ("a chord whose body fails", chord([add::s(1, 1, None)], named("c.fail"))),
        ("callbacks", add::s(2, 3, None).link(&named("c.note")).link(&named("c.note").kwarg("label", "b"))),
        ("errbacks that are called", named("c.fail").link_error(&named("c.called").arg("e"))),
        ("errbacks that are sent", named("c.fail").link_error(&named("c.note"))),
        ("an errback of a chord", chord([named("c.fail")], total().link_error(&named("c.called").arg("e")))),
        ("replaced", named("c.replaced").arg(1).then(plus(1000))),
        ("replaced by a group", named("c.all").arg(vec![1, 2])),
        ("replaced by nothing", named("c.vanish")),
        ("map", named("t.add").map([1, 2])),
        ("starmap", named("t.add").starmap([(1, 1), (2, 2)])),
        ("chunks", named("t.add").chunks([(1, 1), (2, 2), (3, 3)], 2)),
        ("a task that sends", named("c.parent")),
        ("a task that waits for a canvas", named("i.gathers").then(plus(1))),
        ("a task that waits, twice", named("i.descend").arg(1)),
        ("stamps", chain([add::s(1, 1, None), plus(1)]).stamp("tenant", "a")),
    ])
    .await;
}

/// Which part ends last, and so is the parent of the body, is not the same: what is added runs at once.
#[tokio::test]
async fn a_part_adds_to_its_chord() {
    let parts = chord([named("c.grows").arg(1), named("c.grows").arg(2)], total());
    let pending = inline(&rig()).client().send(&parts).await.unwrap();
    assert_eq!(pending.get::<i64>(Duration::ZERO).await.unwrap(), 2006);
}

/// There is no worker, and the clock stands: if anything waited, this would never end.
#[tokio::test]
async fn nothing_waits_for_its_time() {
    let rig = rig();
    let client = inline(&rig).client();
    let hours = Duration::from_hours(1000);
    for signature in [
        add::s(1, 1, None).countdown(hours),
        add::s(1, 1, None).eta(Timestamp::now() + hours),
        chain([add::s(0, 1, None), plus(1).countdown(hours)]),
    ] {
        let pending = client.send(&signature).await.unwrap();
        assert_eq!(pending.get::<i64>(Duration::ZERO).await.unwrap(), 2);
    }
    let began = std::time::Instant::now();
    let pending = client.send(&end("in 30 s")).await.unwrap();
    assert!(matches!(pending.get::<Value>(Duration::ZERO).await, Err(ResultError::Failed { .. })));
    assert_eq!(rig.stage.notes(), ["attempt 0", "attempt 1", "attempt 2"]);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_tasks_spend_is_counted_where_a_limit_is_set() {
    let rig = rig();
    let client = inline(&rig).client();
    let spend = async || client.send(&spends::s()).await.unwrap().get::<String>(Duration::ZERO).await.unwrap();
    assert_eq!(spend().await, "Now { left: None }");
    let pace = Limit { rate: "1/h".parse().ok(), ..Limit::default() };
    client.broker().limits().set_limit("provider=x", &pace).await.unwrap();
    assert_eq!(spend().await, "Now { left: Some(0) }");
    assert!(spend().await.starts_with("After { limit: \"provider=x\""));
}

#[tokio::test]
async fn tasks_may_send_tasks_however_deep() {
    let rig = rig();
    let pending = inline(&rig).client().send(&descend::s(1_000)).await.unwrap();
    assert_eq!(pending.get::<u32>(Duration::ZERO).await.unwrap(), 1_000);
}

#[tokio::test]
async fn a_long_chain_and_a_wide_chord_come_to_their_end() {
    let rig = rig();
    let client = inline(&rig).client();
    let steps = std::iter::once(add::s(0, 1, None)).chain((1..300).map(|_| plus(1)));
    assert_eq!(client.send(&chain(steps)).await.unwrap().get::<i64>(Duration::ZERO).await.unwrap(), 300);
    let wide = chord((0..1_000).map(|n| add::s(n, 0, None)), total());
    assert_eq!(client.send(&wide).await.unwrap().get::<i64>(Duration::ZERO).await.unwrap(), 499_500);
}

#[tokio::test]
async fn what_cannot_be_sent_over_a_broker_cannot_be_sent_inline() {
    let rig = rig();
    let deep = (0..3_000).fold(RawJson::null(), |inner, _| RawJson::array(&[inner]));
    let odd = std::collections::HashMap::from([(vec![1], 1)]);
    for signature in [named("t.request").arg(odd), chord([add::s(1, 1, None)], named("t.add").arg(deep))] {
        let inline = inline(&rig).client().send(&signature).await.map(|pending| pending.id().to_owned());
        let worker = rig.client.send(&signature).await.map(|pending| pending.id().to_owned());
        assert_eq!(inline.is_err(), worker.is_err(), "{inline:?} {worker:?}");
        if let (Err(inline), Err(worker)) = (inline, worker) {
            assert_eq!(inline.to_string(), worker.to_string());
        }
    }
}

#[tokio::test]
async fn a_failure_is_the_error_of_the_send_where_that_is_asked_for() {
    let rig = rig();
    let client = inline(&rig).propagating().client();
    assert_eq!(client.send(&end("once")).await.unwrap().get::<u32>(Duration::ZERO).await.unwrap(), 1);
    let canvas = add::s(1, 1, None).then(named("c.fail").link_error(&named("c.note").kwarg("label", "after ")));
    let error = client.send(&canvas).await.map(|pending| pending.id().to_owned()).unwrap_err();
    assert_eq!(error.to_string(), "the task failed with ValueError: no such luck");
    let SendError::Backend(BackendError::TaskFailed(error)) = error else { panic!("{error:?}") };
    assert_eq!(error.record().exc_type, "ValueError");
    assert_eq!(rig.stage.notes().len(), 3, "the errback ran first: {:?}", rig.stage.notes());
    assert!(client.send(&named("t.unknown")).await.is_err_and(|error| error.to_string().contains("NotRegistered")));
    assert!(client.send(&hears::s()).await.is_err());
    assert!(rig.stage.notes().contains(&"heard of it: true".to_owned()));
    inline(&rig).client().send(&hears::s()).await.unwrap();
    assert!(rig.stage.notes().contains(&"heard of it: false".to_owned()));
}

#[tokio::test]
async fn a_revoke_reaches_what_waits_and_what_runs() {
    let rig = rig();
    let client = inline(&rig).client();
    client.revoke("called off").await.unwrap();
    let pending = client.send(&add::s(1, 1, None).task_id("called off")).await.unwrap();
    assert_told(
        &pending.record(Duration::ZERO).await.unwrap(),
        "REVOKED",
        "celery.exceptions",
        "TaskRevokedError",
        "revoked",
    );
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.send(&named("t.hold").arg("h").task_id("held")).await.unwrap() }
    });
    rig.stage.reached("h begun").await;
    client.revoke("held").await.unwrap();
    let record = sending.await.unwrap().record(Duration::ZERO).await.unwrap();
    assert_eq!(record.status, "REVOKED");
}

#[tokio::test]
async fn a_sender_that_goes_takes_nothing_with_it() {
    let rig = rig();
    let client = inline(&rig).client();
    let signature = named("t.hold").arg("h").task_id("held").link(&named("c.note"));
    tokio::select! {
        _ = client.send(&signature) => panic!("it holds"),
        () = rig.stage.reached("h begun") => {}
    }
    rig.stage.cue();
    let record = client.pending("held").record(PATIENCE).await.unwrap();
    assert_eq!(record.status, "SUCCESS");
    rig.stage.reached("\"h\"").await;
}

#[tokio::test]
async fn two_sends_run_side_by_side() {
    let rig = rig();
    let client = inline(&rig).client();
    let hold = |name: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { client.send(&named("t.hold").arg(name)).await.unwrap() })
    };
    let both = [hold("a"), hold("b")];
    rig.stage.reached("a begun").await;
    rig.stage.reached("b begun").await;
    rig.stage.cue();
    for sending in both {
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn it_looks_like_a_fleet_of_one_with_nothing_waiting() {
    let rig = rig();
    let inline = inline(&rig);
    let client = inline.client();
    client.send(&group([end("reject"), end("plain"), named("t.unknown")])).await.unwrap();
    assert_eq!(client.broker().depths(&[]).await.unwrap(), []);
    assert!(client.broker().dead_letters(&DeadFilter::default()).await.unwrap().is_empty());
    let workers = client.broker().workers().await.unwrap();
    assert_eq!((workers.len(), workers[0].name.as_str(), workers[0].active), (1, "w@test", 0));
    assert!(workers[0].tasks.contains(&"t.add".to_owned()) && workers[0].queues == ["celery"]);
    assert!(workers[0].processed >= 2);
}

#[tokio::test]
async fn results_are_gone_with_the_last_client() {
    let rig = rig();
    let inline = inline(&rig);
    let pending = inline.client().send(&add::s(1, 1, None)).await.unwrap();
    assert!(matches!(inline.client().pending(pending.id()).lookup().await.unwrap(), Lookup::Stored(_)));
    let results = std::sync::Arc::downgrade(inline.results());
    drop((inline, pending));
    assert!(results.upgrade().is_none(), "nothing holds on to it");
}
