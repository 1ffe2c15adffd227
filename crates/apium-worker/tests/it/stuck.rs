//! Stuck tasks: those that do not let go of their threads hold up none after them. And those that ask for a child of
//! their own where there can be none.

use apium_worker::WorkerError;

use crate::kit::{Rig, assert_told, keep_log, log};
use crate::{tasks, vitals};

/// One slot on one thread.
fn narrow() -> Rig {
    let mut rig = Rig::new();
    (rig.options.concurrency, rig.threads) = (1, Some(1));
    rig
}

/// Waits until nothing is stuck any more.
async fn let_go(vitals: &apium_worker::Vitals) {
    let mut look = tokio::time::interval(std::time::Duration::from_millis(10));
    while vitals.stuck_now() > 0 {
        look.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gets_a_fresh_thread_after_it() {
    keep_log();
    let mut rig = narrow();
    let vitals = rig.start();
    let mut stuck = Vec::new();
    for _ in 0..3 {
        stuck.push(rig.send(&tasks::spin::s()).await);
    }
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    for pending in &stuck {
        assert_told(&rig.record(pending.id()).await, "FAILURE", "billiard.exceptions", "TimeLimitExceeded", "0.2");
        assert!(log().contains(&format!(
            "stuck: the task does not let go of its thread task=\"t.spin\" id=\"{}\"",
            pending.id()
        )));
    }
    assert_eq!(vitals.stuck_now(), 3);
    for line in ["apium_tasks_stuck_total{task=\"t.spin\"} 3", "apium_tasks_stuck_now 3"] {
        assert!(vitals::text(&vitals).contains(line), "{line}");
    }
    assert!(!rig.stage.notes().contains(&"spun".to_owned()));
    rig.stage.cue();
    let_go(&vitals).await;
    assert!(log().contains(&format!("no longer stuck: the task has let go task=\"t.spin\" id=\"{}\"", stuck[0].id())));
    rig.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_work_that_goes_on_is_counted() {
    let mut rig = narrow();
    let vitals = rig.start();
    let first = rig.send(&tasks::deaf::s()).await;
    let second = rig.send(&tasks::deaf::s()).await;
    assert_eq!(rig.outcome(&tasks::blocking::s("a".to_owned())).await.status, "SUCCESS");
    for pending in [first, second] {
        assert_told(&rig.record(pending.id()).await, "FAILURE", "billiard.exceptions", "TimeLimitExceeded", "0.1");
    }
    assert_eq!(vitals.stuck_now(), 2);
    rig.stage.cue();
    let_go(&vitals).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_behind_one_is_given_back_and_runs_again() {
    let mut rig = narrow();
    rig.options.concurrency = 2;
    rig.start();
    let behind = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    rig.send(&tasks::spin::s()).await;
    rig.stage.count(3).await;
    assert_eq!(rig.stage.notes(), ["a begun", "spinning", "a begun"], "on a fresh thread");
    rig.stage.cue();
    let record = rig.record(behind.id()).await;
    assert_eq!((record.status.as_str(), record.result.as_str()), ("SUCCESS", "\"a\""));
    rig.emptied().await;
    rig.stage.reached("a dropped").await;
}

/// An isolated task, in a program that has not called what makes children of it.
#[apium_macros::task(crate = apium_core, name = "t.isolated", isolation = "process", max_memory = "64MiB", max_tasks_per_child = 9)]
async fn isolated() {}

#[tokio::test]
async fn a_worker_that_cannot_isolate_what_asks_for_it_does_not_begin() {
    let mut rig = Rig::new();
    rig.registry.register(isolated);
    let options = apium_core::Task::options(&isolated);
    assert_eq!((options.max_memory, options.max_tasks_per_child), (Some(64 << 20), Some(9)));
    rig.start();
    let sentence = rig.verdict().await.unwrap_err().to_string();
    assert!(sentence.starts_with("t.isolated asks for isolation = \"process\""), "{sentence}");
    assert!(sentence.contains("call `apium::isolation::child(&app)` first in `main`"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_many_the_worker_leaves_in_good_order() {
    let mut rig = narrow();
    (rig.options.concurrency, rig.options.max_stuck) = (2, 2);
    rig.start();
    let first = rig.send(&tasks::spin::s()).await;
    rig.record(first.id()).await;
    let runs = rig.send(&tasks::hold::s("runs".to_owned())).await;
    rig.stage.reached("runs begun").await;
    let second = rig.send(&tasks::spin::s()).await;
    rig.record(second.id()).await;
    rig.stop.requested().await;
    let later = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.stage.cue();
    let left = rig.verdict().await;
    assert!(matches!(left, Err(WorkerError::Stuck(2))), "{left:?}");
    assert_eq!(rig.record(runs.id()).await.status, "SUCCESS", "it had its time");
    assert_eq!((rig.status(later.id()).await, rig.depth().await), (None, (1, 0, 0)), "nothing more was taken");
}
