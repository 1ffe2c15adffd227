//! The `virustotal` collector against a fake of VirusTotal: each kind of object, each refusal it documents.

use serde_json::{Value, json};
use svc_osint::model::SourceStatus;

use crate::provider_fakes::{Fake, KEY, asking, keyless, scan};

/// A domain.
pub(crate) const DOMAIN: &str = r#"{"data":{"id":"example.com","type":"domain",
"links":{"self":"https://www.virustotal.com/api/v3/domains/example.com"},"attributes":{
 "last_analysis_stats":{"malicious":2,"suspicious":1,"undetected":20,"harmless":65,"timeout":0},
 "last_analysis_date":1764000000,"reputation":-7,"total_votes":{"harmless":3,"malicious":9},
 "categories":{"BitDefender":"business","Sophos":"general business"},"tags":["dga"],
 "registrar":"RESERVED-Internet Assigned Numbers Authority","whois":"Domain Name: EXAMPLE.COM\nRegistrar: IANA",
 "whois_date":1763000000,"creation_date":808372800,"jarm":"29d","popularity_ranks":{},"last_dns_records":[],
 "last_analysis_results":{
  "Kaspersky":{"category":"malicious","result":"phishing","method":"blacklist","engine_name":"Kaspersky"},
  "Acronis":{"category":"harmless","result":"clean","method":"blacklist","engine_name":"Acronis"},
  "Otro":{"category":"suspicious","result":null,"method":"blacklist","engine_name":"Otro"}}}}}"#;
/// What VirusTotal says of what it does not know.
pub(crate) const UNKNOWN: &str = r#"{"error":{"code":"NotFoundError","message":"Domain \"example.com\" not found"}}"#;

const STATS: &str = r#""last_analysis_stats":{"malicious":0,"suspicious":0,"undetected":1,"harmless":1,"timeout":0}"#;
const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

fn object(kind: &str, id: &str, attributes: &str) -> String {
    format!(r#"{{"data":{{"id":"{id}","type":"{kind}","attributes":{{{attributes}}}}}}}"#)
}

#[tokio::test]
async fn a_domain_is_described() {
    let fake = Fake::with(&[("/api/v3/domains/example.com", 200, DOMAIN)]).await;
    let told = scan(&asking(&fake), "virustotal", "example.com", json!({})).await;
    assert_eq!(told.verdict("virustotal"), (SourceStatus::Ok, ""));
    assert_eq!(fake.asked()[0].headers["x-apikey"], KEY);
    let data = |key: &str| told.data[key].clone();
    let stats = json!({ "malicious": 2, "suspicious": 1, "harmless": 65, "undetected": 20, "timeout": 0 });
    assert_eq!(data("last_analysis_stats"), stats);
    assert_eq!((data("object_type"), data("object_id")), (json!("domain"), json!("example.com")));
    assert_eq!(data("last_analysis_date"), json!("2025-11-24T16:00:00Z"));
    assert_eq!((data("reputation"), data("tags")), (json!(-7), json!(["dga"])));
    assert_eq!(data("categories")["Sophos"], "general business");
    assert_eq!(data("registrar"), json!("RESERVED-Internet Assigned Numbers Authority"));
    assert_eq!(data("whois"), json!("Domain Name: EXAMPLE.COM\nRegistrar: IANA"));
    assert_eq!(data("creation_date"), json!("1995-08-14T04:00:00Z"));
    assert_eq!((data("asn"), data("sha256")), (Value::Null, Value::Null), "null is what nobody said");
    let detections = json!([
        { "engine": "Kaspersky", "category": "malicious", "result": "phishing" },
        { "engine": "Otro", "category": "suspicious", "result": null },
    ]);
    assert_eq!(data("detections"), detections);
    assert_eq!(told.values("reputation"), ["example.com"]);
    assert_eq!(told.findings("reputation")[0]["attributes"]["last_analysis_stats"], stats);
    assert_eq!(told.findings("reputation")[0]["source_url"], "https://www.virustotal.com/gui/domain/example.com");
    assert_eq!(told.values("registrar"), ["RESERVED-Internet Assigned Numbers Authority"]);
    assert!(!told.shown.contains(KEY));
}

#[tokio::test]
async fn each_kind_of_target_is_asked_for_in_its_own_place() {
    let address = r#","asn":19281,"as_owner":"QUAD9-AS-1","network":"9.9.9.0/24","country":"US","reputation":0"#;
    let file =
        r#","md5":"d41d8","sha1":"da39a","sha256":"e3b0c","size":0,"names":["vacio"],"type_description":"unknown""#;
    let url = r#","url":"http://example.com/?a=1","last_final_url":"http://example.com/","threat_names":["Phish"]"#;
    let cases = [
        ("9.9.9.9", "/api/v3/ip_addresses/9.9.9.9", "ip_address", address, "asn", json!(19281)),
        ("2620:fe::fe", "/api/v3/ip_addresses/2620:fe::fe", "ip_address", address, "network", json!("9.9.9.0/24")),
        (SHA1, "/api/v3/files/da39a3ee5e6b4b0d3255bfef95601890afd80709", "file", file, "size", json!(0)),
        (
            "http://example.com/?a=1",
            "/api/v3/urls/aHR0cDovL2V4YW1wbGUuY29tLz9hPTE",
            "url",
            url,
            "threat_names",
            json!(["Phish"]),
        ),
    ];
    for (target, path, kind, attributes, key, value) in cases {
        let body = object(kind, "id", &format!("{STATS}{attributes}"));
        let fake = Fake::with(&[(path, 200, &body)]).await;
        let told = scan(&asking(&fake), "virustotal", target, json!({})).await;
        assert_eq!(told.verdict("virustotal"), (SourceStatus::Ok, ""), "{target}");
        assert_eq!(fake.paths(), [path]);
        assert_eq!((&told.data[key], &told.data["object_type"]), (&value, &json!(kind)), "{target}");
    }
}

#[tokio::test]
async fn what_was_never_analysed_gives_no_verdict() {
    let fake = Fake::with(&[("/", 200, &object("domain", "example.com", r#""reputation":0"#))]).await;
    let told = scan(&asking(&fake), "virustotal", "example.com", json!({})).await;
    assert_eq!(told.verdict("virustotal"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["last_analysis_stats"], Value::Null);
    assert!(told.values("reputation").is_empty());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let error = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"…"}}}}"#);
    let cases = [
        (404, error("NotFoundError"), SourceStatus::Empty, "", 1),
        (401, error("WrongCredentialsError"), SourceStatus::Failed, "key-rejected", 1),
        (401, error("UserNotActiveError"), SourceStatus::Failed, "key-rejected", 1),
        (401, error("AuthenticationRequiredError"), SourceStatus::Failed, "key-rejected", 1),
        (403, error("ForbiddenError"), SourceStatus::Blocked, "plan", 1),
        (429, error("QuotaExceededError"), SourceStatus::RateLimited, "quota-exceeded", 1),
        (429, error("TooManyRequestsError"), SourceStatus::RateLimited, "http-429", 3),
        (503, error("TransientError"), SourceStatus::Failed, "http-503", 3),
        (504, error("DeadlineExceededError"), SourceStatus::Failed, "http-504", 3),
        (400, error("InvalidArgumentError"), SourceStatus::Failed, "http-400", 1),
        (404, "Not Found".to_owned(), SourceStatus::Failed, "http-404", 1),
        (200, r#"{"data":[]}"#.to_owned(), SourceStatus::Failed, "invalid-response", 1),
        (
            200,
            r#"{"data":{"id":"x","type":"domain","attributes":[]}}"#.to_owned(),
            SourceStatus::Failed,
            "invalid-response",
            1,
        ),
    ];
    for (status, body, expected, reason, requests) in cases {
        let fake = Fake::with(&[("/", status, &body)]).await;
        let told = scan(&asking(&fake), "virustotal", "example.com", json!({})).await;
        assert_eq!(told.verdict("virustotal"), (expected, reason), "{status} {body}");
        assert_eq!(told.source("virustotal").requests, requests, "{status} {body}");
        assert_eq!(told.success, expected == SourceStatus::Empty);
        assert_eq!(told.source("virustotal").retry_after, (expected == SourceStatus::RateLimited).then_some(60));
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let fake = Fake::with(&[("/", 200, DOMAIN)]).await;
    let told = scan(&keyless(&fake), "virustotal", "example.com", json!({})).await;
    assert_eq!(told.verdict("virustotal"), (SourceStatus::MissingKey, "missing-key"));
    assert_eq!((told.success, told.source("virustotal").requests), (false, 0));
    assert!(fake.paths().is_empty());
}
