//! IANA's lists: read once, kept for a day, used longer when IANA is gone; and the longest match, as the RFC's own
//! examples have it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::join_all;
use serde_json::{Value, json};
use svc_osint::OsintSettings;
use svc_osint::collectors::whois::{List, Services, Wanted};
use svc_osint::model::SourceStatus;

use crate::bench::settings;
use crate::web::serve;
use crate::whois_fake::{World, reason, source};

/// IANA, gone after its first `answers`; what it was asked for is counted.
async fn iana(answers: usize, list: Value) -> (World, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let router = Router::new().route(
        "/{file}",
        get(async move |Path(file): Path<String>| {
            assert!(["dns.json", "ipv4.json"].contains(&file.as_str()), "{file}");
            let before = counted.fetch_add(1, Ordering::SeqCst);
            if before < answers { (StatusCode::OK, list.to_string()) } else { (StatusCode::BAD_GATEWAY, String::new()) }
        }),
    );
    let address = serve(router).await;
    let mut world = World::of_rdap(&json!([])).await;
    world.allow = vec![address];
    world.lists = format!("http://{address}");
    (world, asked)
}

async fn registry() -> (std::net::SocketAddr, Value) {
    let router = Router::new().fallback(get(async || (StatusCode::NOT_FOUND, "{}")));
    let address = serve(router).await;
    (address, json!({ "services": [[["com"], [format!("http://{address}/")]]] }))
}

#[tokio::test]
async fn a_list_is_read_once_by_all() {
    let (registry, list) = registry().await;
    let (mut world, asked) = iana(100, list).await;
    world.allow.push(registry);
    let scans = join_all((0..8).map(|_| world.scan("example.com"))).await;
    assert!(scans.iter().all(|gathered| gathered.data["registered"] == false));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let asking = scans.iter().filter(|gathered| source(gathered, "rdap:bootstrap").requests == 1).count();
    assert_eq!(asking, 1);
    // Another list is another question.
    world.scan("193.0.6.139").await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_old_list_serves_when_iana_is_gone_and_the_report_says_so() {
    let (registry, list) = registry().await;
    let (mut world, asked) = iana(1, list).await;
    world.allow.push(registry);
    world.settings.lists_last = Duration::ZERO;
    world.scan("example.com").await;
    let gathered = world.scan("example.com").await;
    assert_eq!(gathered.data["registered"], false, "the registry is found all the same");
    let row = source(&gathered, "rdap:bootstrap");
    assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Failed, Some("http-502")));
    assert!(row.detail.as_deref().unwrap().contains("Se usa la lista leída el "), "{row:?}");
    let before = asked.load(Ordering::SeqCst);
    let gathered = world.scan("example.com").await;
    assert_eq!(asked.load(Ordering::SeqCst), before, "a failure is not repeated at once");
    assert_eq!((source(&gathered, "rdap:bootstrap").requests, gathered.data["registered"].as_bool()), (0, Some(false)));
}

#[tokio::test]
async fn what_is_no_list_is_told_and_whois_is_asked() {
    for list in [json!({}), json!({ "services": [] }), json!([]), json!({ "services": [[["com"], ["ftp://x/"]], 7] })] {
        let (world, _) = iana(1, list).await;
        let gathered = world.scan("example.com").await;
        assert_eq!(reason(&gathered, "rdap:bootstrap"), "invalid-response");
        // Nobody listens there, and it has been tried.
        assert_eq!(reason(&gathered, "whois:127.0.0.1:9"), "forbidden-port");
    }
}

#[test]
fn the_examples_of_the_rfc() {
    let read = |list: List, services: Value| Services::read(list, &json!({ "services": services })).unwrap();
    let at = |services: &Services, wanted: Wanted| services.server(&wanted).map(ToString::to_string);
    let dns = read(
        List::Dns,
        json!([
            [["net", "com"], ["https://registry.example.com/myrdap/"]],
            [["org", "mytld"], ["https://example.org/"]],
            [["xn--zckzah"], ["http://example.net/rdap/xn--zckzah/", "https://example.net/rdap/xn--zckzah/"]],
            [["a.b.example"], ["https://longer.example/"]],
            [["example"], ["https://shorter.example/"]],
        ]),
    );
    let domain = |name: &str| at(&dns, Wanted::Domain(name.to_owned()));
    assert_eq!(domain("a.b.example.com").as_deref(), Some("https://registry.example.com/myrdap/"));
    assert_eq!(domain("x.xn--zckzah").as_deref(), Some("https://example.net/rdap/xn--zckzah/"), "encrypted first");
    assert_eq!(domain("x.a.b.example").as_deref(), Some("https://longer.example/"));
    assert_eq!(domain("xa.b.example").as_deref(), Some("https://shorter.example/"), "whole labels only");
    assert_eq!(domain("x.unknown"), None);

    let v6 = read(
        List::Ipv6,
        json!([
            [["2001:db8::/34"], ["https://rir2.example.com/myrdap/"]],
            [["2001:db8:4000::/36", "2001:db8:ffff::/48"], ["https://example.org/"]],
            [["2001:db8:1000::/36", "10.0.0.0/8"], ["https://example.net/rdaprir2/"]],
        ]),
    );
    let ip = |list: &Services, address: &str| at(list, Wanted::Ip(address.parse().unwrap()));
    assert_eq!(ip(&v6, "2001:db8:1000::1").as_deref(), Some("https://example.net/rdaprir2/"), "the /36, not the /34");
    assert_eq!(ip(&v6, "2001:db8:2000::1").as_deref(), Some("https://rir2.example.com/myrdap/"));
    assert_eq!(ip(&v6, "2001:db9::1"), None);
    let v4 = read(
        List::Ipv4,
        json!([[["0.0.0.0/0"], ["https://all.example/"]], [["1.2.3.4/32"], ["https://one.example/"]]]),
    );
    assert_eq!(ip(&v4, "1.2.3.4").as_deref(), Some("https://one.example/"));
    assert_eq!(ip(&v4, "1.2.3.5").as_deref(), Some("https://all.example/"));

    let asn = read(
        List::Asn,
        json!([
            [["2045"], ["https://rir3.example.com/myrdap/"]],
            [["10000-12000", "300000-400000"], ["http://example.org/"]],
            [["64512-65534"], ["https://example.net/rdaprir2/"]],
        ]),
    );
    assert_eq!(at(&asn, Wanted::Asn(2045)).as_deref(), Some("https://rir3.example.com/myrdap/"));
    assert_eq!(at(&asn, Wanted::Asn(11_411)).as_deref(), Some("http://example.org/"));
    assert_eq!(at(&asn, Wanted::Asn(12_001)), None);
}

#[test]
fn the_first_server_is_a_setting() {
    let server = |text: &str| settings(&[("OSINT_WHOIS_SERVER", text)]).map(|OsintSettings { whois, .. }| whois.server);
    assert_eq!(server("").unwrap().to_string(), "whois.iana.org");
    assert_eq!(server("WHOIS.nic.es").unwrap().to_string(), "whois.nic.es");
    assert_eq!(server("127.0.0.1:4343").unwrap().to_string(), "127.0.0.1:4343");
    assert_eq!(server("[2001:db8::1]:4343").unwrap().to_string(), "[2001:db8::1]:4343");
    assert_eq!(server("2001:db8::1").unwrap().to_string(), "2001:db8::1");
    for wrong in ["a b", "http://x/", "x:0", "x:99999", ":43"] {
        let sentence = server(wrong).unwrap_err();
        assert!(sentence.starts_with("OSINT_WHOIS_SERVER must be a host name"), "{sentence}");
    }
}
