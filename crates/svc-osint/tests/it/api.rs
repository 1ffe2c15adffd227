//! The HTTP API, at its door: every route, every state, every refusal.

use std::collections::BTreeSet;
use std::time::Duration;

use apium_core::protocol::RawJson;
use apium_core::{BackendError, Fleet, Signature, TaskError, WorkerCard};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use svc_osint::collectors::Collector;
use svc_osint::contract::{HEALTH_CHECK, QUEUE, SCAN};
use svc_osint::error;

use crate::bench::{Bench, posted, settings};

const UNKNOWN: &str = "/api/v1/scan/6f1c1d0e-1111-4222-8333-444455556666";

fn scan_path(id: &str) -> String {
    format!("/api/v1/scan/{id}")
}

fn card(name: &str, queue: &str, task: &str) -> WorkerCard {
    WorkerCard {
        name: name.to_owned(),
        queues: vec!["celery".to_owned(), queue.to_owned()],
        tasks: vec![task.to_owned()],
        concurrency: 4,
        active: 1,
        processed: 7,
        pid: 42,
        started: "2026-11-22T10:00:00Z".to_owned(),
    }
}

#[tokio::test]
async fn a_scan_is_queued_as_a_celery_client_would_queue_it() {
    let bench = Bench::new();
    let answer = bench.post("/api/v1/scan", &json!({ "target": " Ejemplo.ES ", "type": "dns" })).await;
    assert_eq!(answer.status, 202);
    let body = answer.json();
    let id = body["task_id"].as_str().unwrap();
    let expected = json!({
        "task_id": id, "status": "PENDING", "message": "Escaneo encolado",
        "target": "Ejemplo.ES", "collector_type": "dns",
    });
    assert_eq!(body, expected);

    let claimed = bench.claim().await;
    assert_eq!((claimed.message.headers.task.as_str(), claimed.message.headers.id.as_str()), (SCAN, id));
    assert_eq!(claimed.message.payload().unwrap().args.as_str(), r#"["Ejemplo.ES", "dns", null]"#);
}

#[tokio::test]
async fn options_travel_and_a_typo_in_them_does_not() {
    let bench = Bench::new();
    let body = |options: Value| json!({ "target": "ejemplo.es", "type": "dns", "options": options });
    assert_eq!(bench.post("/api/v1/scan", &body(json!({ "axfr": false }))).await.status, 202);
    let args = bench.claim().await.message.payload().unwrap().args;
    assert_eq!(args.as_str(), r#"["ejemplo.es", "dns", {"axfr": false}]"#);
    let history = json!({ "target": "ejemplo.es", "type": "securitytrails", "options": { "history": true } });
    assert_eq!(bench.post("/api/v1/scan", &history).await.status, 202);
    let args = bench.claim().await.message.payload().unwrap().args;
    assert_eq!(args.as_str(), r#"["ejemplo.es", "securitytrails", {"history": true}]"#);
    for wrong in [json!({ "axrf": false }), json!({ "axfr": 1 }), json!({ "file": { "content_base64": "aGk=" } })] {
        bench.post("/api/v1/scan", &body(wrong)).await.error(422, "invalid_body");
    }
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn an_unknown_type_is_told_with_the_known_ones() {
    let bench = Bench::new();
    let answer = bench.post("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "nmap" })).await;
    let sentence = answer.error(400, "unknown_type");
    let names = Collector::names();
    let expected = format!("El tipo de escaneo «nmap» no existe. Los disponibles son: {}.", names.join(", "));
    assert_eq!(sentence, expected);
    assert_eq!(answer.json()["error"]["types"], json!(names));
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn a_target_that_the_type_does_not_take_is_refused_in_spanish() {
    let bench = Bench::new();
    let cases = [
        ("", "dns"),
        ("localhost", "dns"),
        ("https://ejemplo.es/", "dns"),
        ("ana@ejemplo.es", "dns"),
        ("0x7f.1", "dns"),
        ("2130706433", "dns"),
        ("192.0.2.1", "metadata"),
        ("file:abc", "metadata"),
        ("http://user:pass@ejemplo.es/", "metadata"),
        ("'; DROP TABLE scans; --", "dns"),
    ];
    for (target, kind) in cases {
        let answer = bench.post("/api/v1/scan", &json!({ "target": target, "type": kind })).await;
        let sentence = answer.error(422, "invalid_target");
        assert!(sentence.contains("Se admite"), "{target}: {sentence}");
    }
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn the_faults_of_a_body_keep_the_envelope() {
    let bench = Bench::new();
    let raw = |kind: &str, text: String| {
        Request::post("/api/v1/scan").header(header::CONTENT_TYPE, kind).body(Body::from(text)).unwrap()
    };
    bench.send(raw("application/json", "{".to_owned())).await.error(400, "malformed_json");
    bench.send(raw("text/plain", "{}".to_owned())).await.error(415, "unsupported_media_type");
    let missing = bench.send(raw("application/json", r#"{"target": "a"}"#.to_owned())).await;
    let sentence = missing.error(422, "invalid_body");
    assert_eq!(sentence, "Falta el tipo de escaneo: «type» con uno, o «types» con varios o con «all».");
    let both = json!({ "target": "ejemplo.es", "type": "dns", "types": ["dns"] });
    let sentence = bench.post("/api/v1/scan", &both).await.error(422, "invalid_body");
    assert_eq!(sentence, "«type» y «types» dicen lo mismo: envíe solo uno de los dos.");
    for positional in [r#"["ejemplo.es", "dns"]"#, r#"{"target": "ejemplo.es", "type": "dns", "options": [false]}"#] {
        bench.send(raw("application/json", positional.to_owned())).await.error(422, "invalid_body");
    }
    assert_eq!(bench.waiting().await, 0);
    let large = json!({ "target": "x".repeat(2 << 20), "type": "dns" });
    bench.send(posted("/api/v1/scan", &large)).await.error(413, "body_too_large");
    bench.get("/api/v1/scan").await.error(405, "method_not_allowed");
    bench.get("/api/v2/scan").await.error(404, "not_found");
}

#[tokio::test]
async fn every_state_is_shown() {
    let bench = Bench::new();
    let id = bench.queued().await;
    let nothing = json!({
        "task_id": id, "status": "PENDING", "result": null, "error": null,
        "progress": null, "meta": null, "date_done": null,
    });
    let with = |status: &str, members: Value| {
        let mut expected = nothing.clone();
        expected["status"] = json!(status);
        for (key, value) in members.as_object().unwrap() {
            expected[key] = value.clone();
        }
        expected
    };
    let answer = bench.get(&scan_path(&id)).await;
    assert_eq!((answer.status, answer.json()), (200, nothing.clone()));
    assert_eq!(answer.headers["cache-control"], "no-store");

    let json = |value: Value| RawJson::from(&value).unwrap();
    bench.store(&id, "STARTED", json(json!({ "pid": 1, "hostname": "celery@a" })), false).await;
    assert_eq!(bench.get(&scan_path(&id)).await.json(), with("STARTED", json!({})));

    let progress = json!({ "done": 3, "total": 26 });
    let meta = json!({ "target": "ejemplo.es", "collector_type": "dns", "progress": progress, "worker": "celery@a" });
    bench.store(&id, "PROCESSING", json(meta.clone()), false).await;
    let expected = with("PROCESSING", json!({ "progress": progress, "meta": meta }));
    assert_eq!(bench.get(&scan_path(&id)).await.json(), expected);

    let error = TaskError::new("ValueError", "malo");
    bench.store(&id, "RETRY", error.to_result(), false).await;
    let members = json!({ "error": "malo", "meta": { "exc_type": "ValueError", "exc_module": "builtins" } });
    assert_eq!(bench.get(&scan_path(&id)).await.json(), with("RETRY", members.clone()));

    bench.store(&id, "FAILURE", error.to_result(), true).await;
    let failed = bench.get(&scan_path(&id)).await.json();
    assert!(failed["date_done"].is_string());
    let mut expected = with("FAILURE", members);
    expected["date_done"] = failed["date_done"].clone();
    assert_eq!(failed, expected);

    let revoked = TaskError::exception("celery.exceptions", "TaskRevokedError", "expired");
    bench.store(&id, "REVOKED", revoked.to_result(), false).await;
    let members = json!({ "error": "El escaneo ha caducado antes de empezar." });
    assert_eq!(bench.get(&scan_path(&id)).await.json(), with("REVOKED", members));

    bench.store(&id, "SUCCESS", json(json!({ "success": true })), false).await;
    assert_eq!(bench.get(&scan_path(&id)).await.json(), with("SUCCESS", json!({ "result": { "success": true } })));
}

#[tokio::test]
async fn never_seen_is_404_and_gone_is_410() {
    let bench = Bench::new();
    for path in [UNKNOWN, "/api/v1/scan/no-soy-un-id", "/api/v1/scan/%ff", "/api/v1/scan/..%2f..%2fetc"] {
        for (method, path) in [
            ("GET", path.to_owned()),
            ("DELETE", path.to_owned()),
            ("POST", format!("{path}/cancel")),
            ("GET", format!("{path}/cancel")),
        ] {
            bench.call(method, &path).await.error(404, "unknown_scan");
        }
    }
    let id = bench.queued().await;
    bench.store(&id, "SUCCESS", RawJson::null(), true).await;
    assert_eq!(bench.get(&scan_path(&id)).await.status, 200);
    // Sent by another program, to workers with another history.
    let foreign = UNKNOWN.rsplit('/').next().unwrap();
    bench.store(foreign, "SUCCESS", RawJson::null(), true).await;
    bench.clock.advance(Duration::from_secs(3601));
    let sentence = bench.get(UNKNOWN).await.error(410, "expired_scan");
    assert!(sentence.contains("caducado"));
    bench.call("DELETE", UNKNOWN).await.error(410, "expired_scan");
    assert_eq!(bench.get(&scan_path(&id)).await.json()["status"], "SUCCESS", "the history knows it");
    bench.clock.advance(Duration::from_hours(7 * 24));
    bench.get(UNKNOWN).await.error(404, "unknown_scan");
    assert_eq!(bench.get(&scan_path(&id)).await.json()["status"], "SUCCESS");
}

#[tokio::test]
async fn a_scan_that_waits_is_cancelled_once_and_again() {
    let bench = Bench::new();
    for (method, tail) in [("GET", "/cancel"), ("POST", "/cancel"), ("DELETE", "")] {
        let id = bench.queued().await;
        for _ in 0..2 {
            let answer = bench.call(method, &format!("{}{tail}", scan_path(&id))).await;
            let expected = json!({ "task_id": id, "status": "REVOKED", "message": "Escaneo cancelado" });
            assert_eq!((answer.status, answer.json()), (200, expected), "{method}");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        let after = bench.get(&scan_path(&id)).await.json();
        assert_eq!((&after["status"], &after["error"]), (&json!("REVOKED"), &json!("Escaneo cancelado.")));
        let told = bench.memory.revocations(0, Duration::ZERO).await.unwrap().ids;
        assert!(told.contains(&id), "the workers are told");
    }
}

#[tokio::test]
async fn a_scan_at_work_is_asked_to_stop_and_an_ended_one_is_a_conflict() {
    let bench = Bench::new();
    let id = bench.queued().await;
    bench.store(&id, "PROCESSING", RawJson::empty_object(), false).await;
    for _ in 0..2 {
        let answer = bench.call("POST", &format!("{}/cancel", scan_path(&id))).await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("PROCESSING")));
    }
    for state in ["FAILURE", "SUCCESS"] {
        bench.store(&id, state, RawJson::null(), true).await;
        let answer = bench.call("DELETE", &scan_path(&id)).await;
        answer.error(409, "ended_scan");
        assert_eq!(answer.json()["error"]["status"], state);
    }
}

#[tokio::test]
async fn whoever_only_looks_does_not_cancel() {
    let bench = Bench::new();
    let id = bench.queued().await;
    assert_eq!(bench.call("HEAD", &format!("{}/cancel", scan_path(&id))).await.status, 200);
    assert_eq!(bench.get(&scan_path(&id)).await.json()["status"], "PENDING");
}

#[tokio::test]
async fn the_same_key_is_the_same_scan() {
    let bench = Bench::new();
    let send = async |key: &str, target: &str| {
        let mut request = posted("/api/v1/scan", &json!({ "target": target, "type": "dns" }));
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        bench.send(request).await
    };
    let first = send("k-1", "ejemplo.es").await;
    let id = first.json()["task_id"].as_str().unwrap().to_owned();
    assert_eq!((first.status, bench.waiting().await), (202, 1));
    let again = send("k-1", "ejemplo.es").await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    assert_eq!(bench.waiting().await, 1, "nothing was sent twice");

    assert_ne!(send("k-1", "otro.es").await.json()["task_id"], json!(id));
    assert_ne!(send("k-2", "ejemplo.es").await.json()["task_id"], json!(id));
    assert_eq!(bench.waiting().await, 3);

    bench.store(&id, "SUCCESS", RawJson::null(), true).await;
    let ended = send("k-1", "ejemplo.es").await.json();
    assert_eq!(ended["status"], "SUCCESS");
    assert_eq!(ended["message"], "El escaneo de esta clave ya ha terminado");
    bench.clock.advance(Duration::from_hours(2));
    send("k-1", "ejemplo.es").await.error(410, "expired_scan");

    for wrong in ["", "dos palabras", &"x".repeat(256)] {
        send(wrong, "ejemplo.es").await.error(400, "invalid_idempotency_key");
    }
    let mut twice = posted("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "dns" }));
    for key in ["k-3", "k-4"] {
        twice.headers_mut().append("idempotency-key", key.parse().unwrap());
    }
    bench.send(twice).await.error(400, "invalid_idempotency_key");
}

#[tokio::test]
async fn what_is_said_of_a_key_used_again_is_true() {
    let bench = Bench::new();
    let send = async || {
        let mut request = posted("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "dns" }));
        request.headers_mut().insert("idempotency-key", "k-1".parse().unwrap());
        bench.send(request).await.json()
    };
    let id = send().await["task_id"].as_str().unwrap().to_owned();
    assert_eq!(send().await["message"], "Escaneo encolado", "it still waits");
    let sentences = [
        ("STARTED", "El escaneo de esta clave ya está en marcha"),
        ("PROCESSING", "El escaneo de esta clave ya está en marcha"),
        ("RETRY", "El escaneo de esta clave ha fallado y se va a reintentar"),
        ("FAILURE", "El escaneo de esta clave ya ha terminado con un error"),
        ("REVOKED", "El escaneo de esta clave se canceló"),
        ("SUCCESS", "El escaneo de esta clave ya ha terminado"),
    ];
    for (state, sentence) in sentences {
        bench.store(&id, state, RawJson::empty_object(), false).await;
        let answer = send().await;
        assert_eq!((&answer["status"], &answer["message"]), (&json!(state), &json!(sentence)));
    }
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_send_one_scan() {
    let bench = Bench::new();
    let send = || {
        let mut request = posted("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "dns" }));
        request.headers_mut().insert("idempotency-key", "doble".parse().unwrap());
        bench.send(request)
    };
    let (one, two) = tokio::join!(send(), send());
    assert_eq!(one.json()["task_id"], two.json()["task_id"]);
    assert_eq!(bench.waiting().await, 1);
}

#[tokio::test]
async fn the_collectors_that_work_are_listed_and_no_others() {
    let list = Bench::new().get("/api/v1/collectors").await.json();
    let collectors = list["collectors"].as_array().unwrap();
    assert_eq!(list["total"], collectors.len());
    let facts: Vec<_> = collectors
        .iter()
        .map(|c| json!([c["type"], c["class"], c["accepts"], c["needs_key"], c["configured"]]))
        .collect();
    let expected = [
        json!(["dns", "DNSCollector", ["domain", "ip"], false, true]),
        json!(["metadata", "MetadataCollector", ["domain", "url", "file"], false, true]),
        json!(["whois", "WhoisCollector", ["domain", "ip", "asn"], false, true]),
        json!(["crtsh", "CrtshCollector", ["domain"], false, true]),
        json!(["shodan", "ShodanCollector", ["ip", "domain"], true, false]),
        json!(["virustotal", "VirusTotalCollector", ["domain", "ip", "url", "hash"], true, false]),
        json!(["haveibeenpwned", "HaveIBeenPwnedCollector", ["email", "domain", "hash"], true, false]),
        json!(["securitytrails", "SecurityTrailsCollector", ["domain", "ip"], true, false]),
        json!(["username", "UsernameCollector", ["username"], false, true]),
        json!(["social", "SocialCollector", ["username"], false, true]),
        json!(["identity", "IdentityCollector", ["email", "username"], false, true]),
    ];
    assert_eq!(facts, expected);
    for collector in collectors {
        assert!(collector["description"].as_str().unwrap().ends_with('.'));
    }
}

#[tokio::test]
async fn a_collector_whose_key_is_set_is_configured() {
    let bench = Bench::with(|api| api.with_providers(settings(&[("SHODAN_API_KEY", "s3cret0")]).unwrap().providers));
    let answer = bench.get("/api/v1/collectors").await;
    let list = answer.json();
    let configured = |name: &str| {
        let all = list["collectors"].as_array().unwrap();
        all.iter().find(|collector| collector["type"] == name).unwrap()["configured"].clone()
    };
    assert_eq!((configured("shodan"), configured("virustotal")), (json!(true), json!(false)));
    assert!(!answer.text.contains("s3cret0"));
}

#[tokio::test]
async fn health_counts_the_workers_that_take_scans() {
    let bench = Bench::new();
    let none = bench.get("/api/v1/health").await;
    let expected = json!({ "status": "unhealthy", "workers": 0, "worker_names": [], "stats": {} });
    assert_eq!((none.status, none.json()), (503, expected));

    let ttl = Duration::from_mins(1);
    for (name, queue, task) in [
        ("celery@elsewhere", "emails", SCAN),
        ("celery@ignorant", QUEUE, HEALTH_CHECK),
        ("celery@a", QUEUE, SCAN),
        ("celery@b", QUEUE, "perform_osint_scan"),
    ] {
        bench.memory.beat(&card(name, queue, task), ttl).await.unwrap();
    }
    let some = bench.get("/api/v1/health").await;
    assert_eq!((some.status, some.json()["status"].as_str()), (200, Some("healthy")));
    assert_eq!(some.json()["workers"], 2);
    assert_eq!(some.json()["worker_names"], json!(["celery@a", "celery@b"]));
    let stats = json!({
        "concurrency": 4, "active": 1, "processed": 7, "pid": 42,
        "started": "2026-11-22T10:00:00Z", "queues": ["celery", QUEUE],
    });
    assert_eq!(some.json()["stats"]["celery@a"], stats);

    bench.clock.advance(ttl);
    assert_eq!(bench.get("/api/v1/health").await.status, 503, "they have fallen silent");
}

#[tokio::test]
async fn a_failing_backend_is_told_without_its_secrets() {
    let away = error::backend(&BackendError::Unavailable("redis at 10.0.0.5 refused".to_owned()));
    assert_eq!((away.status().as_u16(), away.code()), (503, "backend_unavailable"));
    let broken = error::backend(&BackendError::Broken("redis at 10.0.0.5 holds rubbish".to_owned()));
    assert_eq!((broken.status().as_u16(), broken.code()), (500, "backend_broken"));
    assert!(!format!("{away} {broken}").contains("10.0.0.5"));
}

#[tokio::test]
async fn a_scan_that_a_python_program_sent_is_known_from_its_first_attempt_on() {
    // Its sender announced no id, and PENDING for an id nobody announced would be PENDING for any id.
    let bench = Bench::new();
    let id = "6f1c1d0e-1111-4222-8333-444455556666";
    bench.client.send(&Signature::new(SCAN).queue(QUEUE).task_id(id)).await.unwrap();
    bench.get(UNKNOWN).await.error(404, "unknown_scan");
    bench.store(id, "STARTED", RawJson::null(), false).await;
    assert_eq!(bench.get(UNKNOWN).await.json()["status"], "STARTED");
}

#[tokio::test]
async fn the_api_describes_itself() {
    let bench = Bench::new();
    let described = bench.get("/openapi.json").await.json();
    assert_eq!(described["info"]["version"], "2.1.0");
    let mut names = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert_eq!(operation["tags"], json!(["async-scans"]), "{method} {path}");
            let open = ["/api/v1/collectors", "/api/v1/health"].contains(&path.as_str());
            assert_eq!(operation["responses"].get("401").is_none(), open, "{method} {path}");
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{method} {path} has the name of another operation, {name}");
        }
    }
    let pretty = format!("{}\n", serde_json::to_string_pretty(&described).unwrap());
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &pretty).unwrap();
    }
    let committed = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(pretty == committed, "the API has changed: look at it with UPDATE_GOLDEN=1 and git diff {golden}");
}

#[tokio::test]
async fn the_documentation_needs_no_other_server() {
    let bench = Bench::new();
    let moved = bench.get("/docs").await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (303, "/docs/"));
    let page = bench.get("/docs/").await;
    assert_eq!(page.status, 200);
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.text.contains(file), "{file}");
        assert_eq!(bench.get(&format!("/docs/{file}")).await.status, 200, "{file}");
    }
    assert!(!page.text.contains("https://"));
    let set_up = bench.get("/docs/swagger-initializer.js").await.text;
    assert!(set_up.contains("/openapi.json"));
    assert!(set_up.contains("\"validatorUrl\": \"none\""), "the page asks no other server: {set_up}");
}
