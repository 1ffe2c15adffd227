//! Time limits: what is told, what is cut off, and what a task that holds its thread does to the others.

use std::time::Duration;

use apium_core::Signature;
use tokio::time::Instant;

use crate::kit::{Rig, assert_told, keep_log, log};
use crate::tasks;

const BILLIARD: &str = "billiard.exceptions";

fn limited(name: &str) -> Signature {
    tasks::limited::s(name.to_owned())
}

#[track_caller]
fn assert_took(began: Instant, seconds: f64) {
    let took = began.elapsed().as_secs_f64();
    assert!((seconds..seconds + 0.5).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_soft_limit_nobody_heeds_cuts_the_attempt_off() {
    let rig = Rig::started();
    let began = Instant::now();
    let told = rig.outcome(&limited("a")).await;
    assert_took(began, 3.0);
    assert_told(&told, "FAILURE", BILLIARD, "SoftTimeLimitExceeded", "");
    assert_eq!(rig.stage.notes(), ["a begun", "a dropped"]);
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_heeds_its_soft_limit_ends_in_its_own_way() {
    let rig = Rig::started();
    let began = Instant::now();
    let record = rig.outcome(&tasks::heedful::s(false)).await;
    assert_took(began, 3.0);
    assert_eq!((record.status.as_str(), record.result.as_str()), ("SUCCESS", "\"what was done in time\""));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_heeds_it_and_goes_on_meets_the_hard_limit() {
    let rig = Rig::started();
    let began = Instant::now();
    let told = rig.outcome(&tasks::heedful::s(true)).await;
    assert_took(began, 5.0);
    assert_told(&told, "FAILURE", BILLIARD, "TimeLimitExceeded", "5");
    assert_eq!(told.result.member("exc_message").unwrap().as_str(), "[5]");
    rig.stage.reached("soft limit").await;
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_message_count_before_those_of_the_task() {
    let rig = Rig::started();
    let began = Instant::now();
    let told = rig.outcome(&limited("a").time_limit(Duration::from_millis(1500))).await;
    assert_took(began, 1.5);
    assert_eq!(told.result.member("exc_message").unwrap().as_str(), "[1.5]");
    let began = Instant::now();
    let longer = limited("b").soft_time_limit(Duration::from_mins(2)).time_limit(Duration::from_mins(1));
    assert_told(&rig.outcome(&longer).await, "FAILURE", BILLIARD, "TimeLimitExceeded", "60");
    assert_took(began, 60.0);
    let began = Instant::now();
    let none = limited("c").soft_time_limit(Duration::ZERO);
    assert_told(&rig.outcome(&none).await, "FAILURE", BILLIARD, "SoftTimeLimitExceeded", "");
    assert_took(began, 3.0);
    assert_eq!(rig.stage.notes().iter().filter(|note| note.ends_with("dropped")).count(), 3);
}

#[tokio::test]
async fn blocking_work_is_told_and_its_slot_freed() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    rig.start();
    let blocked = rig.send(&tasks::idle_thread::s().time_limit(Duration::from_millis(50))).await;
    assert_told(&rig.record(blocked.id()).await, "FAILURE", BILLIARD, "TimeLimitExceeded", "0.05");
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    rig.stage.reached("told").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_never_awaits_stops_nobody_else() {
    keep_log();
    let mut rig = Rig::new();
    rig.options.concurrency = 2;
    rig.start();
    let stuck = rig.send(&tasks::spin::s()).await;
    rig.stage.reached("spinning").await;
    let other = rig.outcome(&tasks::hold::s("other".to_owned()).time_limit(Duration::from_millis(100))).await;
    assert_told(&other, "FAILURE", BILLIARD, "TimeLimitExceeded", "0.1");
    assert_told(&rig.record(stuck.id()).await, "FAILURE", BILLIARD, "TimeLimitExceeded", "0.2");
    let line = format!("stuck: the task does not let go of its thread task=\"t.spin\" id=\"{}\"", stuck.id());
    assert!(log().contains(&line), "{}", log());
    // Both slots are free again, while the thread is still held.
    let (a, b) = (limited("a"), limited("b"));
    let both = (rig.send(&a).await, rig.send(&b).await);
    rig.stage.reached("a begun").await;
    rig.stage.reached("b begun").await;
    assert!(!rig.stage.notes().contains(&"spun".to_owned()));
    rig.stage.cue();
    assert_eq!(rig.record(both.0.id()).await.status, "SUCCESS");
    assert_eq!(rig.record(both.1.id()).await.status, "SUCCESS");
    rig.stage.reached("spun").await;
    assert_eq!(rig.record(stuck.id()).await.status, "FAILURE", "what comes too late counts for nothing");
}
