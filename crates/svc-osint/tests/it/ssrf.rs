//! Nothing inside is ever reached, however the address is written, named, redirected or rebound.

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::get;
use svc_osint::connector::{Connector, ConnectorSettings, FetchError, Limits, is_forbidden};
use svc_osint::model::SourceStatus;

use crate::responder::{Responder, answer_to, kind_of, record_for};
use crate::web::{Names, Trap, door, serve, serve_at};

/// Ways of writing an address that must lead nowhere; `{P}` is the port of the trap.
const FORMS: &[&str] = &[
    // The loopback address in every notation some library understands.
    "http://127.0.0.1:{P}/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "HTTP://127.0.0.1:{P}/",
    "http://127.255.255.254:{P}/",
    "http://127.1:{P}/",
    "http://127.0.1:{P}/",
    "http://2130706433:{P}/",
    "http://0x7f000001:{P}/",
    "http://0X7F000001:{P}/",
    "http://0x7f.1:{P}/",
    "http://0x7f.0x0.0x0.0x1:{P}/",
    "http://0177.0.0.1:{P}/",
    "http://0177.0.0.0x1:{P}/",
    "http://017700000001:{P}/",
    "http://0000000000000000017700000001:{P}/",
    "http://127.0.0.01:{P}/",
    "http://127.000.000.001:{P}/",
    "http://127.0.0.1.:{P}/",
    "http://0:{P}/",
    "http://0x0:{P}/",
    "http://0.0.0.0:{P}/",
    "http://0.1.2.3:{P}/",
    // The same with letters that only look like digits and dots.
    "http://１２７.０.０.１:{P}/",
    "http://127。0。0。1:{P}/",
    "http://127．0．0．1:{P}/",
    "http://127｡0｡0｡1:{P}/",
    "http://①②⑦.⓪.⓪.①:{P}/",
    "http://%31%32%37.0.0.1:{P}/",
    "http://127.0.0.1%2e:{P}/",
    "http://127%2e0%2e0%2e1:{P}/",
    // Public addresses in odd notations: two programs would disagree about them.
    "http://134744072/",
    "http://010.8.8.8/",
    "http://8.8.2056/",
    "http://1.1/",
    // Somebody before the host.
    "http://example.com@127.0.0.1:{P}/",
    "http://example.com:80@127.0.0.1:{P}/",
    "http://user:password@example.com/",
    "http://@127.0.0.1:{P}/",
    "http://:@127.0.0.1:{P}/",
    "http://:@example.com/",
    "http://127.0.0.1:{P}@example.com/",
    "http://a@b@127.0.0.1:{P}/",
    // Slashes, backslashes and white space that browsers repair.
    "http:\\\\127.0.0.1:{P}\\",
    "http://example.com\\@127.0.0.1:{P}/",
    "http:/127.0.0.1:{P}/",
    "http:127.0.0.1:{P}/",
    "http:///127.0.0.1:{P}/",
    "http:////127.0.0.1:{P}/",
    "//127.0.0.1:{P}/",
    " http://127.0.0.1:{P}/",
    "http://127.0.0.1:{P}/ ",
    "ht\ntp://127.0.0.1:{P}/",
    "http://127.0.\t0.1:{P}/",
    "http://127.0.0.1\0.example.com:{P}/",
    // IPv6: itself, unspecified, and IPv4 in every wrapping.
    "http://[::1]:{P}/",
    "http://[0:0:0:0:0:0:0:1]:{P}/",
    "http://[0000::0001]:{P}/",
    "http://[::]:{P}/",
    "http://[::ffff:127.0.0.1]:{P}/",
    "http://[::ffff:7f00:1]:{P}/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]:{P}/",
    "http://[::ffff:0:127.0.0.1]:{P}/",
    "http://[64:ff9b::127.0.0.1]:{P}/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]:{P}/",
    "http://[2002:7f00:1::]:{P}/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::80ff:fffe]:{P}/",
    "http://[2001:4860:0:0:0:5efe:7f00:1]:{P}/",
    "http://[2001:4860:0:0:200:5efe:7f00:1]:{P}/",
    "http://[fe80::1]:{P}/",
    "http://[fe80::1%25lo]:{P}/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[4000::1]/",
    // Names that mean something inside.
    "http://localhost:{P}/",
    "http://LocalHost:{P}/",
    "http://localhost.:{P}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{P}/",
    "http://anything.localhost:{P}/",
    "http://localhost.localdomain:{P}/",
    "http://printer.local/",
    "http://metadata.google.internal/",
    "http://1.0.0.10.in-addr.arpa/",
    "http://router.home.arpa/",
    "http://intranet/",
    "http://abc.onion/",
    "http://example.com..:{P}/",
    // A public name that leads to the trap.
    "http://inside.example.com:{P}/",
    "http://inside.example.com.:{P}/",
    "http://INSIDE.example.com:{P}/",
    // Networks of others.
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.0.0.8/",
    "http://192.168.1.1/",
    "http://198.18.0.1/",
    "http://203.0.113.7/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    // Other ports and other schemes.
    "http://example.com:22/",
    "http://example.com:6379/",
    "http://example.com:0/",
    "https://example.com:8443/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{P}/",
    "gopher://127.0.0.1:{P}/_x",
    "dict://127.0.0.1:{P}/",
    "ws://127.0.0.1:{P}/",
    "data:text/html,hola",
    "javascript:alert(1)",
    "jar:http://127.0.0.1:{P}!/",
    "http://",
    "127.0.0.1:{P}",
    "",
];

/// First and last of each forbidden block, and a few known dangers.
const FORBIDDEN: &[&str] = &[
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "100.100.100.200",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::ffff:0:0",
    "::ffff:1.1.1.1",
    "::ffff:0:1.1.1.1",
    "64:ff9b::",
    "64:ff9b::ffff:ffff",
    "64:ff9b:1::",
    "64:ff9b:1:ffff::1",
    "100::",
    "100:0:0:1::",
    "2001::",
    "2001:0:ffff::",
    "2001:2::",
    "2001:10::",
    "2001:20::",
    "2001:1ff:ffff::",
    "2001:db8::",
    "2001:db8:ffff::",
    "2002::",
    "2002:ffff::",
    "3fff::",
    "3fff:fff::",
    "4000::",
    "5f00::",
    "fc00::",
    "fdff::",
    "fe80::",
    "febf::",
    "fec0::",
    "feff::",
    "ff00::",
    "ff0e::1",
    "2a00:1450::5efe:7f00:1",
];

/// The neighbours just outside.
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn refused(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Forbidden { .. } | FetchError::Scheme(_) | FetchError::Port(_) | FetchError::Address { .. }
    )
}

/// A socket that shares the trap's port but is not the trap: with it allowed, the port alone is no
/// reason to refuse, so the address has to be.
fn same_port(trap: &Trap) -> SocketAddr {
    (Ipv4Addr::new(127, 77, 77, 77), trap.port).into()
}

/// Sends everybody wherever `u` says.
fn redirector() -> Router {
    Router::new().route(
        "/",
        get(async |Query(query): Query<HashMap<String, String>>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_bytes(query["u"].as_bytes()).unwrap());
            (StatusCode::FOUND, headers)
        }),
    )
}

#[test]
fn the_table_of_addresses_is_right_at_its_borders() {
    for text in FORBIDDEN {
        assert!(is_forbidden(ip(text)).is_some(), "{text} should be forbidden");
    }
    for text in PUBLIC {
        assert_eq!(is_forbidden(ip(text)), None, "{text} should be public");
    }
}

#[tokio::test]
async fn no_way_of_writing_an_address_leads_inside() {
    assert!(FORMS.len() >= 60);
    let trap = Trap::new().await;
    let loopback = ip("127.0.0.1");
    let names = Names::of(&[("example.com", loopback), ("inside.example.com", loopback)]);
    let door = door(&[same_port(&trap)], names);
    for form in FORMS {
        let url = form.replace("{P}", &trap.port.to_string());
        let error = door.fetch(&url, &Limits::default()).await.expect_err(&url);
        assert!(refused(&error), "{url:?} was not refused but failed with {error:?}");
        assert!(!error.to_string().contains("password"), "a password is quoted: {error}");
    }
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn the_trap_would_notice() {
    let trap = Trap::new().await;
    let door = door(&[(Ipv4Addr::LOCALHOST, trap.port).into()], Names::of(&[]));
    let page = door.fetch(&format!("http://127.0.0.1:{}/", trap.port), &Limits::default()).await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(trap.reached().await, 1);
}

#[tokio::test]
async fn the_operator_is_told_once_of_each_refusal_and_of_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let door = door(&[], Names::of(&[("evil.example.com", ip("10.0.0.7"))]));
    for url in [
        "http://evil.example.com/a?key=s3cret",
        "http://user:s3cret@example.com/",
        "ftp://example.com/s3cret",
        "http://a:s3cret@b.com\\",
    ] {
        door.fetch(url, &Limits::default()).await.unwrap_err();
    }
    drop(guard);
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(told.matches("a fetch was refused by policy").count(), 4, "{told}");
    assert!(told.contains("WARN") && told.contains("evil.example.com → 10.0.0.7"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_name_leads_to_a_forbidden_address() {
    for text in FORBIDDEN {
        let door = door(&[], Names::of(&[("evil.example.com", ip(text))]));
        let error = door.fetch("http://evil.example.com/", &Limits::default()).await.expect_err(text);
        let FetchError::Forbidden { what, .. } = &error else {
            panic!("{text}: {error:?}");
        };
        assert!(what.starts_with("evil.example.com → "), "{what}");
        assert_eq!(error.status(), SourceStatus::Blocked);
    }
}

#[tokio::test]
async fn addresses_the_administrator_excludes_are_not_asked() {
    let door = Connector::new(ConnectorSettings {
        refuse: vec![ip("93.184.216.34")],
        lookup: Some(Names::of(&[("mine.example.com", ip("93.184.216.34"))])),
        ..ConnectorSettings::default()
    });
    for url in ["http://mine.example.com/", "http://93.184.216.34/"] {
        let error = door.fetch(url, &Limits::default()).await.unwrap_err();
        assert!(error.to_string().contains("excluida por el administrador"), "{error}");
    }
}

#[tokio::test]
async fn of_a_name_with_good_and_bad_addresses_only_the_good_ones_are_asked() {
    let good = serve_at(Ipv4Addr::new(127, 0, 0, 3), Router::new().route("/", get(async || "good"))).await;
    let trap = Trap::new().await;
    let names = Names::of(&[("mixed.example.com", ip("127.0.0.1")), ("mixed.example.com", good.ip())]);
    let door = door(&[good, same_port(&trap)], names);
    let url = format!("http://mixed.example.com:{}/", good.port());
    let page = door.fetch(&url, &Limits::default()).await.unwrap();
    assert_eq!(page.body, b"good");
    let url = format!("http://mixed.example.com:{}/", trap.port);
    assert!(refused(&door.fetch(&url, &Limits::default()).await.unwrap_err()));
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn no_redirect_leads_inside() {
    let trap = Trap::new().await;
    let outside = serve(redirector()).await;
    let loopback = ip("127.0.0.1");
    let names = Names::of(&[("example.com", loopback), ("inside.example.com", loopback)]);
    let door = door(&[outside, same_port(&trap)], names);
    let mut followed = 0;
    let literals = FORBIDDEN.iter().map(|ip| match ip.parse().unwrap() {
        IpAddr::V4(ip) => format!("http://{ip}/"),
        IpAddr::V6(ip) => format!("https://[{ip}]/"),
    });
    for form in FORMS.iter().map(|form| (*form).to_owned()).chain(literals) {
        let target = form.replace("{P}", &trap.port.to_string());
        if HeaderValue::from_bytes(target.as_bytes()).is_err() {
            continue;
        }
        let mut url = url::Url::parse(&format!("http://{outside}/")).unwrap();
        url.query_pairs_mut().append_pair("u", &target);
        match door.fetch(url.as_str(), &Limits::default()).await {
            Err(e) => assert!(refused(&e) || matches!(e, FetchError::Redirects { .. }), "{target:?}: {e:?}"),
            // `http:127.0.0.1` is, from an http page, a path of the same server.
            Ok(page) => assert!(page.url.starts_with(&format!("http://{outside}/")), "{target:?}: {}", page.url),
        }
        followed += 1;
    }
    assert!(followed > 150);
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_between_two_hops_is_judged_again() {
    let trap = Trap::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // First the address of the allowed server, from then on the trap's; nothing may be remembered.
    let dns = Responder::udp(move |question| {
        if kind_of(question) != 1 {
            return vec![answer_to(question, 0)];
        }
        let address = if counted.fetch_add(1, Ordering::SeqCst) == 0 { [127, 0, 0, 2] } else { [127, 0, 0, 1] };
        vec![record_for(question, 1, 0, &address)]
    });
    let port = trap.port;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).await.unwrap();
    let router = Router::new().route("/", get(async || (StatusCode::FOUND, [(header::LOCATION, "/second")])));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let door = Connector::new(ConnectorSettings {
        resolvers: vec![dns.address()],
        allow_loopback: vec![(Ipv4Addr::new(127, 0, 0, 2), port).into()],
        ..ConnectorSettings::default()
    });
    let url = format!("http://rebind.example.com:{port}/");
    let error = door.fetch(&url, &Limits::default()).await.unwrap_err();
    assert!(matches!(&error, FetchError::Forbidden { what, .. } if what.ends_with("127.0.0.1")), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one look-up a hop, none in between");
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_judged_is_what_is_connected_to() {
    let trap = Trap::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let dns = Responder::udp(move |question| {
        if kind_of(question) != 1 {
            return vec![answer_to(question, 0)];
        }
        let address = if counted.fetch_add(1, Ordering::SeqCst) == 0 { [127, 0, 0, 2] } else { [127, 0, 0, 1] };
        vec![record_for(question, 1, 0, &address)]
    });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), trap.port)).await.unwrap();
    let router = Router::new().route("/", get(async || "judged"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let door = Connector::new(ConnectorSettings {
        resolvers: vec![dns.address()],
        allow_loopback: vec![(Ipv4Addr::new(127, 0, 0, 2), trap.port).into()],
        ..ConnectorSettings::default()
    });
    let url = format!("http://rebind.example.com:{}/", trap.port);
    assert_eq!(door.fetch(&url, &Limits::default()).await.unwrap().body, b"judged");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(refused(&door.fetch(&url, &Limits::default()).await.unwrap_err()));
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn a_name_without_addresses_says_so() {
    let dns = Responder::udp(|question| vec![answer_to(question, 3)]);
    let door = Connector::new(ConnectorSettings { resolvers: vec![dns.address()], ..ConnectorSettings::default() });
    let error = door.fetch("http://nowhere.example.com/", &Limits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "El nombre «nowhere.example.com» no se puede resolver: no tiene direcciones.");
    assert_eq!(error.status(), SourceStatus::Failed);
}
