//! `dead list|show|replay|drop`: what was given up is kept with its reason, found, put back, and thrown away.

use serde_json::{Value, json};

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

fn letters(place: &Place, further: &[&str]) -> Vec<Value> {
    let told = place.run(Program::Probe, &[&["dead", "list", "--json"], further].concat()).json();
    told.as_array().unwrap().clone()
}

#[test]
fn each_reason_to_give_up_keeps_the_message() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        for (task, arguments, reason, error) in [
            ("no.such.task", "[1]", "unknown task", "NotRegistered: no.such.task"),
            (
                "probe.greet",
                "[]",
                "wrong arguments",
                "TypeError: greet() missing 1 required positional argument: 'name'",
            ),
            (
                "probe.greet",
                "[\"a\", \"b\", \"c\"]",
                "wrong arguments",
                "TypeError: greet() takes 2 positional arguments but 3 were given",
            ),
            ("probe.reject", "[]", "rejected", "Reject: not for us"),
            ("probe.stubborn", "[]", "retries exhausted", "TimeoutError: nobody there"),
        ] {
            let id = format!("{task}-{reason}-{}", arguments.len());
            let call = ["call", task, "-a", arguments, "--task-id", &id, "--wait"];
            let sentence = place.run(Program::Probe, &call).sentence();
            assert!(sentence.contains("FAILURE"), "{sentence}");
            let letter =
                letters(&place, &["--task", task]).into_iter().find(|letter| letter["task_id"] == *id).unwrap();
            assert_eq!(
                (&letter["reason"], &letter["error"], &letter["queue"]),
                (&json!(reason), &json!(error), &json!("celery"))
            );
            let number = letter["id"].as_str().unwrap();
            let shown = place.run(Program::Probe, &["dead", "show", number]).json();
            assert_eq!(shown, letter);
            assert!(shown["message"].as_str().unwrap().contains(&id), "the original message is kept");
        }
        let long = format!("[{:?}, 1, 2]", "long ".repeat(500));
        place.run(Program::Probe, &["call", &"far.".repeat(100), "-a", &long, "--wait"]).sentence();
        let table = place.run(Program::Probe, &["dead", "list"]).printed();
        let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest < 300 && table.contains('…'), "{widest}: {table}");
        let whole = letters(&place, &["--task", &"far.".repeat(100)]);
        assert!(whole[0]["error"].as_str().unwrap().contains(&"far.".repeat(100)), "{whole:?}");
        place.run(Program::Probe, &["dead", "replay", whole[0]["id"].as_str().unwrap(), "--json"]).json();
        until("the dead letter to be back", || letters(&place, &[]).len().eq(&6).then_some(()));
        assert_eq!(letters(&place, &[]).len(), 6);
        assert_eq!(letters(&place, &["--limit", "2"]).len(), 2);
        assert_eq!(letters(&place, &["--queue", "other"]).len(), 0);
        let table = place.run(Program::Probe, &["dead", "list", "--task", "no.such.task"]).printed();
        assert!(table.starts_with("ID") && table.contains("unknown task") && table.lines().count() == 2, "{table}");
    });
}

#[test]
fn replayed_once_the_task_is_known_it_runs() {
    on_both(|place| {
        let id = place.run(Program::Probe, &["call", "demo.add", "-a", "[40]", "-k", "{\"y\": 2}"]).printed();
        let worker = our_worker(&place, &[]);
        let letter = until("the dead letter", || letters(&place, &[]).pop());
        let sentence = place.run(Program::Probe, &["result", &id]).sentence();
        assert!(sentence.contains("NotRegistered: demo.add"), "{sentence}");
        assert_eq!(worker.stop().code, Some(0));

        let mut knows = place.start(Program::Adder, &["worker"]);
        knows.until_says("Ctrl-C stops.");
        let number = letter["id"].as_str().unwrap();
        let replayed = place.run(Program::Probe, &["dead", "replay", number, "--json"]).json();
        assert_eq!(replayed, json!({"replayed": [number]}));
        until("the replayed task to succeed", || {
            let ended = place.run(Program::Probe, &["result", &id]);
            (ended.code == Some(0)).then(|| assert_eq!(ended.stdout, "42\n"))
        });
        assert_eq!(letters(&place, &[]).len(), 0, "it is no dead letter any more");
        let sentence = place.run(Program::Probe, &["dead", "replay", number]).sentence();
        assert_eq!(sentence, format!("error: there is no dead letter {number}"));
        let sentence = place.run(Program::Probe, &["dead", "show", "nothing"]).sentence();
        assert_eq!(sentence, "error: there is no dead letter nothing");
    });
}

#[test]
fn dead_letters_are_chosen_counted_and_dropped() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        for (task, arguments) in [("probe.reject", "[]"), ("probe.greet", "[]"), ("no.such.task", "[]")] {
            place.run(Program::Probe, &["call", task, "-a", arguments, "--wait"]).sentence();
        }
        let tasks = |further: &[&str]| -> Vec<String> {
            letters(&place, further).iter().map(|letter| letter["task"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(tasks(&[]), ["no.such.task", "probe.greet", "probe.reject"]);
        assert_eq!(tasks(&["--reason", "rejected"]), ["probe.reject"]);
        assert_eq!(tasks(&["--error", "missing 1 required"]), ["probe.greet"]);
        assert_eq!(tasks(&["--newer-than", "1h", "--reason", "unknown"]), ["no.such.task"]);
        assert!(tasks(&["--older-than", "1h"]).is_empty());

        let drop = |further: &[&str]| place.run(Program::Probe, &[&["dead", "drop"], further].concat());
        assert_eq!(drop(&["--reason", "rejected", "--dry-run"]).printed(), "1 dead letters would be thrown away");
        let sentence = drop(&["--reason", "rejected"]).sentence();
        assert!(sentence.contains("nobody is there to answer; say --yes"), "{sentence}");
        assert_eq!(tasks(&[]).len(), 3, "nothing was thrown away yet");
        assert_eq!(drop(&["--reason", "rejected", "--yes"]).printed(), "1 dead letters thrown away");
        let number = letters(&place, &["--task", "probe.greet"])[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(drop(&[&number, "--yes", "--json"]).json(), json!({"dropped": 1}));
        assert_eq!(drop(&[&number, "--yes"]).sentence(), format!("error: there is no dead letter {number}"));
        assert_eq!(drop(&["--all", "-y"]).printed(), "1 dead letters thrown away");
        assert!(tasks(&[]).is_empty());
        for (arguments, told) in [
            (&[][..], "which dead letters?"),
            (&["some-id", "--task", "t"], "one of them"),
            (&["some-id", "--all"], "one of them"),
            (&["--older-than", "long"], "--older-than must be an age"),
        ] {
            let sentence = drop(arguments).refusal();
            assert!(sentence.contains(told), "{arguments:?}: {sentence}");
        }
    });
}

#[test]
fn what_is_replayed_keeps_its_id_and_has_all_its_retries() {
    on_both(|place| {
        let worker = our_worker(&place, &[]);
        let fail = ["call", "probe.stubborn", "--task-id", "again", "--wait"];
        place.run(Program::Probe, &fail).sentence();
        let letter = letters(&place, &[]).pop().unwrap();
        assert_eq!((&letter["attempts"], &letter["task_id"]), (&json!(2), &json!("again")));
        assert_eq!(worker.stop().code, Some(0));
        let replay = |further: &[&str]| place.run(Program::Probe, &[&["dead", "replay"], further].concat());
        assert_eq!(replay(&["--task", "probe.stubborn", "--dry-run", "--json"]).json(), json!({"count": 1}));
        replay(&["--task", "probe.stubborn"]).printed();
        let _worker = our_worker(&place, &[]);
        let letter = until("it to be given up again", || letters(&place, &[]).pop());
        assert_eq!(
            (&letter["attempts"], &letter["task_id"]),
            (&json!(2), &json!("again")),
            "retried as often as before"
        );
    });
}

#[test]
fn what_is_replayed_may_have_other_arguments() {
    on_both(|place| {
        let _worker = our_worker(&place, &[]);
        for id in ["one", "two"] {
            place.run(Program::Probe, &["call", "probe.greet", "--task-id", id, "--wait"]).sentence();
        }
        let kwargs = ["--args", "[]", "--kwargs", r#"{"name": "Ada", "greeting": "Ave"}"#];
        let replay = |further: &[&str]| place.run(Program::Probe, &[&["dead", "replay"], further].concat());
        let refused = replay(&["--all", "--args", "{}"]).refusal();
        assert!(refused.contains("--args must be a JSON list"), "{refused}");
        let begun = std::time::Instant::now();
        replay(&[&["--reason", "arguments", "--rate", "4"], &kwargs[..]].concat()).printed();
        assert!(begun.elapsed() >= std::time::Duration::from_millis(250), "four a second: a quarter between two");
        for id in ["one", "two"] {
            until("the replayed task to succeed", || {
                let ended = place.run(Program::Probe, &["result", id]);
                (ended.code == Some(0)).then(|| assert_eq!(ended.stdout, "\"Ave, Ada!\"\n"))
            });
        }
        assert!(letters(&place, &[]).is_empty());
    });
}
