//! A whole scan by the `whois` collector, from the API to the stored result, set up by nothing but settings.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use svc_osint::Osint;
use svc_osint::error::{FAILED, UNAVAILABLE};
use svc_osint::target::Target;

use crate::bench::{Bench, settings};
use crate::web::serve;
use crate::whois_fake::Port43;

/// IANA, whose list says that `server` answers for `key`.
async fn iana(key: &str, server: SocketAddr) -> SocketAddr {
    let list = json!({ "services": [[[key], [format!("http://{server}/")]]] }).to_string();
    serve(Router::new().route("/{file}", get(async move || list.clone()))).await
}

fn osint(iana: SocketAddr, whois: SocketAddr, rdap: SocketAddr) -> Osint {
    let variables = [
        ("OSINT_PROVIDER_URLS", format!("iana_rdap=http://{iana}")),
        ("OSINT_WHOIS_SERVER", whois.to_string()),
        ("OSINT_ALLOW_SOCKETS", format!("{iana},{whois},{rdap}")),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut settings = settings(&variables).unwrap();
    settings.patience.pause = std::time::Duration::from_millis(1);
    Osint::new(settings)
}

async fn queued(bench: &Bench, target: &str) -> Value {
    let answer = bench.post("/api/v1/scan", &json!({ "target": target, "type": "whois" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_system_is_scanned_from_the_api_to_the_result() {
    let asn = json!({ "objectClassName": "autnum", "startAutnum": 3333, "endAutnum": 3333, "name": "RIPE-NCC-AS" });
    let rdap = serve(Router::new().route("/autnum/3333", get(async move || asn.to_string()))).await;
    let whois = Port43::saying("").await;
    let bench = Bench::new();
    let id = queued(&bench, "as3333").await["task_id"].as_str().unwrap().to_owned();
    bench.work(osint(iana("3154-3353", rdap).await, whois.address, rdap)).await.unwrap();
    let status = bench.get(&format!("/api/v1/scan/{id}")).await.json();
    let result = &status["result"];
    assert_eq!((&status["status"], &result["success"]), (&json!("SUCCESS"), &json!(true)), "{status:#}");
    assert_eq!((&result["data"]["asn"]["name"], &result["data"]["asked"]), (&json!("RIPE-NCC-AS"), &json!("AS3333")));
    let findings = result["data"]["findings"].as_array().unwrap();
    assert_eq!((&findings[0]["type"], &findings[0]["value"]), (&json!("asn"), &json!("AS3333")));
    assert!(findings[0]["evidence"][0]["sha256"].is_string(), "{findings:#?}");
    assert!(whois.asked().is_empty());
}

#[tokio::test]
async fn who_only_knows_whom_to_ask_has_not_answered() {
    let rdap = serve(Router::new().fallback(get(async || StatusCode::BAD_REQUEST))).await;
    for (text, exception) in [("Quota exceeded", UNAVAILABLE), ("% This query returned 0 objects.", FAILED)] {
        let whois = Port43::saying(text).await;
        let bench = Bench::new();
        queued(&bench, "www.example.com").await;
        let error = bench.work(osint(iana("com", rdap).await, whois.address, rdap)).await.unwrap_err();
        assert_eq!(error.record().exc_type, exception, "{text}");
        assert_eq!(whois.asked(), ["example.com\r\n"]);
    }
}

#[tokio::test]
async fn a_system_nobody_can_have_is_refused_at_the_door() {
    let bench = Bench::new();
    for (target, why) in [("AS64512", "es de uso privado"), ("AS0", "no existe"), ("3333", "escriba «AS3333»")] {
        let answer = bench.post("/api/v1/scan", &json!({ "target": target, "type": "whois" })).await;
        let sentence = answer.error(422, "invalid_target");
        assert!(sentence.contains(why) && sentence.contains("un sistema autónomo (AS3333)"), "{sentence}");
    }
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn of_all_types_a_system_is_asked_of_those_that_take_it() {
    let bench = Bench::new();
    let answer = bench.post("/api/v1/scan", &json!({ "target": "AS3333", "type": "all" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let message = bench.claim().await.message;
    assert_eq!(message.payload().unwrap().args.elements().unwrap()[0].as_str(), "\"AS3333\"");
}

#[test]
fn a_system_can_stand_on_the_list_of_what_may_be_scanned() {
    let allowed = settings(&[("OSINT_ALLOW_TARGETS", "as3333, example.com")]).unwrap().allowed;
    let admits = |number| allowed.admits(&Target::Asn(number));
    assert!(admits(3_333) && !admits(3_334));
    let sentence = settings(&[("OSINT_ALLOW_TARGETS", "AS64512")]).map(|_| ()).unwrap_err();
    assert!(sentence.contains("AS64512"), "{sentence}");
}
