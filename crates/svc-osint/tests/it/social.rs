//! The fifteen networks as fakes on loopback: an account is proven by status and words, or it is not claimed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use svc_osint::collectors::social::{NETWORKS, collect};
use svc_osint::connector::{Connector, ConnectorSettings};
use svc_osint::enquiry::{Alone, Enquiry, Patience, Tools};
use svc_osint::model::{Gathered, Gathering, SourceStatus};
use svc_osint::providers::{PROVIDERS, ProviderSettings};

use crate::web::serve;

/// A status, headers and a body.
pub(crate) type Page = (u16, Vec<(&'static str, String)>, String);

/// What to answer by provider and path; all else is 404.
type Pages = HashMap<String, Page>;

/// All providers on one socket, each below a path of its name.
pub(crate) struct Providers {
    pub(crate) connector: Connector,
    pub(crate) settings: ProviderSettings,
    seen: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Served {
    pages: Arc<Pages>,
    seen: Arc<Mutex<Vec<String>>>,
    everything: Option<(u16, String)>,
}

/// A page of this status.
pub(crate) fn page(status: u16, body: impl Into<String>) -> Page {
    (status, Vec::new(), body.into())
}

impl Providers {
    /// Providers that know these pages, `reddit/user/ana/about.json`, and no others.
    pub(crate) async fn knowing<const N: usize>(pages: [(&str, Page); N]) -> Self {
        let pages = pages.into_iter().map(|(path, page)| (format!("/{path}"), page)).collect();
        Self::start(pages, None).await
    }

    /// Providers that always answer this.
    pub(crate) async fn saying(status: u16, body: &str) -> Self {
        Self::start(Pages::new(), Some((status, body.to_owned()))).await
    }

    async fn start(pages: Pages, everything: Option<(u16, String)>) -> Self {
        let seen = Arc::default();
        let served = Served { pages: Arc::new(pages), seen: Arc::clone(&seen), everything };
        let server: SocketAddr = serve(Router::new().fallback(answer).with_state(served)).await;
        let urls: Vec<_> = PROVIDERS.iter().map(|p| format!("{}=http://{server}/{}", p.name, p.name)).collect();
        let urls = urls.join(",");
        let read = |name: &str| (name == "OSINT_PROVIDER_URLS").then(|| urls.clone());
        let settings = ProviderSettings::read(&read).unwrap();
        let connector =
            Connector::new(ConnectorSettings { allow_loopback: vec![server], ..ConnectorSettings::default() });
        Self { connector, settings, seen }
    }

    /// What a collector gathers from them.
    pub(crate) async fn gathered(&self, ask: impl AsyncFnOnce(&Enquiry<'_>)) -> Gathered {
        let out = Gathering::default();
        let patience = Patience {
            tries: 2,
            pause: Duration::from_millis(1),
            longest: Duration::from_millis(50),
            ..Patience::default()
        };
        let tools = Tools {
            connector: &self.connector,
            providers: &self.settings,
            quotas: &Alone,
            answers: &Alone,
            patience: &patience,
        };
        ask(&Enquiry::new(tools, &out)).await;
        out.so_far()
    }

    /// Paths asked for, sorted.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.sort();
        seen
    }
}

async fn answer(State(served): State<Served>, headers: HeaderMap, uri: Uri) -> Response {
    assert!(!headers.contains_key(header::COOKIE));
    served.seen.lock().unwrap().push(uri.to_string());
    let (status, extra, body) = match (&served.everything, served.pages.get(&uri.to_string())) {
        (Some((status, body)), _) => (*status, Vec::new(), body.clone()),
        (None, Some(page)) => page.clone(),
        (None, None) => (404, Vec::new(), "{}".to_owned()),
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in extra {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn all_of(providers: &Providers, name: &str) -> Gathered {
    providers.gathered(async |enquiry| collect(enquiry, name).await).await
}

fn told(all: &Gathered, title: &str) -> (String, Option<String>) {
    let row = all.data["sites"].as_array().unwrap().iter().find(|row| row["site"] == title).unwrap();
    let reason = row.get("reason").and_then(Value::as_str).map(str::to_owned);
    (row["status"].as_str().unwrap().to_owned(), reason)
}

const UNTOLD: [&str; 5] = ["Twitter/X", "Instagram", "LinkedIn", "Facebook", "Discord"];
const TELEGRAM: &str = "<title>Telegram: Contact @AnaLopez</title><meta property=\"og:title\" content=\"Ana L&amp;pez\">\
    <div class=\"tgme_page_title\"><span>Ana</span></div><div class=\"tgme_page_extra\">@AnaLopez</div>";
const FREE: &str = "<meta property=\"og:title\" content=\"Telegram: Contact @analopez\">\
    <div class=\"tgme_page_icon\"></div><a href=\"tg://resolve?domain=analopez\">@analopez</a>";
const STEAM: &str = "<?xml version=\"1.0\"?><profile><steamID64>7</steamID64><steamID><![CDATA[Ana]]></steamID>\
    <customURL><![CDATA[analopez]]></customURL></profile>";
const NO_STEAM: &str =
    "<?xml version=\"1.0\"?><response><error><![CDATA[The specified profile could not be found.]]></error></response>";

#[tokio::test]
async fn an_account_is_claimed_where_the_answer_names_it() {
    let providers = Providers::knowing([
        ("github/users/analopez", page(200, "{\"login\":\"AnaLopez\",\"name\":\"Ana López\"}")),
        ("reddit/user/analopez/about.json", page(200, "{\"kind\":\"t2\",\"data\":{\"name\":\"analopez\"}}")),
        ("twitch/analopez", page(200, "<meta property='og:title' content='AnaLopez - Twitch'>")),
        ("tiktok/@analopez", page(200, "<script>{\"statusCode\":0,\"uniqueId\":\"analopez\"}</script>")),
        ("youtube/@analopez", page(200, "<meta property=\"og:url\" content=\"https://www.youtube.com/@AnaLopez\">")),
        ("medium/@analopez", page(200, "<meta property=\"profile:username\" content=\"analopez\">")),
        (
            "pinterest/oembed.json?url=https%3A%2F%2Fwww.pinterest.com%2Fanalopez%2F",
            page(200, "{\"author_url\":\"https://www.pinterest.com/analopez/\",\"author_name\":\"Ana\"}"),
        ),
        ("snapchat/add/analopez", page(200, "<meta property=\"og:title\" content=\"Ana (@analopez) | Snapchat\">")),
        ("telegram/analopez", page(200, TELEGRAM)),
        ("steam/id/analopez?xml=1", page(200, STEAM)),
    ])
    .await;
    let all = all_of(&providers, "analopez").await;
    for network in &NETWORKS {
        let untold = UNTOLD.contains(&network.title);
        let expected = if untold { "unknown" } else { "claimed" };
        assert_eq!(told(&all, network.title).0, expected, "{}", network.title);
    }
    assert_eq!(told(&all, "Discord").1.as_deref(), Some("no-public-lookup"));
    assert_eq!(told(&all, "LinkedIn").1.as_deref(), Some("no-public-proof"));
    assert_eq!(all.data["counts"], json!({ "claimed": 10, "available": 0, "unknown": 5, "blocked": 0, "illegal": 0 }));
    let discord = all.data["sites"].as_array().unwrap().iter().find(|row| row["site"] == "Discord").unwrap();
    assert_eq!(discord["how"], "unsupported");
    let github = all.findings.iter().find(|finding| finding.value == "https://github.com/analopez").unwrap();
    assert_eq!((github.kind.as_str(), &github.attributes["display_name"]), ("account", &json!("Ana López")));
    let telegram = all.findings.iter().find(|finding| finding.value == "https://t.me/analopez").unwrap();
    assert_eq!(telegram.attributes["display_name"], "Ana L&pez");
    assert_eq!((all.findings.len(), all.progress), (10, (15, 15)));
    let skipped = all.sources.iter().filter(|source| source.status == SourceStatus::Skipped).count();
    assert_eq!((all.sources.len(), skipped), (15, 5));
    assert_eq!(providers.seen().len(), 10, "who tells nothing is not asked");
}

#[tokio::test]
async fn nobody_of_that_name_is_available_where_the_network_says_so() {
    let providers = Providers::knowing([
        ("telegram/analopez", page(200, FREE)),
        ("steam/id/analopez?xml=1", page(200, NO_STEAM)),
        ("tiktok/@analopez", page(200, "<script>{\"statusCode\":10221}</script>")),
    ])
    .await;
    let all = all_of(&providers, "analopez").await;
    for network in NETWORKS.iter().filter(|network| !UNTOLD.contains(&network.title)) {
        assert_eq!(told(&all, network.title), ("available".to_owned(), None), "{}", network.title);
    }
    assert_eq!(all.findings.len(), 0);
    assert_eq!(all.sources.iter().filter(|source| source.status == SourceStatus::Empty).count(), 10);
}

#[tokio::test]
async fn a_page_that_names_nobody_or_somebody_else_proves_nothing() {
    let others = [
        page(200, "<title>Welcome</title><p>analopez</p>"),
        page(200, ""),
        page(
            200,
            "{\"login\":\"analopez2\",\"data\":{\"name\":\"xanalopez\"},\"author_url\":\"https://x/analopezz/\"}",
        ),
        page(200, "<meta property=og:title content='AnaLopez2 - Twitch'><meta property=og:url content=/@analopez2>"),
        page(200, STEAM.replace("[analopez]", "[other]")),
    ];
    for (status, _, body) in others {
        let all = all_of(&Providers::saying(status, &body).await, "analopez").await;
        assert_eq!(
            all.data["counts"],
            json!({ "claimed": 0, "available": 0, "unknown": 15, "blocked": 0, "illegal": 0 }),
            "{body}"
        );
    }
}

#[tokio::test]
async fn refusals_and_challenges_are_no_answer() {
    for (status, body, verdict) in [
        (403, "", "blocked"),
        (401, "", "blocked"),
        (999, "", "blocked"),
        (429, "", "blocked"),
        (200, "<title>Just a moment...</title>", "blocked"),
        (404, "<script>window._cf_chl_opt={}</script>", "blocked"),
        (202, "", "unknown"),
        (500, "", "unknown"),
        (503, "", "unknown"),
    ] {
        let all = all_of(&Providers::saying(status, body).await, "analopez").await;
        let counts = &all.data["counts"];
        assert_eq!((&counts["claimed"], &counts["available"]), (&json!(0), &json!(0)), "{status} {body}");
        assert_eq!(counts[verdict], if verdict == "blocked" { 10 } else { 15 }, "{status} {body}: {counts}");
        assert!(all.sources.iter().all(|s| !matches!(s.status, SourceStatus::Ok | SourceStatus::Empty)));
    }
}

#[tokio::test]
async fn a_login_wall_is_seen_and_spent_requests_are_told() {
    let reset = (jiff::Timestamp::now().as_second() + 1_800).to_string();
    let spent = vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
    let providers = Providers::knowing([
        ("youtube/@analopez", (302, vec![("location", "/youtube/consent/x".to_owned())], String::new())),
        ("youtube/consent/x", page(200, "<meta property=\"og:url\" content=\"https://www.youtube.com/@analopez\">")),
        ("github/users/analopez", (403, spent, "{}".to_owned())),
    ])
    .await;
    let all = all_of(&providers, "analopez").await;
    assert_eq!(told(&all, "YouTube"), ("blocked".to_owned(), Some("login-wall".to_owned())));
    assert_eq!(told(&all, "GitHub"), ("blocked".to_owned(), Some("http-429".to_owned())));
    let github = all.sources.iter().find(|source| source.source == "social:github").unwrap();
    assert_eq!(github.status, SourceStatus::RateLimited);
    assert!((1_700..=1_800).contains(&github.retry_after.unwrap()), "{github:?}");
}

#[tokio::test]
async fn a_name_a_network_does_not_take_is_not_asked_for() {
    let providers = Providers::knowing([]).await;
    let all = all_of(&providers, "ñandú.de-la-pampa").await;
    for title in ["GitHub", "Reddit", "Twitch", "TikTok", "Pinterest", "Snapchat", "Telegram", "Steam"] {
        assert_eq!(told(&all, title), ("illegal".to_owned(), Some("illegal-name".to_owned())), "{title}");
    }
    assert_eq!(told(&all, "YouTube").0, "available");
    assert_eq!(providers.seen(), ["/youtube/@%C3%B1and%C3%BA.de-la-pampa"]);
}
