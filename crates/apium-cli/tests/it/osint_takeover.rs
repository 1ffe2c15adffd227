//! A worker that is killed in the middle of a scan: another takes it over, and pays for no answer twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::post;
use crate::place::{Place, Program};
use crate::provider::{Manner, Provider};
use crate::running::Running;
use crate::scanning::{finished, serving};
use crate::server::Server;

const DOMAIN: &str = r#"{"apex_domain":"example.com","hostname":"example.com","subdomain_count":1,"current_dns":{
 "a":{"first_seen":"2017-06-15","values":[{"ip":"93.184.216.34","ip_count":7,"ip_organization":"Edgecast Inc."}]}}}"#;
const SUBDOMAINS: &str = r#"{"meta":{"limit_reached":false},"subdomain_count":1,"subdomains":["www"]}"#;
const HISTORY: &str = r#"{"pages":1,"type":"a/ipv4","records":[{"first_seen":"2011-01-07","last_seen":"2011-03-25",
 "organizations":null,"values":[{"ip":"69.174.241.122","ip_count":1}]}]}"#;
/// The question at which the worker is killed, the fifth of eight.
const LAST: &str = "/v1/history/example.com/dns/mx";

/// A worker whose claims another may take two seconds after it was last heard of.
fn worker(place: &Place, name: &str) -> Running {
    let mut worker = place.start(Program::Apium, &["worker", "-n", name, "-c", "4", "--lease", "2"]);
    worker.until_says("Ctrl-C stops.");
    worker
}

/// The window has room for the eight questions, and for the one that was under way a second time: not for one more.
#[test]
fn what_was_answered_is_not_asked_again() {
    let server = Server::start();
    let provider = Provider::that(|path, before| match path {
        LAST if before == 0 => Manner::Silence,
        _ if path.contains("/history/") => Manner::Answer(200, "", HISTORY),
        _ if path.ends_with("/subdomains") => Manner::Answer(200, "", SUBDOMAINS),
        _ => Manner::Answer(200, "", DOMAIN),
    });
    let place = provider.at(Place::on(&server.url()), "securitytrails=9/h");
    let (_serve, api) = serving(&place, "serve", &[]);
    let mut first = worker(&place, "first@%h");
    let wanted = json!({"target": "example.com", "type": "securitytrails", "options": {"history": true}});
    let (status, accepted) = post(&api, "/api/v1/scan", &wanted);
    assert_eq!(status, 202, "{accepted}");
    provider.until_asked(LAST);
    first.kill();
    let _second = worker(&place, "second@%h");
    let scan = finished(&api, &accepted);
    let result = &scan["result"];
    assert_eq!((&scan["status"], &result["success"]), (&json!("SUCCESS"), &json!(true)), "{scan}");
    assert_eq!(result["metadata"]["truncated"], false);

    let asked: Vec<String> = provider.asked().into_iter().map(|asked| asked.path).collect();
    let times = |path: &str| asked.iter().filter(|asked| *asked == path).count();
    assert_eq!(asked.len(), 9, "{asked:?}");
    for path in &asked {
        assert_eq!(times(path), if path == LAST { 2 } else { 1 }, "{path} in {asked:?}");
    }
    // What the second attempt had from the first took no request of its own.
    let sources = result["metadata"]["sources"].as_array().unwrap();
    assert!(sources.iter().all(|source| source["status"] == "ok"), "{sources:?}");
    let requests: Vec<u64> = sources.iter().map(|source| source["requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [0, 0, 0, 0, 1, 1, 1, 1], "{sources:?}");
    assert_eq!(result["data"]["history"].as_object().unwrap().len(), 6);

    // The window knows of nine requests: a tenth has to wait for most of an hour.
    let (_, accepted) = post(&api, "/api/v1/scan", &json!({"target": "example.org", "type": "securitytrails"}));
    let full = finished_early(&api, &accepted);
    assert_eq!(full["meta"]["sources"][0]["reason"], "window-full", "{full}");
    let wait = full["meta"]["sources"][0]["retry_after"].as_u64().map(Duration::from_secs).unwrap();
    assert!(wait > Duration::from_mins(50), "{full}");
    assert_eq!(provider.asked().len(), 9);
}

/// It asks for more patience than any scan has, and so ends at once.
fn finished_early(api: &str, accepted: &Value) -> Value {
    let scan = finished(api, accepted);
    assert_eq!(scan["status"], "FAILURE", "{scan}");
    scan
}
