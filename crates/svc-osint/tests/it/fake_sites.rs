//! Every site of a list as a fake on loopback, which answers as the list says of the names it knows; or worse.
//!
//! The list is taken as it is but for its hosts: each site gets one of its own, so that a request tells which it is for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use svc_osint::collectors::username::{Payload, SiteLists, UsernameSettings};
use svc_osint::connector::{Connector, ConnectorSettings, Lookup};
use tokio::net::TcpListener;
use url::Url;

use crate::lists;

/// What a fake site answers to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What its list says.
    Honest,
    /// To everybody what its list says of an account.
    Soft404,
    /// A challenge with status 200.
    Cloudflare,
    /// The challenge that a header tells of, with a page that looks like an account.
    Mitigated,
    /// The captchas of two others.
    DataDome,
    PerimeterX,
    /// A status of its own.
    Status(u16),
    /// A redirect to a login that answers 200.
    LoginWall,
    /// A redirect to this machine.
    Inward,
    /// What its list says, in a charset other than it claims.
    WrongCharset,
    /// Nothing at all in the page.
    Blank,
}

/// An answer to be given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// One fake site.
struct Fake {
    yes: Answer,
    no: Answer,
    /// The body a request for the name with an account has.
    sent: Option<String>,
}

/// All fakes of one list.
pub(crate) struct World {
    pub(crate) settings: UsernameSettings,
    pub(crate) connector: Connector,
    pub(crate) requests: Arc<AtomicUsize>,
}

struct Inside {
    manner: Manner,
    fakes: HashMap<usize, Fake>,
    /// Where a name with an account is asked for, and at which site that is.
    known: HashMap<String, usize>,
    requests: Arc<AtomicUsize>,
}

/// Every name leads to loopback.
struct Home;

#[async_trait]
impl Lookup for Home {
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, String> {
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    }
}

impl World {
    /// The fakes of `list`, all of the same manner.
    pub(crate) async fn of(list: &Value, manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let housed = housed(list, address.port());
        let lists = lists::read(&housed).unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let inside =
            Inside { manner, fakes: fakes(&housed, &lists), known: known(&lists), requests: Arc::clone(&requests) };
        let router = Router::new().fallback(answer).with_state(Arc::new(inside));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let connector = Connector::new(ConnectorSettings {
            allow_loopback: vec![address],
            lookup: Some(Arc::new(Home)),
            ..ConnectorSettings::default()
        });
        Self { settings: UsernameSettings::new(lists), connector, requests }
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// `list` with a host of its own for each site, `s7.example.com`, and the name before it where it was in the host.
fn housed(list: &Value, port: u16) -> Value {
    let mut list = list.clone();
    let mark = if list.get("sites").is_some() { "{username}" } else { "{}" };
    let sites = match list.get_mut("sites") {
        Some(sites) => sites.as_object_mut().unwrap(),
        None => list.as_object_mut().unwrap(),
    };
    for (number, site) in sites.values_mut().enumerate() {
        let Some(site) = site.as_object_mut() else { continue };
        for field in ["url", "urlProbe", "urlMain", "errorUrl"] {
            if let Some(Value::String(url)) = site.get_mut(field) {
                *url = at_home(url, mark, number, port);
            }
        }
    }
    list
}

fn at_home(url: &str, mark: &str, number: usize, port: u16) -> String {
    let Some((_, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let before = if host.contains(mark) { format!("{mark}.") } else { String::new() };
    format!("http://{before}s{number}.example.com:{port}{path}")
}

/// The number in a host.
fn house(host: &str) -> usize {
    let label = host.strip_suffix(".example.com").and_then(|rest| rest.rsplit('.').next());
    label.and_then(|label| label.strip_prefix('s')?.parse().ok()).unwrap_or_else(|| panic!("no house: {host}"))
}

fn known(lists: &SiteLists) -> HashMap<String, usize> {
    let mut known = HashMap::new();
    for (_, site) in lists.sites() {
        for name in &site.claimed {
            let filled: String = name.chars().filter(|letter| !site.strip.contains(*letter)).collect();
            if let Ok(url) = Url::parse(&site.probe().encoded(&filled)) {
                known.insert(place(url.host_str().unwrap(), url.path(), url.query()), house(url.host_str().unwrap()));
            }
        }
    }
    known
}

fn place(host: &str, path: &str, query: Option<&str>) -> String {
    format!("{host}{path}?{}", query.unwrap_or_default())
}

fn fakes(list: &Value, lists: &SiteLists) -> HashMap<usize, Fake> {
    let engines = list.get("engines").and_then(Value::as_object).cloned().unwrap_or_default();
    let maigret = list.get("sites").is_some();
    let payloads: HashMap<&str, &Payload> =
        lists.sites().filter_map(|(_, site)| Some((site.name.as_str(), site.payload.as_ref()?))).collect();
    let entries = lists::entries(list).iter().enumerate();
    entries
        .filter_map(|(number, (name, site))| {
            let site = site.as_object()?;
            let (yes, no) = if maigret { by_maigret(site, &engines) } else { by_sherlock(site) };
            let claimed = site.get("username_claimed").or(site.get("usernameClaimed"))?.as_str()?;
            let sent = payloads.contains_key(name.as_str()).then(|| format!("\"{claimed}\""));
            Some((number, Fake { yes, no, sent }))
        })
        .collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// How Sherlock tells accounts, by its documentation.
fn by_sherlock(site: &Map<String, Value>) -> (Answer, Answer) {
    let yes = page(200, "<h1>A profile</h1>");
    let kinds = texts(site.get("errorType"));
    let kind = |wanted: &str| kinds.iter().any(|kind| kind == wanted);
    if kind("message") {
        return (yes, page(200, &format!("<p>{}</p>", texts(site.get("errorMsg"))[0])));
    }
    if kind("status_code") {
        let code = match site.get("errorCode") {
            Some(Value::Array(codes)) => codes[0].as_u64(),
            code => code.and_then(Value::as_u64),
        };
        return (yes, page(u16::try_from(code.unwrap_or(404)).unwrap(), "<p>Nobody</p>"));
    }
    (yes, gone(site))
}

/// How Maigret does.
fn by_maigret(site: &Map<String, Value>, engines: &Map<String, Value>) -> (Answer, Answer) {
    let engine = site.get("engine").and_then(Value::as_str).and_then(|name| engines.get(name)?.get("site"));
    let both = |field: &str| {
        let of_engine = engine.and_then(|engine| engine.get(field));
        [texts(site.get(field)), texts(of_engine)].concat()
    };
    let kind = engine.and_then(|engine| engine.get("checkType")).or(site.get("checkType"));
    let (present, absent) = (both("presenseStrs"), both("absenceStrs"));
    let shown = present.iter().find(|text| !absent.iter().any(|other| text.contains(other.as_str())));
    let yes = page(200, &format!("<h1>A profile</h1>{}", shown.cloned().unwrap_or_default()));
    let no = match kind.and_then(Value::as_str) {
        Some("message") => {
            let told = absent.iter().find(|text| !present.iter().any(|other| text.contains(other.as_str())));
            page(200, &format!("<p>Page</p>{}", told.cloned().unwrap_or_default()))
        }
        Some("response_url") => gone(site),
        _ => page(404, "<p>Page</p>"),
    };
    (yes, no)
}

fn page(status: u16, body: &str) -> Answer {
    Answer { status, location: None, body: format!("<!doctype html><title>Page</title>{body}") }
}

fn gone(site: &Map<String, Value>) -> Answer {
    let to = site.get("errorUrl").and_then(Value::as_str).unwrap_or("/");
    let to = to.replace("{}", "x").replace("{username}", "x");
    Answer { status: 302, location: Some(to), body: String::new() }
}

async fn answer(State(inside): State<Arc<Inside>>, headers: HeaderMap, uri: Uri, body: Bytes) -> Response {
    inside.requests.fetch_add(1, Ordering::SeqCst);
    let host = headers[header::HOST].to_str().unwrap().split(':').next().unwrap().to_owned();
    if headers.contains_key(header::COOKIE) {
        return StatusCode::IM_A_TEAPOT.into_response();
    }
    let Some(fake) = inside.fakes.get(&house(&host)) else { return StatusCode::NOT_FOUND.into_response() };
    let here = inside.known.contains_key(&place(&host, uri.path(), uri.query()));
    let known = match &fake.sent {
        Some(sent) => String::from_utf8_lossy(&body).contains(sent.as_str()),
        None => here,
    };
    let honest = if known { &fake.yes } else { &fake.no };
    match inside.manner {
        Manner::Honest => respond(honest, "text/html; charset=utf-8"),
        Manner::WrongCharset => respond(honest, "text/html; charset=utf-16"),
        Manner::Soft404 => respond(&fake.yes, "text/html"),
        Manner::Cloudflare => html("<title>Just a moment...</title><script>window._cf_chl_opt={}</script>"),
        Manner::Mitigated => ([("cf-mitigated", "challenge")], respond(&fake.yes, "text/html")).into_response(),
        Manner::DataDome => html("<script src=https://ct.captcha-delivery.com/c.js></script>"),
        Manner::PerimeterX => html("<div id=px-captcha></div>"),
        Manner::Status(code) => respond(&Answer { status: code, ..fake.yes.clone() }, "text/html"),
        Manner::LoginWall if uri.path() == "/login" => respond(&fake.yes, "text/html"),
        Manner::LoginWall => redirect("/login?next=/"),
        Manner::Inward => redirect("http://127.0.0.1/"),
        Manner::Blank => html(""),
    }
}

fn respond(answer: &Answer, content_type: &str) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap();
    let mut response =
        (status, [(header::CONTENT_TYPE, content_type)], Body::from(answer.body.clone())).into_response();
    if let Some(location) = &answer.location {
        response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
    }
    response
}

fn html(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/html")], body).into_response()
}

fn redirect(to: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}
