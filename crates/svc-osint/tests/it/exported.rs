//! Results as every collector gives them, from one fake of all whom they ask.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use svc_osint::collectors::dns::DnsSettings;
use svc_osint::collectors::username::UsernameSettings;

use crate::provider_fakes::{Asked, Fake, asking, reply, scan};
use crate::responder::{Responder, answer_to, kind_of, record_for};
use crate::samples::{APP, CORE, docx};
use crate::{crtsh, haveibeenpwned, lists, sandbox, securitytrails, shodan, virustotal};

/// The SHA-256 of nothing.
const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What every collector says of what it takes.
pub(crate) async fn all() -> Vec<Value> {
    let fake = Fake::answering(answer).await;
    let zone = zone();
    let mut settings = asking(&fake);
    settings.dns = DnsSettings::new(Some(&zone.address().to_string()), |_| true).unwrap();
    settings.metadata.sandbox = sandbox::limits();
    let list = json!({ "Foro Español": {
        "errorType": "status_code", "url": format!("http://{}/u/{{}}", fake.address), "urlMain": "http://foro.example/",
    } });
    settings.username = UsernameSettings::new(lists::read(&list).unwrap());
    let file = json!({ "file": { "content_base64": STANDARD.encode(docx(CORE, APP)) } });
    let asked = [
        ("dns", "example.com", json!({})),
        ("dns", "9.9.9.9", json!({})),
        ("whois", "example.com", json!({})),
        ("whois", "9.9.9.9", json!({})),
        ("whois", "AS3333", json!({})),
        ("crtsh", "example.com", json!({})),
        ("shodan", "9.9.9.9", json!({})),
        ("shodan", "example.com", json!({})),
        ("virustotal", "example.com", json!({})),
        ("virustotal", "9.9.9.9", json!({})),
        ("virustotal", "http://example.com/?a=1", json!({})),
        ("virustotal", DIGEST, json!({})),
        ("haveibeenpwned", "ana@example.com", json!({})),
        ("haveibeenpwned", haveibeenpwned::PASSWORD, json!({})),
        ("securitytrails", "example.com", json!({ "history": true })),
        ("securitytrails", "9.9.9.9", json!({})),
        ("username", "analopez", json!({})),
        ("social", "analopez", json!({})),
        ("identity", "analopez@example.com", json!({})),
        ("identity", "analopez", json!({})),
        ("metadata", "Balance 2026.docx", file),
    ];
    let mut all = Vec::new();
    for (collector, target, options) in asked {
        let told = scan(&settings, collector, target, options).await;
        assert!(told.success, "{collector} {target}: {:#?}", told.sources);
        let result: Value = serde_json::from_str(&told.shown).unwrap();
        let found = result["data"]["findings"].as_array().unwrap();
        assert!(!found.is_empty(), "{collector} {target}: {result:#}");
        all.push(result);
    }
    all
}

fn answer(asked: &Asked) -> axum::response::Response {
    let here = asked.headers["host"].to_str().unwrap();
    let list = |key: &str| json!({ "services": [[[key], [format!("http://{here}/rdap/")]]] }).to_string();
    let object = |kind: &str, more: &str| {
        let stats = r#""last_analysis_stats":{"malicious":1,"harmless":2},"last_analysis_date":1764000000"#;
        format!(r#"{{"data":{{"id":"id","type":"{kind}","attributes":{{{stats}{more}}}}}}}"#)
    };
    let account = json!({ "login": "analopez", "name": "Ana =López" });
    let pages = [
        ("/shodan/host/", shodan::HOST.to_owned()),
        ("/9.9.9.9", shodan::BRIEF.to_owned()),
        ("/dns/domain/", shodan::DOMAIN.to_owned()),
        ("/api/v3/domains/", virustotal::DOMAIN.to_owned()),
        ("/api/v3/ip_addresses/", object("ip_address", r#","asn":19281,"as_owner":"QUAD9","network":"9.9.9.0/24""#)),
        ("/api/v3/urls/", object("url", r#","threat_names":["Phish"]"#)),
        ("/api/v3/files/", object("file", "")),
        ("/api/v3/breachedaccount/", haveibeenpwned::BREACHES.to_owned()),
        ("/api/v3/pasteaccount/", haveibeenpwned::PASTES.to_owned()),
        ("/range/", haveibeenpwned::RANGE.to_owned()),
        ("/v1/domain/example.com/subdomains", securitytrails::SUBDOMAINS.to_owned()),
        ("/v1/domain/", securitytrails::DOMAIN.to_owned()),
        ("/v1/history/", securitytrails::HISTORY.to_owned()),
        ("/v1/ips/nearby/", securitytrails::NEARBY.to_owned()),
        ("/?q=", crtsh::ROWS.to_owned()),
        ("/users/", account.to_string()),
        ("/search/users", json!({ "items": [{ "login": "analopez" }] }).to_string()),
        ("/u/analopez", "perfil".to_owned()),
        ("/dns.json", list("com")),
        ("/ipv4.json", list("9.0.0.0/8")),
        ("/asn.json", list("3154-3353")),
        ("/rdap/domain/", RDAP_DOMAIN.to_owned()),
        ("/rdap/ip/", RDAP_NETWORK.to_owned()),
        ("/rdap/autnum/", RDAP_SYSTEM.to_owned()),
    ];
    match pages.into_iter().find(|(path, _)| asked.path.starts_with(path)) {
        Some((_, body)) => reply(200, body),
        None => reply(404, "{}"),
    }
}

const RDAP_DOMAIN: &str = r#"{"objectClassName":"domain","ldhName":"EXAMPLE.COM","status":["client transfer prohibited"],
"events":[{"eventAction":"registration","eventDate":"1995-08-14T04:00:00Z"},
 {"eventAction":"expiration","eventDate":"2027-08-13T04:00:00Z"}],
"nameservers":[{"objectClassName":"nameserver","ldhName":"A.IANA-SERVERS.NET"}],
"entities":[{"objectClassName":"entity","handle":"376","roles":["registrar"],
 "vcardArray":["vcard",[["version",{},"text","4.0"],["fn",{},"text","Registrador, S.L."]]],
 "entities":[{"objectClassName":"entity","roles":["abuse"],
  "vcardArray":["vcard",[["version",{},"text","4.0"],["email",{},"text","abuse@example.net"]]]}]}]}"#;
const RDAP_NETWORK: &str = r#"{"objectClassName":"ip network","handle":"NET-9-9-9-0-1","startAddress":"9.9.9.0",
"endAddress":"9.9.9.255","ipVersion":"v4","name":"QUAD9","cidr0_cidrs":[{"v4prefix":"9.9.9.0","length":24}]}"#;
const RDAP_SYSTEM: &str = r#"{"objectClassName":"autnum","startAutnum":3333,"endAutnum":3333,"name":"RIPE-NCC-AS"}"#;

/// A resolver that knows an address, a mail server and a name server of every name, and the name of every address.
fn zone() -> Responder {
    Responder::udp(|question| {
        vec![match kind_of(question) {
            1 => record_for(question, 1, 60, &[93, 184, 216, 34]),
            2 => record_for(question, 2, 60, b"\x02ns\x07example\x03com\x00"),
            12 => record_for(question, 12, 60, b"\x04dns9\x05quad9\x03net\x00"),
            15 => record_for(question, 15, 60, b"\x00\x0a\x04mail\x07example\x03net\x00"),
            16 => record_for(question, 16, 60, b"\x0fv=spf1 a mx -all"),
            33 => record_for(question, 33, 60, b"\x00\x01\x00\x02\x13\xc4\x03sip\x07example\x03com\x00"),
            _ => answer_to(question, 0),
        }]
    })
}
