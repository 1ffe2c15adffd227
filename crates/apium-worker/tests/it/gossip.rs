//! Gossip: a worker sees others come and go, votes in their elections, and keeps up with their clocks.

use std::time::Duration;

use apium_core::Broker as _;
use apium_core::broadcast::Topic;
use apium_core::client::fresh_id;
use apium_core::memory::Memory;
use apium_core::protocol::event::{Ballot, Elect, Event, EventKind, EventMessage, EventNames, Heartbeat};
use apium_core::protocol::{RawJson, control::Candidate};
use serde_json::json;

use crate::caller::kind;
use crate::kit::{Rig, keep_log, log};

/// Says something as the worker `p@test` would.
async fn said(memory: &Memory, clock: u64, kind: EventKind) {
    let message = EventMessage::single(Event::new("p@test", 77, clock, 1.0, kind), &EventNames::default(), fresh_id());
    let topic = Topic::Event(message.properties.delivery_info.routing_key.clone());
    memory.broadcast().say(&topic, &message.encode()).await.unwrap();
}

fn beat() -> Heartbeat {
    Heartbeat { freq: 2.0, ..Heartbeat::default() }
}

/// How often the log tells this of `p@test`.
fn told(sentence: &str) -> usize {
    log().lines().filter(|line| line.contains(sentence) && line.contains("p@test")).count()
}

#[tokio::test(start_paused = true)]
async fn it_sees_others_come_go_and_fall_silent() {
    keep_log();
    let rig = Rig::controlled().await;
    said(&rig.memory, 500, EventKind::WorkerOnline(beat())).await;
    said(&rig.memory, 501, EventKind::WorkerHeartbeat(beat())).await;
    assert!(rig.ask("clock", json!({})).await["clock"].as_u64().unwrap() > 501);
    tokio::time::advance(Duration::from_secs(5)).await;
    rig.ask("ping", json!({})).await;
    assert_eq!((told("another worker is there"), told("missed the heartbeat")), (1, 1));
    said(&rig.memory, 502, EventKind::WorkerHeartbeat(beat())).await;
    said(&rig.memory, 503, EventKind::WorkerOffline(beat())).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    rig.ask("ping", json!({})).await;
    assert_eq!((told("another worker is there"), told("another worker has left")), (2, 1));
    assert_eq!(told("missed the heartbeat"), 1);
}

#[tokio::test(start_paused = true)]
async fn it_votes_in_elections_and_acts_when_it_is_elected() {
    let rig = Rig::controlled().await;
    let mut listener = rig.listener().await;
    let elect = |id: &str| Elect { id: id.to_owned(), topic: "task".to_owned(), action: RawJson::null(), cver: 1 };
    said(&rig.memory, 1, EventKind::WorkerElect(elect("theirs"))).await;
    let ballot = listener.events("worker-elect-ack", 1).await.remove(0);
    assert_eq!(
        (kind(&ballot), &ballot["id"], &ballot["hostname"]),
        ("worker-elect-ack", &json!("theirs"), &json!("w@test"))
    );

    let action = json!({"task": "t.add", "args": [20, 1], "kwargs": {}, "options": {"task_id": "elected"}});
    rig.ask("election", json!({"id": "ours", "topic": "task", "action": action})).await;
    let stood = listener.events("worker-elect", 1).await.remove(0);
    assert_eq!((&stood["id"], &stood["cver"]), (&json!("ours"), &json!(1)));
    assert_eq!(rig.status("elected").await, None, "the other worker has not voted");
    said(&rig.memory, 2, EventKind::WorkerElectAck(Ballot { id: "ours".to_owned() })).await;
    assert_eq!(rig.record("elected").await.result.as_str(), "21");
    let own = Candidate::new(stood["clock"].as_u64().unwrap(), "w@test", std::process::id().into());
    assert!(own.process.starts_with("w@test."));
}
