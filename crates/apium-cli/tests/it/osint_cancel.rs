//! A scan that is called off stops wherever it is, within a second: nobody is asked anything for it afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{get, post, request};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::provider::{Manner, Provider};
use crate::running::Running;
use crate::scanning::{finished, serving};
use crate::server::Server;

/// Longer than this no scan goes on that was called off.
const AT_MOST: Duration = Duration::from_secs(1);

/// The API and a worker on a Redis of their own.
struct Stage {
    provider: Provider,
    place: Place,
    api: String,
    _running: [Running; 2],
    _server: Server,
}

impl Stage {
    /// Whoever is asked for `slow…` drips, who is asked for `spent…` is told to come back in a while.
    fn set(places: &str, windows: &str) -> Self {
        let server = Server::start();
        let provider = Provider::that(|path, _| match path {
            _ if path.contains("slow") => Manner::Drip,
            _ if path.contains("spent") => Manner::Answer(503, "Retry-After: 11\r\n", ""),
            _ => Manner::Answer(200, "", "[]"),
        });
        let place = provider.at(Place::on(&server.url()), windows);
        let mut worker = place.start(Program::Apium, &["worker", "-c", places]);
        worker.until_says("Ctrl-C stops.");
        let (serve, api) = serving(&place, "serve", &[]);
        Self { provider, place, api, _running: [worker, serve], _server: server }
    }

    /// Asks for a scan and gives the answer.
    fn ask(&self, target: &str, types: &[&str]) -> Value {
        let (status, accepted) = post(&self.api, "/api/v1/scan", &json!({"target": target, "types": types}));
        assert_eq!(status, 202, "{accepted}");
        accepted
    }

    fn find(&self, scan: &Value) -> Value {
        let (status, body) = get(&self.api, &path(scan)).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn until_in(&self, scan: &Value, state: &str) {
        until(state, || (self.find(scan)["status"] == state).then_some(()));
    }

    /// Calls a scan off, and sees that it is within its time; gives the moment before.
    fn cancel(&self, scan: &Value) -> Instant {
        let began = Instant::now();
        let (status, body) = request(&self.api, "DELETE", &path(scan), "text/plain", "").unwrap();
        assert_eq!(status, 200, "{body}");
        self.until_in(scan, "REVOKED");
        let took = began.elapsed();
        assert!(took < AT_MOST, "REVOKED after {took:?}");
        assert_eq!(self.find(scan)["error"], "Escaneo cancelado.");
        let (status, body) = request(&self.api, "DELETE", &path(scan), "text/plain", "").unwrap();
        assert!(status == 200 && body.contains("REVOKED"), "again: {body}");
        began
    }

    fn is_listed_as(&self, scan: &Value, state: &str) {
        let (_, listed) = get(&self.api, "/api/v1/scans?limit=500").unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let found = listed["scans"].as_array().unwrap().iter().find(|entry| entry["task_id"] == scan["task_id"]);
        let found = found.unwrap_or_else(|| panic!("{scan} in {listed}"));
        assert_eq!((&found["status"], &found["cancelled_by"]), (&json!(state), &json!("")), "{found}");
    }

    /// A scan asked for now has been answered, so that whatever waited before it was looked at.
    fn is_at_work(&self) {
        assert_eq!(finished(&self.api, &self.ask("next.example.com", &["virustotal"]))["status"], "FAILURE");
    }
}

fn path(scan: &Value) -> String {
    format!("/api/v1/scan/{}", scan["task_id"].as_str().unwrap())
}

#[test]
fn one_that_waits_never_begins() {
    let stage = Stage::set("1", "");
    let slow = stage.ask("slow.example.com", &["crtsh"]);
    stage.provider.until_asked("slow");
    let waiting = stage.ask("waiting.example.com", &["crtsh"]);
    assert_eq!(stage.find(&waiting)["status"], "PENDING");
    stage.cancel(&waiting);
    stage.cancel(&slow);
    stage.is_at_work();
    assert_eq!(stage.provider.count("waiting"), 0);
    stage.is_listed_as(&waiting, "REVOKED");
}

#[test]
fn one_that_waits_for_an_answer_hangs_up() {
    let stage = Stage::set("4", "");
    let slow = stage.ask("slow.example.com", &["crtsh"]);
    stage.provider.until_asked("slow");
    stage.until_in(&slow, "PROCESSING");
    let began = stage.cancel(&slow);
    let took = stage.provider.until_left("slow") - began;
    assert!(took < AT_MOST, "it hung up after {took:?}");
    stage.is_at_work();
    assert_eq!(stage.provider.count("slow"), 1);
    stage.is_listed_as(&slow, "REVOKED");
}

/// One of the parts runs, and the others have no place yet.
#[test]
fn one_of_several_types_ends_with_all_its_parts() {
    let stage = Stage::set("1", "");
    let several = stage.ask("slow.example.com", &["crtsh", "virustotal", "securitytrails"]);
    stage.provider.until_asked("slow");
    let running = stage.provider.asked()[0].path.clone();
    let began = stage.cancel(&several);
    let took = stage.provider.until_left("slow") - began;
    assert!(took < AT_MOST, "it hung up after {took:?}");
    stage.is_at_work();
    assert_eq!(stage.provider.count("slow"), 1, "nobody else was asked after {running}");
    let scan = stage.find(&several);
    assert_eq!(scan["status"], "REVOKED", "{scan}");
    let parts = scan["parts"].as_array().unwrap();
    assert!(parts.len() == 3 && parts.iter().all(|part| part["status"] == "REVOKED"), "{scan}");
    stage.is_listed_as(&several, "REVOKED");
}

#[test]
fn one_that_waits_for_a_window_gives_it_up() {
    let stage = Stage::set("4", "crtsh=1/6s");
    finished(&stage.api, &stage.ask("first.example.com", &["crtsh"]));
    assert_eq!(stage.provider.count("first"), 1);
    let waiting = stage.ask("waiting.example.com", &["crtsh"]);
    stage.until_in(&waiting, "PROCESSING");
    stage.cancel(&waiting);
    // The place that it has not taken is the next one's.
    finished(&stage.api, &stage.ask("last.example.com", &["crtsh"]));
    assert_eq!((stage.provider.count("last"), stage.provider.count("waiting")), (1, 0));
}

#[test]
fn one_that_is_to_be_tried_again_is_not() {
    let stage = Stage::set("4", "");
    let spent = stage.ask("spent.example.com", &["crtsh"]);
    stage.until_in(&spent, "RETRY");
    stage.cancel(&spent);
    assert_eq!(stage.provider.count("spent"), 1);
    until("the retry to be due", || {
        let queues = stage.place.run(Program::Apium, &["queues", "--json"]).json();
        let queue = queues.as_array().unwrap().iter().find(|queue| queue["queue"] == "osint_scans")?.clone();
        (queue["delayed"] == 0 && queue["ready"] == 0 && queue["claimed"] == 0).then_some(())
    });
    stage.is_at_work();
    assert_eq!(stage.provider.count("spent"), 1);
    stage.is_listed_as(&spent, "REVOKED");
}
