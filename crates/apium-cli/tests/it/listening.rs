//! What a running process tells: health, readiness, metrics, its greeting, and its log.

use serde_json::Value;

use crate::http::{get, post};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::{Server, free_port};

#[test]
fn a_worker_that_listens_answers_health_readiness_and_metrics() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let _worker = our_worker(&place, &["--listen", &listen]);
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 2]", "--wait"]).printed();
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 0]", "--wait"]).sentence();
    assert_eq!(get(&listen, "/livez"), Some((200, "ok\n".to_owned())));
    let (status, body) = get(&listen, "/readyz").unwrap();
    let told: Value = serde_json::from_str(&body).unwrap();
    let age = told["detail"]["last_claim_age_seconds"].as_f64().unwrap();
    assert!(status == 200 && told["ready"] == true && (0.0..30.0).contains(&age), "{body}");
    let (status, metrics) = get(&listen, "/metrics").unwrap();
    assert_eq!(status, 200);
    for line in [
        "apium_tasks_total{task=\"probe.divide\",state=\"SUCCESS\"} 1",
        "apium_tasks_total{task=\"probe.divide\",state=\"FAILURE\"} 1",
        "apium_task_duration_seconds_count{task=\"probe.divide\"} 2",
        "apium_tasks_active 0",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} in\n{metrics}");
    }
    let (status, body) = get(&listen, "/nothing/here").unwrap();
    assert_eq!(status, 404, "{body}");
}

#[test]
fn readiness_is_withdrawn_when_the_broker_is_gone_but_life_is_not() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let listen = format!("127.0.0.1:{}", free_port());
    let mut serve = place.start(Program::Apium, &["serve", "--listen", &listen]);
    serve.until_says("Ctrl-C stops.");
    assert_eq!(get(&listen, "/readyz").unwrap().0, 200);
    drop(server);
    let (_, body) = until("readiness to be withdrawn", || get(&listen, "/readyz").filter(|(status, _)| *status == 503));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["ready"], false);
    assert_eq!(get(&listen, "/livez").unwrap().0, 200, "a restart of this process would not help");
}

/// What would be lost at the end is not taken: a store whose file is gone still answers from memory.
#[test]
fn readiness_is_withdrawn_when_the_data_folder_is_deleted() {
    for role in ["up", "serve"] {
        let place = Place::new();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut running = place.start(Program::Apium, &[role, "--listen", &listen, "--stop-timeout", "0"]);
        running.until_says("Ctrl-C stops.");
        until("readiness", || get(&listen, "/readyz").filter(|(status, _)| *status == 200));
        std::fs::remove_dir_all(place.path("apium-data")).unwrap();
        let scan = serde_json::json!({"target": "example.com", "type": "dns"});
        let (status, answer) = post(&listen, "/api/v1/scan", &scan);
        assert_eq!(status, 503, "{answer}");
        until("readiness to be withdrawn", || get(&listen, "/readyz").filter(|(status, _)| *status == 503));
        assert_eq!(get(&listen, "/livez").unwrap().0, 200);
    }
}

#[test]
fn services_are_measured_beside_the_worker() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut up = place.start(Program::Apium, &["up", "--listen", &listen]);
    up.until_says("Ctrl-C stops.");
    let (_, metrics) = get(&listen, "/metrics").unwrap();
    for name in ["apium_tasks_active", "osint_"] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} in\n{metrics}");
    }
}

#[test]
fn the_address_to_try_is_one_that_can_be_reached() {
    let place = Place::new();
    let port = free_port();
    let mut serve = place.start(Program::Apium, &["serve", "--listen", &format!("0.0.0.0:{port}")]);
    serve.until_says("Ctrl-C stops.");
    let said = serve.stderr();
    assert!(said.contains(&format!("curl -s -X POST http://127.0.0.1:{port}/api/v1/scan")), "{said}");
    assert!(said.contains("and every other address of this machine"), "{said}");
}

#[test]
fn the_start_says_what_it_serves_and_where_each_setting_came_from() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut up = place.start(Program::Probe, &["up", "--listen", &listen, "-c", "6", "-Q", "a,b"]);
    up.until_says("Ctrl-C stops.");
    let said = up.stderr();
    for words in [
        "probe 0.1.0".to_owned(),
        format!("listening on http://{listen}"),
        "broker sqlite:./apium-data/apium.db".to_owned(),
        "with 6 slots on queues a, b".to_owned(),
        "probe.echo".to_owned(),
        "concurrency = 6 (from the command line)".to_owned(),
        "lease = 30 (default)".to_owned(),
    ] {
        assert!(said.contains(&words), "{words} in\n{said}");
    }
}

#[test]
fn a_log_has_one_line_an_attempt_as_text_or_as_json() {
    let place = Place::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut worker = place.start(Program::Probe, &["worker", "--log-format", "json", "--listen", &listen]);
    worker.until_says("started");
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 2]", "--task-id", "good", "--wait"]).printed();
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 0]", "--task-id", "bad", "--wait"]).sentence();
    let ended = worker.stop();
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!((&lines[0]["message"], &lines[0]["listening"]), (&"started".into(), &listen.into()), "{}", lines[0]);
    for (id, state) in [("good", "SUCCESS"), ("bad", "FAILURE")] {
        let told: Vec<_> = lines.iter().filter(|line| line["id"] == id).collect();
        let [line] = told[..] else { panic!("one line for {id}: {lines:?}") };
        assert_eq!((&line["task"], &line["state"]), (&"probe.divide".into(), &state.into()), "{line}");
        assert!(line["queue"] == "celery" && line["seconds"].as_f64().unwrap() < 10.0, "{line}");
    }

    let worker = our_worker(&place, &[]);
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 2]", "--task-id", "plain", "--wait"]).printed();
    let ended = worker.stop();
    let line = ended.stderr.lines().find(|line| line.contains("plain")).unwrap();
    for words in ["INFO", "task=\"probe.divide\"", "id=\"plain\"", "queue=\"celery\"", "state=\"SUCCESS\"", "seconds="]
    {
        assert!(line.contains(words), "{words} in {line}");
    }
    let quiet = our_worker(&place, &["-l", "error"]);
    place.run(Program::Probe, &["call", "probe.divide", "-a", "[1, 2]", "--task-id", "hushed", "--wait"]).printed();
    assert!(!quiet.stop().stderr.contains("hushed"));
}
