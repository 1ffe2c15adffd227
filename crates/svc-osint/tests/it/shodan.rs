//! The `shodan` collector against fakes of Shodan and InternetDB: fields, refusals, and a key that nobody else sees.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use svc_osint::model::SourceStatus;

use crate::provider_fakes::{Fake, KEY, asking, keyless, scan};

/// `/shodan/host/9.9.9.9`, with the nulls and the spare members it has.
pub(crate) const HOST: &str = r#"{"region_code":"CA","ip":151587081,"postal_code":null,"country_code":"US","city":"Berkeley",
"dma_code":null,"last_update":"2026-11-20T10:11:12.123456","latitude":37.87,"tags":["cloud"],"area_code":null,
"country_name":"United States","hostnames":["dns9.quad9.net"],"org":"Quad9","asn":"AS19281","isp":"Quad9","longitude":-122.27,
"domains":["quad9.net"],"ip_str":"9.9.9.9","os":null,"ports":[53,443],"vulns":["CVE-2021-23017","CVE-2019-0001"],"data":[
 {"port":443,"transport":"tcp","product":"nginx","version":"1.18.0","cpe":["cpe:/a:igor_sysoev:nginx:1.18.0"],
  "cpe23":["cpe:2.3:a:igor_sysoev:nginx:1.18.0"],"timestamp":"2026-11-20T10:11:12.123456","hash":-1,"data":"HTTP/1.1 200 OK",
  "_shodan":{"module":"https","crawler":"c1","options":{},"id":null},"location":{"city":null},"opts":{},
  "vulns":{"CVE-2021-23017":{"verified":true,"cvss":7.7,"summary":"off by one","references":[]},
           "CVE-2016-1247":{"verified":false,"cvss":"7.2"}}},
 {"port":53,"transport":"udp","product":null,"timestamp":"2026-11-19T00:00:00.000000","data":"\nRecursion: enabled",
  "_shodan":{"module":"dns-udp"},"vulns":null}]}"#;
/// `/9.9.9.9` of InternetDB.
pub(crate) const BRIEF: &str = r#"{"cpes":["cpe:/a:igor_sysoev:nginx:1.18.0"],"hostnames":["dns9.quad9.net"],"ip":"9.9.9.9",
"ports":[53,443,853],"tags":["cloud"],"vulns":["CVE-2021-23017"]}"#;
/// `/dns/domain/example.com`.
pub(crate) const DOMAIN: &str = r#"{"domain":"example.com","tags":["dmarc","spf"],"data":[
 {"subdomain":"","type":"MX","value":"mail.example.com","last_seen":"2026-11-01T00:00:00.000000+00:00"},
 {"subdomain":"www","type":"A","value":"93.184.216.34","last_seen":"2026-11-02T00:00:00.000000+00:00","ports":[80]},
 {"subdomain":"*.dev","type":"CNAME","value":"apps.example.net","last_seen":null}],
 "subdomains":["www","dev","mail"],"more":false}"#;
/// What Shodan says of an address it does not know.
pub(crate) const UNKNOWN: &str = r#"{"error": "No information available for that IP."}"#;
/// What InternetDB says then.
pub(crate) const UNKNOWN_BRIEF: &str = r#"{"detail":"No information available"}"#;

#[tokio::test]
async fn an_address_is_described() {
    let fake = Fake::with(&[("/shodan/host/9.9.9.9", 200, HOST), ("/9.9.9.9", 200, BRIEF)]).await;
    let told = scan(&asking(&fake), "shodan", "9.9.9.9", json!({})).await;
    assert_eq!(told.verdict("shodan:host"), (SourceStatus::Ok, ""));
    assert_eq!(told.verdict("internetdb"), (SourceStatus::Ok, ""));
    assert_eq!(fake.paths(), [format!("/shodan/host/9.9.9.9?key={KEY}"), "/9.9.9.9".to_owned()]);
    let data = |key: &str| told.data[key].clone();
    assert_eq!(data("ports"), json!([53, 443]));
    assert_eq!((data("hostnames"), data("domains")), (json!(["dns9.quad9.net"]), json!(["quad9.net"])));
    assert_eq!((data("org"), data("isp"), data("asn")), (json!("Quad9"), json!("Quad9"), json!("AS19281")));
    assert_eq!((data("os"), data("tags")), (Value::Null, json!(["cloud"])));
    assert_eq!(data("vulns"), json!(["CVE-2016-1247", "CVE-2019-0001", "CVE-2021-23017"]));
    assert_eq!(
        (data("summary_from"), data("last_update")),
        (json!("shodan:host"), json!("2026-11-20T10:11:12.123456"))
    );
    assert_eq!(data("location")["city"], "Berkeley");
    let service = json!({
        "port": 443, "transport": "tcp", "product": "nginx", "version": "1.18.0",
        "cpe": ["cpe:2.3:a:igor_sysoev:nginx:1.18.0"], "timestamp": "2026-11-20T10:11:12.123456",
        "vulns": ["CVE-2016-1247", "CVE-2021-23017"],
    });
    assert_eq!(data("services")[0], service);
    assert_eq!(data("internetdb")["ports"], json!([53, 443, 853]));
    assert_eq!(told.values("port"), ["443/tcp", "53/udp", "53", "443", "853"]);
    assert_eq!(told.values("service"), ["443/tcp nginx 1.18.0", "53/udp dns-udp"]);
    assert_eq!(told.values("asn"), ["AS19281"]);
    assert_eq!(told.values("subdomain"), ["dns9.quad9.net"]);
    assert_eq!(told.values("domain"), ["quad9.net"]);
    let software = ["cpe:2.3:a:igor_sysoev:nginx:1.18.0", "cpe:/a:igor_sysoev:nginx:1.18.0"];
    assert_eq!(told.values("software"), software);
    let tried = told.findings("vulnerability")[2];
    assert_eq!((&tried["value"], &tried["attributes"]["verified"]), (&json!("CVE-2021-23017"), &json!(true)));
    assert!(tried["confidence"].as_f64() > told.findings("vulnerability")[0]["confidence"].as_f64());
    assert_eq!(told.findings("vulnerability")[0]["attributes"]["cvss"], 7.2);
    assert!(!told.shown.contains(KEY));
}

#[tokio::test]
async fn without_a_key_internetdb_answers_alone() {
    let fake = Fake::with(&[("/9.9.9.9", 200, BRIEF)]).await;
    let told = scan(&keyless(&fake), "shodan", "9.9.9.9", json!({})).await;
    assert_eq!(told.verdict("shodan:host"), (SourceStatus::MissingKey, "missing-key"));
    assert!(told.source("shodan:host").detail.as_ref().unwrap().contains("SHODAN_API_KEY"));
    assert_eq!(fake.paths(), ["/9.9.9.9"]);
    assert!(told.success);
    assert_eq!((&told.data["ports"], &told.data["summary_from"]), (&json!([53, 443, 853]), &json!("internetdb")));
    assert!(!told.data.contains_key("services"), "nobody has told of services");
}

#[tokio::test]
async fn an_address_nobody_knows_is_an_empty_answer() {
    let fake = Fake::with(&[("/shodan/host", 404, UNKNOWN), ("/9.9.9.9", 404, UNKNOWN_BRIEF)]).await;
    let told = scan(&asking(&fake), "shodan", "9.9.9.9", json!({})).await;
    assert_eq!(told.verdict("shodan:host"), (SourceStatus::Empty, ""));
    assert_eq!(told.verdict("internetdb"), (SourceStatus::Empty, ""));
    assert!(told.success && !told.data.contains_key("ports"));
}

#[tokio::test]
async fn the_names_of_a_domain_are_whole() {
    let fake = Fake::with(&[("/dns/domain/example.com", 200, DOMAIN)]).await;
    let told = scan(&asking(&fake), "shodan", "example.com", json!({})).await;
    assert_eq!(told.verdict("shodan:domain"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["subdomains"], json!(["dev.example.com", "mail.example.com", "www.example.com"]));
    let first = json!({
        "name": "example.com", "type": "MX", "value": "mail.example.com", "last_seen": "2026-11-01T00:00:00.000000+00:00",
    });
    assert_eq!(told.data["dns"][0], first);
    assert_eq!((told.values("ip"), told.values("domain")), (vec!["93.184.216.34"], vec!["example.com"]));
    assert_eq!(told.values("subdomain"), ["www.example.com", "dev.example.com", "mail.example.com"]);
    assert!(told.values("dns_record").contains(&"www.example.com A 93.184.216.34"));
    assert!(!told.truncated);

    let more = DOMAIN.replace("\"more\":false", "\"more\":true");
    let fake = Fake::with(&[("/", 200, &more)]).await;
    assert!(scan(&asking(&fake), "shodan", "example.com", json!({})).await.truncated);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let html = "<!DOCTYPE html><html><body>This server could not verify that you are authorized</body></html>";
    let cases = [
        (401, html, SourceStatus::Failed, "key-rejected"),
        (401, r#"{"error": "Invalid API key"}"#, SourceStatus::Failed, "key-rejected"),
        (401, r#"{"error": "Please upgrade your API plan to use filters or paging."}"#, SourceStatus::Blocked, "plan"),
        (403, r#"{"error": "Requires membership or higher to access"}"#, SourceStatus::Blocked, "plan"),
        (429, r#"{"error": "Request rate limit reached (1 request/ second)"}"#, SourceStatus::RateLimited, "http-429"),
        (404, r#"{"error": "Unknown route"}"#, SourceStatus::Failed, "http-404"),
        (400, r#"{"error": "Invalid IP"}"#, SourceStatus::Failed, "http-400"),
        (200, r#"{"error": "No information available for that IP."}"#, SourceStatus::Failed, "invalid-response"),
    ];
    for (status, body, expected, reason) in cases {
        let fake = Fake::with(&[("/shodan/host", status, body), ("/9.9.9.9", 200, BRIEF)]).await;
        let told = scan(&asking(&fake), "shodan", "9.9.9.9", json!({})).await;
        assert_eq!(told.verdict("shodan:host"), (expected, reason), "{status} {body}");
        assert_eq!(told.verdict("internetdb"), (SourceStatus::Ok, ""), "it is somebody else");
        assert!(!told.shown.contains(KEY), "{}", told.shown);
    }
}

#[tokio::test]
async fn spent_credits_are_told_with_the_month() {
    let body = r#"{"error": "Insufficient query credits, please upgrade your API plan or wait for the monthly limit to reset"}"#;
    for status in [401, 403] {
        let fake = Fake::with(&[("/dns/domain", status, body)]).await;
        let told = scan(&asking(&fake), "shodan", "example.com", json!({})).await;
        assert_eq!(told.verdict("shodan:domain"), (SourceStatus::RateLimited, "quota-exceeded"));
        let report = told.source("shodan:domain");
        assert!((1..=31 * 86_400).contains(&report.retry_after.unwrap()), "{report:?}");
        assert!(report.detail.as_ref().unwrap().contains("-01 00:00:00 UTC"), "{report:?}");
        assert_eq!(report.requests, 1);
    }
}

#[tokio::test]
async fn outsiders_are_not_asked_about_the_inside() {
    let fake = Fake::with(&[]).await;
    for address in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1"] {
        for (collector, source) in
            [("shodan", "internetdb"), ("virustotal", "virustotal"), ("securitytrails", "securitytrails:neighbours")]
        {
            let told = scan(&asking(&fake), collector, address, json!({})).await;
            assert_eq!(told.verdict(source), (SourceStatus::Blocked, "forbidden-address"), "{collector} {address}");
        }
    }
    assert!(fake.paths().is_empty());
}

/// Where log lines go, to be read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_line_of_the_log_has_the_key() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            for status in [200, 401, 500] {
                // The fake is told the address with the key in it, and logs nothing of its own.
                let fake = Fake::with(&[("/shodan/host", status, HOST), ("/9.9.9.9", 200, BRIEF)]).await;
                scan(&asking(&fake), "shodan", "9.9.9.9", json!({})).await;
            }
        });
    });
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    // Beside other tests in one process, which is not how the suite is run, the lines may be switched off.
    let alone = std::env::var_os("NEXTEST").is_some();
    assert!(!alone || log.contains("scan gathered"), "something was logged: {log}");
    assert!(!log.contains(KEY), "{log}");
}
