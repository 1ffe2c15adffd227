//! Schedulers at work: who leads, what is changed while they run, and what is told of it.

use std::time::Duration;

use apium_beat::{Entry, Pace, Told};
use apium_core::protocol::{RawJson, ResultRecord};
use apium_core::state::{Overwrite, TaskState};
use apium_core::{Fleet as _, ResultStore as _, StoredResult};
use tokio::time::Instant;

use crate::kit::World;

const BEGIN: &str = "2026-06-01T08:00:00Z";
const EVERY_MINUTE: &str = r#"{"name": "m", "task": "t.minute", "schedule": {"crontab": "* * * * *"}}"#;

fn pace() -> Pace {
    Pace::default()
}

/// What was told of an entry, the oldest first.
async fn told(world: &World, name: &str) -> Vec<String> {
    let lines = world.catalogue().history(Some(name), 100).await.unwrap();
    lines.into_iter().rev().map(|(_, Told { what, .. })| what).collect()
}

async fn ends(world: &World, id: &str, state: TaskState) {
    let record = ResultRecord::new(id, state.name(), RawJson::null()).encode();
    let (expires, over, remember) = (None, Overwrite::Unsuccessful, None);
    let result = StoredResult { task_id: id.to_owned(), state, record, expires, over, remember };
    assert!(world.memory.store(&result).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_what_celerys_beat_sends() {
    let world = World::at(BEGIN);
    world
        .put(
            r#"{"name": "stats", "task": "t.stats", "schedule": {"crontab": "0 9 * * 1-5"}, "zone": "Europe/Madrid",
                "args": [1], "kwargs": {"days": 7}, "options": {"priority": 6, "expires": 60, "headers": {"x": 1}}}"#,
        )
        .await;
    let _beat = world.start("beat", pace());
    // 09:00 in Madrid is 07:00 in UTC: not before tomorrow.
    world.pass(22 * 3_600).await;
    assert!(world.sent().await.is_empty());
    world.pass(3_600).await;
    let sent = world.sent().await;
    let [message] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(message.headers.task, "t.stats");
    assert_eq!(message.properties.priority, Some(6));
    let other = &message.headers.other;
    let header = |name: &str| other.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string());
    assert_eq!((header("celery_beat_task"), header("x")), (Some("true".to_owned()), Some("1".to_owned())));
    assert!(message.headers.expires.is_some());
    assert_eq!(told(&world, "stats").await, ["fired"]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone_is_replaced_within_ten_seconds() {
    let world = World::at(BEGIN);
    world.put(r#"{"name": "s", "task": "t", "schedule": 1, "missed": "all"}"#).await;
    let first = world.start("first", pace());
    world.pass(5).await;
    let second = world.start("second", pace());
    world.pass(60).await;
    assert_eq!(world.tasks().await.len(), 65);
    let mut others = Vec::new();
    for gone in [first, second] {
        let next = world.start("next", pace());
        world.pass(10).await;
        world.sent().await;
        gone.kill().await;
        let killed = Instant::now();
        while world.sent().await.is_empty() {
            world.pass(1).await;
        }
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        others.push(next);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stopped_hands_over_at_once() {
    let world = World::at(BEGIN);
    world.put(r#"{"name": "s", "task": "t", "schedule": 1}"#).await;
    let first = world.start("first", pace());
    world.pass(5).await;
    let _second = world.start("second", pace());
    world.pass(5).await;
    first.stop().await;
    world.sent().await;
    world.pass(10).await;
    assert!(world.tasks().await.len() >= 8);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stood_still_sends_nothing_twice() {
    let world = World::at(BEGIN);
    world.put(r#"{"name": "s", "task": "t", "schedule": 1, "missed": "all"}"#).await;
    let first = world.start("first", pace());
    world.pass(1).await;
    let _second = world.start("second", pace());
    for _ in 0..5 {
        world.pass(20).await;
        first.freeze(true);
        world.pass(20).await;
        first.freeze(false);
    }
    world.pass(1).await;
    let mut ids: Vec<_> = world.sent().await.into_iter().map(|message| message.headers.id).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "none twice");
    assert!((200..=202).contains(&count), "{count} in 202 seconds");
}

#[tokio::test(start_paused = true)]
async fn changes_count_at_once() {
    let world = World::at(BEGIN);
    let _beat = world.start("beat", pace());
    world.pass(30).await;
    world.put(EVERY_MINUTE).await;
    world.pass(60).await;
    assert_eq!(world.tasks().await, ["t.minute"]);
    // Paused for three minutes: they are past.
    world.catalogue().pause("m", true).await.unwrap();
    world.pass(180).await;
    assert!(world.tasks().await.is_empty());
    world.catalogue().pause("m", false).await.unwrap();
    world.pass(60).await;
    assert_eq!(world.tasks().await.len(), 1);
    // By hand, at once, and not in place of the next.
    let id = world.catalogue().run("m").await.unwrap();
    assert_eq!(world.sent().await[0].headers.id, id);
    world.pass(60).await;
    assert_eq!(world.tasks().await.len(), 1);
    // Another time: it is due then, and not before.
    world.put(&EVERY_MINUTE.replace("* * * * *", "0 9 * * *")).await;
    world.pass(600).await;
    assert!(world.tasks().await.is_empty());
    world.catalogue().discard("m").await.unwrap();
    world.pass(7_200).await;
    assert!(world.tasks().await.is_empty());
    let refused = world.catalogue().run("m").await.unwrap_err();
    assert_eq!(refused.to_string(), "no schedule has the name m; `beat list` shows those there are");
    let all = told(&world, "m").await;
    assert_eq!(all.iter().filter(|what| *what == "fired").count(), 3, "{all:?}");
    assert!(all.contains(&"run by hand".to_owned()), "{all:?}");
    assert!(all.iter().any(|what| what.starts_with("skipped") && what.contains("paused")), "{all:?}");
}

/// The ids of what is sent in the next minute.
async fn next_minute(world: &World) -> Vec<String> {
    world.pass(60).await;
    world.sent().await.into_iter().map(|message| message.headers.id).collect()
}

async fn with_overlap(overlap: &str) -> World {
    let world = World::at(BEGIN);
    world.put(&EVERY_MINUTE.replace("\"name\"", &format!("\"overlap\": \"{overlap}\", \"name\""))).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_may_keep_others_from_being_sent() {
    let world = with_overlap("skip").await;
    let _beat = world.start("beat", pace());
    let first = next_minute(&world).await;
    assert_eq!((first.len(), next_minute(&world).await.len()), (1, 0));
    ends(&world, &first[0], TaskState::Failure).await;
    assert_eq!(next_minute(&world).await.len(), 1);
    assert_eq!(told(&world, "m").await, ["fired", &format!("skipped because {} has not ended", first[0]), "fired"]);
}

#[tokio::test(start_paused = true)]
async fn one_may_wait_for_its_end() {
    let world = with_overlap("queue-one").await;
    let _beat = world.start("beat", pace());
    let first = next_minute(&world).await;
    assert_eq!((next_minute(&world).await.len(), next_minute(&world).await.len()), (0, 0));
    ends(&world, &first[0], TaskState::Success).await;
    world.pass(2).await;
    let waited = world.sent().await;
    assert_eq!(waited.len(), 1, "as soon as the one before has ended");
    ends(&world, &waited[0].headers.id, TaskState::Success).await;
    assert_eq!(next_minute(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn or_be_called_off() {
    let world = with_overlap("cancel-running").await;
    let _beat = world.start("beat", pace());
    let first = next_minute(&world).await;
    let second = next_minute(&world).await;
    assert_eq!((first.len(), second.len()), (1, 1));
    let revoked = world.memory.revocations(0, Duration::ZERO).await.unwrap();
    assert_eq!(revoked.ids, first);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_made_up_for_once() {
    let world = World::at(BEGIN);
    world.put(EVERY_MINUTE).await;
    let beat = world.start("beat", pace());
    world.pass(30).await;
    beat.freeze(true);
    world.pass(300).await;
    beat.freeze(false);
    world.pass(1).await;
    assert_eq!(world.tasks().await.len(), 1, "one makes up for five");
    assert!(told(&world, "m").await.iter().any(|what| what.contains("a later run makes up for it")));
}

#[tokio::test(start_paused = true)]
async fn settings_declare_and_an_operator_may_say_otherwise() {
    let world = World::at(BEGIN);
    let entry = |name: &str, task: &str| {
        format!(r#"{{"name": "{name}", "task": "{task}", "schedule": 3600, "origin": "file"}}"#)
    };
    let names = || async {
        let all = world.catalogue().list().await.unwrap();
        all.into_iter().map(|listed| format!("{} {}", listed.entry.name, listed.entry.task)).collect::<Vec<_>>()
    };
    let first = world.declaring(&[&entry("a", "t1"), &entry("b", "t1"), &entry("c", "t1")]);
    world.pass(5).await;
    assert_eq!(names().await, ["a t1", "b t1", "c t1"]);
    world.put(&entry("b", "t2").replace("file", "operator")).await;
    world.catalogue().pause("a", true).await.unwrap();
    first.stop().await;
    let _second = world.declaring(&[&entry("a", "t3"), &entry("b", "t3"), &entry("d", "t3")]);
    world.pass(5).await;
    assert_eq!(names().await, ["a t3", "b t2", "d t3"]);
    let paused = world.catalogue().get("a").await.unwrap();
    assert!(paused.entry.paused, "a pause stays");
    let wrong = Entry::parse(&entry("", "t")).unwrap_err();
    assert!(wrong.to_string().contains("name"), "{wrong}");
}
