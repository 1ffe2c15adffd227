//! Results across the language border: Python reads all that our worker wrote of a task, and our client all that a
//! Python worker wrote; and what the command line shows of it.

use std::time::Duration;

use apium::core::signature::{chain, chord, group};
use apium::core::{Pending, TaskState};
use apium::{Client, ResultError, Signature};
use serde_json::json;

use crate::console::Console;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

const SOON: Duration = Duration::from_secs(30);

/// Names in Python: what `graph` says of a graph, by the names of its ids.
const EDGES: &str = "(edges := lambda g: sorted((str(a), str(b)) for a in g for b in g[a]))";

async fn client(server: &Server) -> Client {
    apium::App::new("test").client(&apium::open(&server.url(), None).await.unwrap())
}

fn ids(pending: &[Pending]) -> Vec<&str> {
    pending.iter().map(Pending::id).collect()
}

fn add(id: &str, arguments: &[i64]) -> Signature {
    arguments.iter().fold(Signature::new("app.add").task_id(id), Signature::arg)
}

#[test]
fn python_reads_what_our_worker_wrote() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let options = ["-Q", "celery", "--result-extended", "true", "--result-expires", "600", "--track-started", "true"];
    let _worker = our_worker(&place, &options);
    let mut console = Console::open(&python, &server.url());
    console.value(EDGES);
    console.value("(sig := lambda name, *args, **o: signature(name, args, app=app, **o))");
    family(&mut console);
    exceptions(&mut console);
    extended(&mut console, &place);
    kept(&mut console);
}

fn family(python: &mut Console) {
    let steps = "sig('mix.add', 1, 2, task_id='a'), sig('mix.add', 10, task_id='b'), sig('mix.add', 5, task_id='c')";
    python.value(&format!("(c := chain({steps}).apply_async())"));
    assert_eq!(python.value("c.get(timeout=30)"), "18");
    assert_eq!(python.value("(c.id, c.parent.id, c.parent.parent.id, c.parent.get())"), "('c', 'b', 'a', 13)");
    assert_eq!(python.value("[r.id for r in AsyncResult('a').children]"), "['b']");
    assert_eq!(python.value("edges(AsyncResult('a').graph)"), "[('a', 'b'), ('b', 'c')]");
    assert_eq!(python.value("AsyncResult('a').get_leaf()"), "18");
    assert_eq!(python.value("[v for _, v in AsyncResult('a').collect()]"), "[3, 13, 18]");

    let two = "link=[sig('mix.add', 1, task_id='x'), sig('mix.add', 2, task_id='y')]";
    python.value(&format!("(r := sig('mix.add', 1, 1).apply_async({two}, task_id='linked'))"));
    assert_eq!(python.value("r.get(timeout=30)"), "2");
    assert_eq!(
        python.value("[(type(c).__name__, sorted(m.id for m in c)) for c in r.children]"),
        "[('GroupResult', ['x', 'y'])]"
    );
    assert_eq!(python.value("r.children[0].get(timeout=30)"), "[3, 4]");
    assert_eq!(python.value("len(list(r.graph))"), "4", "itself, the group and its members");

    python.value("(body := chord([sig('mix.add', n, n) for n in range(3)])(sig('mix.total')))");
    assert_eq!(python.value("(body.get(timeout=30), body.parent.get(), len(body.parent))"), "(6, [0, 2, 4], 3)");
}

fn exceptions(python: &mut Console) {
    python
        .value("(tell := lambda t, m, *a: send('probe.raise', [{'exc_type': t, 'exc_module': m, 'exc_message': a}]))");
    for (told, exception, says) in [
        ("tell('KeyError', 'builtins', 'k')", "builtins.KeyError", "'k'"),
        ("tell('OutOfStock', 'app', 'teapots', 0)", "app.OutOfStock", "('teapots', 0)"),
        ("tell('JSONDecodeError', 'json.decoder', 'bad', '{', 0)", "json.decoder.JSONDecodeError", "bad: line 1"),
        ("tell('Burst', 'mail.errors', 'no such module')", "celery.exceptions.Burst", "no such module"),
        // One whose arguments do not fit its class: Celery makes a plain one of it.
        ("tell('UnicodeDecodeError', 'builtins', 'x')", "builtins.Exception", "UnicodeDecodeError"),
    ] {
        let raised = python.raises(&format!("(r := {told}).get(timeout=30)"));
        assert!(raised.exception == exception && raised.says.contains(says), "{told}: {raised:?}");
        assert_eq!(python.text("r.state"), "FAILURE");
        assert!(python.text("r.traceback").starts_with("Traceback (most recent call last)"), "{told}");
    }
    // The steps after it fail with the same, so that nobody waits for them in vain.
    python.value(
        "(c := chain(sig('probe.divide', 1, 0, task_id='d'), sig('mix.add', 1), sig('mix.add', 1)).apply_async())",
    );
    assert_eq!(python.raises("AsyncResult(c.id).get(timeout=30)").exception, "builtins.ZeroDivisionError");
    assert_eq!(python.raises("c.get(timeout=30)").exception, "builtins.ZeroDivisionError");
}

fn extended(python: &mut Console, place: &Place) {
    let all = "(r.name, r.args, r.kwargs, r.worker.split('@')[0], r.retries, r.queue)";
    python.value("(r := send('probe.greet', ['Ada'], {'greeting': 'Hi'}))");
    assert_eq!(python.value("r.get(timeout=30)"), "'Hi, Ada!'");
    assert_eq!(python.value(all), "('probe.greet', ['Ada'], {'greeting': 'Hi'}, 'ours', 0, 'celery')");
    assert!(
        python
            .holds("abs(r.date_done - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(seconds=60)")
    );
    python.value("(r := send('probe.flaky', [2])).get(timeout=30)");
    assert_eq!(python.value(all), "('probe.flaky', [2], {}, 'ours', 2, 'celery')");
    let go = place.path("go");
    python.value(&format!("(r := send('probe.progress', [{:?}]))", go.display().to_string()));
    until("the task's own state", || python.holds("r.state == 'PROCESSING'").then_some(()));
    assert_eq!(python.value("(r.info, r.name, r.date_done)"), "({'done': 3, 'of': 10}, 'probe.progress', None)");
    std::fs::write(&go, "").unwrap();
    assert_eq!(python.value("r.get(timeout=30)"), "'done'");
}

fn kept(python: &mut Console) {
    python.value("(ttl := lambda id: app.backend.client.ttl('celery-task-meta-' + id))");
    assert!(python.holds("0 < ttl('a') <= 600"), "result_expires");
    python.value("(r := AsyncResult('linked')).forget()");
    assert_eq!(python.value("(r.state, ttl('linked'), r.exists())"), "('PENDING', -2, False)");
    // A result that knows what it comes after forgets that too.
    python.value("(c := chain(sig('mix.add', 1, 2), sig('mix.add', 1)).apply_async()).get(timeout=30)");
    python.value("c.forget()");
    assert_eq!(python.value("(c.state, c.parent.state)"), "('PENDING', 'PENDING')");
}

#[test]
fn our_client_reads_what_a_python_worker_wrote() {
    let server = Server::start();
    let python = Python::with_celery("5.7").set(r#"{"result_extended": true}"#);
    let _worker = python.worker(&server.url(), "celery", "{}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(&server).await;
        pythons_family(&client).await;
        pythons_records(&client, &Place::new()).await;
        pythons_failures(&client).await;
    });
}

async fn pythons_family(client: &Client) {
    let last = client.send(&chain([add("a", &[1, 2]), add("b", &[10]), add("c", &[5])])).await.unwrap();
    assert_eq!(last.get::<i64>(SOON).await.unwrap(), 18);
    assert_eq!(ids(&last.forerunners().unwrap()), ["b", "a"]);
    let first = client.pending("a");
    assert_eq!(ids(&first.children().await.unwrap()), ["b"]);
    let graph = first.graph().await.unwrap();
    assert_eq!((ids(&graph.nodes), graph.edges), (vec!["a", "b", "c"], vec![(0, 1), (1, 2)]));

    let linked = add("l", &[1, 1]).link(&add("x", &[1])).link(&add("y", &[2]));
    client.send(&linked).await.unwrap().get::<i64>(SOON).await.unwrap();
    let children = client.pending("l").children().await.unwrap();
    assert_eq!(children.len(), 1, "callbacks are sent as a group");
    assert_eq!(children[0].get::<Vec<i64>>(SOON).await.unwrap(), [3, 4]);
    assert_eq!(client.pending("l").graph().await.unwrap().nodes.len(), 4);

    let body = chord([add("h1", &[1, 1]), add("h2", &[2, 2])], Signature::new("mix.total").task_id("t"));
    let body = client.send(&body).await.unwrap();
    assert_eq!(body.get::<i64>(SOON).await.unwrap(), 6);
    let header = body.parent().unwrap().unwrap();
    assert_eq!((ids(header.members()), header.completed_count().await.unwrap()), (vec!["h1", "h2"], 2));

    last.forget().await.unwrap();
    assert!(!first.ready().await.unwrap(), "what it comes after is forgotten too");
}

async fn pythons_records(client: &Client, place: &Place) {
    let stamped = add("s", &[1]).kwarg("y", 2).stamp("mid", "z");
    client.send(&stamped).await.unwrap().get::<i64>(SOON).await.unwrap();
    let record = client.pending("s").stored().await.unwrap().unwrap();
    let extended = record.extended().unwrap();
    assert_eq!((extended.name.as_deref(), extended.queue.as_deref()), (Some("app.add"), Some("celery")));
    assert_eq!((extended.args.as_str(), extended.kwargs.as_str()), ("[1]", "{\"y\": 2}"));
    assert!(extended.worker.unwrap().starts_with("python@") && extended.retries == Some(0));
    assert!(record.date_done.is_some());

    let go = place.path("go");
    let pending = client.send(&Signature::new("app.progress").arg(go.display().to_string())).await.unwrap();
    let deadline = tokio::time::Instant::now() + SOON;
    while pending.state().await.unwrap() != TaskState::Custom("PROCESSING".to_owned()) {
        assert!(tokio::time::Instant::now() < deadline, "the task never told its state");
    }
    assert_eq!(pending.info().await.unwrap().to::<serde_json::Value>().unwrap(), json!({"done": 3, "of": 10}));
    assert!(!pending.ready().await.unwrap());
    std::fs::write(go, "").unwrap();
    assert_eq!(pending.get::<String>(SOON).await.unwrap(), "done");
    assert!(pending.successful().await.unwrap());
}

async fn pythons_failures(client: &Client) {
    let failed = client.send(&Signature::new("app.fail").arg("own")).await.unwrap();
    let Err(ResultError::Failed { exception, traceback }) = failed.get::<()>(SOON).await else { panic!("it failed") };
    assert_eq!((exception.exc_type.as_str(), exception.exc_module.as_deref()), ("OutOfStock", Some("app")));
    assert!(traceback.unwrap().contains("raise OutOfStock") && failed.failed().await.unwrap());
    let last = client.send(&chain([Signature::new("app.fail").arg("value"), add("n", &[1])])).await.unwrap();
    let error = last.get::<i64>(SOON).await.unwrap_err().to_string();
    assert_eq!(error, "the task failed with ValueError: no such item: ü");
    // A step that is called off leaves nothing behind for those after it: what it comes before is told.
    let held = add("held", &[1]).countdown(Duration::from_hours(1));
    let last = client.send(&chain([held, add("o", &[1])])).await.unwrap();
    client.revoke("held").await.unwrap();
    assert!(matches!(last.get::<i64>(SOON).await, Err(ResultError::Revoked(_))));
}

#[test]
fn a_group_saved_on_one_side_is_restored_on_the_other() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _worker = our_worker(&place, &["-Q", "celery"]);
    let mut console = Console::open(&python, &server.url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    console.value("(g := group(signature('mix.add', (n, n), app=app) for n in range(3)).apply_async())");
    console.value("g.save()");
    let id = console.text("g.id");
    let echo = |id: &str| Signature::new("probe.echo").arg(id).task_id(id);
    runtime.block_on(async {
        let client = client(&server).await;
        let theirs = client.restore_group(&id).await.unwrap().expect("Python's group");
        assert_eq!(theirs.get::<Vec<i64>>(SOON).await.unwrap(), [0, 2, 4]);
        assert!(theirs.successful().await.unwrap());
        assert!(client.restore_group("never").await.unwrap().is_none());
        let ours = client.send(&group([echo("a"), echo("b"), echo("c")])).await.unwrap();
        assert_eq!(ours.get::<Vec<String>>(SOON).await.unwrap(), ["a", "b", "c"]);
        ours.save(Some(Duration::from_mins(1))).await.unwrap();
        console.value(&format!("(r := GroupResult.restore({:?}, app=app))", ours.id()));
        assert_eq!(
            console.value("[(m.id, m.state) for m in r]"),
            "[('a', 'SUCCESS'), ('b', 'SUCCESS'), ('c', 'SUCCESS')]"
        );
        assert_eq!(console.value("r.get(timeout=30)"), "['a', 'b', 'c']");
        assert!(console.holds(&format!("0 < app.backend.client.ttl('celery-taskset-meta-{}') <= 60", ours.id())));
        // Written over by Python, byte for byte the same.
        console.value(&format!("(raw := app.backend.client.get('celery-taskset-meta-{}'))", ours.id()));
        console.value("r.save()");
        assert!(console.holds(&format!("raw == app.backend.client.get('celery-taskset-meta-{}')", ours.id())));
        console.value("r.delete()");
        assert!(client.restore_group(ours.id()).await.unwrap().is_none());
    });
    shown(&place, &id);
}

/// The command line shows a saved group, and forgets it.
fn shown(place: &Place, id: &str) {
    let result = |options: &[&str]| place.run(Program::Apium, &[&["result", id], options].concat());
    assert_eq!(result(&[]).printed(), "[0, 2, 4]");
    let told = result(&["--json"]).json();
    assert_eq!((&told["group_id"], &told["succeeded"]), (&json!(id), &json!(3)));
    assert_eq!(told["tasks"][2]["status"], "SUCCESS");
    let details = result(&["--details", "--forget"]).printed();
    assert!(details.starts_with(&format!("{id} is a group: 3 of 3 have succeeded\n")), "{details}");
    assert!(result(&[]).stdout.contains("is PENDING: nothing is stored"));
}

#[test]
fn the_command_line_shows_all_that_is_known_and_forgets_it() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let _worker = our_worker(&place, &["-Q", "celery", "--result-extended", "true"]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let step = |id: &str, number: i64| Signature::new("mix.add").task_id(id).arg(number);
        let signature = step("first", 1).arg(2).then(group([step("b", 1), step("c", 2)]));
        let group = client(&server).await.send(&signature).await.unwrap();
        assert_eq!(group.get::<Vec<i64>>(SOON).await.unwrap(), [4, 5]);
    });
    let result = |options: &[&str]| place.run(Program::Apium, &[&["result"], options].concat());
    assert_eq!(result(&["first"]).printed(), "3");
    let details = result(&["first", "--details"]).printed();
    let lines = ["id:        first", "state:     SUCCESS", "task:      mix.add", "args:      [1, 2]", "result:    3"];
    for line in lines.iter().chain(&["worker:    ours@", "retries:   0", "queue:     celery", " (group of 2)"]) {
        assert!(details.contains(line), "{line}: {details}");
    }
    let details = result(&["b", "--details"]).printed();
    assert!(details.contains("parent:    first\n") && details.contains("group:     "), "{details}");
    let record = result(&["b", "--json"]).json();
    assert_eq!(
        (&record["parent_id"], &record["retries"], &record["children"]),
        (&json!("first"), &json!(0), &json!([]))
    );
    assert_eq!(result(&["b", "--forget"]).printed(), "4");
    assert!(result(&["b"]).stdout.starts_with("b is PENDING"));
}
