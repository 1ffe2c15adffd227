//! The plain life of a task: claimed, run, its result stored, its message gone.

use apium_core::protocol::RawJson;
use apium_core::routing::QueueOrder;
use apium_core::{Signature, Task};

use crate::kit::{Rig, assert_told};
use crate::tasks;

fn signature(task: &str) -> Signature {
    Signature::new(task)
}

#[tokio::test(start_paused = true)]
async fn a_success_is_stored_and_settled() {
    let rig = Rig::started();
    let pending = rig.send(&tasks::add::s(2, 3, None)).await;
    let record = rig.record(pending.id()).await;
    assert_eq!((record.status.as_str(), record.result.as_str()), ("SUCCESS", "5"));
    assert_eq!((record.task_id.as_str(), record.children.as_str()), (pending.id(), "[]"));
    assert!(record.date_done.unwrap().ends_with("+00:00"));
    assert_eq!((record.traceback, record.parent_id, record.group_id), (None, None, None));
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.dead(0).await;
}

#[tokio::test(start_paused = true)]
async fn arguments_bind_by_position_by_name_and_by_default() {
    let rig = Rig::started();
    for (call, sum) in [
        (signature("t.add").arg(1), "2"),
        (signature("t.add").arg(1).arg(2).arg(3), "6"),
        (signature("t.add").kwarg("z", 5).kwarg("x", 1), "7"),
        (signature("t.add").arg(1).kwarg("y", 7).kwarg("z", ()), "8"),
    ] {
        assert_eq!(rig.outcome(&call).await.result.as_str(), sum);
    }
    assert_eq!(rig.outcome(&tasks::nothing::s()).await.result, RawJson::null());
}

#[tokio::test(start_paused = true)]
async fn parameters_may_have_any_name() {
    let rig = Rig::started();
    let by_name = signature("t.odd_names").arg(1).arg(2).arg(3).arg(4).arg(5).kwarg("call", 6).kwarg("value", 7);
    assert_eq!(rig.outcome(&by_name).await.result.as_str(), "[1, 2, 3, 4, 5, 6, 7, 0]");
    assert_told(
        &rig.outcome(&signature("t.odd_names").kwarg("r#type", 1)).await,
        "FAILURE",
        "builtins",
        "TypeError",
        "odd_names() got an unexpected keyword argument 'r#type'",
    );
    let by_name = (2..8).fold(signature("t.odd_names").kwarg("type", 1), Signature::arg);
    let told = rig.outcome(&by_name).await;
    assert_told(&told, "FAILURE", "builtins", "TypeError", "odd_names() got multiple values for argument 'type'");
}

#[tokio::test(start_paused = true)]
async fn a_task_knows_its_attempt() {
    let rig = Rig::started();
    let call = tasks::request::s(vec![1, 2]).task_id("some-id").header("x-tenant", 7);
    let told: serde_json::Value = rig.outcome(&call).await.result.to().unwrap();
    let expected = serde_json::json!({
        "id": "some-id", "queue": "celery", "worker": "w@test", "retries": 0, "redelivered": false,
        "tenant": "7", "echo": [1, 2],
    });
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_named_by_its_place_unless_told_otherwise() {
    assert_eq!(tasks::unnamed.name(), "it.tasks.unnamed");
    let rig = Rig::started();
    assert_eq!(rig.outcome(&tasks::unnamed::s()).await.result.as_str(), "\"named by its place\"");
    assert_eq!(tasks::add::run(1, 2, Some(3)).await, 6);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_blocks_runs_on_threads_of_its_own() {
    let rig = Rig::started();
    assert_eq!(rig.outcome(&tasks::blocking::s("é".to_owned())).await.result.to::<String>().unwrap(), "É");
    let own = format!("{:?}", std::thread::current().id());
    assert_ne!(rig.stage.notes(), [own]);
    let failed = rig.outcome(&tasks::blocking::s(String::new())).await;
    assert_told(&failed, "FAILURE", "builtins", "ValueError", "no text");
}

#[tokio::test(start_paused = true)]
async fn a_task_may_be_written_by_hand() {
    let rig = Rig::started();
    let call = signature("t.by_hand").arg(1).arg(2).kwarg("k", 3);
    assert_eq!(rig.outcome(&call).await.result.as_str(), "[2, 1]");
}

#[tokio::test(start_paused = true)]
async fn missing_state_is_told_by_its_type() {
    let rig = Rig::started();
    let told = rig.outcome(&tasks::stateless::s()).await;
    let sentence = "no state of type alloc::vec::Vec<u8> was given to the app";
    assert_told(&told, "FAILURE", "builtins", "RuntimeError", sentence);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_rust_is_told_by_its_type_and_a_failure_has_a_traceback() {
    let rig = Rig::started();
    let told = rig.outcome(&tasks::end::s("io".to_owned())).await;
    assert_told(&told, "FAILURE", "std.io.error", "Error", "disk full");
    assert_eq!(
        told.traceback.as_deref(),
        Some("Traceback (most recent call last):\n  File \"<rust>\", line 0, in <task>\nError: disk full\n")
    );
    assert!(told.date_done.is_some());
    assert_eq!(rig.depth().await, (0, 0, 0));
    rig.dead(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_worker_lives() {
    let rig = Rig::started();
    let told = rig.outcome(&tasks::end::s("panic".to_owned())).await;
    assert_told(&told, "FAILURE", "rust", "Panic", "out of order");
    let told = rig.outcome(&signature("t.panics_early")).await;
    assert_told(&told, "FAILURE", "rust", "Panic", "no future at all");
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.result.as_str(), "2");
    assert_eq!(rig.depth().await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_name_leads_to_the_same_task() {
    let mut rig = Rig::new();
    assert!(rig.registry.alias("t.add", "old.add"));
    rig.start();
    assert_eq!(rig.outcome(&signature("old.add").arg(1)).await.result.as_str(), "2");
}

#[tokio::test(start_paused = true)]
async fn the_family_of_a_task_stands_in_its_record() {
    let rig = Rig::started();
    let record = rig.outcome(&tasks::nothing::s().child_of("root", "parent")).await;
    assert_eq!(record.parent_id.as_deref(), Some("parent"));
}

/// Behind a queue that never empties the others get their turn.
#[tokio::test(start_paused = true)]
async fn no_queue_starves_behind_another() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    rig.options.queues = ["a", "b", "c"].map(str::to_owned).to_vec();
    for queue in ["a"; 20].iter().chain(&["b", "c", "c"]) {
        rig.send(&tasks::hold::s((*queue).to_owned()).queue(*queue)).await;
    }
    rig.stage.cue();
    rig.start();
    rig.probe.settled(23).await;
    rig.stopped().await;
    let order: String = rig.stage.notes().iter().filter_map(|note| note.strip_suffix(" ended")).collect();
    assert_eq!(order, format!("abcac{}", "a".repeat(18)), "an empty queue's turn goes to the next");
}

/// The names of what ran, of `a`, `b` and `c` in the first queue and `x`, `y` and `z` in the second.
async fn order(queue_order: QueueOrder) -> String {
    let mut rig = Rig::new();
    rig.options.queues = ["second", "first"].map(str::to_owned).to_vec();
    rig.options.concurrency = 1;
    rig.options.queue_order = queue_order;
    for (queue, names) in [("first", "abc"), ("second", "xyz")] {
        for name in names.chars() {
            rig.send(&tasks::noted::s(name.to_string()).queue(queue)).await;
        }
    }
    rig.start();
    rig.stage.count(6).await;
    rig.stage.notes().concat()
}

#[tokio::test(start_paused = true)]
async fn queues_are_looked_at_in_the_order_asked_for() {
    assert_eq!(order(QueueOrder::RoundRobin).await, "xaybzc");
    assert_eq!(order(QueueOrder::Priority).await, "xyzabc");
    assert_eq!(order(QueueOrder::Sorted).await, "abcxyz");
}
