//! Who may ask for what: tokens and their pace, whose scans are seen, what may be scanned, and who did what.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;
use svc_osint::OsintApi;
use svc_osint::allowed::Allowed;
use svc_osint::store::Store;
use svc_osint::target::{Target, TargetKind};

use crate::bench::{Answer, Bench, posted, settings};

/// An API whose history is a file that the test reads too.
pub(crate) struct Guarded {
    pub(crate) bench: Bench,
    pub(crate) store: Store,
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Guarded {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("osint.db").display());
        let bench = Bench::made(|client| OsintApi::new(client, Store::at(&url)));
        Self { bench, store: Store::at(&url), url, _folder: folder }
    }

    pub(crate) async fn token(&self, name: &str, per_minute: u32) -> String {
        self.store.add_token(name, per_minute).await.unwrap().unwrap()
    }

    pub(crate) async fn with(&self, token: &str, mut request: Request<Body>) -> Answer {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        self.bench.send(request).await
    }

    async fn scan(&self, token: &str) -> Answer {
        self.with(token, posted("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "dns" }))).await
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_first_token_locks_the_door() {
    let guarded = Guarded::new();
    let token = guarded.token("ana", 10).await;
    let wanted = json!({ "target": "ejemplo.es", "type": "dns" });
    let refused = guarded.bench.post("/api/v1/scan", &wanted).await;
    refused.error(401, "unauthorized");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    for wrong in ["osint_falso", "", &token[..token.len() - 1]] {
        guarded.scan(wrong).await.error(401, "unauthorized");
    }
    for path in ["/api/v1/scans", "/api/v1/scan/6f1c1d0e-1111-4222-8333-444455556666"] {
        guarded.bench.get(path).await.error(401, "unauthorized");
    }
    assert_eq!(guarded.bench.waiting().await, 0);
    assert_eq!(guarded.scan(&token).await.status, 202);
    // What shows nothing of anybody stays open: a probe has no token.
    assert_eq!(guarded.bench.get("/api/v1/collectors").await.status, 200);
    assert_eq!(guarded.bench.get("/api/v1/health").await.status, 503);
    guarded.store.revoke_token("ana").await.unwrap();
    guarded.scan(&token).await.error(401, "unauthorized");
}

#[tokio::test]
async fn a_token_asks_as_often_as_it_may() {
    let guarded = Guarded::new();
    let (slow, other) = (guarded.token("lenta", 2).await, guarded.token("otra", 2).await);
    for _ in 0..2 {
        assert_eq!(guarded.scan(&slow).await.status, 202);
    }
    let refused = guarded.scan(&slow).await;
    refused.error(429, "rate_limited");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(guarded.scan(&other).await.status, 202, "each has its own");
    assert_eq!(guarded.with(&slow, get("/api/v1/scans")).await.status, 200, "looking is free");
    guarded.bench.clock.advance(std::time::Duration::from_secs(wait));
    assert_eq!(guarded.scan(&slow).await.status, 202);
}

#[tokio::test]
async fn everybody_sees_their_own_scans() {
    let guarded = Guarded::new();
    let (ana, eva) = (guarded.token("ana", 10).await, guarded.token("eva", 10).await);
    let id = guarded.scan(&ana).await.json()["task_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/scan/{id}");
    assert_eq!(guarded.with(&ana, get(&path)).await.status, 200);
    guarded.with(&eva, get(&path)).await.error(404, "unknown_scan");
    let cancel = Request::post(format!("{path}/cancel")).body(Body::empty()).unwrap();
    guarded.with(&eva, cancel).await.error(404, "unknown_scan");
    let listed = async |token: &str| guarded.with(token, get("/api/v1/scans")).await.json()["scans"].clone();
    assert_eq!(listed(&eva).await, json!([]));
    let mine = listed(&ana).await;
    assert_eq!(
        (&mine[0]["task_id"], &mine[0]["owner"], &mine[0]["status"]),
        (&json!(id), &json!("ana"), &json!("PENDING"))
    );
}

#[tokio::test]
async fn who_did_what_is_noted() {
    let guarded = Guarded::new();
    let ana = guarded.token("ana", 10).await;
    let id = guarded.scan(&ana).await.json()["task_id"].as_str().unwrap().to_owned();
    let delete = Request::delete(format!("/api/v1/scan/{id}")).body(Body::empty()).unwrap();
    assert_eq!(guarded.with(&ana, delete).await.status, 200);
    let deeds = guarded.store.deeds("", &id, jiff::Timestamp::UNIX_EPOCH, 10).await.unwrap();
    let told: Vec<_> =
        deeds.iter().map(|deed| (deed.who.as_str(), deed.action.as_str(), deed.target.as_deref())).collect();
    assert_eq!(told, [("ana", "cancel", None), ("ana", "scan", Some("dns ejemplo.es"))]);
    assert_eq!(guarded.store.scan(&id).await.unwrap().unwrap().cancelled_by.as_deref(), Some("ana"));
}

#[tokio::test]
async fn pages_and_choices_of_the_list() {
    let guarded = Guarded::new();
    for _ in 0..3 {
        guarded.bench.queued().await;
    }
    let page = guarded.bench.get("/api/v1/scans?limit=2").await.json();
    assert_eq!(page["scans"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = guarded.bench.get(&format!("/api/v1/scans?limit=2&before={next}")).await.json();
    assert_eq!((rest["scans"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    let count = async |query: &str| {
        guarded.bench.get(&format!("/api/v1/scans?{query}")).await.json()["scans"].as_array().unwrap().len()
    };
    assert_eq!(count("target=EJEMPLO.es.").await, 3, "in any spelling");
    assert_eq!(count("target=otro.es").await, 0);
    assert_eq!(count("type=dns&status=PENDING").await, 3);
    for wrong in [
        "limit=0",
        "limit=501",
        "limit=x",
        "otro=1",
        "status=LOST",
        "status=",
        "type=DNS",
        "target=a%00",
        "before=x",
        "before=1.",
        "before=+1.x",
        "before=99999999999999999.x",
        "before=1.%00",
    ] {
        guarded.bench.get(&format!("/api/v1/scans?{wrong}")).await.error(422, "invalid_query");
    }
}

#[tokio::test]
async fn only_what_is_on_the_list_is_scanned() {
    let allowed = Allowed::read("ejemplo.es, 192.88.0.0/16 # la red\n2a00::/12\n@ana").unwrap();
    let kinds = [TargetKind::Url, TargetKind::Ip, TargetKind::Email, TargetKind::Domain, TargetKind::Username];
    let admits = |text: &str| allowed.admits(&Target::parse_for(text, &kinds).unwrap());
    for yes in
        ["ejemplo.es", "a.b.EJEMPLO.es", "https://www.ejemplo.es/x", "ana@ejemplo.es", "192.88.7.7", "2a01::1", "@ana"]
    {
        assert!(admits(yes), "{yes}");
    }
    for no in ["ejemplo.com", "noejemplo.es", "https://ejemplo.es.malo.com/", "192.89.0.1", "ana@otro.es", "eva"] {
        assert!(!admits(no), "{no}");
    }
    for wrong in ["10.0.0.0/33", "ejemplo", "@", "a b c", "::/129"] {
        assert!(Allowed::read(wrong).is_err(), "{wrong}");
    }
    let bench = Bench::with(|api| api.with_allowed(allowed));
    let ask = async |target: &str| bench.post("/api/v1/scan", &json!({ "target": target, "type": "dns" })).await;
    assert_eq!(ask("www.ejemplo.es").await.status, 202);
    let sentence = ask("ejemplo.com").await.error(403, "target_not_allowed");
    assert!(sentence.contains("ejemplo.com"), "{sentence}");
    assert_eq!(bench.waiting().await, 1);
}

#[tokio::test]
async fn several_types_are_one_scan() {
    let bench = Bench::new();
    let ask = async |types: serde_json::Value| {
        bench.post("/api/v1/scan", &json!({ "target": "ejemplo.es", "types": types })).await
    };
    for (types, shown) in
        [(json!(["metadata", "dns"]), "dns,metadata"), (json!("dns, metadata"), "dns,metadata"), (json!("all"), "all")]
    {
        let accepted = ask(types).await;
        assert_eq!((accepted.status, &accepted.json()["collector_type"]), (202, &json!(shown)));
    }
    assert_eq!(bench.waiting().await, 3, "each is one message");
    ask(json!(["dns", "nada"])).await.error(400, "unknown_type");
    ask(json!([])).await.error(400, "unknown_type");
    let address = json!({ "target": "192.88.0.1", "types": ["dns", "metadata"] });
    bench.post("/api/v1/scan", &address).await.error(422, "invalid_target");
}

#[tokio::test]
async fn what_is_left_of_a_quota_is_told_with_its_collector() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("osint.db").display());
    let set =
        settings(&[("VIRUSTOTAL_API_KEY", "clave"), ("OSINT_PROVIDER_WINDOWS", "virustotal=4/m 9/d 50/31d")]).unwrap();
    let bench = Bench::made(|client| OsintApi::new(client, Store::at(&url)).with_providers(set.providers));
    let card = async |name: &str| {
        let told = bench.get("/api/v1/collectors").await.json();
        told["collectors"].as_array().unwrap().iter().find(|card| card["type"] == name).unwrap().clone()
    };
    assert_eq!(card("virustotal").await["quota_left"], 9, "four a minute are its pace");
    for name in ["shodan", "dns"] {
        assert_eq!(card(name).await["quota_left"], json!(null), "{name}: no key, or no provider");
    }
    let windows = ["provider=virustotal".to_owned(), "provider=virustotal/2".to_owned()];
    bench.client.broker().limits().spend(&windows, 3).await.unwrap();
    assert_eq!(card("virustotal").await["quota_left"], 6);
    let until = jiff::Timestamp::now() + std::time::Duration::from_hours(1);
    Store::at(&url).spent("virustotal", until).await.unwrap();
    let spent = card("virustotal").await;
    assert_eq!(spent["quota_left"], 0);
    assert!(spent["quota_resets"].as_str().is_some_and(|at| at > "2026"), "{spent}");
}
