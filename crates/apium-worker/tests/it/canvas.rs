//! What follows a task: callbacks, chains, groups, chords, errbacks, replacements, each to its end.

use std::time::Duration;

use apium_core::chords::{ChordPart, Counted};
use apium_core::context::Failed;
use apium_core::protocol::{Message, Payload, RawJson};
use apium_core::signature::{chain, chord, group};
use apium_core::{
    Claim, Context, Disposition, Lookup, Outgoing, Registry, ResultError, ResultStore as _, Settlement, Signature,
    State, TaskError, TaskState,
};
use apium_macros::task;
use serde_json::json;

use crate::kit::{PATIENCE, Rig, Stage, assert_told};
use crate::tasks::add;

#[task(crate = apium_core, name = "c.total")]
async fn total(numbers: Vec<i64>) -> i64 {
    numbers.iter().sum()
}

#[task(crate = apium_core, name = "c.nested")]
async fn nested(value: serde_json::Value) -> String {
    value.to_string()
}

#[task(crate = apium_core, name = "c.fail")]
async fn fail(#[default] before: serde_json::Value) -> Result<i64, TaskError> {
    drop(before);
    Err(TaskError::new("ValueError", "no such luck"))
}

#[task(crate = apium_core, name = "c.note")]
async fn note(stage: State<Stage>, what: serde_json::Value, #[default] label: String) {
    stage.note(format!("{label}{what}"));
}

#[task(crate = apium_core, name = "c.called", errback)]
async fn called(stage: State<Stage>, failed: Failed, label: String) {
    stage.note(format!("{label}: {} of {}", failed.exception.message(), failed.request.task));
}

#[task(crate = apium_core, name = "c.vanish")]
async fn vanish() -> Result<i64, TaskError> {
    Err(TaskError::replace(chain([])))
}

#[task(crate = apium_core, name = "c.replaced")]
async fn replaced(x: i64) -> Result<i64, TaskError> {
    Err(TaskError::replace(add::s(x, 1, None).then(Signature::new("t.add").arg(100))))
}

#[task(crate = apium_core, name = "c.all")]
async fn all(numbers: Vec<i64>) -> Result<i64, TaskError> {
    Err(TaskError::replace(group(numbers.into_iter().map(|n| add::s(n, 10, None)))))
}

#[task(crate = apium_core, name = "c.grows")]
async fn grows(context: Context, x: i64) -> Result<i64, TaskError> {
    context.add_to_chord(add::s(x, 1000, None)).await?;
    Ok(x)
}

#[task(crate = apium_core, name = "c.parent")]
async fn parent(context: Context) -> Result<String, TaskError> {
    let child = context.send(add::s(1, 1, None)).await?;
    Ok(child.id().to_owned())
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    register(&mut rig.registry);
    rig.start();
    rig
}

/// Every task of this file.
pub(crate) fn register(registry: &mut Registry) {
    registry.register(total);
    registry.register(nested);
    registry.register(fail);
    registry.register(note);
    registry.register(called);
    registry.register(replaced);
    registry.register(vanish);
    registry.register(all);
    registry.register(grows);
    registry.register(parent);
}

fn plus(y: i64) -> Signature {
    Signature::new("t.add").arg(y)
}

async fn value(rig: &Rig, signature: &Signature) -> serde_json::Value {
    rig.send(signature).await.get(PATIENCE).await.unwrap()
}

async fn failure(rig: &Rig, signature: &Signature) -> (String, String) {
    match rig.send(signature).await.get::<serde_json::Value>(PATIENCE).await {
        Err(ResultError::Failed { exception, .. }) => (exception.exc_type.clone(), exception.message()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_hands_each_result_on() {
    let rig = rig();
    assert_eq!(value(&rig, &add::s(2, 2, None).then(plus(4)).then(plus(8))).await, json!(16));
    assert_eq!(value(&rig, &chain((0..50).map(|n| if n == 0 { add::s(0, 1, None) } else { plus(1) }))).await, 50);
    let immutable = add::s(2, 2, None).then(add::s(1, 1, None).immutable());
    assert_eq!(value(&rig, &immutable).await, json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_group_runs_side_by_side_and_a_chord_gathers_it() {
    let rig = rig();
    let three = || group((1..4).map(|n| add::s(n, n, None)));
    assert_eq!(value(&rig, &three()).await, json!([2, 4, 6]));
    assert_eq!(value(&rig, &three().then(Signature::new("c.total"))).await, json!(12));
    assert_eq!(value(&rig, &chord([add::s(1, 1, None)], Signature::new("c.total")).then(plus(5))).await, json!(7));
    assert_eq!(
        value(&rig, &add::s(1, 1, None).then(group([plus(1), plus(2)])).then(Signature::new("c.total"))).await,
        7
    );
    let deep = group([three().then(Signature::new("c.total")), add::s(1, 0, None)]).then(Signature::new("c.total"));
    assert_eq!(value(&rig, &deep).await, json!(13));
    let inner = group([add::s(1, 1, None), group([add::s(2, 2, None), add::s(3, 3, None)])]);
    let told = value(&rig, &inner.then(Signature::new("c.nested"))).await;
    assert_eq!(told, json!("[2,6,4]"), "nested groups are one, in the order in which Celery unrolls them");
    assert_eq!(value(&rig, &group([]).then(Signature::new("c.total"))).await, json!(0));
}

#[tokio::test(start_paused = true)]
async fn callbacks_are_sent_and_told_as_children() {
    let rig = rig();
    let linked = add::s(2, 3, None).link(&Signature::new("c.note")).link(&Signature::new("c.note").kwarg("label", "b"));
    let pending = rig.send(&linked).await;
    let record = pending.record(PATIENCE).await.unwrap();
    rig.stage.reached("5").await;
    rig.stage.reached("b5").await;
    let children = record.children.elements().unwrap();
    assert_eq!(children.len(), 1, "several callbacks are one group: {}", record.children.as_str());
    let pending = rig.send(&Signature::new("c.parent")).await;
    let child: String = pending.get(PATIENCE).await.unwrap();
    let Lookup::Stored(record) = pending.lookup().await.unwrap() else { panic!("not stored") };
    assert_eq!(record.children.as_str(), format!("[[[\"{child}\", null], null]]"));
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_fails_too_and_its_errbacks_are_called() {
    let rig = rig();
    let old = Signature::new("c.note").kwarg("label", "old ");
    let new = Signature::new("c.called").arg("new");
    let failing = Signature::new("c.fail").task_id("culprit").link_error(&old).link_error(&new);
    assert_eq!(failure(&rig, &failing.then(plus(1))).await, ("ValueError".to_owned(), "no such luck".to_owned()));
    rig.stage.reached("new: no such luck of c.fail").await;
    rig.stage.reached("old \"culprit\"").await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_fails_the_chord() {
    let rig = rig();
    let body = Signature::new("c.total").link_error(&Signature::new("c.called").arg("body"));
    let failing = chord([add::s(1, 1, None), Signature::new("c.fail").task_id("culprit")], body);
    let (exc_type, message) = failure(&rig, &failing).await;
    assert_eq!(exc_type, "ChordError");
    assert_eq!(message, "Dependency culprit raised ValueError('no such luck')");
    rig.stage.reached("body: Dependency culprit raised ValueError('no such luck') of ").await;
    let within =
        chord([add::s(1, 1, None).then(fail::s(serde_json::Value::Null).immutable()).then(plus(1))], body_of());
    assert_eq!(failure(&rig, &within).await.0, "ChordError");
}

#[tokio::test(start_paused = true)]
async fn the_errbacks_of_a_chord_are_found_through_its_body() {
    let rig = rig();
    let body = Signature::new("c.total").link_error(&Signature::new("c.note").kwarg("label", "old "));
    let pending = rig.send(&chord([add::s(1, 1, None), Signature::new("c.fail")], body)).await;
    let record = pending.record(PATIENCE).await.unwrap();
    rig.stage.reached(&format!("old \"{}\"", pending.id())).await;
    let children: Vec<serde_json::Value> = record.children.to().unwrap();
    assert_eq!(children.len(), 1, "{children:?}");
    let errback = children[0][1][0][0][0].as_str().unwrap();
    assert_eq!(rig.record(errback).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn a_task_cannot_be_replaced_by_nothing() {
    let rig = rig();
    let told = failure(&rig, &Signature::new("c.vanish")).await;
    assert_eq!(told, ("ImproperlyConfigured".to_owned(), "Cannot replace with an empty chain".to_owned()));
}

fn body_of() -> Signature {
    Signature::new("c.total")
}

#[tokio::test(start_paused = true)]
async fn a_task_may_be_replaced_by_a_canvas() {
    let rig = rig();
    assert_eq!(value(&rig, &replaced::s(1)).await, json!(102));
    assert_eq!(value(&rig, &replaced::s(1).then(plus(1000))).await, json!(1102));
    let parts = chord([replaced::s(1), add::s(1, 1, None)], Signature::new("c.total"));
    assert_eq!(value(&rig, &parts).await, json!(104));
    assert_eq!(value(&rig, &all::s(vec![1, 2])).await, json!([11, 12]));
}

#[tokio::test(start_paused = true)]
async fn a_part_may_add_to_its_chord() {
    let rig = rig();
    assert_eq!(value(&rig, &chord([grows::s(1), grows::s(2)], Signature::new("c.total"))).await, json!(2006));
    let record = rig.outcome(&grows::s(1)).await;
    assert_eq!(record.status, "FAILURE", "it is part of no chord: {}", record.result.as_str());
}

#[tokio::test(start_paused = true)]
async fn each_element_in_one_task_or_in_chunks() {
    let rig = rig();
    let task = Signature::new("t.add");
    assert_eq!(value(&rig, &task.map([1, 2])).await, json!([2, 3]));
    assert_eq!(value(&rig, &task.starmap([(1, 1), (2, 2)])).await, json!([2, 4]));
    assert_eq!(value(&rig, &task.chunks([(1, 1), (2, 2), (3, 3)], 2)).await, json!([[2, 4], [6]]));
}

/// The broker hands a part out twice; both end.
#[tokio::test(start_paused = true)]
async fn a_part_delivered_twice_counts_once() {
    let mut rig = Rig::new();
    rig.registry.register(note);
    let pending = rig.send(&chord((0..10).map(|n| add::s(n, 0, None)), Signature::new("c.note"))).await;
    let queues = ["celery".to_owned()];
    let claim = Claim { queues: &queues, max: 100, lease: Duration::from_secs(1) };
    let parts = apium_core::Broker::claim(&rig.memory, &claim).await.unwrap();
    assert_eq!(parts.len(), 10);
    let again =
        |bytes: &[u8]| Outgoing { queue: "celery".into(), priority: 0, bytes: bytes.to_vec(), not_before: None };
    for part in &parts {
        let twice = [again(&part.bytes), again(&part.bytes)];
        apium_core::Broker::publish(&rig.memory, &twice).await.unwrap();
    }
    rig.start();
    pending.get::<()>(PATIENCE).await.unwrap();
    rig.emptied().await;
    rig.stopped().await;
    assert_eq!(rig.stage.notes(), ["[0,1,2,3,4,5,6,7,8,9]"], "the body is sent once");
}

/// Who counted the last part died before it sent the body, and the part is back before that one's claim has run out.
#[tokio::test(start_paused = true)]
async fn the_body_is_sent_though_whoever_claimed_it_has_died() {
    let mut rig = Rig::new();
    register(&mut rig.registry);
    let pending = rig.send(&chord([add::s(1, 1, None)], Signature::new("c.total"))).await;
    let (delivery, message) = rig.take_message().await;
    let (group, id) = (message.headers.group.unwrap(), message.headers.id);
    let part = ChordPart { task_id: id, state: TaskState::Success, result: RawJson::from(&2).unwrap() };
    let claimed = rig.memory.chords().count(&group, Some(0), &part, "the dead one's", PATIENCE).await.unwrap();
    assert!(matches!(claimed, Counted::Complete(_)), "{claimed:?}");
    let back = Settlement { disposition: Disposition::Requeue, ..Settlement::ack(delivery.receipt) };
    apium_core::Broker::settle(&rig.memory, vec![back]).await.unwrap();
    rig.start();
    assert_eq!(pending.get::<i64>(PATIENCE).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_canvas_that_is_none_is_a_failure() {
    let rig = rig();
    let embed = apium_core::protocol::Embed { callbacks: RawJson::parse("[7]").unwrap(), ..Default::default() };
    let payload = Payload { args: RawJson::parse("[1]").unwrap(), embed, ..Payload::default() };
    let headers = apium_core::protocol::Headers::new("t.add", "odd");
    rig.publish(Message::new(headers, &payload, apium_core::protocol::Properties::default()).encode()).await;
    assert_eq!(rig.record("odd").await.status, "FAILURE");
}

#[tokio::test(start_paused = true)]
async fn a_cleanup_that_celery_beat_asks_for_is_done_at_once() {
    let rig = rig();
    assert_eq!(value(&rig, &Signature::new("celery.backend_cleanup")).await, json!(null));
}

/// The message of a peer whose result store counts no parts (Celery's `fallback_chord_unlock`).
fn unlocking(group: &str, body: &str, parts: &[&str]) -> Signature {
    let parts: Vec<_> = parts.iter().map(|id| json!([[id, null], null])).collect();
    let body = json!({
        "task": "c.total", "args": [], "kwargs": {}, "options": {"task_id": body},
        "subtask_type": null, "immutable": false,
    });
    Signature::new("celery.chord_unlock").arg(group).arg(body).kwarg("result", parts)
}

#[tokio::test(start_paused = true)]
async fn a_chord_that_nobody_counts_is_looked_after() {
    let rig = rig();
    rig.send(&unlocking("g", "body", &["a", "b"])).await;
    rig.send(&add::s(1, 1, None).task_id("a")).await;
    rig.probe.settled(2).await;
    assert_eq!(rig.status("body").await, None, "b has not ended");
    rig.send(&add::s(2, 2, None).task_id("b")).await;
    let record = rig.record("body").await;
    assert_eq!((record.status.as_str(), record.result.as_str()), ("SUCCESS", "6"));
}

#[tokio::test(start_paused = true)]
async fn a_chord_that_nobody_counts_may_fail() {
    let rig = rig();
    rig.send(&add::s(1, 1, None).task_id("a")).await;
    rig.send(&Signature::new("c.fail").task_id("b")).await;
    rig.send(&unlocking("g", "body", &["a", "b"])).await;
    let record = rig.record("body").await;
    let why = "Dependency b raised ValueError('no such luck')";
    assert_told(&record, "FAILURE", "celery.exceptions", "ChordError", why);
}
