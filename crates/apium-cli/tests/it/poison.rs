//! A task that kills its process: after so many deaths it is a dead letter, its caller is told, and the others go on.

use serde_json::json;

use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

/// With a lease that finds the dead soon.
const WORKER: [&str; 4] = ["--lease", "1", "-c", "4"];

/// Starts workers one after the other, as a supervisor would, until one says this; how many died.
fn supervise(place: &Place, words: &str) -> usize {
    for deaths in 0..10 {
        let name = format!("w{deaths}@h");
        let mut worker = place.start(Program::Probe, &[&["worker", "-n", name.as_str()], &WORKER[..]].concat());
        let said = until("a death, or the end", || {
            let said = worker.stderr().contains(words);
            (said || worker.has_ended()).then_some(said)
        });
        if said {
            assert_eq!(worker.stop().code, Some(0));
            return deaths;
        }
    }
    panic!("ten workers died");
}

fn after_three_deaths(place: &Place) {
    let sent = |task: &str, id: &str, further: &[&str]| {
        place.run(Program::Probe, &[&["call", task, "--task-id", id], further].concat()).printed()
    };
    sent("probe.abort", "killer", &[]);
    let innocent: Vec<String> = (0..8).map(|n| format!("innocent-{n}")).collect();
    for id in &innocent {
        sent("probe.note", id, &["-a", "[7]", "-k", "{\"seconds\": 0.2}"]);
    }
    assert_eq!(supervise(place, "message kept as a dead letter"), 3);
    let letters = place.run(Program::Probe, &["dead", "list", "--reason", "poison", "--json"]).json();
    assert_eq!(letters.as_array().unwrap().len(), 1, "what ran beside it is spared: {letters}");
    let letter = &letters[0];
    assert_eq!((&letter["task_id"], &letter["reason"]), (&json!("killer"), &json!("poison")));
    assert_eq!(letter["died_with"], json!(["w0@h", "w1@h", "w2@h"]));
    let sentence = place.run(Program::Probe, &["result", "killer", "--wait"]).sentence();
    assert!(sentence.contains("WorkerLostError: 3 workers died"), "{sentence}");
    let _worker = our_worker(place, &WORKER);
    for id in &innocent {
        let result = ["result", id, "--wait", "--timeout", "25"];
        assert_eq!(place.run(Program::Probe, &result).printed(), "7");
    }
    let all = place.run(Program::Probe, &["dead", "list", "--json"]).json();
    assert_eq!(all.as_array().unwrap().len(), 1, "what ran beside it is spared: {all}");
}

#[test]
fn after_three_deaths_it_is_a_dead_letter_on_sqlite() {
    after_three_deaths(&Place::new());
}

#[test]
fn after_three_deaths_it_is_a_dead_letter_on_redis() {
    let server = Server::start();
    after_three_deaths(&Place::on(&server.url()));
}

#[test]
fn with_no_limit_it_goes_on() {
    let place = Place::new();
    place.run(Program::Probe, &["call", "probe.abort"]).printed();
    for _ in 0..5 {
        let mut worker = place.start(Program::Probe, &[&["worker", "--max-deaths", "0"], &WORKER[..]].concat());
        until("a death", || worker.has_ended().then_some(()));
    }
    let letters = place.run(Program::Probe, &["dead", "list", "--json"]).json();
    assert_eq!(letters, json!([]));
}
