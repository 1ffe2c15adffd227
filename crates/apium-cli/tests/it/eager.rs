//! Tasks that run where they are sent: no broker, no worker, the same answers.

use serde_json::{Value, json};

use crate::http::{get, post, request};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::running::{Ended, Running};
use crate::server::free_port;
use crate::zone::Zone;

/// A PDF with an author, as small as one may be.
const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n\
                   3 0 obj<</Author(Ada Lovelace)/Producer(Apium Test)>>endobj\ntrailer<</Root 1 0 R/Info 3 0 R>>\n%%EOF\n";

/// A broker nobody could reach: whoever used it would fail.
fn without_broker() -> Place {
    Place::on("redis://127.0.0.1:1/0").with("CELERY_TASK_ALWAYS_EAGER", "true")
}

fn call(place: &Place, arguments: &[&str]) -> Ended {
    place.run(Program::Probe, &[&["call"], arguments].concat())
}

/// The record of a call, byte for byte but for its date.
fn record(place: &Place, id: &str, arguments: &[&str]) -> String {
    let ended = call(place, &[arguments, &["--task-id", id, "--wait", "--json"]].concat());
    let (before, rest) = ended.stdout.split_once("\"date_done\": \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}

#[test]
fn a_call_leaves_the_record_that_a_worker_would() {
    let (eager, worked) = (without_broker(), Place::new());
    let _worker = our_worker(&worked, &[]);
    let calls = [
        &["probe.greet", "-a", "[\"Ada\"]"][..],
        &["probe.echo", "-a", "[[1, NaN, 123456789012345678901234567890, \"ñ\"]]"],
        &["probe.divide", "-a", "[1, 0]"],
        &["probe.divide", "-a", "[1]"],
        &["probe.greet", "-a", "[\"Ada\"]", "--countdown", "1"],
        &["probe.unknown"],
    ];
    for (id, arguments) in ["a", "b", "c", "d", "e", "f"].into_iter().zip(calls) {
        assert_eq!(record(&eager, id, arguments), record(&worked, id, arguments), "{arguments:?}");
    }
    let sentence = call(&eager, &["probe.divide", "-a", "[1, 0]", "--wait"]).sentence();
    assert!(sentence.contains("ZeroDivisionError: division by zero"), "{sentence}");
}

#[test]
fn the_call_itself_fails_or_the_result_is_stored_where_that_is_asked_for() {
    let place = without_broker();
    let sentence = call(&place, &["probe.divide", "-a", "[1, 0]", "--task-eager-propagates"]).sentence();
    assert!(sentence.contains("the task failed with ZeroDivisionError: division by zero"), "{sentence}");
    let place = Place::new().with("CELERY_TASK_ALWAYS_EAGER", "1");
    let id = call(&place, &["probe.echo", "-a", "[7]", "--task-store-eager-result"]).printed();
    assert_eq!(place.run(Program::Probe, &["result", &id]).printed(), "7");
    assert!(place.run(Program::Probe, &["queues"]).stdout.is_empty(), "nothing was put into a queue");
}

#[test]
fn a_posted_scan_is_finished_when_the_answer_comes() {
    let zone = Zone::served();
    let place = without_broker().with("OSINT_RESOLVERS", &zone.address());
    for role in ["serve", "up"] {
        let (mut running, api) = serving(&place, role);
        let (status, body) = get(&api, "/api/v1/health").unwrap();
        assert!(status == 200 && body.contains("\"healthy\""), "{body}");
        let (status, accepted) = post(&api, "/api/v1/scan", &json!({"target": "Shop.Example", "type": "dns"}));
        assert_eq!(status, 202, "{accepted}");
        let scan = read(&api, &accepted);
        assert_eq!(scan["status"], "SUCCESS", "{scan}");
        assert_eq!(scan["result"]["data"]["records"]["A"][0]["value"], "203.0.113.10", "{scan}");
        let form = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"informe.pdf\"\r\n\
             Content-Type: application/pdf\r\n\r\n{PDF}\r\n--b--\r\n"
        );
        let upload = request(&api, "POST", "/api/v1/scan/upload", "multipart/form-data; boundary=b", &form).unwrap();
        let accepted: Value = serde_json::from_str(&upload.1).unwrap();
        assert_eq!(read(&api, &accepted)["result"]["data"]["documents"][0]["author"], "Ada Lovelace");
        let (status, _) = get(&api, "/readyz").unwrap();
        assert_eq!(status, 200);
        assert!(!running.has_ended());
        let told = running.stop().stderr;
        assert!(told.contains("broker none: tasks run where they are sent"), "{told}");
    }
}

#[test]
fn a_worker_has_nothing_to_do_then_and_says_so() {
    let sentence = without_broker().run(Program::Apium, &["worker"]).refusal();
    assert!(sentence.contains("task_always_eager leaves nothing for `worker` to do"), "{sentence}");
}

fn serving(place: &Place, role: &str) -> (Running, String) {
    let listen = format!("127.0.0.1:{}", free_port());
    let mut running = place.start(Program::Apium, &[role, "--listen", &listen]);
    running.until_says("Ctrl-C stops.");
    (running, listen)
}

/// A scan as it stands now: nobody waits.
fn read(api: &str, accepted: &Value) -> Value {
    let path = format!("/api/v1/scan/{}", accepted["task_id"].as_str().unwrap());
    let (status, body) = get(api, &path).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}
