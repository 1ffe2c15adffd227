//! Scans that are done again and again: kept as entries of the engine's schedules, sent as those say, seen by their owner.

use apium_beat::{Catalogue, Entry};
use axum::body::Body;
use axum::http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};
use svc_osint::Osint;
use svc_osint::housekeeping::SCHEDULE;
use svc_osint::store::Filter;

use crate::access::{Guarded, get};
use crate::bench::{Bench, posted, settings};
use crate::responder::{Responder, answer_to, kind_of, record_for};

const A: u16 = 1;

/// Answers A with an address, and everything else with nothing.
fn domain() -> Responder {
    let answer = |question: &[u8]| match kind_of(question) {
        A => vec![record_for(question, A, 60, &[192, 0, 2, 1])],
        _ => vec![answer_to(question, 0)],
    };
    Responder::both(answer, answer)
}

fn osint(server: &Responder, history: &str) -> Osint {
    let resolver = server.address().to_string();
    let all = [("OSINT_RESOLVERS", resolver.as_str()), ("OSINT_AXFR", "false"), ("OSINT_DATABASE", history)];
    Osint::new(settings(&all).unwrap())
}

fn weekly(target: &str) -> Value {
    json!({"target": target, "type": "dns", "schedule": "0 9 * * 1", "zone": "Europe/Madrid"})
}

async fn entry(bench: &Bench, id: &Value) -> Entry {
    let name = format!("osint-repeat-{}", id.as_str().unwrap());
    Catalogue::new(&bench.client).get(&name).await.unwrap().entry
}

/// Sends what is due, as a scheduler does.
async fn due(bench: &Bench, entry: &Entry) {
    bench.client.send(&entry.signature(Timestamp::now())).await.unwrap();
}

fn call(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_repeat_is_an_entry_whose_runs_ask_anew_for_their_owner() {
    let guarded = Guarded::new();
    let token = guarded.token("ana", 10).await;
    let kept = guarded.with(&token, posted("/api/v1/repeats", &weekly("Ejemplo.ES"))).await;
    assert_eq!(kept.status, 201, "{}", kept.text);
    let kept = kept.json();
    assert_eq!((&kept["target"], &kept["collector_type"]), (&json!("Ejemplo.ES"), &json!("dns")));
    assert_eq!((&kept["zone"], &kept["owner"]), (&json!("Europe/Madrid"), &json!("ana")));
    let next: Timestamp = kept["next"].as_str().unwrap().parse().unwrap();
    assert!(next > Timestamp::now());

    let (bench, server) = (&guarded.bench, domain());
    let entry = entry(bench, &kept["repeat_id"]).await;
    assert_eq!(entry.next(Timestamp::now()), Some(next));
    for _ in 0..2 {
        due(bench, &entry).await;
        bench.work(osint(&server, &guarded.url)).await.unwrap();
    }
    let filter = Filter { owner: "ana".to_owned(), limit: 10, ..Filter::default() };
    let scans = guarded.store.list(&filter).await.unwrap();
    // Two due times within one second are one run to the engine.
    assert!(!scans.is_empty() && scans.iter().all(|scan| scan.state == "SUCCESS"), "{scans:?}");
    let result = guarded.store.result(&scans[0].id).await.unwrap().unwrap();
    assert!(result["metadata"].get("cached_from").is_none(), "it was asked anew: {result}");
    let deeds = guarded.store.deeds("ana", "", Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert_eq!((deeds[0].action.as_str(), deeds[0].target.as_deref()), ("repeat", Some("dns Ejemplo.ES")));
}

#[tokio::test]
async fn a_repeat_is_paused_resumed_and_dropped() {
    let bench = Bench::new();
    let kept = bench.post("/api/v1/repeats", &weekly("ejemplo.es")).await.json();
    let path = format!("/api/v1/repeats/{}", kept["repeat_id"].as_str().unwrap());
    assert_eq!(bench.get(&path).await.json(), kept);
    assert_eq!(bench.get("/api/v1/repeats").await.json()["repeats"], json!([kept]));
    let paused = bench.call("POST", &format!("{path}/pause")).await.json();
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &Value::Null));
    let resumed = bench.call("POST", &format!("{path}/resume")).await.json();
    assert_eq!((&resumed["paused"], &resumed["next"]), (&json!(false), &kept["next"]));
    assert_eq!(bench.call("DELETE", &path).await.status, 204);
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/pause"))] {
        bench.call(method, &path).await.error(404, "unknown_repeat");
    }
    bench.get("/api/v1/repeats/nada").await.error(404, "unknown_repeat");
    assert_eq!(bench.get("/api/v1/repeats").await.json()["repeats"], json!([]));
}

#[tokio::test]
async fn each_token_sees_its_own_and_a_revoked_one_scans_no_more() {
    let guarded = Guarded::new();
    let (ana, eva) = (guarded.token("ana", 10).await, guarded.token("eva", 10).await);
    let kept = guarded.with(&ana, posted("/api/v1/repeats", &weekly("ejemplo.es"))).await.json();
    let path = format!("/api/v1/repeats/{}", kept["repeat_id"].as_str().unwrap());
    guarded.with(&eva, get(&path)).await.error(404, "unknown_repeat");
    guarded.with(&eva, call("DELETE", &path)).await.error(404, "unknown_repeat");
    assert_eq!(guarded.with(&eva, get("/api/v1/repeats")).await.json()["repeats"], json!([]));
    assert_eq!(guarded.with(&ana, get(&path)).await.status, 200);
    guarded.bench.get("/api/v1/repeats").await.error(401, "unauthorized");

    guarded.store.revoke_token("ana").await.unwrap();
    let entry = entry(&guarded.bench, &kept["repeat_id"]).await;
    due(&guarded.bench, &entry).await;
    let server = domain();
    let error = guarded.bench.work(osint(&server, &guarded.url)).await.unwrap_err();
    assert!(error.to_string().contains("ha sido revocado"), "{error}");
    assert_eq!(server.asked(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_schedule_that_is_none_or_too_often_or_never_is_refused() {
    let bench = Bench::new();
    let ask = async |schedule: Value, zone: Value| {
        let mut body = weekly("ejemplo.es");
        (body["schedule"], body["zone"]) = (schedule, zone);
        bench.post("/api/v1/repeats", &body).await
    };
    for (schedule, told) in [
        (json!("* * * * *"), "5 minutos"),
        (json!("0,4 * * * *"), "5 minutos"),
        (json!(299), "5 minutos"),
        (json!({"once": "2020-01-01T00:00:00Z"}), "nunca"),
        (json!("0 9 * *"), "crontab"),
        (json!(-1), "crontab"),
        (json!({"crontab": "0 9 * * 1", "interval": 60}), "crontab"),
        (json!({"luna": "llena"}), "crontab"),
    ] {
        let answer = ask(schedule.clone(), json!("UTC")).await;
        let sentence = answer.error(422, "invalid_schedule");
        assert!(sentence.contains(told), "{schedule}: {sentence}");
        assert_eq!(answer.json()["error"]["field"], "schedule");
    }
    let answer = ask(json!(3_600), json!("Europa/Madrid")).await;
    answer.error(422, "invalid_schedule");
    assert_eq!(answer.json()["error"]["field"], "zone");
    ask(json!([1, 2]), json!("UTC")).await.error(422, "invalid_body");
    for good in [
        json!(300),
        json!({"interval": {"every": "24h", "relative": true}}),
        json!({"crontab": {"hour": 3, "minute": 0}}),
    ] {
        let answer = ask(good.clone(), json!("UTC")).await;
        assert_eq!(answer.status, 201, "{good}: {}", answer.text);
    }
    let nobody = json!({"target": "192.88.0.1", "type": "metadata", "schedule": 3600});
    bench.post("/api/v1/repeats", &nobody).await.error(422, "invalid_target");
}

#[tokio::test]
async fn the_first_scan_sees_to_the_housekeeping_and_leaves_what_is_there() {
    let (bench, server) = (Bench::new(), domain());
    let entries = Catalogue::new(&bench.client);
    assert!(entries.list().await.unwrap().is_empty(), "where nobody scans there is nothing to keep");
    bench.queued().await;
    bench.work(osint(&server, crate::bench::MEMORY)).await.unwrap();
    assert_eq!(entries.get(SCHEDULE).await.unwrap().entry.task, svc_osint::contract::HOUSEKEEPING);
    entries.pause(SCHEDULE, true).await.unwrap();
    bench.queued().await;
    bench.work(osint(&server, crate::bench::MEMORY)).await.unwrap();
    assert!(entries.get(SCHEDULE).await.unwrap().entry.paused, "what an operator has decided stays");
}
