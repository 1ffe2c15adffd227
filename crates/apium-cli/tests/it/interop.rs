//! Python Celery calls our worker, and our client calls a stock Celery worker: each supported version both ways.

use std::time::Duration;

use crate::console::Console;
use crate::diary::{attempts_of, until_begun};
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::server::Server;

#[test]
fn celery_5_4() {
    both_ways("5.4");
}

#[test]
fn celery_5_5() {
    both_ways("5.5");
}

#[test]
fn celery_5_6() {
    both_ways("5.6");
}

#[test]
fn celery_5_7() {
    both_ways("5.7");
}

fn both_ways(series: &str) {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery(series);
    let worker = our_worker(&place, &["-Q", "celery", "--track-started", "true"]);
    let mut console = Console::open(&python, &server.url());
    assert!(console.holds(&format!("__import__('celery').__version__.startswith('{series}.')")));
    arguments(&mut console);
    values(&mut console);
    errors(&mut console);
    times(&mut console, &place);
    states(&mut console, &place);
    revoked(&mut console, &place, &server.url());
    without_results(&mut console, &place, series);
    assert_eq!(worker.stop().code, Some(0));
    // What reaches the queue from here on, only Python takes.
    let stock = python.worker(&server.url(), "celery", "{}");
    our_client(&place, stock);
}

fn arguments(python: &mut Console) {
    for (call, value) in [
        ("send('probe.greet', ['Ada'])", "'Hello, Ada!'"),
        ("send('probe.greet', ('Ada', 'Hi'))", "'Hi, Ada!'"),
        ("send('probe.greet', kwargs={'greeting': 'Hi', 'name': 'Ada'})", "'Hi, Ada!'"),
        ("signature('probe.greet', ['Ada'], {'greeting': 'Hi'}, app=app).delay()", "'Hi, Ada!'"),
        ("send('probe.greet', ['Ada'], priority=3)", "'Hello, Ada!'"),
        ("send('probe.greet', ['Ada'], compression='gzip')", "'Hello, Ada!'"),
    ] {
        assert_eq!(python.value(&format!("{call}.get(timeout=30)")), value, "{call}");
    }
    assert_eq!(
        python.value("[r.get(timeout=30) for r in [send('probe.echo', [n]) for n in range(50)]] == [*range(50)]"),
        "True"
    );
}

fn values(python: &mut Console) {
    for same in [
        "None",
        "[1, 2.5, -0.0, 1e22, 5e-324, 0.1, True, {'a': [None]}]",
        "[10**30, -(2**64), 2**63]",
        "'é😀\\u2028\\x7f\\t\"\\\\/ \\x00'",
        "{'ключ': ['値', '']}",
        "[datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.timezone.utc), datetime.date(2026, 1, 2)]",
        "[decimal.Decimal('1.10'), uuid.UUID(int=5), b'\\xff\\x00']",
        "['x' * 200_000]",
    ] {
        assert!(python.holds(&format!("(given := {same}) == send('probe.echo', [given]).get(timeout=30)")), "{same}");
    }
    let odd = "send('probe.echo', [[float('nan'), float('inf'), float('-inf')]]).get(timeout=30)";
    assert_eq!(python.value(odd), "[nan, inf, -inf]");
}

fn errors(python: &mut Console) {
    for (call, exception, says) in [
        ("send('probe.divide', [1, 0])", "builtins.ZeroDivisionError", "division by zero"),
        ("send('probe.greet')", "builtins.TypeError", "greet() missing 1 required positional argument: 'name'"),
        (
            "send('probe.greet', [1, 2, 3])",
            "builtins.TypeError",
            "greet() takes 2 positional arguments but 3 were given",
        ),
        (
            "send('probe.greet', ['a'], {'nme': 'b'})",
            "builtins.TypeError",
            "greet() got an unexpected keyword argument 'nme'",
        ),
        (
            "send('probe.greet', ['a'], {'name': 'b'})",
            "builtins.TypeError",
            "greet() got multiple values for argument 'name'",
        ),
        ("send('no.such.task')", "celery.exceptions.NotRegistered", "'no.such.task'"),
        ("send('probe.stubborn')", "redis.exceptions.TimeoutError", "nobody there"),
        // What we cannot read is told to the caller, and kept.
        (
            "send('probe.greet', ['Ada'], serializer='pickle')",
            "kombu.exceptions.ContentDisallowed",
            "accept_content is json",
        ),
        ("send('probe.now', expires=-5)", "celery.exceptions.TaskRevokedError", "expired"),
    ] {
        let raised = python.raises(&format!("(r := {call}).get(timeout=30)"));
        assert!(raised.exception == exception && raised.says.contains(says), "{call}: {raised:?}");
        let state = if says == "expired" { "REVOKED" } else { "FAILURE" };
        assert_eq!(python.text("r.state"), state, "{call}");
    }
    python.value("(r := send('probe.divide', [1, 0])).get(timeout=30, propagate=False)");
    assert!(python.text("r.traceback").contains("ZeroDivisionError: division by zero"));
}

fn times(python: &mut Console, place: &Place) {
    python.value("(t := time.time()) and (r := send('probe.now', countdown=1.2))");
    assert!(python.holds("(ran := r.get(timeout=30) / 1e6) >= t + 1.2"), "not before its time");
    python.value("(at := datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1))");
    assert!(python.holds("send('probe.now', eta=at).get(timeout=30) / 1e6 >= at.timestamp()"), "not before its time");
    let never = place.path("never").display().to_string();
    let raised = python.raises(&format!("send('probe.hold', [{never:?}], time_limit=1).get(timeout=30)"));
    assert_eq!(raised.exception, "billiard.exceptions.TimeLimitExceeded", "{raised:?}");
    let raised =
        python.raises(&format!("send('probe.hold', [{never:?}], soft_time_limit=0.5, time_limit=20).get(timeout=30)"));
    assert_eq!(raised.exception, "billiard.exceptions.SoftTimeLimitExceeded", "{raised:?}");
}

fn states(python: &mut Console, place: &Place) {
    let go = place.path("go");
    python.value(&format!("(r := send('probe.progress', [{:?}]))", go.display().to_string()));
    until("the task's own state", || python.holds("r.state == 'PROCESSING'").then_some(()));
    assert_eq!(python.value("r.info"), "{'done': 3, 'of': 10}");
    assert_eq!(python.value("r.ready()"), "False");
    std::fs::write(&go, "").unwrap();
    assert_eq!(python.value("r.get(timeout=30)"), "'done'");
    assert_eq!(python.text("r.state"), "SUCCESS");

    assert_eq!(python.value("(r := send('probe.flaky', [2])).get(timeout=30)"), "2", "retried twice, then a success");
    let held = place.path("held").display().to_string();
    python.value(&format!("(r := send('probe.hold', [{held:?}], task_id='started'))"));
    until("STARTED", || python.holds("r.state == 'STARTED' and r.info['hostname'].startswith('ours@')").then_some(()));
    std::fs::write(held, "").unwrap();
    assert_eq!(python.value("r.get(timeout=30)"), "'released'");
}

/// Called off through our client: one that waits for its time, and one that runs.
fn revoked(python: &mut Console, place: &Place, redis: &str) {
    let never = place.path("never").display().to_string();
    python.value("(waits := send('probe.now', countdown=3600, task_id='waits'))");
    python.value(&format!("(runs := send('probe.hold', [{never:?}], task_id='runs'))"));
    until_begun(place, "runs");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = apium::App::new("test").client(&apium::open(redis, None).await.unwrap());
        assert!(client.revoke("waits").await.unwrap());
        assert!(client.revoke("runs").await.unwrap());
    });
    for (task, says) in [("waits", "revoked"), ("runs", "terminated")] {
        let raised = python.raises(&format!("{task}.get(timeout=30)"));
        assert_eq!(raised.exception, "celery.exceptions.TaskRevokedError", "{task}: {raised:?}");
        until(says, || python.holds(&format!("str({task}.result) == {says:?}")).then_some(()));
        assert_eq!(python.text(&format!("{task}.state")), "REVOKED");
    }
    assert!(attempts_of(place, "runs").iter().all(|attempt| attempt.ended.is_none()), "it was cut off");
}

fn without_results(python: &mut Console, place: &Place, series: &str) {
    python.value("send('probe.quiet', task_id='by-task')");
    python.value("send('probe.note', [1], ignore_result=True, task_id='by-caller')");
    for id in ["by-task", "by-caller"] {
        until(id, || attempts_of(place, id).iter().any(|attempt| attempt.ended.is_some()).then_some(()));
    }
    // One that is stored, after both of them.
    assert_eq!(python.value("send('probe.echo', [1]).get(timeout=30)"), "1");
    assert_eq!(python.text("AsyncResult('by-caller').state"), "PENDING");
    // Before 5.7 `send_task` says "store it" when nobody has said anything, and the sender's word counts before the
    // task's, as it does in stock workers since 5.6.
    let by_task = if series == "5.7" { "PENDING" } else { "SUCCESS" };
    assert_eq!(python.text("AsyncResult('by-task').state"), by_task);
}

/// Our client sends to a stock Celery worker and understands what comes back.
fn our_client(place: &Place, mut stock: Running) {
    let call = |arguments: &[&str]| place.run(Program::Apium, &[&["call"], arguments, &["--wait"]].concat());
    assert_eq!(call(&["app.add", "-a", "[2, 3]"]).printed(), "5");
    assert_eq!(call(&["app.add", "-k", "{\"x\": 2}"]).printed(), "12");
    let odd = "[NaN, Infinity, 1000000000000000000000000000000, \"\\u00e9\", null]";
    assert_eq!(call(&["app.echo", "-a", &format!("[{odd}]")]).printed(), odd);
    let sentence = call(&["app.fail", "-a", "[\"value\"]", "--task-id", "v"]).sentence();
    assert!(sentence.contains("v is FAILURE: the task failed with ValueError: no such item: ü"), "{sentence}");
    let ended = place.run(Program::Apium, &["result", "v", "--json"]);
    let record: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&record["result"]["exc_module"], ended.code), (&"builtins".into(), Some(1)), "{record}");
    assert!(record["traceback"].as_str().unwrap().contains("raise ValueError"), "{record}");
    let sentence = call(&["app.fail", "-a", "[\"own\"]"]).sentence();
    assert!(sentence.contains("OutOfStock") && sentence.contains("teapots"), "{sentence}");
    let sentence = call(&["app.add", "-a", "[1, 2, 3]"]).sentence();
    assert!(
        sentence.contains("TypeError: add() takes from 1 to 2 positional arguments but 3 were given"),
        "{sentence}"
    );
    let sentence = call(&["app.add", "-a", "[1]", "--expires", "0"]).sentence();
    assert!(sentence.contains("REVOKED: the task was revoked: expired"), "{sentence}");
    let began = std::time::Instant::now();
    assert_eq!(call(&["app.add", "-a", "[1]", "--countdown", "1"]).printed(), "11");
    assert!(began.elapsed() >= Duration::from_secs(1), "not before its time");

    let go = place.path("go-on");
    let argument = format!("[{:?}]", go.display().to_string());
    let id = place.run(Program::Apium, &["call", "app.progress", "-a", &argument]).printed();
    until("Python's own state", || {
        let ended = place.run(Program::Apium, &["result", &id, "--json"]);
        let record: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        (record["status"] == "PROCESSING").then(|| assert_eq!(record["result"]["of"], 10, "{record}"))
    });
    std::fs::write(go, "").unwrap();
    assert_eq!(place.run(Program::Apium, &["result", &id, "--wait"]).printed(), "\"done\"");
    stock.kill();
}
