//! Registries on loopback: WHOIS servers that say and do what a test wants, IANA's lists, and a scan of them.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use svc_osint::collectors::whois::{ACCEPTS, Server, WhoisLimits, WhoisSettings, collect};
use svc_osint::connector::{Connector, ConnectorSettings, Lookup};
use svc_osint::enquiry::{Alone, Enquiry, Patience, Quotas, Tools};
use svc_osint::model::{Gathered, Gathering, SourceReport};
use svc_osint::providers::{ProviderSettings, URLS};
use svc_osint::target::Target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::web::{Names, serve};

/// A WHOIS server, and what it was asked.
pub(crate) struct Port43 {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Everything a scan needs of the world.
pub(crate) struct World {
    pub(crate) settings: WhoisSettings,
    pub(crate) allow: Vec<SocketAddr>,
    pub(crate) names: Arc<dyn Lookup>,
    /// Where IANA's lists are.
    pub(crate) lists: String,
}

impl Port43 {
    /// Reads the question and hands the connection to `answer`.
    pub(crate) async fn new<F>(answer: impl Fn(String, TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at(Ipv4Addr::LOCALHOST, answer).await
    }

    /// The same on another loopback address.
    pub(crate) async fn at<F>(ip: Ipv4Addr, answer: impl Fn(String, TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    let question = line(&mut stream).await;
                    kept.lock().unwrap().push(question.clone());
                    answer(question, stream).await;
                });
            }
        });
        Self { address, asked }
    }

    /// Says this to everybody and closes.
    pub(crate) async fn saying(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self::new(move |_, stream| tell(stream, text.clone())).await
    }

    /// The questions so far, with their line ends.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How the report calls it.
    pub(crate) fn source(&self) -> String {
        format!("whois:{}", self.address)
    }
}

impl World {
    /// A world in which IANA knows no RDAP server at all, and the first WHOIS server is `first`.
    pub(crate) async fn of_whois(first: &Port43, others: &[&Port43]) -> Self {
        let mut world = Self::of_rdap(&json!([])).await;
        world.settings.server = server(&first.address.to_string());
        world.allow.push(first.address);
        world.allow.extend(others.iter().map(|other| other.address));
        world
    }

    /// A world in which all four of IANA's lists are `services`, and nobody answers on port 43.
    pub(crate) async fn of_rdap(services: &Value) -> Self {
        let mut services = services.as_array().unwrap().clone();
        // An empty list would be no list.
        services.push(json!([["invalid", "192.0.2.0/24", "2001:db8::/32", "64496-64511"], ["https://rdap.invalid/"]]));
        let list = json!({ "version": "1.0", "publication": "2026-11-01T00:00:00Z", "services": services });
        let page = list.to_string();
        let iana = serve(Router::new().route("/rdap/{file}", get(async move || page.clone()))).await;
        Self {
            settings: WhoisSettings { server: server("127.0.0.1:9"), limits: short(), ..WhoisSettings::default() },
            allow: vec![iana],
            names: Names::of(&[]),
            lists: format!("http://{iana}/rdap"),
        }
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::new(ConnectorSettings {
            allow_loopback: self.allow.clone(),
            lookup: Some(Arc::clone(&self.names)),
            ..ConnectorSettings::default()
        })
    }

    /// What a scan of `target` gathers.
    pub(crate) async fn scan(&self, target: &str) -> Gathered {
        self.scan_with(target, &Alone, std::future::pending()).await
    }

    /// The same with these windows, broken off as soon as `stop` says so.
    pub(crate) async fn scan_with(
        &self,
        target: &str,
        quotas: &dyn Quotas,
        stop: impl Future<Output = ()> + Send,
    ) -> Gathered {
        let connector = self.connector();
        let urls = format!("iana_rdap={}", self.lists);
        let providers = ProviderSettings::read(&|name: &str| (name == URLS).then(|| urls.clone())).unwrap();
        let (pause, longest) = (Duration::from_millis(1), Duration::from_millis(50));
        let patience = Patience { tries: 2, pause, longest, ..Patience::default() };
        let out = Gathering::default();
        let tools =
            Tools { connector: &connector, providers: &providers, quotas, answers: &Alone, patience: &patience };
        let target = Target::parse_for(target, &ACCEPTS).unwrap();
        let enquiry = Enquiry::new(tools, &out);
        tokio::select! {
            () = collect(&self.settings, &enquiry, &target) => {}
            () = stop => {}
        }
        out.so_far()
    }
}

/// Limits that a test can wait for.
pub(crate) fn short() -> WhoisLimits {
    WhoisLimits {
        bytes: 64 << 10,
        connect: Duration::from_secs(2),
        total: Duration::from_millis(900),
        idle: Duration::from_millis(300),
    }
}

pub(crate) fn server(text: &str) -> Server {
    text.parse().unwrap()
}

/// The one row of this source.
pub(crate) fn source<'a>(gathered: &'a Gathered, name: &str) -> &'a SourceReport {
    let rows: Vec<_> = gathered.sources.iter().filter(|report| report.source == name).collect();
    assert_eq!(rows.len(), 1, "{name} in {:#?}", gathered.sources);
    rows[0]
}

/// The reason of a source; empty for none.
pub(crate) fn reason(gathered: &Gathered, name: &str) -> String {
    source(gathered, name).reason.clone().unwrap_or_default()
}

/// The values of all findings of a kind.
pub(crate) fn found<'a>(gathered: &'a Gathered, kind: &str) -> Vec<&'a str> {
    gathered.findings.iter().filter(|finding| finding.kind == kind).map(|finding| finding.value.as_str()).collect()
}

/// Sends all of it and closes.
pub(crate) async fn tell(mut stream: TcpStream, text: Vec<u8>) {
    let _ = stream.write_all(&text).await;
    let _ = stream.shutdown().await;
}

/// Names that lead to loopback addresses.
pub(crate) fn names(names: &[(&str, SocketAddr)]) -> Arc<dyn Lookup> {
    let names: Vec<(&str, IpAddr)> = names.iter().map(|(name, address)| (*name, address.ip())).collect();
    Names::of(&names)
}

async fn line(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
