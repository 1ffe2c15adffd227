//! Providers on loopback: each answers by a script and remembers what it was asked, and a scan that asks them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::protocol::Headers;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use svc_osint::contract::SCAN;
use svc_osint::enquiry::Patience;
use svc_osint::error::ScanError;
use svc_osint::model::{SourceReport, SourceStatus};
use svc_osint::order::Order;
use svc_osint::providers::PROVIDERS;
use svc_osint::{Osint, OsintSettings};
use tokio_util::sync::CancellationToken;

use crate::bench::{client, context, settings};
use crate::web::{Names, serve};

/// The key of every provider that wants one. It must be seen nowhere but at the provider.
pub(crate) const KEY: &str = "clave-secreta-0123456789";
/// The variables in which keys are set.
pub(crate) const KEYS: [&str; 4] = ["SHODAN_API_KEY", "VIRUSTOTAL_API_KEY", "HIBP_API_KEY", "SECURITYTRAILS_API_KEY"];
/// The name that leads to a second server.
pub(crate) const OTHER: &str = "otro.example.com";
/// The name of a server that is spoken to by TLS.
pub(crate) const SECURE: &str = "seguro.example.com";
/// The name that nobody knows.
pub(crate) const NOBODY: &str = "nadie.example.com";

type Answer = dyn Fn(&Asked) -> Response + Send + Sync;

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    /// All of its headers.
    pub(crate) headers: HeaderMap,
    /// How many came before it.
    pub(crate) before: usize,
}

/// A web server on loopback.
#[derive(Clone)]
pub(crate) struct Fake {
    /// Where it is.
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    counted: Arc<AtomicUsize>,
    answer: Arc<Answer>,
}

/// What a scan came to, whether as a whole it is a success or a failure.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) success: bool,
    pub(crate) sources: Vec<SourceReport>,
    pub(crate) data: Map<String, Value>,
    pub(crate) truncated: bool,
    /// All that callers get to see.
    pub(crate) shown: String,
}

impl Fake {
    /// One that answers so.
    pub(crate) async fn answering(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let mut fake = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            asked: Arc::default(),
            counted: Arc::default(),
            answer: Arc::new(answer),
        };
        fake.address = serve(Router::new().fallback(answered).with_state(fake.clone())).await;
        fake
    }

    /// One that answers by the path's beginning, the first that fits; 404 without a body to anything else.
    pub(crate) async fn with(pages: &[(&str, u16, &str)]) -> Self {
        let owned = |(path, status, body): &(&str, u16, &str)| ((*path).to_owned(), *status, (*body).to_owned());
        let pages: Vec<_> = pages.iter().map(owned).collect();
        Self::answering(move |asked| {
            let page = pages.iter().find(|(path, ..)| asked.path.starts_with(path.as_str()));
            page.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |(_, status, body)| reply(*status, body.clone()))
        })
        .await
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths it was asked for, with their queries.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

async fn answered(State(fake): State<Fake>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let before = fake.counted.fetch_add(1, Ordering::SeqCst);
    let asked = Asked { path, headers: request.headers().clone(), before };
    fake.asked.lock().unwrap().push(asked.clone());
    (fake.answer)(&asked)
}

/// An answer in JSON, or whatever `body` is.
pub(crate) fn reply(status: u16, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// Settings by which every provider is this fake, with keys, and with little patience.
pub(crate) fn asking(fake: &Fake) -> OsintSettings {
    asking_at(&format!("http://{}", fake.address), &[], &[fake.address])
}

/// The same with every provider at `base` but those in `others`; `allow` are the sockets that may be contacted.
pub(crate) fn asking_at(base: &str, others: &[(&str, &str)], allow: &[SocketAddr]) -> OsintSettings {
    let place = |name: &'static str| others.iter().find(|(other, _)| *other == name).map_or(base, |(_, url)| url);
    let urls: Vec<_> = PROVIDERS.iter().map(|it| format!("{}={}", it.name, place(it.name))).collect();
    let (urls, windows) = (urls.join(","), no_windows());
    let mut variables: Vec<_> = KEYS.iter().map(|name| (*name, KEY)).collect();
    variables.extend([("OSINT_PROVIDER_URLS", urls.as_str()), ("OSINT_PROVIDER_WINDOWS", &windows)]);
    with_little_patience(settings(&variables).unwrap(), allow)
}

/// The same without any key.
pub(crate) fn keyless(fake: &Fake) -> OsintSettings {
    let urls: Vec<_> = PROVIDERS.iter().map(|it| format!("{}=http://{}", it.name, fake.address)).collect();
    let (urls, windows) = (urls.join(","), no_windows());
    let variables = [("OSINT_PROVIDER_URLS", urls.as_str()), ("OSINT_PROVIDER_WINDOWS", &windows)];
    with_little_patience(settings(&variables).unwrap(), &[fake.address])
}

/// Every provider may be asked as often as one likes.
fn no_windows() -> String {
    PROVIDERS.iter().map(|it| format!("{}=", it.name)).collect::<Vec<_>>().join(",")
}

fn with_little_patience(mut settings: OsintSettings, allow: &[SocketAddr]) -> OsintSettings {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    settings.connector.allow_loopback = allow.to_vec();
    settings.connector.lookup = Some(Names::of(&[(OTHER, here), (SECURE, here)]));
    settings.patience = Patience {
        tries: 3,
        pause: Duration::from_millis(5),
        longest: Duration::from_millis(50),
        answer: Duration::from_secs(20),
        silence: Duration::from_secs(20),
    };
    settings
}

/// Scans with one collector, as the task does.
pub(crate) async fn scan(settings: &OsintSettings, collector: &str, target: &str, options: Value) -> Told {
    let memory = Arc::new(Memory::default());
    let client = client(memory.clone(), memory);
    let headers = Headers::new(SCAN, "11111111-2222-4333-8444-555555555555");
    let context = context(&client, Osint::new(settings.clone()), headers, CancellationToken::new());
    let options = serde_json::from_value(options).unwrap();
    let order = Order::read(target, collector, options).unwrap();
    match order.run(&Osint::new(settings.clone()), &context).await {
        Ok(result) => Told {
            success: result.success,
            shown: serde_json::to_string(&result).unwrap(),
            sources: result.metadata.sources,
            data: result.data,
            truncated: result.metadata.truncated,
        },
        Err(ScanError::Unavailable(sources) | ScanError::Failed(sources)) => {
            Told { success: false, shown: json!(sources).to_string(), sources, data: Map::new(), truncated: false }
        }
        Err(error) => panic!("{error}"),
    }
}

impl Told {
    /// The report of one source.
    pub(crate) fn source(&self, name: &str) -> &SourceReport {
        let found = self.sources.iter().find(|report| report.source == name);
        found.unwrap_or_else(|| panic!("{name} in {:#?}", self.sources))
    }

    /// Its status and the word for why.
    pub(crate) fn verdict(&self, name: &str) -> (SourceStatus, &str) {
        let report = self.source(name);
        (report.status, report.reason.as_deref().unwrap_or_default())
    }

    /// The values found of one kind.
    pub(crate) fn values(&self, kind: &str) -> Vec<&str> {
        self.findings(kind).iter().map(|finding| finding["value"].as_str().unwrap()).collect()
    }

    /// The findings of one kind.
    pub(crate) fn findings(&self, kind: &str) -> Vec<&Value> {
        let all = self.data["findings"].as_array().unwrap();
        all.iter().filter(|finding| finding["type"] == kind).collect()
    }
}
