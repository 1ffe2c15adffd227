//! `call`, `result`, `queues` and `purge`: a task sent, its result read, its queue looked at and emptied.

use serde_json::json;

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

/// Every test here holds on both stores.
fn on_both(test: impl Fn(Place)) {
    test(Place::new());
    let server = Server::start();
    test(Place::on(&server.url()));
}

fn call(place: &Place, arguments: &[&str]) -> crate::running::Ended {
    place.run(Program::Probe, &[&["call"], arguments].concat())
}

#[test]
fn a_call_waits_for_its_result_or_tells_its_id() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        assert_eq!(call(&place, &["probe.greet", "--args", "[\"Ada\"]", "--wait"]).printed(), "\"Hello, Ada!\"");
        let kwargs = "{\"greeting\": \"Good day\", \"name\": \"Ada\"}";
        assert_eq!(call(&place, &["probe.greet", "--kwargs", kwargs, "--wait"]).printed(), "\"Good day, Ada!\"");
        let id = call(&place, &["probe.echo", "-a", "[[1, NaN, 123456789012345678901234567890]]"]).printed();
        let echoed = place.run(Program::Probe, &["result", &id, "--wait"]).printed();
        assert_eq!(echoed, "[1, NaN, 123456789012345678901234567890]");
        assert_eq!(place.run(Program::Probe, &["result", &id]).printed(), echoed);
        let told =
            place.run(Program::Probe, &["call", "probe.echo", "-a", "[7]", "--task-id", "my-own", "--json"]).json();
        assert_eq!(told, json!({"task_id": "my-own"}));
        let record = place.run(Program::Probe, &["result", "my-own", "--wait", "--json"]).json();
        assert_eq!(
            (&record["status"], &record["result"], &record["task_id"]),
            (&json!("SUCCESS"), &json!(7), &json!("my-own"))
        );
    });
}

#[test]
fn a_task_that_failed_is_exit_code_1_and_its_error() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        let divide = ["probe.divide", "-a", "[1, 0]", "--task-id", "d", "--wait"];
        let sentence = call(&place, &divide).sentence();
        assert!(
            sentence.contains("d is FAILURE: the task failed with ZeroDivisionError: division by zero"),
            "{sentence}"
        );
        assert_eq!(place.run(Program::Probe, &["result", "d"]).sentence(), sentence);
        let ended = place.run(Program::Probe, &["result", "d", "--json"]);
        assert_eq!(ended.code, Some(1));
        let record: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(record["result"]["exc_type"], "ZeroDivisionError");
        let sentence = call(&place, &["probe.greet", "--wait"]).sentence();
        assert!(sentence.contains("TypeError: greet() missing 1 required positional argument: 'name'"), "{sentence}");
    });
}

#[test]
fn a_result_that_is_not_there_is_pending_and_waiting_for_it_ends() {
    on_both(|place| {
        // Makes the store: a command that only looks does not.
        call(&place, &["probe.echo", "-a", "[1]"]).printed();
        let ended = place.run(Program::Probe, &["result", "nobody"]);
        assert_eq!((ended.code, ended.stdout.contains("nobody is PENDING")), (Some(1), true), "{ended:?}");
        let ended = place.run(Program::Probe, &["result", "nobody", "--json"]);
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((ended.code, told), (Some(1), json!({"task_id": "nobody", "status": "PENDING"})));
        let sentence = place.run(Program::Probe, &["result", "nobody", "--wait", "--timeout", "0.2"]).sentence();
        assert!(sentence.contains("nobody: no result within 0.2 seconds"), "{sentence}");
        let sentence = place.run(Program::Probe, &["result", "nobody", "--wait", "--timeout", "0"]).sentence();
        assert!(sentence.contains("nobody: no result within 0 seconds"), "{sentence}");
    });
}

#[test]
fn a_task_that_runs_tells_how_far_it_is() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        let go = place.path("go");
        let argument = format!("[{:?}]", go.display().to_string());
        call(&place, &["probe.progress", "-a", &argument, "--task-id", "p"]).printed();
        let ended = until("its own state", || {
            Some(place.run(Program::Probe, &["result", "p"])).filter(|ended| !ended.stdout.contains("PENDING"))
        });
        assert_eq!((ended.code, ended.stdout.trim_end()), (Some(1), "p is PROCESSING: {\"done\": 3, \"of\": 10}"));
        let ended = place.run(Program::Probe, &["result", "p", "--json"]);
        let record: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((ended.code, &record["result"]), (Some(1), &json!({"done": 3, "of": 10})));
        std::fs::write(go, "").unwrap();
        assert_eq!(place.run(Program::Probe, &["result", "p", "--wait"]).printed(), "\"done\"");
    });
}

#[test]
fn countdown_eta_and_expiry_are_kept() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        let late = call(&place, &["probe.now", "--countdown", "1.5"]).printed();
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1500);
        let eta = call(&place, &["probe.now", "--eta", &at.to_string()]).printed();
        let ran = |id: &str| -> i64 { place.run(Program::Probe, &["result", id, "--wait"]).printed().parse().unwrap() };
        assert!(ran(&eta) >= at.as_microsecond(), "not before its time");
        assert!(ran(&late) >= at.as_microsecond() - 1_500_000, "not before its time");
        let sentence = call(&place, &["probe.now", "--expires", "0", "--wait"]).sentence();
        assert!(sentence.contains("REVOKED: the task was revoked: expired"), "{sentence}");
    });
}

#[test]
fn a_worker_takes_its_queues_and_no_other_under_its_name() {
    on_both(|place| {
        let mut worker = place.start(Program::Probe, &["worker", "-Q", "mail, osint", "-c", "3", "-n", "w1@%h"]);
        worker.until_says("Ctrl-C stops.");
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let greeting = format!("worker w1@{} with 3 slots on queues mail, osint", host.trim());
        assert!(worker.stderr().contains(&greeting), "{}", worker.stderr());
        let elsewhere = call(&place, &["probe.echo", "-a", "[1]", "--queue", "elsewhere"]).printed();
        for queue in ["mail", "osint"] {
            assert_eq!(call(&place, &["probe.echo", "-a", "[2]", "--queue", queue, "--wait"]).printed(), "2");
        }
        let ended = place.run(Program::Probe, &["result", &elsewhere]);
        assert!(ended.stdout.contains("PENDING"), "{ended:?}");
    });
}

#[test]
fn queues_are_counted() {
    on_both(|place| {
        let until_file = place.path("go");
        let held = format!("[{:?}]", until_file.display().to_string());
        for _ in 0..3 {
            call(&place, &["probe.echo", "-a", "[1]", "--queue", "waiting"]).printed();
        }
        call(&place, &["probe.hold", "-a", &held, "--queue", "working", "--task-id", "h"]).printed();
        let _worker = our_worker(&place, &["-Q", "working"]);
        until_begun(&place, "h");
        // A worker puts what is not due yet where it waits for its time.
        call(&place, &["probe.echo", "-a", "[1]", "--queue", "working", "--countdown", "3600"]).printed();
        let counted = until("the queues to stand as they were filled", || {
            let told = place.run(Program::Probe, &["queues", "--json"]).json();
            let of = |queue: &str| told.as_array().unwrap().iter().find(|row| row["queue"] == queue).cloned();
            let (waiting, working) = (of("waiting")?, of("working")?);
            let numbers = |row: &serde_json::Value| {
                [&row["ready"], &row["delayed"], &row["claimed"]].map(|n| n.as_u64().unwrap())
            };
            (numbers(&waiting) == [3, 0, 0] && numbers(&working) == [0, 1, 1]).then_some(told)
        });
        let table = place.run(Program::Probe, &["queues", "waiting"]).printed();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("QUEUE") && lines[1].starts_with("waiting  3"), "{table} {counted}");
        assert_eq!(lines.len(), 2, "{table}");
        std::fs::write(until_file, "").unwrap();
        assert_eq!(place.run(Program::Probe, &["result", "h", "--wait"]).printed(), "\"released\"");
    });
}

#[test]
fn purge_asks_counts_and_spares_what_runs() {
    on_both(|place| {
        let go = place.path("go");
        let held = format!("[{:?}]", go.display().to_string());
        call(&place, &["probe.hold", "-a", &held, "--task-id", "h"]).printed();
        let _worker = our_worker(&place, &["-c", "1"]);
        until_begun(&place, "h");
        for _ in 0..4 {
            call(&place, &["probe.echo", "-a", "[1]"]).printed();
        }
        let sentence = place.run(Program::Probe, &["purge", "celery"]).sentence();
        assert!(sentence.contains("nobody is there to answer; say --force"), "{sentence}");
        let purged = place.run(Program::Probe, &["purge", "celery", "other", "--force", "--json"]).json();
        assert_eq!(purged, json!({"celery": 4, "other": 0}));
        assert_eq!(place.run(Program::Probe, &["purge", "celery", "-f"]).printed(), "celery: 0 messages thrown away");
        std::fs::write(go, "").unwrap();
        assert_eq!(place.run(Program::Probe, &["result", "h", "--wait"]).printed(), "\"released\"");
        assert_eq!(attempts_of(&place, "h").len(), 1);
    });
}
