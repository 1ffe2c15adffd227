//! RDAP from servers shaped like those that registries run: thin and thick, networks, autonomous systems, refusals.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use serde_json::{Value, json};
use svc_osint::enquiry::{Alone, Leave, Quotas};
use svc_osint::model::{Gathered, SourceStatus};
use svc_osint::providers::Provider;
use tokio::sync::Notify;

use crate::web::serve;
use crate::whois_fake::{Port43, World, found, reason, server, source};

/// A thin registry's answer, as Verisign writes it; `{registrar}` stands for the registrar's server.
fn thin(registrar: &str) -> Value {
    json!({
        "objectClassName": "domain",
        "handle": "2336799_DOMAIN_COM-VRSN",
        "ldhName": "EXAMPLE.COM",
        "links": [
            { "value": "https://rdap.example/com/v1/domain/EXAMPLE.COM", "rel": "self", "type": "application/rdap+json",
              "href": "https://rdap.example/com/v1/domain/EXAMPLE.COM" },
            { "rel": "related", "type": "application/rdap+json", "href": format!("{registrar}domain/EXAMPLE.COM") },
        ],
        "status": ["client delete prohibited", "client transfer prohibited"],
        "entities": [{
            "objectClassName": "entity", "handle": "292", "roles": ["registrar"],
            "publicIds": [{ "type": "IANA Registrar ID", "identifier": "292" }],
            "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Registrador S.A."]]],
            "entities": [{
                "objectClassName": "entity", "roles": ["abuse"],
                "vcardArray": ["vcard", [
                    ["version", {}, "text", "4.0"], ["fn", {}, "text", ""],
                    ["tel", { "type": "voice" }, "uri", "tel:+34.910000000"],
                    ["email", {}, "text", "abusos@registrador.example"],
                ]],
            }],
        }],
        "events": [
            { "eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z" },
            { "eventAction": "expiration", "eventDate": "2027-08-13T04:00:00Z" },
            { "eventAction": "last changed", "eventDate": "2026-08-14T09:01:34+02:00" },
            { "eventAction": "last update of RDAP database", "eventDate": "2026-11-20T10:00:00Z" },
        ],
        "secureDNS": { "delegationSigned": true, "dsData": [
            { "keyTag": 31589, "algorithm": 8, "digestType": 2, "digest": "CDE0D742" },
        ] },
        "nameservers": [
            { "objectClassName": "nameserver", "ldhName": "A.IANA-SERVERS.NET" },
            { "objectClassName": "nameserver", "ldhName": "B.IANA-SERVERS.NET." },
        ],
        "rdapConformance": ["rdap_level_0", "icann_rdap_technical_implementation_guide_0"],
        "notices": [{ "title": "Terms of Use", "description": ["Service subject to Terms of Use."] }],
    })
}

/// The registrar's own answer, with what it keeps back (RFC 9537).
fn of_registrar() -> Value {
    json!({
        "objectClassName": "domain", "handle": "2336799_DOMAIN_COM-VRSN", "ldhName": "example.com",
        "status": ["client delete prohibited"],
        "entities": [
            { "objectClassName": "entity", "handle": "292", "roles": ["registrar"],
              "publicIds": [{ "type": "IANA Registrar ID", "identifier": "292" }],
              "links": [{ "rel": "about", "type": "text/html", "href": "https://registrador.example/" }],
              "vcardArray": ["vcard", [["fn", {}, "text", "Registrador S.A."]]] },
            { "objectClassName": "entity", "handle": "REDACTED", "roles": ["registrant"],
              "remarks": [{ "title": "REDACTED FOR PRIVACY", "type": "object redacted due to authorization" }],
              "vcardArray": ["vcard", [
                  ["fn", {}, "text", "REDACTED FOR PRIVACY"],
                  ["org", {}, "text", "Ejemplos Unidos"],
                  ["adr", { "cc": "ES" }, "text", ["", "", "", "", "", "", ""]],
              ]] },
            { "objectClassName": "entity", "roles": ["technical"],
              "vcardArray": ["vcard", [["fn", {}, "text", "REDACTED FOR PRIVACY"], ["email", {}, "text", ""]]] },
        ],
        "events": [
            { "eventAction": "expiration", "eventDate": "2026-08-13T04:00:00Z" },
            { "eventAction": "registrar expiration", "eventDate": "2026-08-13T04:00:00Z" },
        ],
        "redacted": [{ "name": { "description": "Registrant Name" }, "prePath": "$..fn", "method": "emptyValue" }],
    })
}

fn rdap(json: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/rdap+json")], json.to_string())
}

/// A world with one RDAP server that answers everything with `json`, responsible for `keys`.
async fn answering(keys: &[&str], status: StatusCode, body: impl Into<String>) -> World {
    let body = body.into();
    let router = Router::new().fallback(get(async move || (status, body.clone())));
    let rdap = serve(router).await;
    let mut world = World::of_rdap(&json!([[keys, [format!("http://{rdap}/")]]])).await;
    world.allow.push(rdap);
    world
}

fn text<'a>(gathered: &'a Gathered, pointer: &str) -> &'a str {
    let (first, rest) = pointer.split_once('/').map_or((pointer, ""), |(first, rest)| (first, rest));
    let value = &gathered.data[first];
    let value = if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) };
    value.and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {:#?}", gathered.data))
}

#[tokio::test]
async fn a_thin_registry_and_its_registrar_are_told_as_one() {
    let registrar = Router::new().route("/domain/{name}", get(async || rdap(&of_registrar())));
    let registrar = serve(registrar).await;
    let thin = thin(&format!("http://{registrar}/"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = async move |Path(name): Path<String>, headers: HeaderMap| {
        assert_eq!((name.as_str(), headers["accept"].to_str().unwrap()), ("example.com", "application/rdap+json"));
        counted.fetch_add(1, Ordering::SeqCst);
        rdap(&thin)
    };
    let registry = serve(Router::new().route("/com/v1/domain/{name}", get(answer))).await;
    let mut world = World::of_rdap(&json!([[["com", "net"], [format!("http://{registry}/com/v1/")]]])).await;
    world.allow.extend([registry, registrar]);
    let gathered = world.scan("www.Example.COM").await;

    assert_eq!((&gathered.data["asked"], &gathered.data["registered"]), (&json!("example.com"), &json!(true)));
    assert_eq!(text(&gathered, "created"), "1995-08-14T04:00:00Z");
    assert_eq!(text(&gathered, "updated"), "2026-08-14T07:01:34Z");
    assert_eq!(gathered.data["dates_as_written"]["updated"], "2026-08-14T09:01:34+02:00");
    assert_eq!(text(&gathered, "expires"), "2027-08-13T04:00:00Z", "the registry's word counts");
    let registrar = json!({
        "name": "Registrador S.A.", "iana_id": "292",
        "url": "https://registrador.example/", "expires": "2026-08-13T04:00:00Z",
    });
    assert_eq!(gathered.data["registrar"], registrar);
    assert_eq!(gathered.data["sources_of"]["registrar.name"], "rdap:registry");
    assert_eq!(gathered.data["sources_of"]["registrar.url"], "rdap:registrar");
    let differs = gathered.data["differences"].as_array().unwrap();
    let expiry = json!({ "field": "expires", "value": "2026-08-13T04:00:00Z", "source": "rdap:registrar" });
    assert!(differs.contains(&expiry), "{differs:?}");
    assert_eq!(gathered.data["nameservers"], json!(["a.iana-servers.net", "b.iana-servers.net"]));
    assert_eq!(gathered.data["dnssec"], json!({ "signed": true, "ds": ["31589 8 2 CDE0D742"] }));
    assert_eq!(gathered.data["abuse"], json!({ "email": "abusos@registrador.example", "phone": "+34.910000000" }));
    assert_eq!(gathered.data["redacted"], true);
    let holder = json!([
        { "roles": ["abuse"], "email": "abusos@registrador.example", "phone": "+34.910000000", "source": "rdap:registry" },
        { "roles": ["registrant"], "organisation": "Ejemplos Unidos", "country": "ES", "source": "rdap:registrar" },
    ]);
    assert_eq!(gathered.data["contacts"], holder);
    assert_eq!(found(&gathered, "domain"), ["example.com"]);
    assert_eq!(found(&gathered, "registrar"), ["Registrador S.A."]);
    assert_eq!(found(&gathered, "email"), ["abusos@registrador.example"]);
    assert_eq!(found(&gathered, "contact"), ["abusos@registrador.example", "Ejemplos Unidos"]);
    assert!(!format!("{:?}", gathered.data).contains("REDACTED"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let rows: Vec<_> = gathered.sources.iter().map(|report| (report.source.as_str(), report.status)).collect();
    let all_ok = ["rdap:bootstrap", "rdap:registry", "rdap:registrar"].map(|name| (name, SourceStatus::Ok));
    assert_eq!(rows, all_ok);
}

#[tokio::test]
async fn a_registrar_that_is_gone_takes_nothing_away() {
    // A referral into our own network: refused, told, and no reason to be silent about the rest.
    for (registrar, wrong) in
        [("http://169.254.169.254/", "forbidden-address"), ("http://127.0.0.1:22/", "forbidden-port")]
    {
        let world = answering(&["com"], StatusCode::OK, thin(registrar).to_string()).await;
        let gathered = world.scan("example.com").await;
        assert_eq!(text(&gathered, "registrar/name"), "Registrador S.A.");
        assert_eq!(source(&gathered, "rdap:registrar").status, SourceStatus::Blocked);
        assert_eq!(reason(&gathered, "rdap:registrar"), wrong);
    }
}

#[tokio::test]
async fn a_thick_registry_tells_all_by_itself() {
    let thick = json!({
        "objectClassName": "domain", "ldhName": "xn--espaa-rta.es", "unicodeName": "españa.es",
        "status": ["active"],
        "entities": [
            { "roles": ["registrant"], "handle": "ESP-1", "vcardArray": ["vcard", [
                ["fn", {}, "text", "Ana Pérez"], ["kind", {}, "text", "individual"],
                ["org", {}, "text", ["Ejemplo S.L.", "Informática"]],
                ["tel", { "type": ["voice", "work"] }, "uri", "tel:+34.600000000"],
                ["tel", { "type": "fax" }, "text", "+34.600000001"],
                ["email", {}, "text", "Ana@Ejemplo.ES"],
                ["adr", {}, "text", ["", "", "Calle Mayor 1", "Madrid", "", "28001", "Spain"]],
            ]] },
            { "roles": ["administrative", "technical"], "vcardArray": ["vcard", [["fn", {}, "text", "Luis"]]] },
        ],
        "secureDNS": { "delegationSigned": false },
        "events": [{ "eventAction": "expiration", "eventDate": "2027-01-31T23:00:00+01:00" }],
    });
    let world = answering(&["es"], StatusCode::OK, thick.to_string()).await;
    let gathered = world.scan("www.España.es").await;
    assert_eq!(gathered.data["asked"], "xn--espaa-rta.es");
    assert_eq!(text(&gathered, "unicode_name"), "españa.es");
    assert_eq!((text(&gathered, "expires"), &gathered.data["redacted"]), ("2027-01-31T22:00:00Z", &json!(false)));
    assert_eq!(gathered.data["dnssec"], json!({ "signed": false }));
    let people = json!([
        { "roles": ["registrant"], "handle": "ESP-1", "name": "Ana Pérez", "organisation": "Ejemplo S.L.",
          "email": "ana@ejemplo.es", "phone": "+34.600000000", "country": "Spain", "source": "rdap:registry" },
        { "roles": ["administrative", "technical"], "name": "Luis", "source": "rdap:registry" },
    ]);
    assert_eq!(gathered.data["contacts"], people);
    assert_eq!(found(&gathered, "contact"), ["Ana Pérez", "Luis"]);
}

#[tokio::test]
async fn a_network_is_told_as_arin_and_ripe_tell_it() {
    let arin = json!({
        "objectClassName": "ip network", "handle": "NET-8-8-8-0-2", "startAddress": "8.8.8.0",
        "endAddress": "8.8.8.255", "ipVersion": "v4", "name": "GOGL", "type": "DIRECT ALLOCATION",
        "parentHandle": "NET-8-0-0-0-0", "status": ["active"],
        "cidr0_cidrs": [{ "v4prefix": "8.8.8.0", "length": 24 }],
        "events": [{ "eventAction": "registration", "eventDate": "2023-12-28T17:24:33-05:00" }],
        "entities": [{ "handle": "GOGL", "roles": ["registrant"], "vcardArray": ["vcard", [
            ["fn", {}, "text", "Google LLC"], ["kind", {}, "text", "org"],
            ["adr", { "label": "1600 Amphitheatre Parkway\nUnited States" }, "text", ["", "", "", "", "", "", ""]],
        ]], "entities": [{ "handle": "ABUSE5250-ARIN", "roles": ["abuse"], "vcardArray": ["vcard", [
            ["fn", {}, "text", "Abuse"], ["kind", {}, "text", "group"],
            ["email", {}, "text", "network-abuse@google.com"],
        ]] }] }],
    });
    let gathered = answering(&["8.0.0.0/8"], StatusCode::OK, arin.to_string()).await.scan("8.8.8.8").await;
    let network = json!({
        "start": "8.8.8.0", "end": "8.8.8.255", "cidrs": ["8.8.8.0/24"], "name": "GOGL",
        "type": "DIRECT ALLOCATION", "parent": "NET-8-0-0-0-0",
    });
    assert_eq!(gathered.data["network"], network);
    assert_eq!(
        (text(&gathered, "organisation"), text(&gathered, "abuse/email")),
        ("Google LLC", "network-abuse@google.com")
    );
    assert_eq!(found(&gathered, "netblock"), ["8.8.8.0/24"]);

    let ripe = json!({
        "objectClassName": "ip network", "handle": "2001:67c:2e8::/48", "startAddress": "2001:67c:2e8::",
        "endAddress": "2001:67c:2e8:ffff:ffff:ffff:ffff:ffff", "name": "RIPE-NCC-IPv6", "country": "NL",
        "entities": [
            { "handle": "RIPE-NCC-MNT", "roles": ["registrant"], "vcardArray": ["vcard", [
                ["fn", {}, "text", "RIPE-NCC-MNT"], ["kind", {}, "text", "individual"]]] },
            { "handle": "ORG-RIEN1-RIPE", "roles": ["registrant"], "vcardArray": ["vcard", [
                ["fn", {}, "text", "Reseaux IP Europeens"], ["kind", {}, "text", "org"]]] },
        ],
    });
    let gathered = answering(&["2001:600::/23"], StatusCode::OK, ripe.to_string()).await.scan("2001:67c:2e8::1").await;
    assert_eq!(gathered.data["network"]["cidrs"], json!(["2001:67c:2e8::/48"]));
    assert_eq!((text(&gathered, "organisation"), text(&gathered, "country")), ("Reseaux IP Europeens", "NL"));
}

#[tokio::test]
async fn an_autonomous_system_is_told_by_its_number_and_name() {
    let asn = json!({
        "objectClassName": "autnum", "handle": "AS3333", "startAutnum": 3333, "endAutnum": 3333,
        "name": "RIPE-NCC-AS", "entities": [{ "roles": ["registrant"], "vcardArray": ["vcard", [
            ["fn", {}, "text", "Reseaux IP Europeens"], ["kind", {}, "text", "org"]]] }],
    });
    let gathered = answering(&["3154-3353"], StatusCode::OK, asn.to_string()).await.scan("as3333").await;
    assert_eq!(gathered.data["asn"], json!({ "first": 3333, "last": 3333, "name": "RIPE-NCC-AS" }));
    assert_eq!((found(&gathered, "asn"), gathered.data["asked"].as_str()), (vec!["AS3333"], Some("AS3333")));
}

#[tokio::test]
async fn nobody_having_it_is_an_answer() {
    let told = [
        (404, r#"{"errorCode": 404, "title": "Not Found"}"#),
        (404, ""),
        (200, r#"{"errorCode": 404, "title": "Not Found"}"#),
    ];
    for (status, body) in told {
        let world = answering(&["com"], StatusCode::from_u16(status).unwrap(), body).await;
        let gathered = world.scan("nadie-lo-tiene.com").await;
        assert_eq!(gathered.data["registered"], false, "{body}");
        let [finding] = gathered.findings.as_slice() else { panic!("{:?}", gathered.findings) };
        assert_eq!((finding.kind.as_str(), &finding.attributes["registered"]), ("domain", &json!(false)));
        let row = source(&gathered, "rdap:registry");
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Empty, Some("not-registered")));
        assert!(gathered.sources.iter().all(|row| !row.source.starts_with("whois:")), "RDAP has said it");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_asked_by_whois() {
    let whois = "Domain Name: EXAMPLE.COM\r\nRegistrar: Otro S.L.\r\nCreation Date: 2001-02-03\r\n";
    let other = json!({ "objectClassName": "domain", "ldhName": "other.com" });
    let cases = [
        (404, "<html>Not here</html>".to_owned(), SourceStatus::Failed, "http-404"),
        (403, String::new(), SourceStatus::Blocked, "http-403"),
        (400, "{}".to_owned(), SourceStatus::Failed, "http-400"),
        (503, String::new(), SourceStatus::Failed, "http-503"),
        (200, "{\"objectClassName\": \"dom".to_owned(), SourceStatus::Failed, "truncated-json"),
        (200, other.to_string(), SourceStatus::Failed, "invalid-response"),
        (200, "[]".to_owned(), SourceStatus::Failed, "invalid-response"),
    ];
    for (status, body, row, why) in cases {
        let port43 = Port43::saying(whois).await;
        let mut world = answering(&["com"], StatusCode::from_u16(status).unwrap(), body).await;
        world.settings.server = server(&port43.address.to_string());
        world.allow.push(port43.address);
        let gathered = world.scan("example.com").await;
        assert_eq!(
            (source(&gathered, "rdap:registry").status, reason(&gathered, "rdap:registry").as_str()),
            (row, why)
        );
        assert_eq!(text(&gathered, "registrar/name"), "Otro S.L.", "{why}");
        assert_eq!(gathered.data["sources_of"]["registrar.name"], port43.source());
    }
}

#[tokio::test]
async fn a_server_that_is_asked_too_much_says_until_when() {
    let router = Router::new().fallback(get(async || (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "120")])));
    let rdap = serve(router).await;
    let mut world = World::of_rdap(&json!([[["com"], [format!("http://{rdap}/")]]])).await;
    world.allow.push(rdap);
    let gathered = world.scan("example.com").await;
    let row = source(&gathered, "rdap:registry");
    assert_eq!((row.status, row.retry_after, row.requests), (SourceStatus::RateLimited, Some(120), 1));
    assert!(row.passing);
}

#[tokio::test]
async fn a_notice_of_limits_is_passed_on_and_others_are_not() {
    let mut object = thin("http://127.0.0.1:22/");
    object["notices"] = json!([
        { "title": "Terms of Use", "description": ["Nothing of interest."] },
        { "title": "Rate Limit", "description": ["10 queries per minute.", "Then\u{7} wait."] },
    ]);
    let world = answering(&["com"], StatusCode::OK, object.to_string()).await;
    let gathered = world.scan("example.com").await;
    let told = "Aviso del servidor: «Rate Limit 10 queries per minute. Then wait.»";
    assert_eq!(source(&gathered, "rdap:registry").detail.as_deref(), Some(told));
}

#[tokio::test]
async fn an_address_of_no_registry_is_asked_of_nobody() {
    let world = World::of_rdap(&json!([])).await;
    for address in ["10.0.0.1", "127.0.0.1", "fe80::1", "192.0.2.1"] {
        let gathered = world.scan(address).await;
        let [row] = gathered.sources.as_slice() else { panic!("{:?}", gathered.sources) };
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Skipped, Some("not-public")), "{address}");
    }
}

/// Gives every leave, and writes down of whom it is told that nothing is left.
#[derive(Default)]
struct Spent(Mutex<Vec<&'static str>>);

#[async_trait]
impl Quotas for Spent {
    async fn take(&self, _: &'static Provider, _: &[String]) -> Leave {
        Leave::Now
    }

    async fn spent(&self, provider: &'static Provider, _: Timestamp) {
        self.0.lock().unwrap().push(provider.name);
    }
}

#[tokio::test]
async fn one_registry_that_has_enough_does_not_speak_for_all() {
    let spent = Spent::default();
    let world = answering(&["com"], StatusCode::TOO_MANY_REQUESTS, "").await;
    let gathered = world.scan_with("example.com", &spent, std::future::pending()).await;
    assert_eq!(source(&gathered, "rdap:registry").status, SourceStatus::RateLimited);
    assert!(spent.0.lock().unwrap().is_empty(), "other scans ask other registries");

    let mut world = world;
    let iana = serve(Router::new().fallback(get(async || StatusCode::TOO_MANY_REQUESTS))).await;
    world.allow.push(iana);
    world.lists = format!("http://{iana}");
    let gathered = world.scan_with("193.0.6.139", &spent, std::future::pending()).await;
    assert_eq!(source(&gathered, "rdap:bootstrap").status, SourceStatus::RateLimited);
    assert_eq!(*spent.0.lock().unwrap(), ["iana_rdap"], "IANA is one, and speaks for itself");
}

#[tokio::test]
async fn a_scan_cut_short_at_the_registrar_has_what_the_registry_said() {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let never = async move || {
        told.notify_one();
        std::future::pending::<()>().await;
    };
    let registrar = serve(Router::new().fallback(get(never))).await;
    let thin = thin(&format!("http://{registrar}/")).to_string();
    let mut world = answering(&["com"], StatusCode::OK, thin).await;
    world.allow.push(registrar);
    let gathered = world.scan_with("example.com", &Alone, async move { asked.notified().await }).await;
    assert_eq!((text(&gathered, "registrar/name"), &gathered.data["registered"]), ("Registrador S.A.", &json!(true)));
    assert_eq!(gathered.progress, (2, 3));
}
