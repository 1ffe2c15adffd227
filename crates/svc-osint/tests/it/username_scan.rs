//! Whole scans for a name: the pace at each host, what is told of every site, and Sherlock's own opinion.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::net::SocketAddr;
use svc_osint::collectors::username::{Checker, SiteLists, UsernameSettings, Verdict, collect};
use svc_osint::model::{Gathered, Gathering, SourceStatus};

use crate::lists::{python, read};
use crate::username::{Memory, Seen, connector, page, sherlock, short};
use crate::web::{raw, read_head, serve};

async fn gathered(lists: SiteLists, server: SocketAddr, name: &str) -> Gathered {
    let settings = UsernameSettings { limits: short(), ..UsernameSettings::new(lists) };
    let out = Gathering::default();
    collect(&settings, &connector(&[server]), name, &out).await;
    out.so_far()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_asked_two_things_at_once_and_others_need_not_wait() {
    type Counts = Arc<(AtomicUsize, AtomicUsize, AtomicUsize, AtomicUsize)>;
    let counts: Counts = Arc::default();
    let router = Router::new().fallback(|State(counts): State<Counts>, headers: HeaderMap, uri: Uri| async move {
        let one = headers[header::HOST].to_str().unwrap().starts_with("one.");
        let (here, most) = if one { (&counts.0, &counts.1) } else { (&counts.2, &counts.3) };
        most.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await.unwrap_err();
        here.fetch_sub(1, Ordering::SeqCst);
        // Some are sent on to the one host, which is then asked in turn as well.
        let port = headers[header::HOST].to_str().unwrap().rsplit(':').next().unwrap().to_owned();
        if uri.path().starts_with("/on/") {
            (StatusCode::FOUND, [(header::LOCATION, format!("http://one.example.com:{port}/u"))]).into_response()
        } else {
            page(404, "x")
        }
    });
    let server = serve(router.with_state(Arc::clone(&counts))).await;
    let port = server.port();
    let site = |url: String| json!({ "errorType": "status_code", "url": url });
    let mut sites = serde_json::Map::new();
    for n in 0..12 {
        sites.insert(format!("one {n}"), site(format!("http://one.example.com:{port}/{n}/{{}}")));
        sites.insert(format!("other {n}"), site(format!("http://h{n}.example.com:{port}/{{}}")));
        sites.insert(format!("on {n}"), site(format!("http://on{n}.example.com:{port}/on/{{}}")));
    }
    let all = gathered(read(&Value::Object(sites)).unwrap(), server, "bea").await;
    assert_eq!(all.data["counts"]["available"], 36, "{:?}", all.data["counts"]);
    assert_eq!(counts.1.load(Ordering::SeqCst), 1);
    assert!(counts.3.load(Ordering::SeqCst) > 3);
}

#[tokio::test]
async fn the_collector_tells_rows_counts_findings_and_sources() {
    let answer = |seen: &Seen| match seen.uri.as_str() {
        "/a/ana" | "/f/ana" => page(200, "<p>a page</p>"),
        path if path.starts_with("/b/") => page(429, "x"),
        path if path.starts_with("/c/") => page(200, "x"),
        _ => page(404, "x"),
    };
    let (_, server) = Memory::start(answer).await;
    let site = |path: &str| json!({ "errorType": "status_code", "url": format!("http://{server}/{path}/{{}}") });
    let mut strict = site("e");
    strict["regexCheck"] = json!("^[0-9]+$");
    let mut adult = site("f");
    adult["isNSFW"] = json!(true);
    adult["tags"] = json!(["video"]);
    let list = json!({ "A": site("a"), "B": site("b"), "C": site("c"), "D": site("d"), "E": strict, "F": adult });
    let all = gathered(read(&list).unwrap(), server, "ana").await;
    let rows = all.data["sites"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["site"] == name).unwrap();
    let told = |name: &str| (row(name)["status"].as_str().unwrap(), row(name).get("reason").and_then(Value::as_str));
    assert_eq!(told("A"), ("claimed", None));
    assert_eq!(told("B"), ("blocked", Some("http-429")));
    assert_eq!(told("C"), ("unknown", Some("soft-404")));
    assert_eq!(told("D"), ("available", None));
    assert_eq!(told("E"), ("illegal", Some("regex")));
    assert_eq!(row("F")["tags"], json!(["video", "nsfw"]));
    assert_eq!((&row("A")["http"], &row("A")["how"]), (&json!(200), &json!("status")));
    assert_eq!(all.data["counts"], json!({ "claimed": 2, "available": 1, "unknown": 1, "blocked": 1, "illegal": 1 }));
    let mut accounts: Vec<_> = all.findings.iter().map(|f| (f.kind.as_str(), f.value.clone())).collect();
    accounts.sort_unstable();
    assert_eq!(accounts, ["a", "f"].map(|path| ("account", format!("http://{server}/{path}/ana"))));
    assert!(all.findings.iter().all(|finding| finding.confidence < 0.9));
    let mut sources: Vec<_> = all.sources.iter().map(|s| (s.source.as_str(), s.status, s.reason.as_deref())).collect();
    sources.sort_unstable_by_key(|(name, ..)| *name);
    let expected = [
        ("username:sherlock", SourceStatus::Ok, Some("partly-unknown")),
        ("username:sherlock:B", SourceStatus::RateLimited, Some("http-429")),
        ("username:sherlock:C", SourceStatus::Failed, Some("soft-404")),
    ];
    assert_eq!(sources, expected);
    let detail = all.sources.iter().find(|s| s.source == "username:sherlock").unwrap().detail.clone().unwrap();
    assert!(detail.starts_with("De 6 sitios: 2 con cuenta, 1 sin ella"), "{detail}");
    assert_eq!(all.data["lists"][0]["sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn nobody_answering_is_no_success() {
    let (_, server) = Memory::start(|_| page(403, "x")).await;
    let all = gathered(sherlock(server, &json!({})), server, "ana").await;
    let told = |all: &Gathered| all.sources.iter().all(|s| !matches!(s.status, SourceStatus::Ok | SourceStatus::Empty));
    assert!(told(&all), "{:?}", all.sources);
    let all = gathered(sherlock(server, &json!({ "regexCheck": "^[0-9]$" })), server, "ana").await;
    assert!(told(&all), "{:?}", all.sources);
    assert_eq!(all.sources[0].reason.as_deref(), Some("illegal-name"));
}

#[tokio::test]
async fn a_scan_cut_short_has_told_what_it_had() {
    let answer = |seen: &Seen| page(if seen.uri.starts_with("/a/") { 404 } else { 200 }, "x");
    let (_, server) = Memory::start(answer).await;
    let silent = raw(async |mut stream| {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let list = json!({
        "A": { "errorType": "status_code", "url": format!("http://{server}/a/{{}}") },
        "B": { "errorType": "status_code", "url": format!("http://silent.example.com:{}/{{}}", silent.port()) },
    });
    let settings = UsernameSettings::new(read(&list).unwrap());
    let (first, seen) = tokio::sync::oneshot::channel();
    let first = Mutex::new(Some(first));
    let out = Gathering::with_progress(move |done, _| {
        if done == 1 {
            first.lock().unwrap().take().map(|first| first.send(()));
        }
    });
    let connector = connector(&[server, silent]);
    tokio::select! {
        () = collect(&settings, &connector, "ana", &out) => panic!("one of them never answers"),
        _ = seen => {}
    }
    let all = out.so_far();
    assert_eq!(all.data["sites"].as_array().unwrap().len(), 1);
    assert_eq!((all.sources.len(), all.sources[0].status), (1, SourceStatus::Empty));
    assert!(all.sources[0].detail.as_ref().unwrap().contains("1 sin consultar"));
}

/// What Sherlock's own engine says of names at the same sites.
const SHERLOCK: &str = "
import json, sys
from sherlock_project.notify import QueryNotify
from sherlock_project.sherlock import sherlock
given = json.load(sys.stdin)
said = {}
for name in given['names']:
    results = sherlock(name, json.loads(json.dumps(given['sites'])), QueryNotify(), timeout=5)
    said[name] = {site: str(result['status'].status.value) for site, result in results.items()}
print(json.dumps(said))";

#[tokio::test(flavor = "multi_thread")]
async fn sherlock_itself_says_the_same() {
    let answer = |seen: &Seen| {
        let ana = seen.uri.ends_with("/ana") || seen.body.contains("\"ana\"");
        match (seen.uri.split('/').nth(1).unwrap(), ana) {
            (_, true) | ("soft", _) => page(200, "<p>a profile</p>"),
            ("status" | "away404", _) => page(404, "x"),
            ("coded", _) => page(406, "x"),
            ("gone", _) => page(410, "x"),
            ("message" | "posted", _) => page(200, "<p>no such user</p>"),
            ("message404", _) => page(404, "<p>no such user</p>"),
            ("away", _) => (StatusCode::FOUND, [(header::LOCATION, "/nobody")]).into_response(),
            ("wall", _) => page(200, "<span id=\"challenge-error-text\">"),
            ("refused", _) => page(403, "x"),
            ("broken", _) => page(500, "x"),
            _ => page(400, "x"),
        }
    };
    let (_, server) = Memory::start(answer).await;
    let site = |path: &str, more: Value| {
        let mut site = json!({
            "errorType": "status_code", "url": format!("http://{server}/{path}/{{}}"), "urlMain": format!("http://{server}/"),
            "username_claimed": "ana",
        });
        site.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        site
    };
    let message = json!({ "errorType": "message", "errorMsg": "no such user" });
    let away = json!({ "errorType": "response_url", "errorUrl": format!("http://{server}/nobody") });
    let posted = json!({
        "errorType": "message", "errorMsg": ["no such user", "else"], "urlProbe": format!("http://{server}/posted/all"),
        "request_method": "POST", "request_payload": { "user": "{}" },
    });
    let sites = json!({
        "Status": site("status", json!({})),
        "StatusHead": site("status/head", json!({ "request_method": "HEAD" })),
        "StatusGet": site("status/get", json!({ "request_method": "GET" })),
        "Gone": site("gone", json!({})),
        "Coded": site("coded", json!({ "errorCode": 406 })),
        "CodedList": site("coded/list", json!({ "errorCode": [406, 410] })),
        "Message": site("message", message.clone()),
        "MessageList": site("message/list", json!({ "errorType": "message", "errorMsg": ["else", "no such user"] })),
        "Message404": site("message404", message.clone()),
        "Probe": site("x", json!({ "urlProbe": format!("http://{server}/status/probe/{{}}") })),
        "Posted": site("x", posted),
        "Away": site("away", away.clone()),
        "Away404": site("away404", away),
        "Regex": site("status/regex", json!({ "regexCheck": "^[a-z]{3,8}$" })),
        "RegexAhead": site("status/ahead", json!({ "regexCheck": "^(?!x)[a-z]+$" })),
        "Both": site("message/both", json!({ "errorType": ["message", "status_code"], "errorMsg": "no such user" })),
        "Both404": site("status/both", json!({ "errorType": ["message", "status_code"], "errorMsg": "no such user" })),
        "Soft": site("soft", message.clone()),
        "Wall": site("wall", message),
        "Refused": site("refused", json!({})),
        "Broken": site("broken", json!({})),
    });
    let lists = read(&sites).unwrap();
    assert_eq!(lists.len(), sites.as_object().unwrap().len());
    let names = ["ana", "nobodyHere", "xavier"];
    let input = json!({ "names": names, "sites": sites });
    let said = tokio::task::spawn_blocking(move || python(SHERLOCK, &input)).await.unwrap();
    let connector = connector(&[server]);
    let limits = short();
    let checker = Checker::new(&connector, &limits);
    let (mut same, mut ours_unsure) = (0, Vec::new());
    for name in names {
        for (_, site) in lists.sites() {
            let ours = checker.check(site, name).await.verdict;
            let theirs = said[name][&site.name].as_str().unwrap();
            match (theirs, ours) {
                ("Claimed", Verdict::Claimed) | ("Available", Verdict::Available) | ("Illegal", Verdict::Illegal) => {
                    same += 1;
                }
                (_, Verdict::Unknown | Verdict::Blocked) => ours_unsure.push((name, site.name.clone(), theirs)),
                _ => panic!("{name} at {}: Sherlock {theirs}, we {ours:?}", site.name),
            }
        }
    }
    assert!(same >= 48, "{same}: {ours_unsure:?}");
    let unsure: std::collections::BTreeSet<_> = ours_unsure.iter().map(|(_, site, _)| site.as_str()).collect();
    assert!(unsure.is_subset(&["Soft", "Wall", "Refused", "Broken"].into()), "{ours_unsure:?}");
}
