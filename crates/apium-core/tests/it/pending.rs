//! What can be asked of a result: its family, its group, and how waiting for it ends.

use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::pending::Graph;
use apium_core::protocol::{ExceptionRecord, RawJson, ResultRecord};
use apium_core::signature::{Signature, chain, chord, group};
use apium_core::{Client, Pending, ResultError, ResultStore, Routes, StoredResult, TaskState};

const SOON: Duration = Duration::from_secs(5);

struct Bench {
    memory: Memory,
    client: Client,
}

impl Bench {
    fn new() -> Self {
        let memory = Memory::default();
        let client = Client::new(Arc::new(memory.clone()), Arc::new(memory.clone()), Routes::default());
        Self { memory, client }
    }

    async fn send(&self, signature: Signature) -> Pending {
        self.client.send(&signature).await.unwrap()
    }

    async fn store(&self, id: &str, status: &str, result: &str, children: &str) {
        let mut record = ResultRecord::new(id, status, RawJson::parse(result).unwrap());
        record.children = RawJson::parse(children).unwrap();
        assert!(self.memory.store(&StoredResult::of(&record, None)).await.unwrap());
    }

    async fn succeed(&self, pending: &Pending, value: &str) {
        self.store(pending.id(), "SUCCESS", value, "[]").await;
    }

    async fn fail(&self, pending: &Pending, status: &str) {
        let told = ExceptionRecord::new("builtins", "ValueError", "boom").to_json();
        self.store(pending.id(), status, told.as_str(), "[]").await;
    }
}

fn step(id: &str) -> Signature {
    Signature::new("app.step").task_id(id)
}

fn ids(pending: &[Pending]) -> Vec<&str> {
    pending.iter().map(Pending::id).collect()
}

fn edges(graph: &Graph) -> Vec<(&str, &str)> {
    graph.edges.iter().map(|(from, to)| (graph.nodes[*from].id(), graph.nodes[*to].id())).collect()
}

#[tokio::test]
async fn a_step_of_a_chain_knows_what_it_comes_after() {
    let bench = Bench::new();
    let last = bench.send(chain([step("a"), step("b"), step("c")])).await;
    assert_eq!((last.id(), ids(&last.forerunners().unwrap())), ("c", vec!["b", "a"]));
    assert_eq!(last.parent().unwrap().unwrap().id(), "b");
    let first = bench.client.pending("a");
    assert!(first.parent().unwrap().is_none(), "nothing is known of an id alone");
    let again = bench.client.pending_from(&RawJson::from(&last).unwrap()).unwrap();
    assert_eq!(RawJson::from(&again).unwrap(), RawJson::from(&last).unwrap());
}

#[tokio::test]
async fn what_celery_writes_of_a_result_is_read() {
    let client = Bench::new().client;
    let read = |text: &str| client.pending_from(&RawJson::parse(text).unwrap());
    let task = read(r#"[["a", null], null]"#).unwrap();
    assert!(!task.is_group() && task.members().is_empty());
    assert_eq!(read(r#"["a", null]"#).unwrap().id(), "a", "as old peers write it");
    let group = read(r#"[["g", [["p", null], null]], [[["a", null], null], [["h", null], [[["b", null], null]]]]]"#);
    let group = group.unwrap();
    assert_eq!((ids(group.members()), group.parent().unwrap().unwrap().id()), (vec!["a", "h"], "p"));
    assert_eq!(group.tasks().into_iter().map(Pending::id).collect::<Vec<_>>(), ["a", "b"]);
    for wrong in ["7", "null", "[]", "[[\"a\"], null]", "[[1, null], null]", "[[\"a\", null], 3]"] {
        let error = read(wrong).err().unwrap().to_string();
        assert_eq!(error, format!("{wrong} is not a result: it should be [[id, parent], members]"));
    }
}

#[tokio::test]
async fn nothing_stored_is_pending() {
    let pending = Bench::new().client.pending("a");
    assert_eq!(pending.state().await.unwrap(), TaskState::Pending);
    assert!(pending.info().await.unwrap().is_null() && pending.traceback().await.unwrap().is_none());
    assert!(pending.children().await.unwrap().is_empty());
    assert!(!pending.ready().await.unwrap() && !pending.successful().await.unwrap());
}

#[tokio::test]
async fn the_graph_shows_all_that_has_come_of_a_task() {
    let bench = Bench::new();
    let pending = bench.client.pending("a");
    let group = r#"[[["b", null], null], [["g", null], [[["c", null], null], [["d", null], null]]]]"#;
    bench.store("a", "SUCCESS", "1", group).await;
    // Sent again by another: it is there once.
    bench.store("b", "SUCCESS", "1", r#"[[["d", null], null]]"#).await;
    bench.store("c", "SUCCESS", "1", "null").await;
    assert_eq!(ids(&pending.children().await.unwrap()), ["b", "g"]);
    let error = pending.graph().await.err().unwrap();
    assert_eq!(error.to_string(), "d has not ended: what it sends is not known yet");
    let sofar = pending.graph_so_far().await.unwrap();
    let all = [("a", "b"), ("a", "g"), ("b", "d"), ("g", "c"), ("g", "d")];
    assert_eq!(edges(&sofar), all);
    assert_eq!(sofar.unfinished.iter().map(|place| sofar.nodes[*place].id()).collect::<Vec<_>>(), ["d"]);
    bench.store("d", "RETRY", "1", r#"[[["d", null], null]]"#).await;
    assert_eq!(edges(&pending.graph_so_far().await.unwrap()), all, "one that is tried again is not its own child");
    bench.store("d", "FAILURE", "{}", "[]").await;
    let whole = pending.graph().await.unwrap();
    assert_eq!((edges(&whole), ids(&whole.nodes)), (all.to_vec(), vec!["a", "b", "g", "d", "c"]));
    assert!(whole.unfinished.is_empty());
}

#[tokio::test]
async fn a_circle_has_an_end() {
    let bench = Bench::new();
    bench.store("a", "SUCCESS", "1", r#"[[["b", null], null]]"#).await;
    bench.store("b", "SUCCESS", "1", r#"[[["a", null], null]]"#).await;
    let graph = bench.client.pending("a").graph().await.unwrap();
    assert_eq!(edges(&graph), [("a", "b"), ("b", "a")]);
}

#[tokio::test]
async fn forgetting_goes_back_to_the_beginning() {
    let bench = Bench::new();
    let last = bench.send(chain([step("a"), step("b"), step("c")])).await;
    let apart = bench.client.pending("d");
    for pending in last.forerunners().unwrap().iter().chain([&last, &apart]) {
        bench.succeed(pending, "1").await;
    }
    last.forget().await.unwrap();
    for pending in last.forerunners().unwrap().iter().chain([&last]) {
        assert_eq!(pending.state().await.unwrap(), TaskState::Pending, "{}", pending.id());
    }
    assert!(apart.ready().await.unwrap());
}

#[tokio::test]
async fn a_group_is_counted_and_ends_as_its_members_do() {
    let bench = Bench::new();
    let all = bench.send(group([step("a"), step("b"), step("c")])).await;
    let [a, b, c] = all.members() else { panic!("three members") };
    assert!(all.is_group() && all.waiting().await.unwrap());
    bench.succeed(c, "3").await;
    bench.succeed(a, "1").await;
    assert_eq!((all.completed_count().await.unwrap(), all.state().await.unwrap()), (2, TaskState::Pending));
    bench.succeed(b, "2").await;
    assert!(all.ready().await.unwrap() && all.successful().await.unwrap() && !all.failed().await.unwrap());
    assert_eq!(all.get::<Vec<i64>>(SOON).await.unwrap(), [1, 2, 3], "in their order");
    assert_eq!(all.state().await.unwrap(), TaskState::Success);
}

#[tokio::test]
async fn the_first_failure_ends_the_waiting_for_a_group() {
    let bench = Bench::new();
    // So many that they are not all looked at in turn.
    let all = bench.send(group((0..100).map(|n| step(&n.to_string())))).await;
    bench.fail(&all.members()[60], "FAILURE").await;
    let error = all.get::<Vec<i64>>(SOON).await.unwrap_err();
    assert!(matches!(error, ResultError::Failed { .. }), "{error}");
    assert!(all.failed().await.unwrap() && !all.ready().await.unwrap());
    for member in all.members().iter().filter(|member| member.id() != "60") {
        bench.succeed(member, "7").await;
    }
    let outcomes = all.outcomes::<i64>(SOON).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(7))).count(), 99);
    assert_eq!(outcomes[60].as_ref().unwrap_err().to_string(), "the task failed with ValueError: boom");
    assert_eq!(all.state().await.unwrap(), TaskState::Failure);
}

#[tokio::test]
async fn who_waits_for_the_end_of_a_chain_hears_that_a_step_was_called_off() {
    let bench = Bench::new();
    let last = bench.send(chain([step("a"), step("b"), step("c")])).await;
    let (ended, ()) = tokio::join!(last.get::<i64>(SOON), async {
        bench.client.pending("b").revoke().await.unwrap();
    });
    assert!(matches!(ended, Err(ResultError::Revoked(_))), "{ended:?}");
}

#[tokio::test]
async fn what_fails_in_a_chord_is_told_by_its_body() {
    let bench = Bench::new();
    let body = bench.send(chord([step("a"), step("b")], step("c"))).await;
    let header = body.parent().unwrap().unwrap();
    assert_eq!(ids(header.members()), ["a", "b"]);
    bench.fail(&header.members()[0], "FAILURE").await;
    let told = ExceptionRecord::new("celery.exceptions", "ChordError", "Dependency a raised").to_json();
    let (ended, ()) = tokio::join!(body.get::<i64>(SOON), async {
        bench.store("c", "FAILURE", told.as_str(), "[]").await;
    });
    assert_eq!(ended.unwrap_err().to_string(), "the task failed with ChordError: Dependency a raised");
}

#[tokio::test]
async fn a_group_is_called_off_as_a_whole() {
    let bench = Bench::new();
    let all = bench.send(group([step("a"), step("b"), step("c")])).await;
    bench.succeed(&all.members()[1], "1").await;
    assert!(all.revoke().await.unwrap(), "two had not ended");
    let states = [TaskState::Revoked, TaskState::Success, TaskState::Revoked];
    for (member, state) in all.members().iter().zip(states) {
        assert_eq!(member.state().await.unwrap(), state);
    }
    assert!(!all.revoke().await.unwrap());
}

#[tokio::test]
async fn a_timeout_tells_the_time_that_was_given() {
    let bench = Bench::new();
    let all = bench.send(group([step("a"), step("b")])).await;
    let error = all.get::<Vec<i64>>(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.to_string(), "no result within 20ms");
    bench.succeed(&all.members()[0], "1").await;
    bench.succeed(&all.members()[1], "2").await;
    assert_eq!(all.get::<Vec<i64>>(Duration::MAX).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn only_a_group_is_kept() {
    let pending = Bench::new().client.pending("a");
    let error = pending.save(None).await.unwrap_err().to_string();
    assert_eq!(error, "a is a task: only a group is kept by its id");
}
