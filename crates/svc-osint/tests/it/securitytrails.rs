//! The `securitytrails` collector against a fake of it: records, names, a history that costs, and quotas.

use serde_json::{Value, json};
use svc_osint::model::SourceStatus;

use crate::provider_fakes::{Fake, KEY, Told, asking, keyless, reply, scan};

/// `/v1/domain/example.com`.
pub(crate) const DOMAIN: &str = r#"{"alexa_rank":null,"apex_domain":"example.com","hostname":"example.com",
"subdomain_count":3,"endpoint":"/v1/domain/example.com","current_dns":{
 "a":{"first_seen":"2017-06-15","values":[{"ip":"93.184.216.34","ip_count":7,"ip_organization":"Edgecast Inc."}]},
 "aaaa":{"first_seen":"2017-06-15","values":[{"ipv6":"2606:2800:220:1::1","ipv6_count":1,"ipv6_organization":null}]},
 "mx":{"first_seen":"2018-08-27","values":[{"hostname":"mail.example.net","hostname_count":1,
  "hostname_organization":null,"priority":10}]},
 "ns":{"first_seen":"2017-06-15","values":[{"nameserver":"a.iana-servers.net","nameserver_count":27,
  "nameserver_organization":"ICANN"}]},
 "soa":{"first_seen":"2018-08-27","values":[{"email":"noc.dns.icann.org","email_count":40,"ttl":3600}]},
 "txt":{}}}"#;
/// `/v1/domain/example.com/subdomains`: the part before the domain only.
pub(crate) const SUBDOMAINS: &str = r#"{"endpoint":"/v1/domain/example.com/subdomains","meta":{"limit_reached":false},
"subdomain_count":3,"subdomains":["www","a.b","_dmarc"]}"#;
/// `/v1/history/example.com/dns/a`.
pub(crate) const HISTORY: &str = r#"{"endpoint":"/v1/history/example.com/dns/a","pages":1,"type":"a/ipv4","records":[
 {"first_seen":"2011-01-07","last_seen":"2011-03-25","organizations":["Peer 1 Network (USA) Inc."],"type":"a",
  "values":[{"ip":"69.174.241.122","ip_count":1}]},
 {"first_seen":"2008-09-01","last_seen":"2008-10-21","organizations":null,"values":[{"ip":"69.65.119.245","ip_count":3}]}]}"#;
/// `/v1/ips/nearby/9.9.9.9`.
pub(crate) const NEARBY: &str = r#"{"endpoint":"/v1/ips/nearby/9.9.9.9","blocks":[
 {"active_egress":false,"current":true,"hostnames":["dns9.quad9.net"],"ip":"9.9.9.9","ports":[53,443],"sites":1},
 {"active_egress":null,"hostnames":[],"ip":"9.9.9.10","ports":[],"sites":0}]}"#;
/// What it says of what it does not know.
pub(crate) const UNKNOWN: &str = r#"{"message":"No records found"}"#;

const SPENT: &str = r#"{"message":"You've exceeded the usage limits for your account."}"#;
const TYPES: [&str; 6] = ["a", "aaaa", "mx", "ns", "soa", "txt"];

async fn fake() -> Fake {
    Fake::with(&[
        ("/v1/domain/example.com/subdomains", 200, SUBDOMAINS),
        ("/v1/domain/example.com", 200, DOMAIN),
        ("/v1/history/example.com/dns/", 200, HISTORY),
        ("/v1/ips/nearby/9.9.9.9", 200, NEARBY),
    ])
    .await
}

async fn told(fake: &Fake, options: Value) -> Told {
    scan(&asking(fake), "securitytrails", "example.com", options).await
}

#[tokio::test]
async fn a_domain_has_records_and_names() {
    let fake = fake().await;
    let told = told(&fake, json!({})).await;
    assert_eq!(fake.paths(), ["/v1/domain/example.com", "/v1/domain/example.com/subdomains"]);
    assert!(fake.asked().iter().all(|asked| asked.headers["apikey"] == KEY));
    for source in ["securitytrails:domain", "securitytrails:subdomains"] {
        assert_eq!(told.verdict(source), (SourceStatus::Ok, ""));
    }
    let dns = &told.data["current_dns"];
    assert_eq!(
        dns["a"]["values"][0],
        json!({ "ip": "93.184.216.34", "ip_count": 7, "ip_organization": "Edgecast Inc." })
    );
    assert_eq!(dns["mx"]["values"][0]["priority"], 10);
    assert_eq!((&dns["soa"]["first_seen"], &dns["txt"]), (&json!("2018-08-27"), &json!({})));
    assert_eq!((&told.data["apex_domain"], &told.data["alexa_rank"]), (&json!("example.com"), &Value::Null));
    assert_eq!(told.data["subdomains"], json!(["_dmarc.example.com", "a.b.example.com", "www.example.com"]));
    assert_eq!(told.data["subdomains_total"], 3);
    assert_eq!(told.values("ip"), ["93.184.216.34", "2606:2800:220:1::1"]);
    assert!(told.values("dns_record").contains(&"example.com NS a.iana-servers.net"));
    assert!(told.values("subdomain").contains(&"mail.example.net"));
    assert!(told.values("subdomain").contains(&"www.example.com"));
    assert!(!told.truncated && !told.shown.contains(KEY));
}

#[tokio::test]
async fn the_history_costs_six_requests_and_is_asked_for_by_name() {
    let fake = fake().await;
    let told = told(&fake, json!({ "history": true })).await;
    let asked: Vec<_> = TYPES.iter().map(|kind| format!("/v1/history/example.com/dns/{kind}")).collect();
    assert_eq!(fake.paths()[2..], asked);
    for kind in TYPES {
        assert_eq!(told.verdict(&format!("securitytrails:history:{kind}")), (SourceStatus::Ok, ""));
    }
    let period = json!({
        "first_seen": "2011-01-07", "last_seen": "2011-03-25", "organizations": ["Peer 1 Network (USA) Inc."],
        "values": [{ "ip": "69.174.241.122", "ip_count": 1 }],
    });
    assert_eq!(told.data["history"]["a"][0], period);
    let past = told.findings("ip").into_iter().find(|it| it["value"] == "69.174.241.122").unwrap();
    assert_eq!(
        (&past["attributes"]["last_seen"], &past["attributes"]["historical"]),
        (&json!("2011-03-25"), &json!(true))
    );
}

#[tokio::test]
async fn a_history_nobody_asked_for_says_how_to() {
    let fake = fake().await;
    for options in [json!({}), json!({ "history": false })] {
        let told = told(&fake, options).await;
        for kind in TYPES {
            let source = format!("securitytrails:history:{kind}");
            assert_eq!(told.verdict(&source), (SourceStatus::Skipped, "not-asked"));
            let report = told.source(&source);
            assert!(report.detail.as_ref().unwrap().contains("«history»"), "{report:?}");
            assert_eq!(report.requests, 0);
        }
        assert!(told.success && !told.data.contains_key("history"));
    }
}

#[tokio::test]
async fn what_was_cut_off_is_said() {
    let limited = SUBDOMAINS.replace("false", "true");
    let pages = HISTORY.replace("\"pages\":1", "\"pages\":2");
    let cut = Fake::with(&[("/v1/domain/example.com/subdomains", 200, &limited), ("/v1/domain", 200, DOMAIN)]).await;
    assert!(told(&cut, json!({})).await.truncated);
    let long = Fake::with(&[
        ("/v1/domain/example.com/subdomains", 200, SUBDOMAINS),
        ("/v1/domain", 200, DOMAIN),
        ("/v1/history", 200, &pages),
    ])
    .await;
    assert!(told(&long, json!({ "history": true })).await.truncated);
}

#[tokio::test]
async fn an_address_has_neighbours() {
    let fake = fake().await;
    let told = scan(&asking(&fake), "securitytrails", "9.9.9.9", json!({})).await;
    assert_eq!(told.verdict("securitytrails:neighbours"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["neighbours"][0]["hostnames"], json!(["dns9.quad9.net"]));
    assert_eq!(told.values("subdomain"), ["dns9.quad9.net"]);

    let told = scan(&asking(&fake), "securitytrails", "2620:fe::fe", json!({})).await;
    assert_eq!(told.verdict("securitytrails:neighbours"), (SourceStatus::Skipped, "ipv4-only"));
    assert_eq!(fake.paths().len(), 1);
}

#[tokio::test]
async fn nothing_known_is_an_empty_answer() {
    let nothing = r#"{"hostname":"example.com","apex_domain":"example.com","current_dns":{"a":{},"mx":{},"txt":null}}"#;
    let none = r#"{"subdomains":[],"meta":{"limit_reached":false}}"#;
    for (status, domain, subdomains) in [(200, nothing, none), (404, UNKNOWN, UNKNOWN)] {
        let pages = [("/v1/domain/example.com/subdomains", status, subdomains), ("/v1/domain", status, domain)];
        let told = told(&Fake::with(&pages).await, json!({})).await;
        assert_eq!(told.verdict("securitytrails:domain"), (SourceStatus::Empty, ""));
        assert_eq!(told.verdict("securitytrails:subdomains"), (SourceStatus::Empty, ""));
        assert!(told.success);
    }
}

#[tokio::test]
async fn a_spent_month_ends_the_asking_and_says_until_when() {
    let fake = Fake::with(&[("/", 429, SPENT)]).await;
    let told = told(&fake, json!({ "history": true })).await;
    let first = told.source("securitytrails:domain");
    assert_eq!(told.verdict("securitytrails:domain"), (SourceStatus::RateLimited, "quota-exceeded"));
    assert!(first.detail.as_ref().unwrap().contains("-01 00:00:00 UTC"), "{first:?}");
    assert!((1..=31 * 86_400).contains(&first.retry_after.unwrap()));
    assert_eq!(told.verdict("securitytrails:subdomains"), (SourceStatus::RateLimited, "quota-spent"));
    assert_eq!(told.verdict("securitytrails:history:txt"), (SourceStatus::RateLimited, "quota-spent"));
    assert_eq!((fake.paths().len(), told.success), (1, false));
}

#[tokio::test]
async fn a_key_revoked_in_the_middle_keeps_what_was_told_before() {
    let fake = Fake::answering(|asked| match asked.before {
        0 => reply(200, DOMAIN),
        1 => reply(200, SUBDOMAINS),
        2 => reply(200, HISTORY),
        _ => reply(401, r#"{"message":"Invalid authentication credentials"}"#),
    })
    .await;
    let told = told(&fake, json!({ "history": true })).await;
    assert_eq!(told.verdict("securitytrails:history:a"), (SourceStatus::Ok, ""));
    assert_eq!(told.verdict("securitytrails:history:aaaa"), (SourceStatus::Failed, "key-rejected"));
    for kind in ["mx", "ns", "soa", "txt"] {
        let source = format!("securitytrails:history:{kind}");
        assert_eq!(told.verdict(&source), (SourceStatus::Skipped, "key-rejected"));
        assert_eq!(told.source(&source).requests, 0);
    }
    assert_eq!(fake.paths().len(), 4);
    assert!(told.success && told.data["history"].get("a").is_some() && told.data["history"].get("mx").is_none());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let plan = r#"{"message":"This feature is not available for your subscription package."}"#;
    let cases = [
        (401, r#"{"message":"No API key found in request"}"#, SourceStatus::Failed, "key-rejected"),
        (403, r#"{"message":"Invalid authentication credentials"}"#, SourceStatus::Failed, "key-rejected"),
        (403, plan, SourceStatus::Blocked, "plan"),
        (429, r#"{"message":"API rate limit exceeded"}"#, SourceStatus::RateLimited, "http-429"),
        (404, "<html></html>", SourceStatus::Failed, "http-404"),
        (200, r#"{"message":"?"}"#, SourceStatus::Failed, "invalid-response"),
    ];
    for (status, body, expected, reason) in cases {
        let fake = Fake::with(&[("/", status, body)]).await;
        let told = scan(&asking(&fake), "securitytrails", "9.9.9.9", json!({})).await;
        assert_eq!(told.verdict("securitytrails:neighbours"), (expected, reason), "{status} {body}");
    }
    let fake = Fake::with(&[]).await;
    let told = scan(&keyless(&fake), "securitytrails", "example.com", json!({ "history": true })).await;
    assert_eq!(told.verdict("securitytrails:history:mx"), (SourceStatus::MissingKey, "missing-key"));
    assert!(fake.paths().is_empty());
}
