//! `apium control revoke` while no worker lives: what it names never runs, whichever worker comes.

use crate::console::Console;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::{Ended, Running};
use crate::server::Server;

fn revoke(place: &Place, further: &[&str]) -> Ended {
    let ended = place.run(Program::Probe, &[&["control", "revoke", "-t", "0.1"], further].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("no worker answers; it is kept for those that start"), "{ended:?}");
    ended
}

fn on_both(test: impl Fn(Place)) {
    // The command makes no store.
    let place = Place::new();
    place.run(Program::Probe, &["call", "probe.note", "-a", "[0]"]).printed();
    test(place);
    let server = Server::start();
    test(Place::on(&server.url()));
}

#[test]
fn by_id_by_argument_and_by_name() {
    on_both(|place| {
        let call = |id: &str, arguments: &[&str]| {
            place.run(Program::Probe, &[&["call", "--task-id", id], arguments].concat()).printed();
        };
        call("id", &["probe.note", "-a", "[1]"]);
        call("place", &["probe.note", "-a", "[7]"]);
        call("name", &["probe.note", "-k", r#"{"number": 7}"#]);
        call("later", &["probe.note", "-a", "[7]", "--countdown", "1"]);
        call("greet", &["probe.greet", "-a", "[\"Ada\"]"]);
        call("runs", &["probe.note", "-a", "[8]"]);
        revoke(&place, &["id"]);
        let told = revoke(&place, &["--task", "probe.note", "--arg", "number=7", "--for", "0"]).stdout;
        assert!(told.contains("3 tasks found and revoked"), "{told}");
        let told = revoke(&place, &["--task", "probe.greet"]).stdout;
        assert!(told.contains("1 task found and revoked; what else fits is for 60 s"), "{told}");
        let worker = our_worker(&place, &[]);
        for id in ["id", "place", "name", "later", "greet"] {
            let ended = place.run(Program::Probe, &["result", id, "--wait"]);
            assert!(ended.stderr.contains(&format!("{id} is REVOKED")), "{ended:?}");
        }
        assert_eq!(place.run(Program::Probe, &["result", "runs", "--wait"]).printed(), "8");
        call("fits", &["probe.greet", "-a", "[\"Bob\"]"]);
        call("new", &["probe.note", "-a", "[7]"]);
        assert_eq!(place.run(Program::Probe, &["result", "new", "--wait"]).printed(), "7");
        let ended = place.run(Program::Probe, &["result", "fits", "--wait"]);
        assert!(ended.stderr.contains("fits is REVOKED"), "{ended:?}");
        assert_eq!(worker.stop().code, Some(0));
    });
}

/// Stock Celery stamps it; and a Python worker that joins learns from ours what was revoked before either was there.
#[test]
fn by_stamp_and_python_workers_that_join_learn_ids() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut console = Console::open(&python, &server.url());
    console.value(
        "app.signature('probe.note', [1], task_id='stamped').stamp(customer='7').apply_async(task_id='stamped').id",
    );
    console.value("app.signature('app.echo', [1], queue='theirs').apply_async(task_id='echo').id");
    let told = revoke(&place, &["--stamp", "customer=7"]).stdout;
    assert!(told.contains("1 task found and revoked"), "{told}");
    revoke(&place, &["--task", "app.echo", "--arg", "0=1"]);
    let ours = our_worker(&place, &[]);
    let ended = place.run(Program::Probe, &["result", "stamped", "--wait"]);
    assert!(ended.stderr.contains("stamped is REVOKED"), "{ended:?}");
    let arguments =
        ["-m", "celery", "-A", "app", "worker", "-P", "solo", "-n", "python@%h", "-l", "INFO", "-Q", "theirs"];
    let mut command = python.command(&server.url(), &arguments);
    command.env_remove("APIUM_TRANSPORT");
    let mut theirs = Running::start(command);
    theirs.until_says("ready.");
    until("their worker to pass over it", || {
        theirs.stderr().contains("Discarding revoked task: app.echo").then_some(())
    });
    assert_eq!(ours.stop().code, Some(0));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::new();
    for (arguments, told) in [
        (&["--stamp", "customer"][..], "--stamp must be KEY=VALUE"),
        (&["--task", "t", "--arg", "number"], "--arg must be NAME=JSON"),
        (&["--task", "t", "--arg", "name=Ada"], "is no JSON; a text stands in quotes"),
        (&["--arg", "name=1"], "--task"),
        (&["--task", "t", "-d", "a@b"], "leave --destination out"),
        (&["a", "--for", "long"], "--for must be a number of seconds"),
    ] {
        let ended = place.run(Program::Probe, &[&["control", "revoke"], arguments].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{arguments:?}: {ended:?}");
    }
}
