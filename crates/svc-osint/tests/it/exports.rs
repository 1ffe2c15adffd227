//! Exports and differences at the API's door: what is given, to whom, and what is said where there is nothing to give.

use std::time::Duration;

use apium_core::TaskError;
use apium_core::protocol::RawJson;
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use svc_osint::OsintApi;
use svc_osint::exports::Told;
use svc_osint::store::Store;

use crate::bench::{Answer, Bench, posted};
use crate::export_stix;

const UNKNOWN: &str = "/api/v1/scan/6f1c1d0e-1111-4222-8333-444455556666";

/// An API whose history is a file that the test reads too.
struct Desk {
    bench: Bench,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("osint.db").display());
        let bench = Bench::made(|client| OsintApi::new(client, Store::at(&url)));
        Self { bench, store: Store::at(&url), _folder: folder }
    }

    /// Asks for a scan, with this token if there is one.
    async fn asked(&self, token: &str, target: &str, kind: &str, options: Value) -> String {
        let wanted = json!({ "target": target, "type": kind, "options": options });
        let answer = self.with(token, posted("/api/v1/scan", &wanted)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["task_id"].as_str().unwrap().to_owned()
    }

    /// Ends a scan with these facts, a second after the one before; gives its path.
    async fn ended(&self, id: &str, target: &str, kind: &str, findings: Value) -> String {
        self.bench.clock.advance(Duration::from_secs(1));
        let mut result = export_stix::result(kind, target, &findings);
        result["id"] = json!(id);
        result["metadata"]["sources"] = sources();
        self.ended_with(id, &result).await
    }

    async fn ended_with(&self, id: &str, result: &Value) -> String {
        self.bench.store(id, "SUCCESS", RawJson::from(result).unwrap(), true).await;
        let path = format!("/api/v1/scan/{id}");
        self.bench.get(&path).await;
        path
    }

    async fn scanned(&self, findings: Value) -> String {
        let id = self.asked("", "Ejemplo.es", "dns", json!({})).await;
        self.ended(&id, "Ejemplo.es", "dns", findings).await
    }

    async fn with(&self, token: &str, mut request: Request<Body>) -> Answer {
        if !token.is_empty() {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        self.bench.send(request).await
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// The one source of these scans, which always answers.
fn sources() -> Value {
    json!([{ "source": "prueba", "status": "ok", "requests": 1, "ms": 1 }])
}

fn ip(value: &str) -> Value {
    json!({ "type": "ip", "value": value, "source": "prueba", "confidence": 1.0, "evidence": [{ "source": "prueba" }] })
}

#[tokio::test]
async fn a_result_is_taken_along_in_each_format() {
    let desk = Desk::new();
    let path = desk.scanned(json!([ip("9.9.9.9")])).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let formats = [
        ("", "application/json", "json"),
        ("?format=json", "application/json", "json"),
        ("?format=csv", "text/csv; charset=utf-8; header=present", "csv"),
        ("?format=stix", "application/stix+json;version=2.1", "stix.json"),
    ];
    let mut bodies = Vec::new();
    for (query, kind, ending) in formats {
        let answer = desk.bench.get(&format!("{path}/export{query}")).await;
        assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, kind), "{}", answer.text);
        let name = format!("attachment; filename=\"osint-Ejemplo.es-{}.{ending}\"", &id[..8]);
        assert_eq!(answer.headers["content-disposition"].to_str().unwrap(), name);
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(answer.headers[name], value);
        }
        bodies.push(answer.text);
    }
    assert_eq!(bodies[0], bodies[1]);
    let whole: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(whole, desk.bench.get(&path).await.json()["result"]);
    assert!(bodies[2].ends_with("ip,9.9.9.9,1,prueba,,prueba,,\r\n"), "{}", bodies[2]);
    assert!(bodies[3].starts_with(r#"{"type":"bundle","id":"bundle--"#), "{}", bodies[3]);
    // From the engine's results first; from the history, when those are gone.
    desk.bench.clock.advance(Duration::from_hours(2));
    for ((query, ..), body) in formats.into_iter().zip(&bodies) {
        assert_eq!(desk.bench.get(&format!("{path}/export{query}")).await.text, *body);
    }
    let deeds = desk.store.deeds("", &id, jiff::Timestamp::UNIX_EPOCH, 2).await.unwrap();
    let told: Vec<_> = deeds.iter().map(|deed| (deed.action.as_str(), deed.target.as_deref().unwrap())).collect();
    assert_eq!(told, [("export", "stix Ejemplo.es"), ("export", "csv Ejemplo.es")]);
}

#[tokio::test]
async fn where_there_is_nothing_to_give_it_is_said_why() {
    let desk = Desk::new();
    let bench = &desk.bench;
    let id = bench.queued().await;
    let path = format!("/api/v1/scan/{id}");
    let refused = async |status: u16, code: &str, state: &str| {
        for what in ["export", "diff"] {
            let answer = bench.get(&format!("{path}/{what}")).await;
            let sentence = answer.error(status, code);
            assert!(sentence.contains(&id) && sentence.contains(state), "{sentence}");
            assert_eq!(
                (&answer.json()["error"]["status"], &answer.json()["error"]["task_id"]),
                (&json!(state), &json!(id))
            );
        }
    };
    refused(409, "unfinished_scan", "PENDING").await;
    bench.store(&id, "PROCESSING", RawJson::empty_object(), false).await;
    refused(409, "unfinished_scan", "PROCESSING").await;
    bench.store(&id, "FAILURE", TaskError::new("ValueError", "Nadie ha respondido.").to_result(), true).await;
    refused(409, "no_result", "FAILURE").await;
    assert!(bench.get(&format!("{path}/export")).await.text.contains("Nadie ha respondido."));
    let called_off = bench.queued().await;
    bench.call("DELETE", &format!("/api/v1/scan/{called_off}")).await;
    bench.get(&format!("/api/v1/scan/{called_off}/export")).await.error(409, "no_result");

    for what in ["export", "diff"] {
        bench.get(&format!("{UNKNOWN}/{what}")).await.error(404, "unknown_scan");
        bench.get(&format!("/api/v1/scan/no-soy-un-id/{what}")).await.error(404, "unknown_scan");
        bench.get(&format!("{path}/{what}?otro=1")).await.error(422, "invalid_query");
    }
    let answer = bench.get(&format!("{path}/export?format=xml")).await;
    answer.error(422, "unknown_format");
    assert_eq!(answer.json()["error"]["formats"], json!(["json", "csv", "stix"]));

    // A part of several that found nobody ends well for the engine.
    let part = bench.queued().await;
    let mut result = export_stix::result("dns", "ejemplo.es", &json!([]));
    result["success"] = json!(false);
    result["error"] = json!("Nadie.");
    desk.ended_with(&part, &result).await;
    let sentence = bench.get(&format!("/api/v1/scan/{part}/export")).await.error(409, "no_result");
    assert!(sentence.contains("FAILURE") && sentence.ends_with("Nadie."), "{sentence}");
    // A result of another program's.
    let foreign = bench.queued().await;
    desk.ended_with(&foreign, &json!({ "success": true })).await;
    bench.get(&format!("/api/v1/scan/{foreign}/export")).await.error(500, "unreadable_result");
}

#[tokio::test]
async fn a_scan_is_compared_with_the_one_before_it_or_with_another() {
    let desk = Desk::new();
    let bench = &desk.bench;
    let first = desk.scanned(json!([ip("1.1.1.1"), ip("9.9.9.9")])).await;
    bench.get(&format!("{first}/diff")).await.error(404, "nothing_to_compare");
    let second = desk.scanned(json!([ip("9.9.9.9")])).await;
    let third = desk.scanned(json!([ip("9.9.9.9"), ip("8.8.8.8")])).await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let diff = bench.get(&format!("{third}/diff")).await;
    assert_eq!((diff.status, &diff.headers["cache-control"]), (200, &"no-store".parse().unwrap()), "{}", diff.text);
    let diff = diff.json();
    assert_eq!((&diff["old"]["task_id"], &diff["new"]["task_id"]), (&json!(id(&second)), &json!(id(&third))));
    assert_eq!((&diff["target"], &diff["collector_type"]), (&json!("Ejemplo.es"), &json!("dns")));
    let counts = json!({ "added": 1, "newly_visible": 0, "removed": 0, "unconfirmed": 0, "changed": 0, "perhaps_changed": 0, "unchanged": 1 });
    assert_eq!(diff["summary"], counts);
    assert_eq!((&diff["added"][0]["value"], &diff["added"][0]["confidence"]), (&json!("8.8.8.8"), &json!(1.0)));
    let diff = bench.get(&format!("{third}/diff?with={}", id(&first))).await.json();
    assert_eq!((&diff["summary"]["added"], &diff["summary"]["removed"]), (&json!(1), &json!(1)));
    let simple = id(&first).replace('-', "");
    assert_eq!(bench.get(&format!("{third}/diff?with={simple}")).await.json(), diff, "in any spelling");

    bench.get(&format!("{third}/diff?with={}", id(&third))).await.error(422, "incomparable_scans");
    bench.get(&format!("{third}/diff?with=x")).await.error(404, "unknown_scan");
    let waiting = bench.queued().await;
    bench.get(&format!("{third}/diff?with={waiting}")).await.error(409, "unfinished_scan");
    for (target, kind) in [("otro.es", "dns"), ("ejemplo.es", "whois")] {
        let other = desk.asked("", target, kind, json!({})).await;
        desk.ended(&other, target, kind, json!([])).await;
        bench.get(&format!("{third}/diff?with={other}")).await.error(422, "incomparable_scans");
        bench.get(&format!("/api/v1/scan/{other}/diff")).await.error(404, "nothing_to_compare");
    }
}

#[tokio::test]
async fn the_one_before_asked_the_same_and_is_no_copy() {
    let desk = Desk::new();
    let first = desk.scanned(json!([ip("1.1.1.1")])).await;
    // Other options ask something else; a failure has nothing to say.
    let other = desk.asked("", "ejemplo.es", "dns", json!({ "axfr": false })).await;
    desk.ended(&other, "ejemplo.es", "dns", json!([])).await;
    let failed = desk.bench.queued().await;
    desk.bench.store(&failed, "FAILURE", TaskError::new("ValueError", "x").to_result(), true).await;
    desk.bench.get(&format!("/api/v1/scan/{failed}")).await;
    let second = desk.scanned(json!([ip("9.9.9.9")])).await;
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    // Answered from the history, it says what the second has said.
    let copy = desk.asked("", "EJEMPLO.es", "dns", json!({})).await;
    let mut result = export_stix::result("dns", "EJEMPLO.es", &json!([ip("9.9.9.9")]));
    result["id"] = json!(copy);
    result["metadata"]["cached_from"] = json!(id(&second));
    result["metadata"]["cache_age_s"] = json!(60);
    result["metadata"]["sources"] = sources();
    desk.bench.clock.advance(Duration::from_secs(1));
    let copy = desk.ended_with(&copy, &result).await;
    for path in [&second, &copy] {
        let diff = desk.bench.get(&format!("{path}/diff")).await.json();
        assert_eq!(diff["old"]["task_id"], json!(id(&first)), "{diff}");
        assert_eq!((&diff["summary"]["added"], &diff["summary"]["removed"]), (&json!(1), &json!(1)), "{diff}");
    }
}

#[tokio::test]
async fn nobody_takes_or_compares_what_they_may_not_see() {
    let desk = Desk::new();
    let ana = desk.store.add_token("ana", 10).await.unwrap().unwrap();
    let eva = desk.store.add_token("eva", 10).await.unwrap().unwrap();
    let scan = async |token: &str, facts: Value| {
        let id = desk.asked(token, "ejemplo.es", "dns", json!({})).await;
        desk.bench.clock.advance(Duration::from_secs(1));
        let mut result = export_stix::result("dns", "ejemplo.es", &facts);
        result["id"] = json!(id);
        desk.bench.store(&id, "SUCCESS", RawJson::from(&result).unwrap(), true).await;
        let path = format!("/api/v1/scan/{id}");
        assert_eq!(desk.with(token, get(&path)).await.status, 200);
        (id, path)
    };
    let (hers, path) = scan(&ana, json!([ip("1.1.1.1")])).await;
    let (_, mine) = scan(&eva, json!([ip("9.9.9.9")])).await;
    assert_eq!(desk.with(&ana, get(&format!("{path}/export"))).await.status, 200);
    for what in ["export", "diff"] {
        desk.with(&eva, get(&format!("{path}/{what}"))).await.error(404, "unknown_scan");
        desk.bench.get(&format!("{path}/{what}")).await.error(401, "unauthorized");
    }
    desk.with(&eva, get(&format!("{mine}/diff?with={hers}"))).await.error(404, "unknown_scan");
    desk.with(&eva, get(&format!("{mine}/diff"))).await.error(404, "nothing_to_compare");
    let deeds = desk.store.deeds("", &hers, jiff::Timestamp::UNIX_EPOCH, 1).await.unwrap();
    assert_eq!((deeds[0].who.as_str(), deeds[0].action.as_str()), ("ana", "export"));
    // At the command line there is nobody to be asked who they are.
    let told = Told::remembered(&desk.store, &hers.to_uppercase()).await.unwrap();
    assert_eq!(told.before(&desk.store, "").await.unwrap_err().code(), "nothing_to_compare");
}
