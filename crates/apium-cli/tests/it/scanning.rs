//! A real scan through the executable: posted over HTTP, run by a worker, its result read; and the same by Python.

use serde_json::{Value, json};

use crate::console::Console;
use crate::http::{get, post, request};
use crate::peer::Python;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::server::{Server, free_port};
use crate::zone::Zone;

/// A PDF with an author, as small as one may be.
pub(crate) const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n\
                   3 0 obj<</Author(Ada Lovelace)/Producer(Apium Test)>>endobj\ntrailer<</Root 1 0 R/Info 3 0 R>>\n%%EOF\n";

#[test]
fn one_command_serves_a_scan() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address());
    let (_up, api) = serving(&place, "up", &[]);
    let (status, accepted) = post(&api, "/api/v1/scan", &json!({"target": "Shop.Example", "type": "dns"}));
    assert_eq!((status, &accepted["status"]), (202, &json!("PENDING")), "{accepted}");
    let scan = finished(&api, &accepted);
    assert_eq!((&scan["status"], &scan["result"]["success"]), (&json!("SUCCESS"), &json!(true)), "{scan}");
    let records = &scan["result"]["data"]["records"];
    assert_eq!(records["A"][0]["value"], "203.0.113.10", "{records}");
    assert!(records["MX"][0].to_string().contains("mail.shop.example"), "{records}");
    assert_eq!(scan["result"]["data"]["status"]["CAA"], "empty");

    let (status, accepted) = post(&api, "/api/v1/scan", &json!({"target": "missing.shop.example", "type": "dns"}));
    assert_eq!(status, 202);
    let scan = finished(&api, &accepted);
    assert_eq!(scan["result"]["data"]["status"]["A"], "nxdomain", "{scan}");

    let (status, body) = get(&api, "/api/v1/health").unwrap();
    assert!(status == 200 && body.contains("\"healthy\""), "{body}");
    let (status, body) = get(&api, "/metrics").unwrap();
    assert!(status == 200 && body.contains("perform_osint_scan"), "{body}");
    assert_eq!(get(&api, "/docs/").unwrap().0, 200);
    assert_eq!(get(&api, "/").unwrap().0, 303, "a browser is led to the documentation");
}

/// Whoever asks first does not wait until the history is made.
#[test]
fn the_history_is_there_before_the_first_request() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let history = place.path("historial.db");
    let place = place.with("OSINT_DATABASE", &format!("sqlite:{}", history.display()));
    let _serve = serving(&place, "serve", &[]);
    until("the history", || history.exists().then_some(()));
}

/// The child that parses the file is this very executable.
#[test]
fn an_uploaded_file_is_read_in_a_child_process() {
    let place = Place::new();
    let (_up, api) = serving(&place, "up", &[]);
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"informe.pdf\"\r\n\
         Content-Type: application/pdf\r\n\r\n{PDF}\r\n--b--\r\n"
    );
    let upload = request(&api, "POST", "/api/v1/scan/upload", "multipart/form-data; boundary=b", &form).unwrap();
    let accepted: Value = serde_json::from_str(&upload.1).unwrap();
    assert_eq!(upload.0, 202, "{accepted}");
    let scan = finished(&api, &accepted);
    assert_eq!(scan["result"]["data"]["documents"][0]["author"], "Ada Lovelace", "{scan}");
}

#[test]
fn api_worker_and_python_meet_on_redis() {
    let (server, zone) = (Server::start(), Zone::served());
    let place = Place::on(&server.url()).with("OSINT_RESOLVERS", &zone.address());
    let (_serve, api) = serving(&place, "serve", &[]);
    assert_eq!(get(&api, "/api/v1/health").unwrap().0, 503, "nobody works yet");
    let mut worker = place.start(Program::Apium, &["worker", "-c", "8"]);
    worker.until_says("Ctrl-C stops.");
    until("the worker to be seen", || get(&api, "/api/v1/health").filter(|(status, _)| *status == 200));

    let (status, accepted) = post(&api, "/api/v1/scan", &json!({"target": "shop.example", "type": "dns"}));
    assert_eq!(status, 202, "{accepted}");
    assert_eq!(finished(&api, &accepted)["status"], "SUCCESS");

    let mut python = Console::open(&Python::with_celery("5.7"), &server.url());
    let scan = "send('app.tasks.scan_tasks.perform_osint_scan', ['shop.example', 'dns']).get(timeout=30)";
    assert_eq!(python.text(&format!("{scan}['data']['records']['A'][0]['value']")), "203.0.113.10");
}

/// Starts a role that listens, and says where.
pub(crate) fn serving(place: &Place, role: &str, further: &[&str]) -> (Running, String) {
    let listen = format!("127.0.0.1:{}", free_port());
    let arguments: Vec<&str> = [role, "--listen", &listen].iter().chain(further).copied().collect();
    let mut running = place.start(Program::Apium, &arguments);
    running.until_says("Ctrl-C stops.");
    (running, listen)
}

/// Reads a scan until it has ended.
pub(crate) fn finished(api: &str, accepted: &Value) -> Value {
    let path = format!("/api/v1/scan/{}", accepted["task_id"].as_str().unwrap());
    until("the scan to end", || {
        let (status, body) = get(api, &path)?;
        assert_eq!(status, 200, "{body}");
        let scan: Value = serde_json::from_str(&body).unwrap();
        ["SUCCESS", "FAILURE", "REVOKED"].contains(&scan["status"].as_str().unwrap()).then_some(scan)
    })
}
