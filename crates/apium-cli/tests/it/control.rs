//! Real Celery at the controls of our worker: its command line, its event receiver, and a worker of its own beside ours.

use std::process::Output;

use crate::console::Console;
use crate::diary::until_begun;
use crate::peer::{Python, our_worker};
use crate::place::Place;
use crate::poll::until;
use crate::running::Running;
use crate::server::Server;

/// What `celery -A app …` prints.
fn celery(python: &Python, redis: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        python.command(redis, &["-m", "celery", "-A", "app"]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&stderr));
    said
}

#[test]
fn celerys_command_line_inspects_it() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _ours = our_worker(&place, &["-c", "3"]);
    let mut console = Console::open(&python, &server.url());
    let go = place.path("go").display().to_string();
    console.value(&format!("(r := send('probe.hold', [{go:?}], task_id='long'))"));
    console.value("send('probe.echo', [7], task_id='later', countdown=600)");
    until_begun(&place, "long");
    let inspect = |arguments: &[&str]| celery(&python, &server.url(), &[&["inspect", "-t", "2"], arguments].concat());
    for (arguments, words) in [
        (&["ping"][..], &["ours@", "pong", "1 node online"][..]),
        (&["active"], &["'long'", "probe.hold", "'time_start'"]),
        (&["registered"], &["* probe.echo"]),
        (&["active_queues"], &["'celery'", "'direct'"]),
        (&["reserved"], &["- empty -"]),
        (&["revoked"], &["- empty -"]),
        (&["query_task", "long"], &["\"active\""]),
        (&["stats"], &["\"max-concurrency\": 3", "\"probe.hold\": 1", "\"transport\": \"redis\"", "\"maxrss\""]),
        (&["report"], &["apium:"]),
        (&["conf"], &["\"worker_concurrency\": 3"]),
        (&["memsample"], &["MB"]),
        (&["clock"], &["\"clock\""]),
    ] {
        let said = inspect(arguments);
        for word in words {
            assert!(said.contains(word), "{arguments:?} does not say {word}: {said}");
        }
    }
    until("the countdown to be seen", || inspect(&["scheduled"]).contains("'later'").then_some(()));
    assert!(celery(&python, &server.url(), &["status"]).contains("1 node online"));
    std::fs::write(&go, "").unwrap();
    assert_eq!(console.value("r.get(timeout=30)"), "'released'");
}

#[test]
fn celerys_command_line_controls_it() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut ours = our_worker(&place, &["-c", "1"]);
    let mut console = Console::open(&python, &server.url());
    let control = |arguments: &[&str], words: &str| {
        let said = celery(&python, &server.url(), &[&["control", "-t", "2"], arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    let go = place.path("go").display().to_string();
    console.value(&format!("(first := send('probe.hold', [{go:?}], task_id='first'))"));
    until_begun(&place, "first");
    console.value(&format!("(second := send('probe.hold', [{go:?}], task_id='second'))"));
    control(&["pool_grow", "1"], "pool will grow");
    until_begun(&place, "second");
    control(&["terminate", "SIGKILL", "second"], "terminate: second");
    assert_eq!(console.raises("second.get(timeout=30)").exception, "celery.exceptions.TaskRevokedError");
    console.value("send('probe.echo', [1], queue='other', task_id='elsewhere')");
    control(&["add_consumer", "other"], "add consumer other");
    assert_eq!(console.value("AsyncResult('elsewhere').get(timeout=30)"), "1");
    control(&["cancel_consumer", "other"], "no longer consuming from other");
    control(&["time_limit", "probe.note", "30", "1"], "time limits set successfully");
    let raised = console.raises("send('probe.note', [1], {'seconds': 60}).get(timeout=30)");
    assert_eq!(raised.exception, "billiard.exceptions.TimeLimitExceeded");
    control(&["rate_limit", "probe.echo", "1/h"], "new rate limit set successfully");
    assert_eq!(console.value("send('probe.echo', [2]).get(timeout=30)"), "2");
    console.value("(limited := send('probe.echo', [3]))");
    assert_eq!(console.value("send('probe.greet', ['Ada']).get(timeout=30)"), "'Hello, Ada!'");
    control(&["rate_limit", "probe.echo", "0"], "new rate limit set successfully");
    assert_eq!(console.value("limited.get(timeout=30)"), "3");
    control(&["revoke", "never"], "flagged as revoked");
    assert_eq!(console.raises("send('probe.echo', [4], task_id='never').get(timeout=30)").says, "revoked");
    std::fs::write(&go, "").unwrap();
    assert_eq!(console.value("first.get(timeout=30)"), "'released'");
    console.value("app.control.shutdown()");
    until("the worker to end", || ours.has_ended().then_some(()));
    assert_eq!(ours.ended().code, Some(0));
}

#[test]
fn a_python_receiver_follows_its_tasks() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut console = Console::open(&python, &server.url());
    console.value("(state := app.events.State())");
    console.value("(receiver := app.events.Receiver(app.connection_for_read(), handlers={'*': state.event}))");
    console.value("__import__('threading').Thread(target=receiver.capture, daemon=True).start()");
    let mut follow = |expression: &str| until(expression, || console.holds(expression).then_some(()));
    let ours = our_worker(&place, &[]);
    follow("[w.alive for w in state.workers.values()] == [True]");
    follow("[w.sw_ident for w in state.workers.values()] == ['apium']");
    follow("'task events enabled' in str(app.control.enable_events(reply=True, timeout=2))");
    follow("(good := send('probe.greet', ['Ada'])).get(timeout=30) == 'Hello, Ada!'");
    follow("state.tasks[good.id].state == 'SUCCESS' and state.tasks[good.id].name == 'probe.greet'");
    follow("state.tasks[good.id].args == \"('Ada',)\" or state.tasks[good.id].args == \"['Ada']\"");
    follow("state.tasks[good.id].result == \"'Hello, Ada!'\" and state.tasks[good.id].runtime >= 0");
    follow("(bad := send('probe.divide', [1, 0])).get(timeout=30, propagate=False) is not None");
    follow("state.tasks[bad.id].exception == \"ZeroDivisionError('division by zero')\"");
    follow("(again := send('probe.flaky', [1])).get(timeout=30) == 1");
    follow("state.tasks[again.id].state == 'SUCCESS' and state.tasks[again.id].retried is not None");
    follow("state.tasks[good.id].worker.hostname.startswith('ours@')");
    assert_eq!(ours.stop().code, Some(0));
    follow("[w.alive for w in state.workers.values()] == [False]");
}

#[test]
fn python_workers_take_it_for_one_of_theirs() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut console = Console::open(&python, &server.url());
    let ours = our_worker(&place, &["-Q", "ours"]);
    console.value("app.control.revoke('old', reply=True, timeout=2)");
    let mut command = python.command(
        &server.url(),
        &["-m", "celery", "-A", "app", "worker", "-P", "solo", "-n", "python@%h", "-l", "DEBUG", "-Q", "theirs"],
    );
    command.env_remove("APIUM_TRANSPORT");
    let mut theirs = Running::start(command);
    theirs.until_says("ready.");
    assert!(theirs.stderr().contains("mingle: sync with 1 nodes"), "{}", theirs.stderr());
    // A worker that has just said it is ready may not listen to commands yet.
    until("both to know what was revoked", || {
        let revoked = console.value("app.control.inspect(timeout=2).revoked()");
        (revoked.matches("['old']").count() == 2).then_some(())
    });
    theirs.until_says("ours@");
    assert_eq!(ours.stop().code, Some(0));
    theirs.until_says("left");
}

#[test]
fn it_obeys_again_when_the_broker_was_away() {
    let mut server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _ours = our_worker(&place, &[]);
    let url = server.url();
    let ping = || {
        let arguments = ["-m", "celery", "-A", "app", "inspect", "-t", "1", "ping"];
        python.command(&url, &arguments).output().unwrap().status.success()
    };
    until("an answer", || ping().then_some(()));
    server.kill();
    server.start_again();
    until("an answer after the outage", || ping().then_some(()));
}
