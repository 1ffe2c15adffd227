//! Remote control that changes what a worker does: calling off, slots, queues, limits, the end.

use std::time::Duration;

use apium_core::Signature;
use apium_core::clock::after;
use apium_core::protocol::{Headers, Message, Payload, Properties, RawJson};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::caller::{answers, from_python, kind, request, say};
use crate::kit::{Rig, assert_told};
use crate::tasks;

#[tokio::test(start_paused = true)]
async fn a_task_revoked_while_it_waits_never_runs() {
    let rig = Rig::controlled().await;
    rig.publish(from_python("later", after(rig.clock.now(), Duration::from_mins(1)))).await;
    rig.probe.settled(1).await;
    let told = rig.ask("revoke", json!({"task_id": "later"})).await;
    assert_eq!(told, json!({"ok": "tasks {'later'} flagged as revoked"}));
    let record = rig.record("later").await;
    assert_told(&record, "REVOKED", "celery.exceptions", "TaskRevokedError", "revoked");
    tokio::time::advance(Duration::from_mins(1)).await;
    rig.probe.settled(2).await;
    assert_eq!(rig.record("later").await.status, "REVOKED");
    assert_eq!(rig.depth().await, (0, 0, 0));
    assert_eq!(rig.ask("revoked", json!({})).await, json!(["later"]));
}

#[tokio::test(start_paused = true)]
async fn a_task_revoked_while_it_runs_goes_on_unless_it_is_terminated() {
    let mut rig = Rig::new();
    rig.options.task_events = true;
    rig.start_controlled().await;
    let (a, b) = (rig.send(&tasks::hold::s("a".to_owned())).await, rig.send(&tasks::hold::s("b".to_owned())).await);
    rig.stage.count(2).await;
    rig.ask("revoke", json!({"task_id": [a.id(), b.id()]})).await;
    assert_eq!(rig.status(a.id()).await, None);
    let mut listener = rig.listener().await;
    let told = rig.ask("revoke", json!({"task_id": [b.id(), "gone"], "terminate": true, "signal": "KILL"})).await;
    assert_eq!(told, json!({"ok": format!("terminate: {}", b.id())}));
    assert_told(&rig.record(b.id()).await, "REVOKED", "celery.exceptions", "TaskRevokedError", "terminated");
    let event = listener.events("task-", 1).await.remove(0);
    assert_eq!((kind(&event), &event["uuid"]), ("task-revoked", &json!(b.id())));
    assert_eq!((&event["terminated"], &event["signum"], &event["expired"]), (&json!(true), &json!(9), &json!(false)));
    let told = rig.ask("terminate", json!({"task_id": "gone", "signal": "TERM"})).await;
    assert_eq!(told, json!({"ok": "terminate: tasks unknown"}));
    rig.stage.cue();
    assert_eq!(rig.record(a.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn tasks_are_revoked_by_their_stamps() {
    let rig = Rig::controlled().await;
    for (name, stamp) in [("a", "o1"), ("b", "o2")] {
        rig.publish(stamped(name, stamp)).await;
        rig.stage.reached(&format!("{name} begun")).await;
    }
    let arguments = json!({"headers": {"order": ["o1", "o3"]}});
    let told = rig.ask("revoke_by_stamped_headers", arguments).await;
    assert_eq!(told, json!({"ok": "headers {'order': ['o1', 'o3']} flagged as revoked, but not terminated"}));
    let terminating = json!({"headers": {"order": "o1"}, "terminate": true});
    let told = rig.ask("revoke_by_stamped_headers", terminating.clone()).await;
    assert_eq!(told, json!({"ok": "headers defaultdict(<class 'set'>, {'order': {'o1'}}) revoked"}));
    assert_eq!(rig.record("a").await.status, "REVOKED");
    rig.probe.settled(1).await;
    let told = rig.ask("revoke_by_stamped_headers", terminating).await;
    assert_eq!(told, json!({"ok": "headers {'order': 'o1'} were not terminated"}));
    rig.publish(stamped("c", "o3")).await;
    assert_told(&rig.record("c").await, "REVOKED", "celery.exceptions", "TaskRevokedError", "revoked");
    rig.stage.cue();
    assert_eq!(rig.record("b").await.status, "SUCCESS");
}

/// `t.hold` with the stamp `order`, under its own name as id.
fn stamped(name: &str, stamp: &str) -> Vec<u8> {
    let mut headers = Headers::new("t.hold", name);
    headers.stamped_headers = Some(vec!["order".to_owned()]);
    headers.stamps = RawJson::from(&json!({"order": [stamp]})).unwrap();
    let payload = Payload::new(RawJson::from(&[name]).unwrap(), RawJson::empty_object());
    Message::new(headers, &payload, Properties::default()).encode()
}

#[tokio::test(start_paused = true)]
async fn slots_grow_and_shrink_and_nothing_is_killed() {
    let rig = Rig::controlled().await;
    for name in ["a", "b", "c", "d", "e"] {
        rig.send(&tasks::hold::s(name.to_owned())).await;
    }
    rig.stage.count(2).await;
    assert_eq!(rig.ask("pool_grow", json!({"n": 2})).await, json!({"ok": "pool will grow"}));
    rig.stage.count(4).await;
    assert_eq!(rig.depth().await, (1, 0, 4));
    assert_eq!(rig.ask("pool_shrink", json!({"n": 3})).await, json!({"ok": "pool will shrink"}));
    assert_eq!(rig.ask("stats", json!({})).await["pool"]["max-concurrency"], json!(1));
    assert_eq!(rig.depth().await, (1, 0, 4));
    assert!(rig.ask("pool_shrink", json!({})).await["error"].as_str().unwrap().contains("Can't shrink pool"));
    rig.stage.cue();
    rig.probe.settled(5).await;
    assert_eq!(rig.stage.notes().iter().filter(|note| note.ends_with("ended")).count(), 5);
    assert_eq!(rig.probe.seen().claims.last().map(|(max, _)| *max), Some(1));
    rig.ask("pool_grow", json!({})).await;
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    assert_eq!(rig.ask("stats", json!({})).await["prefetch_count"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn queues_come_and_go() {
    let rig = Rig::controlled().await;
    let second = rig.send(&tasks::add::s(1, 1, None).queue("second")).await;
    let added = rig.ask("add_consumer", json!({"queue": "second", "exchange": "x", "exchange_type": "topic"})).await;
    assert_eq!(added, json!({"ok": "add consumer second"}));
    assert_eq!(rig.record(second.id()).await.status, "SUCCESS");
    let queues = rig.ask("active_queues", json!({})).await;
    assert_eq!((&queues[1]["name"], &queues[1]["exchange"]["name"]), (&json!("second"), &json!("x")));
    for queue in ["celery", "second", "never"] {
        let told = rig.ask("cancel_consumer", json!({"queue": queue})).await;
        assert_eq!(told, json!({"ok": format!("no longer consuming from {queue}")}));
    }
    assert_eq!(rig.ask("active_queues", json!({})).await, json!([]));
    let waiting = rig.send(&tasks::add::s(1, 1, None)).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(rig.depth().await, (1, 0, 0));
    rig.ask("add_consumer", json!({"queue": "celery"})).await;
    assert_eq!(rig.record(waiting.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_queues_stops_too() {
    let mut rig = Rig::controlled().await;
    rig.ask("cancel_consumer", json!({"queue": "celery"})).await;
    rig.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_back_its_own_task_only() {
    let rig = Rig::controlled().await;
    let set = |limit: Value| json!({"task_name": "t.end", "rate_limit": limit});
    let told = rig.ask("rate_limit", set(json!("10/m"))).await;
    assert_eq!(told, json!({"ok": "new rate limit set successfully"}));
    let items = rig.ask("registered", json!({})).await;
    assert!(items.as_array().unwrap().contains(&json!("t.end [rate_limit=10/m]")), "{items}");
    let began = Instant::now();
    let limited = [0; 4].map(|_| tasks::end::s("well".to_owned()));
    let mut sent = Vec::new();
    for signature in &limited {
        sent.push(rig.send(signature).await);
    }
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for (pending, due) in sent.iter().zip([0.0, 6.0, 12.0, 18.0]) {
        assert_eq!(rig.record(pending.id()).await.result.as_str(), "0", "no attempt is counted");
        let took = began.elapsed().as_secs_f64();
        assert!((due - 0.1..due + 1.0).contains(&took), "{took} s instead of {due} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_brings_its_rate_limit_along() {
    let rig = Rig::controlled().await;
    let items = rig.ask("registered", json!({})).await;
    assert!(items.as_array().unwrap().contains(&json!("t.seldom [rate_limit=10/m]")), "{items}");
    let began = Instant::now();
    for name in ["a", "b"] {
        rig.send(&tasks::seldom::s(name.to_owned())).await;
    }
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    rig.stage.count(2).await;
    assert!((5.9..7.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_default_rate_limit_is_for_tasks_without_their_own() {
    let mut rig = Rig::new();
    rig.options.default_rate_limit = apium_core::task::rate_limit("1/h");
    rig.start_controlled().await;
    let items = rig.ask("registered", json!({})).await;
    for shown in ["t.add [rate_limit=1/h]", "t.seldom [rate_limit=10/m]"] {
        assert!(items.as_array().unwrap().contains(&json!(shown)), "{items}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_rate_limit_held_back_comes_soon_when_it_is_lifted() {
    let rig = Rig::controlled().await;
    rig.ask("rate_limit", json!({"task_name": "t.end", "rate_limit": "1/h"})).await;
    let first = rig.send(&tasks::end::s("well".to_owned())).await;
    rig.record(first.id()).await;
    let second = rig.send(&tasks::end::s("well".to_owned())).await;
    rig.probe.settled(2).await;
    assert_eq!(rig.ask("reserved", json!({})).await[0]["id"], json!(second.id()));
    assert_eq!(rig.ask("query_task", json!({"ids": [second.id()]})).await[second.id()][0], json!("reserved"));
    let told = rig.ask("rate_limit", json!({"task_name": "t.end", "rate_limit": null})).await;
    assert_eq!(told, json!({"ok": "rate limit disabled successfully"}));
    let items = rig.ask("registered", json!({})).await;
    assert!(items.as_array().unwrap().contains(&json!("t.end")), "{items}");
    let lifted = Instant::now();
    assert_eq!(rig.record(second.id()).await.status, "SUCCESS");
    assert!(lifted.elapsed() < Duration::from_secs(6), "{:?}", lifted.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nought_is_none_and_shown() {
    let rig = Rig::controlled().await;
    let told = rig.ask("rate_limit", json!({"task_name": "t.end", "rate_limit": "0"})).await;
    assert_eq!(told, json!({"ok": "new rate limit set successfully"}));
    let items = rig.ask("registered", json!({})).await;
    assert!(items.as_array().unwrap().contains(&json!("t.end [rate_limit=0]")), "{items}");
    for _ in 0..3 {
        assert_eq!(rig.outcome(&tasks::end::s("well".to_owned())).await.status, "SUCCESS");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_backlog_keeps_its_rate_and_costs_little() {
    let rig = Rig::controlled().await;
    rig.ask("rate_limit", json!({"task_name": "t.end", "rate_limit": "2/s"})).await;
    let began = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(rig.send(&tasks::end::s("well".to_owned())).await);
    }
    rig.stage.count(100).await;
    let took = began.elapsed().as_secs_f64();
    assert!((48.0..60.0).contains(&took), "{took} s");
    let settled = rig.probe.seen().settled;
    assert!(settled < 1_000, "{settled} settlements for 100 tasks");
}

#[tokio::test(start_paused = true)]
async fn time_limits_count_from_the_next_attempt() {
    let rig = Rig::controlled().await;
    let running = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.count(1).await;
    let set = |hard: Value, soft: Value| json!({"task_name": "t.hold", "hard": hard, "soft": soft});
    let told = rig.ask("time_limit", set(json!(7), json!(null))).await;
    assert_eq!(told, json!({"ok": "time limits set successfully"}));
    let began = Instant::now();
    let limited = rig.outcome(&tasks::hold::s("b".to_owned())).await;
    assert_told(&limited, "FAILURE", "billiard.exceptions", "TimeLimitExceeded", "7");
    assert!(began.elapsed() < Duration::from_secs(9));
    rig.ask("time_limit", set(json!(null), json!(3))).await;
    let soft = rig.outcome(&tasks::hold::s("c".to_owned())).await;
    assert_told(&soft, "FAILURE", "billiard.exceptions", "SoftTimeLimitExceeded", "");
    assert_eq!(rig.status(running.id()).await, None, "it runs without a limit");
    let own = rig.outcome(&tasks::hold::s("d".to_owned()).soft_time_limit(Duration::from_secs(1))).await;
    assert_eq!(own.status, "FAILURE");
    rig.ask("time_limit", set(json!(null), json!(null))).await;
    let unlimited = rig.send(&tasks::hold::s("e".to_owned())).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    rig.stage.cue();
    assert_eq!(rig.record(unlimited.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn shutdown_is_a_warm_stop_however_often_it_is_asked_for() {
    let mut rig = Rig::controlled().await;
    let running = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.count(1).await;
    for _ in 0..3 {
        assert!(answers(&rig.memory, request("shutdown", &json!({}))).await.is_empty());
    }
    rig.stop.requested().await;
    assert_eq!(rig.ask("active", json!({})).await[0]["id"], json!(running.id()));
    rig.stage.cue();
    rig.ended().await;
    assert_eq!(rig.record(running.id()).await.status, "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_slots_are_all_taken_obeys_at_once() {
    let rig = Rig::controlled().await;
    for name in ["a", "b", "c"] {
        rig.send(&tasks::hold::s(name.to_owned())).await;
    }
    rig.stage.count(2).await;
    say(&rig.memory, &request("pool_grow", &json!({}))).await;
    rig.stage.count(3).await;
    assert_eq!(rig.ask("ping", json!({})).await, json!({"ok": "pong"}));
    let many: Vec<_> = (0..50_010).map(|n| format!("id-{n}")).collect();
    rig.ask("revoke", json!({"task_id": many})).await;
    let known = rig.ask("revoked", json!({})).await;
    assert_eq!((known.as_array().unwrap().len(), &known[0]), (50_000, &json!("id-10")));
    let revoked = rig.outcome(&Signature::new("t.add").task_id("id-50009").arg(1)).await;
    assert_eq!(revoked.status, "REVOKED");
}
