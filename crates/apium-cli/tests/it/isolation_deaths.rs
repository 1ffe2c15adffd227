//! A child that dies under its task: the worker lives on, the message counts the death, and the third one is the last.

use serde_json::json;

use crate::diary::attempts_of;
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

fn after_three_deaths(place: &Place) {
    let mut worker = our_worker(place, &["-c", "2"]);
    place.run(Program::Probe, &["call", "isolated.abort", "--task-id", "killer"]).printed();
    place.run(Program::Probe, &["call", "probe.note", "-a", "[7, 0.5]", "--task-id", "beside"]).printed();
    let sentence = place.run(Program::Probe, &["result", "killer", "--wait"]).sentence();
    assert!(sentence.contains("WorkerLostError: 3 workers died"), "{sentence}");
    let attempts = attempts_of(place, "killer");
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.process != worker.id()));
    let letters = place.run(Program::Probe, &["dead", "list", "--json"]).json();
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters}");
    assert_eq!((&letters[0]["task_id"], &letters[0]["reason"]), (&json!("killer"), &json!("poison")));
    let died_with: Vec<String> = serde_json::from_value(letters[0]["died_with"].clone()).unwrap();
    assert_eq!(died_with.len(), 3);
    let child = |who: &String| who.starts_with("a child of ours@") && who.ends_with("(signal 6 (SIGABRT))");
    assert!(died_with.iter().all(child), "{died_with:?}");
    assert_eq!(place.run(Program::Probe, &["result", "beside", "--wait"]).printed(), "7");
    assert_eq!(attempts_of(place, "beside").len(), 1, "what ran beside it ran once");
    assert!(!worker.has_ended());
    worker.until_says("the child died under its task: signal 6 (SIGABRT)");
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn the_third_makes_it_a_dead_letter_on_sqlite() {
    after_three_deaths(&Place::new());
}

#[test]
fn the_third_makes_it_a_dead_letter_on_redis() {
    let server = Server::start();
    after_three_deaths(&Place::on(&server.url()));
}

#[test]
fn one_that_was_acknowledged_early_has_failed() {
    let place = Place::new();
    let worker = our_worker(&place, &[]);
    place.run(Program::Probe, &["call", "isolated.early_abort", "--task-id", "early"]).printed();
    let sentence = place.run(Program::Probe, &["result", "early", "--wait"]).sentence();
    assert!(sentence.contains("WorkerLostError: Worker exited prematurely: signal 6 (SIGABRT)."), "{sentence}");
    until("an empty queue", || {
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        (queues[0]["ready"] == json!(0) && queues[0]["claimed"] == json!(0)).then_some(())
    });
    assert_eq!(place.run(Program::Probe, &["dead", "list", "--json"]).json(), json!([]));
    assert_eq!(worker.stop().code, Some(0));
}
