//! Events: a worker's coming, life and going; what becomes of its tasks, once somebody wants to know.

use std::time::Duration;

use apium_core::Signature;
use serde_json::{Value, json};

use crate::caller::{from_python, kind};
use crate::kit::{Rig, keep_log, log};
use crate::probe::Fault;
use crate::tasks;

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(kind).collect()
}

#[tokio::test(start_paused = true)]
async fn it_comes_lives_and_goes() {
    let mut rig = Rig::new();
    let mut listener = rig.listener().await;
    rig.start();
    let came = listener.message().await;
    assert_eq!(came.0, "worker.online");
    let online = &came.1[0];
    for (field, value) in [
        ("hostname", json!("w@test")),
        ("utcoffset", json!(0.0)),
        ("pid", json!(std::process::id())),
        ("freq", json!(2.0)),
        ("active", json!(0)),
        ("processed", json!(0)),
        ("sw_ident", json!("apium")),
        ("type", json!("worker-online")),
    ] {
        assert_eq!(online[field], value, "{field}");
    }
    assert_eq!(online["loadavg"].as_array().unwrap().len(), 3);
    assert!(online["sw_ver"].is_string() && online["sw_sys"].is_string() && online["timestamp"].is_f64());
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    let beats = listener.events("worker-", 2).await;
    assert_eq!(kinds(&beats), ["worker-heartbeat", "worker-heartbeat"]);
    assert_eq!(beats[0]["processed"], json!(1));
    let apart = beats[1]["timestamp"].as_f64().unwrap() - beats[0]["timestamp"].as_f64().unwrap();
    assert!((apart - 2.0).abs() < 0.1, "{apart}");
    assert!(beats[1]["clock"].as_u64() > beats[0]["clock"].as_u64());
    rig.stopped().await;
    let mut last = listener.events("worker-", 1).await.remove(0);
    while kind(&last) == "worker-heartbeat" {
        last = listener.events("worker-", 1).await.remove(0);
    }
    assert_eq!(kind(&last), "worker-offline");
}

#[tokio::test(start_paused = true)]
async fn it_tells_of_tasks_once_it_is_asked_to() {
    let rig = Rig::controlled().await;
    let mut listener = rig.listener().await;
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    assert_eq!(rig.ask("enable_events", json!({})).await, json!({"ok": "task events enabled"}));
    assert_eq!(rig.ask("enable_events", json!({})).await, json!({"ok": "task events already enabled"}));
    let pending = rig.send(&tasks::add::s(2, 3, None)).await;
    let events = listener.events("task-", 3).await;
    assert_eq!(kinds(&events), ["task-received", "task-started", "task-succeeded"]);
    assert!(events.iter().all(|event| event["uuid"] == json!(pending.id())));
    let received = &events[0];
    assert_eq!((&received["name"], &received["args"]), (&json!("t.add"), &json!("(2, 3, None)")), "{received}");
    assert_eq!((&received["kwargs"], &received["retries"]), (&json!("{}"), &json!(0)));
    assert_eq!((&received["root_id"], &received["parent_id"]), (&json!(pending.id()), &Value::Null));
    assert_eq!((&received["eta"], &received["expires"]), (&Value::Null, &Value::Null));
    assert_eq!(events[2]["result"], json!("5"));
    assert!(events[2]["runtime"].is_f64());
    let clocks: Vec<_> = events.iter().map(|event| event["clock"].as_u64().unwrap()).collect();
    assert!(clocks.is_sorted_by(|one, other| one < other), "{clocks:?}");
    assert_eq!(rig.ask("disable_events", json!({})).await, json!({"ok": "task events disabled"}));
    assert_eq!(rig.ask("disable_events", json!({})).await, json!({"ok": "task events already disabled"}));
}

#[tokio::test(start_paused = true)]
async fn each_end_has_its_event() {
    let mut rig = Rig::new();
    rig.options.task_events = true;
    rig.start_controlled().await;
    let mut listener = rig.listener().await;
    for (how, told) in [
        ("plain", vec!["task-failed"]),
        ("once", vec!["task-retried", "task-received", "task-started", "task-succeeded"]),
        ("reject", vec!["task-rejected", "task-failed"]),
        ("requeue", vec!["task-rejected", "task-received", "task-started", "task-succeeded"]),
    ] {
        rig.send(&tasks::end::s(how.to_owned())).await;
        let events = listener.events("task-", 2 + told.len()).await;
        assert_eq!(kinds(&events)[2..], told[..], "{how}");
        if how == "plain" {
            assert_eq!(events[2]["exception"], json!("ValueError('plain')"));
            assert!(events[2]["traceback"].is_string());
        }
        if let Some(rejected) = events.iter().find(|event| kind(event) == "task-rejected") {
            assert_eq!(rejected["requeue"], json!(how == "requeue"));
        }
    }
    rig.send(&Signature::new("no.such")).await;
    let unknown = listener.events("task-", 1).await.remove(0);
    assert_eq!((kind(&unknown), &unknown["exception"]), ("task-failed", &json!("NotRegistered('no.such')")));
    assert!(unknown.get("traceback").is_none());
    let late = tasks::add::s(1, 1, None).expires(apium_core::clock::after(rig.clock.now(), Duration::ZERO));
    rig.send(&late).await;
    let expired = listener.events("task-", 1).await.remove(0);
    assert_eq!((kind(&expired), &expired["expired"]), ("task-revoked", &json!(true)));
    assert_eq!((&expired["terminated"], &expired["signum"]), (&json!(false), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_task_put_off_is_received_once() {
    let mut rig = Rig::new();
    rig.options.task_events = true;
    rig.start_controlled().await;
    let mut listener = rig.listener().await;
    let due = apium_core::clock::after(rig.clock.now(), Duration::from_mins(1));
    rig.publish(from_python("later", due)).await;
    let events = listener.events("task-", 3).await;
    assert_eq!(kinds(&events), ["task-received", "task-started", "task-succeeded"]);
    assert!(events[0]["eta"].is_string());
    assert_eq!(events[0]["args"], json!("(2, 2)"));
    assert!(events[1]["timestamp"].as_f64().unwrap() - events[0]["timestamp"].as_f64().unwrap() > 50.0);
}

#[tokio::test(start_paused = true)]
async fn tasks_go_in_batches_and_heartbeats_alone() {
    let mut rig = Rig::new();
    rig.options.task_events = true;
    rig.options.concurrency = 40;
    rig.start_controlled().await;
    let mut listener = rig.listener().await;
    for n in 0..40 {
        rig.send(&tasks::add::s(n, 0, None)).await;
    }
    let mut told = 0;
    while told < 120 {
        let (key, events) = listener.message().await;
        assert!(events.len() <= 24);
        if key == "task.multi" {
            told += events.len();
        } else {
            assert_eq!((key.as_str(), events.len()), ("worker.heartbeat", 1));
        }
    }
    assert_eq!(told, 120);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_when_it_is_asked_for() {
    let rig = Rig::controlled().await;
    let mut listener = rig.listener().await;
    assert_eq!(rig.ask("heartbeat", json!({})).await, Value::Null);
    let mut beat = listener.events("worker-heartbeat", 1).await.remove(0);
    while beat["freq"] != json!(5.0) {
        beat = listener.events("worker-heartbeat", 1).await.remove(0);
    }
    assert!(beat.get("active").is_none() && beat["sw_ident"] == json!("apium"));
}

#[tokio::test(start_paused = true)]
async fn it_keeps_quiet_when_it_is_to() {
    let mut rig = Rig::new();
    rig.options.without_heartbeat = true;
    rig.options.task_events = true;
    let mut listener = rig.listener().await;
    rig.start();
    tokio::time::advance(Duration::from_secs(10)).await;
    rig.send(&tasks::add::s(1, 1, None)).await;
    let (key, _) = listener.message().await;
    assert_eq!(key, "task.multi");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_now_is_said_later() {
    let mut rig = Rig::new();
    rig.options.task_events = true;
    (0..5).for_each(|_| rig.probe.plan("say", Fault::Before));
    let mut listener = rig.listener().await;
    rig.start();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    let mut told = Vec::new();
    while told.len() < 4 {
        told.extend(listener.message().await.1.into_iter().filter(|event| kind(event) != "worker-heartbeat"));
    }
    assert_eq!(kinds(&told), ["worker-online", "task-received", "task-started", "task-succeeded"]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_no_events_holds_up_no_task() {
    keep_log();
    let mut rig = Rig::new();
    rig.options.task_events = true;
    rig.options.concurrency = 100;
    let gate = rig.probe.gate("say");
    rig.start();
    rig.probe.called("say", 1).await;
    for n in 0..3_400 {
        rig.send(&tasks::add::s(n, 0, None)).await;
    }
    rig.probe.settled(3_400).await;
    let told = |words: &str| log().lines().filter(|line| line.contains(words)).count();
    let mut listener = rig.listener().await;
    gate.notify_one();
    let mut heard = 0;
    while heard < 9_000 {
        heard += listener.message().await.1.len();
    }
    assert_eq!(told("the broker takes no events; the oldest are dropped"), 1);
    assert_eq!(told("the oldest were dropped meanwhile"), 1);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_there_is_one_heartbeat_and_not_all_that_were_missed() {
    let mut rig = Rig::new();
    let gate = rig.probe.gate("say");
    let mut listener = rig.listener().await;
    rig.start();
    assert_eq!(listener.message().await.0, "worker.online");
    rig.ask_for_heartbeats(20).await;
    gate.notify_one();
    let beat = listener.events("worker-", 1).await.remove(0);
    let now = rig.clock.now().as_duration().as_secs_f64();
    let age = now - beat["timestamp"].as_f64().unwrap();
    assert!(age < 5.0, "{age}");
}
