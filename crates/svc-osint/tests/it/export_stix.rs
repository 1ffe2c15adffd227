//! Exports as STIX 2.1, judged by OASIS's own validator and by Python's own arithmetic.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use svc_osint::export::{Format, export};

use crate::exported;
use crate::lists::python;

/// Valid to the letter, recommendations included, but for these: identifiers of other objects than observables are made
/// of what they say and not drawn, so that an export is the same each time; no source port is known of a port that is
/// open; the sites where accounts are stand in no vocabulary; a page that was not read has no digest.
const VALIDATE: &str = r#"
import json, socket, sys
def refuse(*_, **__):
    raise OSError("no test leaves this machine")
socket.socket.connect = socket.getaddrinfo = refuse
from stix2validator import ValidationOptions, validate_instance
options = ValidationOptions(version="2.1", strict=True, strict_properties=True, enforce_refs=True,
    disabled="uuid-check,network-traffic-ports,account-type,extref-hashes")
print(json.dumps([[str(error) for error in validate_instance(bundle, options).errors] for bundle in json.load(sys.stdin)]))
"#;

/// The identifiers of observables by the table of section 6 of the specification.
const IDENTIFY: &str = r#"
import json, sys, uuid
OWN = {"autonomous-system": ["number"], "domain-name": ["value"], "email-addr": ["value"], "ipv4-addr": ["value"],
    "ipv6-addr": ["value"], "url": ["value"], "user-account": ["account_type", "user_id", "account_login"],
    "file": ["hashes", "name", "parent_directory_ref", "extensions"], "x509-certificate": ["hashes", "serial_number"],
    "software": ["name", "cpe", "swid", "vendor", "version"],
    "network-traffic": ["start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"]}
space = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
def identify(thing):
    own = {name: thing[name] for name in OWN[thing["type"]] if name in thing}
    text = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return thing["type"] + "--" + str(uuid.uuid5(space, text))
print(json.dumps([identify(thing) for thing in json.load(sys.stdin)]))
"#;

const OBSERVABLES: [&str; 11] = [
    "autonomous-system",
    "domain-name",
    "email-addr",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "network-traffic",
    "software",
    "url",
    "user-account",
    "x509-certificate",
];

fn bundle(result: &Value) -> Value {
    serde_json::from_slice(&export(result, Format::Stix).unwrap()).unwrap()
}

fn objects(bundle: &Value) -> &Vec<Value> {
    bundle["objects"].as_array().unwrap()
}

fn of<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    objects(bundle).iter().filter(|object| object["type"] == kind).collect()
}

fn invalid(bundles: &[Value]) -> Vec<String> {
    let told = python(VALIDATE, &json!(bundles));
    let all = told.as_array().unwrap().iter().flat_map(|errors| errors.as_array().unwrap());
    all.map(|error| error.as_str().unwrap().to_owned()).collect()
}

/// A result with these facts.
pub(crate) fn result(collector: &str, target: &str, findings: &Value) -> Value {
    json!({
        "id": "11111111-2222-4333-8444-555555555555", "collector_name": collector, "target": target, "success": true,
        "data": { "findings": findings }, "error": null, "timestamp": "2026-11-23T10:00:00.123456+00:00",
        "metadata": { "sources": [], "findings_total": 1, "truncated": false, "duration": 1.5 },
    })
}

fn fact(kind: &str, value: &str, attributes: &Value) -> Value {
    let evidence = json!([{ "source": "prueba", "sha256": "ab" }]);
    json!({ "type": kind, "value": value, "source": "prueba", "confidence": 0.85, "attributes": attributes, "evidence": evidence })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_collector_finds_is_a_valid_bundle() {
    let results = exported::all().await;
    let bundles: Vec<_> = results.iter().map(bundle).collect();
    let wrong = invalid(&bundles);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut seen = HashSet::new();
    for (result, bundle) in results.iter().zip(&bundles) {
        seen.extend(objects(bundle).iter().map(|object| object["type"].as_str().unwrap()));
        let facts = result["data"]["findings"].as_array().unwrap();
        let told: HashMap<_, _> =
            of(bundle, "note").into_iter().map(|note| (note["abstract"].as_str().unwrap(), note)).collect();
        for fact in facts {
            let brief = format!("{}: {}", fact["type"].as_str().unwrap(), fact["value"].as_str().unwrap());
            let note = told.get(brief.as_str()).unwrap_or_else(|| panic!("{brief} in {bundle:#}"));
            let percent = (fact["confidence"].as_f64().unwrap() * 100.0).round();
            assert_eq!(note["confidence"].as_f64(), Some(percent), "{brief}");
            let sources = |list: &Value, name: &str| -> Vec<String> {
                list.as_array().unwrap().iter().map(|it| it[name].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(sources(&note["external_references"], "source_name"), sources(&fact["evidence"], "source"));
        }
    }
    for kind in OBSERVABLES.iter().chain(&["identity", "observed-data", "relationship", "vulnerability", "note"]) {
        assert!(seen.contains(kind), "{kind}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_scan_is_the_same_bytes_and_observables_have_the_identifiers_of_the_specification() {
    let results = exported::all().await;
    let mut all = Vec::new();
    for result in &results {
        for format in Format::ALL {
            assert_eq!(export(result, format).unwrap(), export(&result.clone(), format).unwrap());
        }
        let bundle = bundle(result);
        let ids: Vec<_> = objects(&bundle).iter().map(|object| object["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "each object once");
        all.extend(objects(&bundle).iter().filter(|it| OBSERVABLES.contains(&it["type"].as_str().unwrap())).cloned());
    }
    let ids: Vec<_> = all.iter().map(|object| object["id"].clone()).collect();
    assert_eq!(python(IDENTIFY, &json!(all)), json!(ids));
    // The example of section 2.9.
    let known = bundle(&result("dns", "example.com", &json!([fact("ip", "198.51.100.3", &json!({}))])));
    assert_eq!(of(&known, "ipv4-addr")[0]["id"], "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4");
}

#[test]
fn what_is_no_address_is_no_observable() {
    let wrong = json!([
        fact("ip", "999.1.1.1", &json!({ "name": "_x.example.com" })),
        fact("ip", "9.9.9.9 ", &json!({})),
        fact("domain", "no es un dominio", &json!({ "ip": "9.9.9" })),
        fact("subdomain", "_dmarc.example.com", &json!({})),
        fact("subdomain", "-a.example.com", &json!({})),
        fact("subdomain", "1.2.3.256", &json!({})),
        fact("email", "Ana <ana@example.com>", &json!({})),
        fact("email", "ñ@example.com", &json!({})),
        fact("account", "javascript:alert(1)", &json!({ "site": "!!", "username": " " })),
        fact("account", "http://[::1", &json!({ "username": "ana" })),
        fact("asn", "AS4294967296", &json!({})),
        fact("asn", "ASx", &json!({})),
        fact("netblock", "9.9.9.0/33", &json!({})),
        fact("netblock", "9.9.9.0 - 9.9.9.255", &json!({})),
        fact("port", "70000/tcp", &json!({ "port": 70000, "ip": "9.9.9.9" })),
        fact("port", "80/tcp", &json!({ "port": 80 })),
        fact("certificate", "7", &json!({ "serial": null, "issuer": "x" })),
        fact("document", "http://example.com/a.pdf", &json!({ "sha256": "zz" })),
        fact("software", " ", &json!({})),
        fact("software", "cpe:2.3:a", &json!({})),
        fact("dns_record", "example.com", &json!({})),
        fact("nunca visto", "\u{0}\u{7f}", &json!({ "a": [1, { "b": null }] })),
    ]);
    let bundle = bundle(&result("dns", "example.com", &wrong));
    assert_eq!(invalid(std::slice::from_ref(&bundle)), [""; 0]);
    let seen: Vec<_> = objects(&bundle)
        .iter()
        .filter(|it| OBSERVABLES.contains(&it["type"].as_str().unwrap()))
        .map(|it| it["value"].as_str().unwrap_or_else(|| panic!("{it}")))
        .collect();
    assert_eq!(seen, ["example.com"], "only the target");
    assert_eq!(of(&bundle, "note").len(), wrong.as_array().unwrap().len(), "and a note of each");
    assert!(of(&bundle, "relationship").is_empty());
}

/// Whatever strangers have written, wherever it stands.
#[test]
fn anything_in_any_place_is_a_valid_bundle() {
    let kinds = [
        "domain",
        "subdomain",
        "ip",
        "dns_record",
        "netblock",
        "asn",
        "email",
        "contact",
        "certificate",
        "port",
        "service",
        "software",
        "vulnerability",
        "document",
        "account",
        "username",
        "person",
        "geo",
        "reputation",
        "breach",
    ];
    let texts = [
        "",
        " ",
        "\u{0}",
        "a",
        "a.b",
        "ñ.example.com",
        "xn--",
        "xn--a.com",
        "a..b",
        "*.example.com",
        "9.9.9.9",
        "09.9.9.9",
        "::",
        "::ffff:9.9.9.9",
        "fe80::1%eth0",
        "9.9.9.0/24",
        "9.9.9.0/024",
        "2001:db8::/32",
        "AS0",
        "AS-1",
        "as3333",
        "AS٣",
        "ana@example.com",
        "a@b@example.com",
        "\"a b\"@example.com",
        "http://a.example.com/ñ b?c|d#e",
        "http://[::1]/",
        "http://a:b@example.com/",
        "https://xn--/",
        "ftp://a.b/",
        "http://a.example.com:99999/",
        "x A 9.9.9.9",
        "example.com A ::1",
        "example.com MX 10 .",
        "a.example.com CNAME a.example.com",
        "example.com SRV 1 2 5060 sip.example.com",
        "CVE-2021-1",
        "CVE-2021-23017",
        "cpe:/a:b",
        "cpe:/a:v:p:1%2e0",
        "cpe:2.3:a:v:p:1.0",
        "cpe:2.3:a:v:p\\:x:1.0:*:*:*:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p\\",
        "cpe:2.3:z:v:p:1",
        "cpe:2.3:a:v:p/q:1",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "D41D8CD98F00B204E9800998ECF8427E",
        "2026-13-45",
        "2016-12-31T23:59:60Z",
        "\u{202e}gpj.exe",
        "..",
        "/",
        "'\"<script>",
    ];
    let numbers = [json!(-1), json!(0), json!(65_536), json!(1.5), json!(true), json!([]), json!({}), json!(null)];
    let named = [
        "ip",
        "name",
        "document",
        "sha256",
        "size",
        "email",
        "serial",
        "issuer",
        "not_before",
        "not_after",
        "port",
        "transport",
        "summary",
        "site",
        "username",
        "display_name",
        "org",
        "first_seen",
        "last_seen",
    ];
    let mut facts = Vec::new();
    for kind in kinds {
        let values = texts.iter().map(|text| json!(text)).chain(numbers.iter().cloned());
        for (n, value) in values.enumerate() {
            let mut attributes: serde_json::Map<_, _> =
                named.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
            attributes.insert("historical".to_owned(), json!(n % 2 == 0));
            facts.push(fact(kind, value.as_str().unwrap_or("9.9.9.9"), &Value::Object(attributes)));
        }
    }
    let bundles: Vec<_> = [("dns", "9.9.9.9"), ("nada", "\u{7f}")]
        .into_iter()
        .map(|(collector, target)| bundle(&result(collector, target, &json!(facts))))
        .collect();
    let wrong = invalid(&bundles);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn relationships_say_what_the_facts_say_and_no_more() {
    let facts = json!([
        fact("ip", "93.184.216.34", &json!({ "name": "www.example.com" })),
        fact(
            "ip",
            "69.65.119.245",
            &json!({ "name": "example.com", "historical": true, "first_seen": "2008-09-01", "last_seen": "2008-10-21" })
        ),
        fact("ip", "69.65.119.246", &json!({ "name": "example.com", "historical": true })),
        fact("subdomain", "a.example.com", &json!({ "ip": "9.9.9.9" })),
        fact("dns_record", "example.com MX mail.example.net", &json!({})),
        fact("dns_record", "w.example.com CNAME cdn.example.net", &json!({})),
    ]);
    let bundle = bundle(&result("dns", "example.com", &facts));
    assert_eq!(invalid(std::slice::from_ref(&bundle)), [""; 0]);
    let names: HashMap<_, _> = objects(&bundle).iter().map(|it| (it["id"].as_str().unwrap(), &it["value"])).collect();
    let told: Vec<_> = of(&bundle, "relationship")
        .into_iter()
        .map(|it| {
            let name = |end: &str| names[it[end].as_str().unwrap()].as_str().unwrap();
            let verb = it["relationship_type"].as_str().unwrap();
            let more = it["description"].as_str().or(it["stop_time"].as_str()).unwrap_or_default();
            format!("{} {verb} {} {more}", name("source_ref"), name("target_ref"))
        })
        .collect();
    let expected = [
        "www.example.com resolves-to 93.184.216.34 ",
        "example.com resolves-to 69.65.119.245 2008-10-21T00:00:00.000Z",
        "example.com related-to 69.65.119.246 historical",
        "a.example.com related-to 9.9.9.9 ",
        "example.com related-to mail.example.net MX",
        "w.example.com resolves-to cdn.example.net ",
    ];
    assert_eq!(told, expected);
}

#[test]
fn who_did_not_answer_is_noted() {
    let mut result = result("crtsh", "example.com", &json!([]));
    result["metadata"]["sources"] =
        json!([{ "source": "crtsh", "status": "timeout", "reason": "timeout", "requests": 1, "ms": 90000 }]);
    result["metadata"]["truncated"] = json!(true);
    let bundle = bundle(&result);
    assert_eq!(invalid(std::slice::from_ref(&bundle)), [""; 0]);
    let note = of(&bundle, "note")[0];
    let content = note["content"].as_str().unwrap();
    assert!(content.contains("crtsh: sin respuesta a tiempo (timeout)") && content.contains("límite"), "{content}");
    assert_eq!(note["object_refs"][0], of(&bundle, "domain-name")[0]["id"]);
    let scan = of(&bundle, "observed-data")[0];
    assert_eq!(
        (&scan["first_observed"], &scan["last_observed"]),
        (&json!("2026-11-23T09:59:58.623Z"), &json!("2026-11-23T10:00:00.123Z"))
    );
}

#[test]
fn the_digest_of_a_password_is_not_that_of_a_file() {
    let sha1 = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";
    let told = json!([fact("breach", "Pwned Passwords", &json!({ "seen": 3 }))]);
    let password = bundle(&result("haveibeenpwned", sha1, &told));
    assert!(of(&password, "file").is_empty() && of(&password, "observed-data").is_empty(), "{password:#}");
    assert_eq!(of(&password, "note")[0]["object_refs"][0], of(&password, "identity")[0]["id"]);
    assert_eq!(invalid(&[password]), [""; 0]);
}
