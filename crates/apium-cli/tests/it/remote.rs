//! Our own controls: `inspect`, `control`, `status` and `events`, over our workers and Python's.

use apium_core::client::hostname;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::console::Console;
use crate::diary::until_begun;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::{Ended, Running};
use crate::server::Server;

/// What Celery exits with when nobody answers.
const UNAVAILABLE: Option<i32> = Some(69);

/// What `apium …` prints.
fn apium(place: &Place, arguments: &[&str]) -> String {
    place.run(Program::Apium, arguments).printed()
}

/// The answer of one worker that is named; asked again while the machine is too busy for it to answer in time.
fn asked(place: &Place, node: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["-d", node, "-t", "20", "--json"]].concat();
    let mut answers = place.run(Program::Apium, &arguments).json();
    assert_eq!(answers.as_object().unwrap().len(), 1, "{arguments:?}: {answers}");
    answers[node].take()
}

fn node(name: &str) -> String {
    format!("{name}@{}", hostname())
}

/// `apium events`, listening.
fn listener(place: &Place, further: &[&str]) -> Running {
    let mut events = place.start(Program::Apium, &[&["events"], further].concat());
    events.until_says("listening for events");
    events
}

#[test]
fn both_kinds_of_workers_answer() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _theirs = python.worker(&server.url(), "theirs", "{}");
    let _ours = our_worker(&place, &["-c", "3", "-Q", "ours"]);
    let (ours, theirs) = (node("ours"), node("python"));
    let both = format!("{ours},{theirs}");

    let pongs = place.run(Program::Apium, &["inspect", "ping", "-d", &both, "-t", "20", "-j"]).json();
    assert_eq!(pongs, json!({ours.clone(): {"ok": "pong"}, theirs.clone(): {"ok": "pong"}}));
    let said = apium(&place, &["inspect", "-d", &both, "-t", "20", "ping"]);
    for node in [&ours, &theirs] {
        assert!(said.contains(&format!("->  {node}: OK\n        pong\n")), "{said}");
    }
    assert!(said.ends_with("\n\n2 nodes online."), "{said}");
    until("both to be seen without being named", || {
        apium(&place, &["status"]).contains("2 nodes online.").then_some(())
    });
    let said = apium(&place, &["status", "-t", "20", "-d", &ours]);
    assert_eq!(said, format!("->  {ours}: OK\n\n1 node online."));

    for (node, queue, task, software) in
        [(&ours, "ours", "probe.echo", ") apium:"), (&theirs, "theirs", "app.add", "software -> celery:")]
    {
        let ask = |command: &[&str]| asked(&place, node, &[&["inspect"], command].concat());
        let stats = ask(&["stats"]);
        assert!(stats["pid"].is_u64() && stats["total"].is_object() && stats["rusage"]["utime"].is_f64(), "{stats}");
        assert_eq!(stats["broker"]["transport"], "redis");
        assert!(ask(&["registered"]).as_array().unwrap().contains(&json!(task)));
        assert!(ask(&["registered", "name"]).to_string().contains(&format!("{task} [name={task}]")));
        assert_eq!(ask(&["active_queues"])[0]["name"], *queue);
        for empty in ["active", "reserved", "scheduled", "revoked"] {
            assert_eq!(ask(&[empty]), json!([]), "{empty}");
        }
        assert_eq!(ask(&["query_task", "a", "b"]), json!({}));
        assert!(ask(&["clock"])["clock"].is_u64());
        assert!(ask(&["report"])["ok"].as_str().unwrap().contains(software));
        let (conf, all) = (ask(&["conf"]), ask(&["conf", "true"]));
        assert!(conf.as_object().unwrap().len() <= all.as_object().unwrap().len(), "{conf} {all}");
        ask(&["memsample"]);
    }
    assert_eq!(asked(&place, &ours, &["inspect", "stats"])["pool"]["max-concurrency"], 3);
    let said = apium(&place, &["inspect", "revoked", "-d", &ours, "-t", "20"]);
    assert!(said.contains("    - empty -"), "{said}");
    let said = apium(&place, &["inspect", "active_queues", "-d", &both, "-t", "20"]);
    assert_eq!(said.matches("    * {'name': '").count(), 2, "{said}");
}

#[test]
fn both_kinds_of_workers_obey() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let mut theirs = python.worker(&server.url(), "theirs", "{}");
    let mut ours = our_worker(&place, &["-Q", "ours"]);
    let mut console = Console::open(&python, &server.url());
    let (we, they) = (node("ours"), node("python"));
    let both = format!("{we},{they}");
    let control = |arguments: &[&str]| {
        place.run(Program::Apium, &[&["control", "-t", "20", "-d", &both, "-j"], arguments].concat()).json()
    };

    let told = control(&["revoke", "one", "two"]);
    for node in [&we, &they] {
        let said = told[node]["ok"].as_str().unwrap();
        assert!(said.starts_with("tasks {") && said.contains("'one'") && said.contains("'two'"), "{told}");
        let mut revoked: Vec<String> = serde_json::from_value(asked(&place, node, &["inspect", "revoked"])).unwrap();
        revoked.sort();
        assert_eq!(revoked, ["one", "two"], "{node}");
    }
    for (id, task, queue) in [("one", "probe.echo", "ours"), ("two", "app.echo", "theirs")] {
        let raised = console.raises(&format!("send({task:?}, [1], queue={queue:?}, task_id={id:?}).get(timeout=30)"));
        assert_eq!(raised.exception, "celery.exceptions.TaskRevokedError", "{raised:?}");
    }
    assert_eq!(control(&["rate_limit", "app.add", "10/m"])[&they]["ok"], "new rate limit set successfully");
    assert_eq!(control(&["rate_limit", "probe.echo", "10/m"])[&we]["ok"], "new rate limit set successfully");
    assert_eq!(control(&["rate_limit", "app.add", "0"])[&we], json!({"error": "unknown task"}));
    assert_eq!(control(&["time_limit", "app.add", "30", "60"])[&they]["ok"], "time limits set successfully");
    for (arguments, said) in [
        (&["enable_events"][..], "task events enabled"),
        (&["enable_events"], "task events already enabled"),
        (&["disable_events"], "task events disabled"),
        (&["add_consumer", "more"], "add consumer more"),
        (&["cancel_consumer", "more"], "no longer consuming from more"),
    ] {
        let told = control(arguments);
        assert_eq!((&told[&we]["ok"], &told[&they]["ok"]), (&json!(said), &json!(said)), "{arguments:?}");
    }
    assert_eq!(control(&["heartbeat"]), json!({we.clone(): null, they.clone(): null}));
    let told = control(&["revoke_by_stamped_headers", "customer=7"]);
    assert!(told[&we]["ok"].as_str().unwrap().contains("flagged as revoked"), "{told}");

    let said = apium(&place, &["control", "shutdown", "-t", "20", "-d", &we]);
    assert_eq!(said, format!("->  {we}: OK"), "nobody answers to it, but it was there");
    until("our worker to end", || ours.has_ended().then_some(()));
    assert_eq!(ours.ended().code, Some(0));
    apium(&place, &["inspect", "ping", "-t", "20", "-d", &they]);
    apium(&place, &["control", "shutdown", "-t", "20", "-d", &they]);
    until("Python's worker to end", || theirs.has_ended().then_some(()));
}

#[test]
fn a_worker_on_the_embedded_store_obeys() {
    let place = Place::new();
    let mut ours = our_worker(&place, &["-c", "1"]);
    let we = node("ours");
    let inspect = |arguments: &[&str]| asked(&place, &we, &[&["inspect"], arguments].concat());
    let control = |arguments: &[&str], said: &str| {
        let told = asked(&place, &we, &[&["control"], arguments].concat());
        assert_eq!(told["ok"], said, "{arguments:?}: {told}");
    };
    let call = |task: &str, args: &str, further: &[&str]| {
        apium(&place, &[&["call", task, "--args", args], further].concat());
    };
    until("it to be seen", || apium(&place, &["status"]).contains("1 node online.").then_some(()));
    assert_eq!(inspect(&["ping"]), json!({"ok": "pong"}));
    let go = place.path("go");
    let held = json!([go]).to_string();
    call("probe.hold", &held, &["--task-id", "first"]);
    until_begun(&place, "first");
    call("probe.hold", &held, &["--task-id", "second"]);
    call("probe.echo", "[1]", &["--task-id", "later", "--countdown", "600"]);
    control(&["pool_grow"], "pool will grow");
    until_begun(&place, "second");
    assert_eq!(inspect(&["query_task", "first"])["first"][0], "active");
    assert_eq!(inspect(&["active"]).as_array().unwrap().len(), 2);
    assert!(inspect(&["scheduled"]).is_array(), "what is not due waits in the store until there is room");
    control(&["terminate", "kill", "second"], "terminate: second");
    let ended = place.run(Program::Apium, &["result", "second", "--wait"]);
    assert!(ended.stderr.contains("second is REVOKED"), "{ended:?}");
    control(&["revoke", "later"], "tasks {'later'} flagged as revoked");
    control(&["rate_limit", "probe.echo", "1/h"], "new rate limit set successfully");
    assert!(inspect(&["registered"]).as_array().unwrap().contains(&json!("probe.echo [rate_limit=1/h]")));
    control(&["time_limit", "probe.note", "30", "60"], "time limits set successfully");
    control(&["pool_shrink"], "pool will shrink");
    assert_eq!(asked(&place, &we, &["control", "autoscale", "5", "1"])["error"], "ValueError('Autoscale not enabled')");
    let said = apium(&place, &["control", "pool_restart", "-d", &we, "-t", "20"]);
    assert_eq!(said, format!("->  {we}: ERROR\n        ValueError('Pool restarts not enabled')"));
    std::fs::write(&go, "").unwrap();
    apium(&place, &["control", "-t", "20", "-d", &we, "shutdown"]);
    until("the worker to end", || ours.has_ended().then_some(()));
    assert_eq!(ours.ended().code, Some(0));
}

#[test]
fn events_tell_the_life_of_a_task_on_redis() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _theirs = python.worker(&server.url(), "theirs", "{}");
    events_tell_the_life_of_a_task(&place, |events| {
        apium(&place, &["call", "app.echo", "-a", "[\"a\\nb\"]", "--queue", "theirs", "--task-id", "other", "--wait"]);
        until("Python's event", || events.stdout().contains("task succeeded: app.echo(other) args=").then_some(()));
    });
}

#[test]
fn events_tell_the_life_of_a_task_on_the_embedded_store() {
    events_tell_the_life_of_a_task(&Place::new(), |_| {});
}

fn events_tell_the_life_of_a_task(place: &Place, also: impl Fn(&Running)) {
    let we = node("ours");
    // Before any worker: there is no store yet.
    let from_the_start = listener(place, &[]);
    let ours = our_worker(place, &[]);
    until("the worker to be seen", || from_the_start.stdout().contains(&format!("{we} [20")).then_some(()));
    let (plain, machine) = (listener(place, &["--dump"]), listener(place, &["--json"]));
    // Heard by whom it was said to: the switch is thrown when this is answered.
    until("events of tasks", || {
        (asked(place, &we, &["control", "enable_events"])["ok"] == "task events already enabled").then_some(())
    });
    apium(place, &["call", "probe.greet", "-a", "[\"Ada\"]", "--task-id", "good", "--wait"]);
    apium(place, &["call", "probe.quiet", "--task-id", "last"]);
    also(&plain);
    until("the last event", || {
        (plain.stdout().matches("task succeeded: probe.quiet(last)").count() == 1).then_some(())
    });
    let said = plain.stdout();
    for what in ["task received: probe.greet(good) args=('Ada',) kwargs={} clock=", "task started: probe.greet(good)"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let done = said.lines().find(|line| line.contains("task succeeded: probe.greet(good)")).unwrap();
    assert!(done.starts_with(&we) && done.contains("+00:00] ") && done.contains("result='Hello, Ada!'"), "{done}");
    until("the same for machines", || machine.stdout().contains("\"uuid\": \"last\", \"result\"").then_some(()));
    let types: Vec<String> = machine
        .stdout()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["uuid"] == "good")
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types, ["task-received", "task-started", "task-succeeded"]);
    assert_eq!(ours.stop().code, Some(0));
    until("the worker to go", || plain.stdout().contains("] shutdown: ").then_some(()));
    for listener in [plain, machine, from_the_start] {
        listener.signal(Signal::SIGINT);
        assert_eq!(listener.ended().code, Some(0));
    }
}

#[test]
fn events_go_on_when_the_broker_was_away() {
    let mut server = Server::start();
    let place = Place::on(&server.url());
    let mut events = listener(&place, &[]);
    server.kill();
    events.until_says("; listening anew");
    server.start_again();
    until("it to listen again", || (events.stderr().matches("listening for events").count() == 2).then_some(()));
    let _ours = our_worker(&place, &[]);
    until("a worker to be seen", || events.stdout().contains("] started: ").then_some(()));
    assert_eq!(events.stderr().matches("; listening anew").count(), 1, "{}", events.stderr());
    assert_eq!(events.stop().code, Some(0));
}

#[test]
fn nobody_there_is_exit_code_69() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let nobody = |ended: Ended| {
        assert_eq!((ended.code, ended.stdout.as_str()), (UNAVAILABLE, ""), "{ended:?}");
        assert!(ended.stderr.contains("No nodes replied within time constraint"), "{ended:?}");
    };
    for arguments in [
        &["inspect", "ping"][..],
        &["status", "--json"],
        &["control", "heartbeat"],
        &["control", "shutdown"],
        &["inspect", "ping", "-d", "nobody@nowhere"],
    ] {
        nobody(place.run(Program::Apium, &[arguments, &["-t", "0.1"]].concat()));
    }
    // One that takes no orders is not there either.
    let _deaf = our_worker(&place, &["--enable-remote-control", "false"]);
    nobody(place.run(Program::Apium, &["inspect", "ping"]));
}

#[test]
fn what_cannot_be_asked_is_exit_code_2() {
    let place = Place::new();
    for (arguments, told) in [
        (&["inspect"][..], "Usage: apium inspect"),
        (&["inspect", "revoke", "a"], "unrecognized subcommand 'revoke'"),
        (&["control", "ping"], "unrecognized subcommand 'ping'"),
        (&["control", "revoke"], "name what is to be revoked"),
        (&["control", "rate_limit", "a"], "<RATE>"),
        (&["control", "rate_limit", "a", "10/d"], "RATE must be a number of starts a second, or one like 10/s"),
        (&["control", "rate_limit", "a", "-1"], "RATE must be a number of starts a second"),
        (&["control", "pool_grow", "0"], "N must be a whole number from 1 to 10000, not \"0\""),
        (&["control", "time_limit", "a", "soon"], "SOFT must be a number of seconds"),
        (
            &["control", "revoke_by_stamped_headers", "a"],
            "KEY=VALUE must be a header and its value, as in customer=7, not \"a\"",
        ),
        (&["inspect", "ping", "-t", "long"], "--timeout must be a number of seconds"),
        (&["inspect", "ping", "-d", "a\nb"], "the destination must be a plain name"),
        (&["inspect", "conf", "perhaps"], "WITH_DEFAULTS must be true or false"),
    ] {
        let ended = place.run(Program::Apium, arguments);
        assert!(ended.code == Some(2) && ended.stderr.contains(told), "{arguments:?}: {ended:?}");
    }
    assert!(!place.path("apium-data").exists(), "nothing was opened");
    let help = apium(&place, &["control", "--help"]);
    assert!(help.contains("revoke_by_stamped_headers") && help.contains("-d, --destination <NODES>"), "{help}");
}

#[test]
fn switches_of_a_worker_need_no_value() {
    let place = Place::new();
    let told = apium(&place, &["settings", "-E", "--track-started", "true", "--without-gossip", "--without-mingle"]);
    for line in [
        "task_events = true (from the command line)",
        "track_started = true (from the command line)",
        "without_gossip = true (from the command line)",
        "without_mingle = true (from the command line)",
        "without_heartbeat = false (default)",
        "enable_remote_control = true (default)",
    ] {
        assert!(told.lines().any(|known| known == line), "{line} in\n{told}");
    }
    let told = Place::new()
        .with("CELERY_WORKER_SEND_TASK_EVENTS", "1")
        .with("CELERY_WORKER_ENABLE_REMOTE_CONTROL", "false")
        .run(Program::Apium, &["settings", "--without-heartbeat"])
        .printed();
    for line in [
        "task_events = 1 (from CELERY_WORKER_SEND_TASK_EVENTS)",
        "enable_remote_control = false (from CELERY_WORKER_ENABLE_REMOTE_CONTROL)",
        "without_heartbeat = true (from the command line)",
    ] {
        assert!(told.lines().any(|known| known == line), "{line} in\n{told}");
    }
    let _ours = our_worker(&place, &["-E", "-c", "2"]);
    let told = asked(&place, &node("ours"), &["control", "enable_events"]);
    assert_eq!(told["ok"], "task events already enabled");
}
