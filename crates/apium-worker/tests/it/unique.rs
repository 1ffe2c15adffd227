//! A unique task: what holds its key, how a sender learns of it, and every way the key becomes free.

use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::protocol::{Message, RawJson};
use apium_core::signature::{chain, chord, group};
use apium_core::unique::{HEADER, Policy, Unique, UniqueClaim, UniqueMark, Uniques};
use apium_core::{Broker, Claim, Client, Disposition, SendError, Settlement, Signature, State, TaskError};
use apium_macros::task;

use crate::kit::{PATIENCE, Rig, Stage};
use crate::probe::Fault;
use crate::tasks;

/// Whatever it is told, its number counts.
#[task(crate = apium_core, name = "u.invoice", max_retries = 1, unique(by = [order], for = 3600))]
async fn invoice(order: i64, #[default("end".to_owned())] how: String, stage: State<Stage>) -> Result<i64, TaskError> {
    run(&how, order, &stage).await
}

#[task(crate = apium_core, name = "u.index", max_retries = 1, unique(policy = "keep_last", by = [tenant]))]
async fn index(tenant: i64, how: String, stage: State<Stage>) -> Result<i64, TaskError> {
    run(&how, tenant, &stage).await
}

#[task(crate = apium_core, name = "u.digest", unique(until = "period", for = 600))]
async fn digest(how: String, stage: State<Stage>) -> Result<i64, TaskError> {
    run(&how, 0, &stage).await
}

/// The first counts alone, whatever the rest is.
#[task(crate = apium_core, name = "u.all", unique)]
async fn all(first: i64, #[default(7)] second: i64, #[args] rest: Vec<i64>, third: Option<i64>) -> i64 {
    first + second + rest.iter().sum::<i64>() + third.unwrap_or_default()
}

async fn run(how: &str, number: i64, stage: &Stage) -> Result<i64, TaskError> {
    stage.note(format!("{how} {number}"));
    let error = TaskError::new("ValueError", "so it is told");
    match how {
        "hold" => stage.await_cue().await,
        "fail" => return Err(error.fatal()),
        "retry" => return Err(error.retry_in(Duration::from_secs(30))),
        "reject" => return Err(TaskError::reject("not mine")),
        "ignore" => return Err(TaskError::ignore()),
        "replace" => return Err(TaskError::replace(Signature::new("t.nothing"))),
        "panic" => panic!("out of order"),
        _ => {}
    }
    Ok(number)
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.registry.register(invoice);
    rig.registry.register(index);
    rig.registry.register(digest);
    rig.registry.register(all);
    rig
}

fn bill(order: i64, how: &str) -> Signature {
    invoice::s(order, how.to_owned())
}

fn policy(policy: Policy) -> Unique {
    Unique::until_done().by(["order"]).policy(policy)
}

async fn refused(rig: &Rig, signature: &Signature) -> String {
    match rig.client.send(signature).await.map(|sent| sent.id().to_owned()) {
        Err(SendError::Held { holder, .. }) => holder,
        other => panic!("{other:?}"),
    }
}

/// Whether anybody has the key of this call; a sender would look at the holder's result, too.
async fn is_held(rig: &Rig, signature: &Signature) -> bool {
    let key = mark(rig, signature).await.key;
    rig.memory.holder(&key).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn another_of_its_key_is_rejected_and_told_who_holds_it() {
    let mut rig = rig();
    let first = rig.send(&bill(1, "end")).await;
    assert_eq!(refused(&rig, &bill(1, "something else")).await, first.id());
    let error = rig.client.send(&bill(1, "end")).await.err().unwrap().to_string();
    assert_eq!(
        error,
        format!(
            "u.invoice was not sent: {} holds its unique key; wait for that one, revoke it, or send with another policy",
            first.id()
        )
    );
    let other = rig.send(&bill(2, "end")).await;
    rig.start();
    rig.record(first.id()).await;
    rig.record(other.id()).await;
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.send(&bill(1, "end")).await;
}

#[tokio::test(start_paused = true)]
async fn the_sender_may_wait_for_the_holder_instead() {
    let mut rig = rig();
    let first = rig.send(&bill(1, "end")).await;
    let second = rig.send(&bill(1, "end").unique(policy(Policy::Return))).await;
    assert_eq!(second.id(), first.id());
    rig.start();
    assert_eq!(second.get::<i64>(PATIENCE).await.unwrap(), 1);
    assert_eq!(rig.stage.notes(), ["end 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_one_takes_the_place_of_one_that_waits_and_not_of_one_that_runs() {
    let mut rig = rig();
    let first = rig.send(&bill(1, "never")).await;
    let second = rig.send(&bill(1, "hold").unique(policy(Policy::Replace))).await;
    assert_eq!(rig.record(first.id()).await.status, "REVOKED", "its caller is told at once");
    rig.start();
    rig.stage.reached("hold 1").await;
    assert_eq!(refused(&rig, &bill(1, "end").unique(policy(Policy::Replace))).await, second.id());
    rig.stage.cue();
    assert_eq!(rig.record(second.id()).await.status, "SUCCESS");
    rig.emptied().await;
    assert_eq!(rig.stage.notes(), ["hold 1"]);
}

#[tokio::test(start_paused = true)]
async fn one_whose_place_was_taken_in_the_last_moment_does_not_begin() {
    let mut rig = rig();
    let first = rig.send(&bill(1, "never")).await;
    // The worker does not hear of the revoke; the broker tells it when the attempt begins.
    let (delivery, message) = rig.take_message().await;
    let claim = UniqueClaim {
        key: UniqueMark::of(&message.headers).unwrap().key,
        task_id: "newer".to_owned(),
        keep: Duration::from_mins(1),
        replace: true,
        over: None,
    };
    rig.memory.publish_unique(&[], &claim).await.unwrap();
    let back = Settlement::of(delivery.receipt, Disposition::Requeue);
    rig.memory.settle(vec![back]).await.unwrap();
    rig.start();
    assert_eq!(rig.record(first.id()).await.status, "REVOKED");
    assert!(rig.stage.notes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_is_kept_one_runs_and_one_waits() {
    let mut rig = rig();
    let call = |how: &str| index::s(1, how.to_owned());
    let first = rig.send(&call("hold")).await;
    rig.start();
    rig.stage.reached("hold 1").await;
    let older = rig.send(&call("older").countdown(Duration::from_mins(1))).await;
    let newest = rig.send(&call("newest").countdown(Duration::from_mins(1))).await;
    assert_eq!(rig.record(older.id()).await.status, "REVOKED");
    rig.stage.cue();
    assert_eq!(rig.record(first.id()).await.status, "SUCCESS");
    assert_eq!(rig.record(newest.id()).await.status, "SUCCESS");
    rig.emptied().await;
    assert_eq!(rig.stage.notes(), ["hold 1", "newest 1"]);
}

#[tokio::test(start_paused = true)]
async fn every_end_gives_it_back() {
    for (how, status) in [
        ("end", "SUCCESS"),
        ("fail", "FAILURE"),
        ("panic", "FAILURE"),
        ("reject", "FAILURE"),
        ("ignore", ""),
        ("replace", "SUCCESS"),
    ] {
        let mut rig = rig();
        rig.start();
        let first = rig.send(&bill(1, how)).await;
        assert!(is_held(&rig, &bill(1, how)).await);
        rig.emptied().await;
        assert_eq!(rig.status(first.id()).await.unwrap_or_default(), status, "after {how}");
        assert!(!is_held(&rig, &bill(1, how)).await, "after {how}");
        let next = rig.send(&bill(1, "end")).await;
        assert_eq!(rig.record(next.id()).await.status, "SUCCESS", "after {how}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_given_up_or_never_ran_gives_it_back() {
    let mut rig = rig();
    // Arguments that do not fit make a dead letter.
    let misfit = Signature::new("u.invoice").kwarg("order", 1).kwarg("how", 3).unique(policy(Policy::Reject));
    let expiring = bill(2, "end").expires_in(Duration::from_secs(1));
    let revoked = bill(3, "end");
    rig.send(&misfit).await;
    rig.send(&expiring).await;
    let revoked = rig.send(&revoked).await;
    assert_eq!(refused(&rig, &bill(3, "end")).await, revoked.id());
    revoked.revoke().await.unwrap();
    rig.send(&bill(3, "after the revoke")).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    rig.start();
    rig.probe.settled(4).await;
    for order in [1, 2, 3] {
        assert!(!is_held(&rig, &bill(order, "end")).await, "{order}");
    }
    rig.send(&bill(1, "end")).await;
    rig.send(&bill(2, "end")).await;
    rig.emptied().await;
    assert_eq!(rig.stage.notes(), ["after the revoke 3", "end 1", "end 2"]);
}

#[tokio::test(start_paused = true)]
async fn retries_and_stops_keep_it() {
    let mut rig = rig();
    rig.start();
    let first = rig.send(&bill(1, "retry")).await;
    rig.probe.settled(1).await;
    assert_eq!(refused(&rig, &bill(1, "end")).await, first.id(), "it waits for its retry");
    assert_eq!(rig.record(first.id()).await.status, "FAILURE");
    rig.send(&bill(1, "end")).await;
    let held = rig.send(&bill(2, "hold")).await;
    rig.stage.reached("hold 2").await;
    rig.options.stop_timeout = Duration::ZERO;
    rig.stop.request();
    rig.stop.request();
    rig.ended().await;
    assert_eq!(refused(&rig, &bill(2, "end")).await, held.id(), "it was given back to its queue");
}

#[tokio::test(start_paused = true)]
async fn a_period_ends_by_itself_or_by_a_failure() {
    let mut rig = rig();
    rig.start();
    let first = rig.send(&digest::s("end".to_owned())).await;
    assert_eq!(rig.record(first.id()).await.status, "SUCCESS");
    assert_eq!(refused(&rig, &digest::s("end".to_owned())).await, first.id());
    tokio::time::advance(Duration::from_secs(601)).await;
    rig.send(&digest::s("end".to_owned())).await;
    let failing = rig.send(&digest::s("fail".to_owned())).await;
    assert_eq!(rig.record(failing.id()).await.status, "FAILURE");
    rig.send(&digest::s("fail".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn its_bound_frees_it_when_nobody_else_does() {
    let rig = rig();
    rig.send(&bill(1, "lost")).await;
    // Another worker takes it and says nothing more of it.
    rig.take_message().await;
    let bound = mark(&rig, &bill(1, "end")).await.keep();
    assert_eq!(bound, Duration::from_hours(1), "it travels with the message");
    tokio::time::advance(Duration::from_secs(3_601)).await;
    rig.send(&bill(1, "end")).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_senders_at_once_leave_one() {
    let rig = rig();
    let sends: Vec<_> = (0..100)
        .map(|_| {
            let client = rig.client.clone();
            tokio::spawn(async move { client.send(&bill(1, "end")).await.is_ok() })
        })
        .collect();
    let mut sent = 0;
    for send in sends {
        sent += usize::from(send.await.unwrap());
    }
    assert_eq!((sent, rig.depth().await), (1, (1, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn by_place_or_by_name_the_key_is_the_same() {
    let rig = rig();
    let placed = mark(&rig, &all::s(1, 7, vec![], None)).await.key;
    let call = |args, kwargs| all::s(0, 0, vec![], None).raw_arguments(args, kwargs);
    let named = [("third", "null"), ("second", "7"), ("first", "1")];
    let named = named.map(|(name, value)| (name.to_owned(), json(value)));
    assert_eq!(mark(&rig, &call(vec![], named.to_vec())).await.key, placed);
    let defaults = call(vec![json("1")], vec![]);
    assert_eq!(mark(&rig, &defaults).await.key, placed, "what is left out has its default");
    let spaced = call(vec![json(" 1 ")], vec![]);
    assert_eq!(mark(&rig, &spaced).await.key, placed, "however it is written");
    for other in [all::s(2, 7, vec![], None), all::s(1, 8, vec![], None), all::s(1, 7, vec![3], None)] {
        assert_ne!(mark(&rig, &other).await.key, placed);
    }
    assert!(placed.starts_with("u.all:"), "{placed}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_unique_is_refused_with_a_sentence() {
    let rig = rig();
    let told = async |signature: Signature| rig.client.send(&signature).await.err().unwrap().to_string();
    let alone = "u.invoice is unique, and only a task sent by itself can be: not a part of a canvas";
    let member = || bill(1, "end");
    for canvas in [
        chain([member(), tasks::nothing::s()]),
        group([member(), tasks::nothing::s()]),
        chord([tasks::nothing::s()], member()),
        tasks::nothing::s().link(&member()),
        member().then(tasks::nothing::s()),
    ] {
        let sentence = told(canvas).await;
        assert!(sentence.ends_with(alone), "{sentence}");
    }
    let sentence = told(group([tasks::nothing::s()]).unique(Unique::until_done())).await;
    assert!(sentence.ends_with("only a single task can be unique, not a group, chain or chord"), "{sentence}");
    let sentence = told(Signature::new("u.invoice").arg(1).unique(policy(Policy::Reject))).await;
    assert!(sentence.contains("\"order\", which makes it unique, is not given by name"), "{sentence}");
    let sentence = told(bill(1, "end").unique(policy(Policy::KeepLast))).await;
    assert!(sentence.ends_with("to keep the last goes with unique until it has started only"), "{sentence}");
    let sentence = told(bill(1, "end").unique(Unique::until_done().by(["ordre"]))).await;
    assert!(sentence.ends_with("it has no argument \"ordre\", which is to make it unique"), "{sentence}");
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_link_follows_a_unique_task() {
    let mut rig = rig();
    rig.start();
    let first = rig.send(&bill(1, "end").link(&tasks::noted::s("linked".to_owned()).immutable())).await;
    rig.stage.reached("linked").await;
    assert_eq!(rig.record(first.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn an_outage_when_it_begins_is_waited_for() {
    let mut rig = rig();
    let first = rig.send(&bill(1, "end")).await;
    rig.probe.plan("begin", Fault::Before);
    rig.probe.plan("begin", Fault::After);
    rig.start();
    assert_eq!(rig.record(first.id()).await.status, "SUCCESS");
    rig.send(&bill(1, "end")).await;
}

fn json(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

/// What the message tells, sent into a world of its own.
async fn mark(rig: &Rig, signature: &Signature) -> UniqueMark {
    let memory = Memory::default();
    let backend = Arc::new(memory.clone());
    let client = Client::new(backend.clone(), backend, rig.client.routes().clone());
    client.send(signature).await.unwrap();
    let queues = ["celery".to_owned()];
    let claim = Claim { queues: &queues, max: 1, lease: PATIENCE };
    let bytes = memory.claim(&claim).await.unwrap().remove(0).bytes;
    let message = Message::decode(&bytes).unwrap();
    assert!(message.headers.other.iter().any(|(name, _)| name == HEADER));
    UniqueMark::of(&message.headers).unwrap()
}
