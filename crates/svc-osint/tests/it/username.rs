//! The verdicts of single sites: by every kind of rule, whatever name is asked for, whatever stands in the way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use svc_osint::collectors::username::Verdict::{Available, Blocked, Claimed, Unknown};
use svc_osint::collectors::username::{Checked, Checker, Proof, SiteLists, Verdict, limits};
use svc_osint::connector::{Connector, ConnectorSettings, Limits, Lookup};
use tokio::io::AsyncWriteExt;

use crate::lists::{python, read};
use crate::site_lists::whatsmyname;
use crate::web::{raw, read_head, serve};

/// What a server saw of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A server that remembers, and answers by a function of what it saw.
#[derive(Clone)]
pub(crate) struct Memory {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<dyn Fn(&Seen) -> Response + Send + Sync>,
}

impl Memory {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> (Self, SocketAddr) {
        let memory = Self { seen: Arc::default(), answer: Arc::new(answer) };
        let router = Router::new().fallback(remember).with_state(memory.clone());
        (memory, serve(router).await)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn remember(State(memory): State<Memory>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let seen = Seen { method, uri: uri.to_string(), headers, body: String::from_utf8(body.to_vec()).unwrap() };
    memory.seen.lock().unwrap().push(seen.clone());
    (memory.answer)(&seen)
}

/// Every name leads to loopback.
struct Home;

#[async_trait::async_trait]
impl Lookup for Home {
    async fn addresses(&self, _: &str) -> Result<Vec<std::net::IpAddr>, String> {
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

pub(crate) fn connector(allow: &[SocketAddr]) -> Connector {
    Connector::new(ConnectorSettings {
        allow_loopback: allow.to_vec(),
        lookup: Some(Arc::new(Home)),
        ..ConnectorSettings::default()
    })
}

pub(crate) fn page(status: u16, body: impl Into<Body>) -> Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "text/html")], body.into()).into_response()
}

pub(crate) fn short() -> Limits {
    Limits { body: 64 << 10, total: Duration::from_millis(1_500), idle: Duration::from_millis(700), ..limits() }
}

/// A list of one site of Sherlock's, at `server`.
pub(crate) fn sherlock(server: SocketAddr, more: &Value) -> SiteLists {
    let mut site = json!({
        "errorType": "status_code",
        "url": format!("http://{server}/u/{{}}"),
        "urlMain": format!("http://{server}/"),
        "username_claimed": "ana",
    });
    site.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(&json!({ "Site": site })).unwrap()
}

async fn check_with(lists: &SiteLists, server: SocketAddr, name: &str, limits: &Limits) -> Checked {
    let connector = connector(&[server]);
    let (_, site) = lists.sites().next().expect("a site that can be used");
    Checker::new(&connector, limits).check(site, name).await
}

async fn check(lists: &SiteLists, server: SocketAddr, name: &str) -> Checked {
    check_with(lists, server, name, &short()).await
}

pub(crate) fn verdict(checked: &Checked) -> (Verdict, Option<&str>) {
    (checked.verdict, checked.reason.as_deref())
}

#[tokio::test]
async fn a_status_tells_and_is_held_against_a_name_nobody_has() {
    let ana = |seen: &Seen| page(if seen.uri == "/u/ana" { 200 } else { 404 }, "<p>a page</p>");
    let (memory, server) = Memory::start(ana).await;
    let lists = sherlock(server, &json!({}));
    let claimed = check(&lists, server, "ana").await;
    assert_eq!((verdict(&claimed), claimed.proof), ((Verdict::Claimed, None), Some(Proof::Contrast)));
    assert_eq!((claimed.url.as_str(), claimed.http), (format!("http://{server}/u/ana").as_str(), Some(200)));
    assert_eq!(claimed.requests, 2);
    assert_eq!(verdict(&check(&lists, server, "bea").await), (Verdict::Available, None));
    let asked: Vec<_> = memory.seen().into_iter().map(|seen| seen.uri).collect();
    assert_eq!((asked.len(), asked[0].as_str(), asked[2].as_str()), (3, "/u/ana", "/u/bea"));
    assert!(asked[1].len() > "/u/".len() + 10, "{asked:?}");
}

#[tokio::test]
async fn one_verdict_for_each_answer() {
    let message = json!({ "errorType": "message", "errorMsg": ["no such user", "gone"] });
    let both = json!({ "errorType": ["message", "status_code"], "errorMsg": "no such user" });
    let coded = json!({ "errorCode": [406, 403] });
    let status = json!({});
    for (rule, code, body, expected) in [
        (&status, 404, "x", (Available, None)),
        (&status, 410, "x", (Available, None)),
        (&status, 400, "x", (Unknown, Some("http-400"))),
        (&status, 301, "x", (Unknown, Some("http-301"))),
        (&status, 200, "x", (Unknown, Some("soft-404"))),
        (&status, 200, "", (Unknown, Some("soft-404"))),
        (&status, 202, "x", (Unknown, Some("http-202"))),
        (&status, 401, "x", (Blocked, Some("http-401"))),
        (&status, 403, "x", (Blocked, Some("http-403"))),
        (&status, 429, "x", (Blocked, Some("http-429"))),
        (&status, 999, "x", (Blocked, Some("http-999"))),
        (&status, 500, "x", (Unknown, Some("http-500"))),
        (&status, 503, "x", (Unknown, Some("http-503"))),
        (&coded, 406, "x", (Available, None)),
        (&coded, 403, "x", (Blocked, Some("http-403"))),
        (&message, 200, "<p>no such user</p>", (Available, None)),
        (&message, 404, "<p>gone</p>", (Available, None)),
        (&message, 404, "<p>else</p>", (Unknown, Some("http-404"))),
        (&message, 200, "<p>ana</p>", (Unknown, Some("soft-404"))),
        (&message, 200, " \n", (Unknown, Some("empty"))),
        (&message, 503, "<p>no such user</p>", (Unknown, Some("http-503"))),
        (&both, 404, "<p>ana</p>", (Available, None)),
        (&both, 200, "<p>no such user</p>", (Available, None)),
        (&status, 404, "<title>Just a moment...</title>", (Blocked, Some("challenge-cloudflare"))),
        (&message, 200, "<script src='//geo.captcha-delivery.com'>", (Blocked, Some("challenge-datadome"))),
    ] {
        let (_, server) = Memory::start(move |_| page(code, body)).await;
        let checked = check(&sherlock(server, rule), server, "ana").await;
        assert_eq!(verdict(&checked), expected, "{rule} {code} {body}");
    }
}

#[tokio::test]
async fn where_one_is_sent_to_tells_only_where_the_list_says_so() {
    let sent = |to: &'static str| {
        move |seen: &Seen| match seen.uri.as_str() {
            "/u/ana" => page(200, "<p>ana</p>"),
            _ => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        }
    };
    for (gone, to, expected) in [
        (None, "/", (Available, None)),
        (Some("/nobody"), "/nobody/", (Available, None)),
        (Some("/nobody"), "/elsewhere", (Unknown, Some("redirect-elsewhere"))),
        (None, "/users/bea/", (Unknown, Some("redirect-elsewhere"))),
        (None, "http://169.254.169.254/", (Unknown, Some("redirect-elsewhere"))),
        (None, "/account/login?next=x", (Blocked, Some("login-wall"))),
        (Some("/login"), "/login", (Available, None)),
    ] {
        let (memory, server) = Memory::start(sent(to)).await;
        let mut rule = json!({ "errorType": "response_url" });
        if let Some(gone) = gone {
            rule["errorUrl"] = json!(format!("http://{server}{gone}"));
        }
        let lists = sherlock(server, &rule);
        assert_eq!(verdict(&check(&lists, server, "bea").await), expected, "{gone:?} {to}");
        assert_eq!(memory.seen().len(), 1, "no redirect is followed");
        if expected.0 == Available {
            assert_eq!(check(&lists, server, "ana").await.verdict, Verdict::Claimed);
        }
    }
}

#[tokio::test]
async fn a_login_wall_another_domain_and_our_own_network_are_no_answer() {
    let wall = |seen: &Seen| match seen.uri.as_str() {
        "/login?next=u" => page(200, "<p>welcome</p>"),
        _ => (StatusCode::FOUND, [(header::LOCATION, "/login?next=u")]).into_response(),
    };
    let (_, server) = Memory::start(wall).await;
    assert_eq!(
        verdict(&check(&sherlock(server, &json!({})), server, "ana").await),
        (Verdict::Blocked, Some("login-wall"))
    );

    let parked = |seen: &Seen| {
        let host = seen.headers[header::HOST].to_str().unwrap().to_owned();
        let port = host.rsplit(':').next().unwrap();
        let away = format!("http://parked.example.org:{port}/");
        if host.starts_with("parked") {
            page(404, "<p>for sale</p>")
        } else {
            (StatusCode::FOUND, [(header::LOCATION, away)]).into_response()
        }
    };
    let (_, server) = Memory::start(parked).await;
    let lists = sherlock(server, &json!({ "url": format!("http://site.example.com:{}/{{}}", server.port()) }));
    assert_eq!(verdict(&check(&lists, server, "ana").await), (Verdict::Unknown, Some("moved")));

    for inward in ["http://127.0.0.1/", "http://169.254.169.254/latest/", "file:///etc/passwd", "http://localhost/"] {
        let (_, server) =
            Memory::start(move |_| (StatusCode::FOUND, [(header::LOCATION, inward)]).into_response()).await;
        let checked = check(&sherlock(server, &json!({})), server, "ana").await;
        assert_eq!(checked.verdict, Verdict::Unknown, "{inward}");
        assert!(checked.reason.as_deref().unwrap().starts_with("forbidden-"), "{checked:?}");
    }
}

#[tokio::test]
async fn maigrets_presence_takes_code_and_text() {
    let both = json!({ "checkType": "message", "presenseStrs": ["joined"], "absenceStrs": ["nobody"] });
    let alone = json!({ "checkType": "message", "presenseStrs": ["joined"] });
    let protected = json!({ "checkType": "message", "presenseStrs": ["joined"], "protection": ["ip_reputation"] });
    let status = json!({ "checkType": "status_code", "presenseStrs": ["joined"] });
    let erring =
        json!({ "checkType": "message", "absenceStrs": ["nobody"], "errors": { "come back later": "Maintenance" } });
    for (rule, code, body, expected) in [
        (&both, 200, "joined", (Claimed, None)),
        (&both, 200, "nobody", (Available, None)),
        (&both, 404, "nobody", (Available, None)),
        (&both, 200, "joined, nobody", (Unknown, Some("contradiction"))),
        (&both, 200, "neither", (Unknown, Some("no-match"))),
        (&both, 404, "joined", (Unknown, Some("http-404"))),
        (&alone, 200, "neither", (Available, None)),
        (&alone, 200, "", (Unknown, Some("no-match"))),
        (&alone, 404, "neither", (Available, None)),
        (&alone, 404, "joined", (Unknown, Some("contradiction"))),
        (&protected, 200, "neither", (Unknown, Some("no-match"))),
        (&protected, 200, "joined", (Claimed, None)),
        (&status, 200, "joined", (Claimed, None)),
        (&status, 404, "neither", (Available, None)),
        (&status, 404, "joined", (Unknown, Some("contradiction"))),
        (&erring, 200, "come back later", (Unknown, Some("site-error"))),
    ] {
        let said = move |seen: &Seen| if seen.uri == "/ana" { page(code, body) } else { page(404, "nobody") };
        let (_, server) = Memory::start(said).await;
        let mut site = rule.clone();
        site["url"] = json!(format!("http://{server}/{{username}}"));
        let lists = read(&json!({ "sites": { "Site": site }, "engines": {} })).unwrap();
        let checked = check(&lists, server, "ana").await;
        assert_eq!(verdict(&checked), expected, "{rule} {code} {body}");
        assert_eq!(checked.proof, (expected.0 == Claimed).then_some(Proof::Words));
    }
}

#[tokio::test]
async fn an_engine_fills_in_what_its_sites_leave_out() {
    let (memory, server) = Memory::start(|seen: &Seen| match seen.uri.as_str() {
        "/forum/members/?username=ana&xml=1" => page(200, "<p>of the engine, of the site</p>"),
        _ => page(200, "<p>not found</p>"),
    })
    .await;
    let list = json!({
        "sites": { "Forum": {
            "engine": "Board", "urlMain": format!("http://{server}/"), "urlSubpath": "/forum", "getParams": { "xml": 1 },
            "presenseStrs": ["of the site"], "usernameClaimed": "ana", "alexaRank": 7, "tags": ["forum"]
        } },
        "engines": { "Board": { "name": "Board", "presenseStrs": ["a sign of the engine"], "site": {
            "checkType": "message", "presenseStrs": ["of the engine"], "absenceStrs": ["not found"],
            "url": "{urlMain}{urlSubpath}/members/?username={username}"
        } } }
    });
    let lists = read(&list).unwrap();
    assert_eq!(check(&lists, server, "ana").await.verdict, Verdict::Claimed);
    assert_eq!(check(&lists, server, "bea").await.verdict, Verdict::Available);
    assert_eq!(memory.seen()[0].uri, "/forum/members/?username=ana&xml=1");
    let (_, site) = lists.sites().next().unwrap();
    assert_eq!(site.rule.present.texts.len(), 2);
    assert_eq!((site.rank, site.tags.as_slice()), (Some(7), &["forum".to_owned()][..]));
}

#[tokio::test]
async fn whatsmyname_is_exact_and_its_names_pass() {
    let answer = |seen: &Seen| {
        let host = seen.headers[header::HOST].to_str().unwrap().split('.').next().unwrap().to_owned();
        match (host.as_str(), seen.uri.as_str()) {
            ("exact", "/u/alba" | "/u/bruno") => page(200, "<p>member since 2001</p>"),
            ("exact", "/u/odd") => page(404, "<p>another page</p>"),
            ("exact", _) => page(404, "<p>no such member</p>"),
            ("same", "/api?u=carla") => page(200, "{\"id\": 7}".replace(": ", ":")),
            ("same", _) => page(200, "{\"error\":1}"),
            ("posted", _) if seen.body.contains("\"diego\"") => page(200, "found"),
            ("posted", _) => page(200, "nobody"),
            ("dotless", "/evam") => page(200, "profile"),
            _ => (StatusCode::FOUND, [(header::LOCATION, "/")]).into_response(),
        }
    };
    let (_, server) = Memory::start(answer).await;
    let lists = read(&whatsmyname(server.port())).unwrap();
    let connector = connector(&[server]);
    let limits = short();
    let checker = Checker::new(&connector, &limits);
    for (_, site) in lists.sites() {
        for name in &site.claimed {
            let checked = checker.check(site, name).await;
            // The control of the last leads round in a circle; its own words speak for it.
            assert_eq!(checked.verdict, Verdict::Claimed, "{} {checked:?}", site.name);
        }
        let free = checker.check(site, "nobodyAtAll").await.verdict;
        assert!(free == Verdict::Available || site.name == "Dotless", "{} {free:?}", site.name);
    }
    let exact = lists.sites().find(|(_, site)| site.name == "Exact").unwrap().1;
    assert_eq!(verdict(&checker.check(exact, "odd").await), (Verdict::Unknown, Some("no-match")));
}

#[tokio::test]
async fn names_a_site_does_not_take_are_not_sent() {
    let (memory, server) = Memory::start(|_| page(200, "x")).await;
    let port = server.port();
    let in_host = json!({ "url": format!("http://{{}}.example.com:{port}/") });
    for (rule, name) in [
        (json!({ "regexCheck": "^[a-z]{3,5}$" }), "Ana.María"),
        (json!({ "regexCheck": "^(?!ana)[a-z]+$" }), "anabel"),
        (json!({}), ".."),
        (json!({}), "."),
        (in_host.clone(), "ana.bea"),
        (in_host.clone(), "ana/../bea"),
        (in_host.clone(), "-ana"),
        (in_host, "127.0.0.1"),
    ] {
        let checked = check(&sherlock(server, &rule), server, name).await;
        assert_eq!((checked.verdict, checked.requests), (Verdict::Illegal, 0), "{rule} {name}");
    }
    let endless = sherlock(server, &json!({ "regexCheck": "^(a+)+(?=b)$" }));
    assert_eq!(verdict(&check(&endless, server, &"a".repeat(60)).await), (Verdict::Unknown, Some("regex-limit")));
    assert_eq!(memory.seen(), []);
}

#[tokio::test]
async fn hostile_names_stay_names_wherever_they_go() {
    let names = [
        "'; DROP TABLE x",
        "../../etc/passwd",
        "..%2f",
        "a%00b",
        "ñandú/名",
        "a?b#c&d=e",
        "\"}],\"x\":[{",
        "a\\b",
        "a\r\nX-Y: z",
    ];
    for name in names {
        let (memory, server) = Memory::start(|_| page(404, "x")).await;
        let rule = json!({
            "url": format!("http://{server}/u/{{}}/profile?also={{}}"),
            "urlProbe": format!("http://{server}/api/{{}}?also={{}}"),
            "request_method": "POST",
            "request_payload": { "query": "of {}", "deep": [{ "name": "{}" }], "n": 1 },
            "headers": { "Referer": "https://a.example.com/{}", "Accept-Encoding": "br", "X-Site": "yes" },
        });
        let checked = check(&sherlock(server, &rule), server, name).await;
        assert_eq!(checked.verdict, Verdict::Available, "{name:?} {checked:?}");
        let [seen] = memory.seen().try_into().unwrap();
        let program =
            "import json, sys, urllib.parse\nprint(json.dumps(urllib.parse.quote(json.load(sys.stdin), safe='')))";
        let quoted = python(program, &json!(name));
        let quoted = quoted.as_str().unwrap();
        assert_eq!(seen.uri, format!("/api/{quoted}?also={quoted}"));
        assert_eq!(checked.url, format!("http://{server}/u/{quoted}/profile?also={quoted}"));
        assert_eq!(seen.headers["referer"], format!("https://a.example.com/{quoted}"));
        assert_eq!(
            (&seen.headers["x-site"], &seen.headers["content-type"]),
            (&"yes".parse().unwrap(), &"application/json".parse().unwrap())
        );
        assert_eq!(seen.headers["accept-encoding"], "gzip");
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(body, json!({ "query": format!("of {name}"), "deep": [{ "name": name }], "n": 1 }));
    }
}

#[tokio::test]
async fn what_was_not_read_proves_nothing() {
    let long = || "<p>filler</p>".repeat(20_000);
    let message = json!({ "errorType": "message", "errorMsg": "no such user" });
    let tail = move |_: &Seen| page(200, format!("{}no such user", long()));
    let (_, server) = Memory::start(tail).await;
    assert_eq!(verdict(&check(&sherlock(server, &message), server, "ana").await), (Verdict::Unknown, Some("cut")));
    let head = move |_: &Seen| page(200, format!("no such user{}", long()));
    let (_, server) = Memory::start(head).await;
    assert_eq!(verdict(&check(&sherlock(server, &message), server, "ana").await), (Verdict::Available, None));

    let endless = |seen: &Seen| match seen.uri.as_str() {
        "/u/ana" => {
            let piece = Bytes::from(vec![b'x'; 1 << 16]);
            let stream = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            page(200, Body::from_stream(stream))
        }
        _ => page(404, "x"),
    };
    let (_, server) = Memory::start(endless).await;
    let before = crate::site_lists::memory();
    assert_eq!(check(&sherlock(server, &json!({})), server, "ana").await.verdict, Verdict::Claimed);
    assert_eq!(verdict(&check(&sherlock(server, &message), server, "ana").await), (Verdict::Unknown, Some("cut")));
    assert!(crate::site_lists::memory().saturating_sub(before) < 32 << 20);

    let announced = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\nabc").await;
        std::future::pending::<()>().await;
    })
    .await;
    let checked = check(&sherlock(announced, &message), announced, "ana").await;
    assert_eq!(verdict(&checked), (Verdict::Unknown, Some("timeout")));
}

#[tokio::test]
async fn trouble_on_the_way_is_unknown_and_says_which() {
    let drip = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let mut drops = tokio::time::interval(Duration::from_millis(100));
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            drops.tick().await;
        }
    })
    .await;
    let babble = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    })
    .await;
    let circle = Memory::start(|_| (StatusCode::FOUND, [(header::LOCATION, "/u/ana")]).into_response()).await.1;
    for (server, reason) in [(drip, "timeout"), (babble, "transport-error"), (circle, "redirects")] {
        let checked = check(&sherlock(server, &json!({})), server, "ana").await;
        assert_eq!(verdict(&checked), (Verdict::Unknown, Some(reason)));
        assert!(checked.detail.is_some());
    }
    let away = SocketAddr::from(([127, 0, 0, 1], crate::knot::free_port()));
    assert_eq!(verdict(&check(&sherlock(away, &json!({})), away, "ana").await), (Verdict::Unknown, Some("connect")));
}

#[tokio::test]
async fn pages_in_other_letters_are_read() {
    // «нет такого» in windows-1251.
    let bytes: &[u8] = b"<p>\xed\xe5\xf2 \xf2\xe0\xea\xee\xe3\xee</p>";
    let rule = json!({ "errorType": "message", "errorMsg": "нет такого" });
    let said = |kind: &'static str, body: Vec<u8>| {
        move |_: &Seen| ([(header::CONTENT_TYPE, kind)], body.clone()).into_response()
    };
    let in_page = [b"<meta charset=windows-1251>", bytes].concat();
    for (kind, body, expected) in [
        ("text/html; charset=windows-1251", bytes.to_vec(), (Verdict::Available, None)),
        ("text/html", in_page, (Verdict::Available, None)),
        ("text/html; charset=utf-8", bytes.to_vec(), (Verdict::Unknown, Some("cut"))),
        ("text/html; charset=unheard-of", bytes.to_vec(), (Verdict::Unknown, Some("cut"))),
        ("text/html; charset=windows-1251", "<p>нет такого</p>".as_bytes().to_vec(), (Verdict::Available, None)),
    ] {
        let (_, server) = Memory::start(said(kind, body)).await;
        assert_eq!(verdict(&check(&sherlock(server, &rule), server, "ana").await), expected, "{kind}");
    }
}
