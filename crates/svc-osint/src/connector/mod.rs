//! The one door to the outside: fetches a public web address and can be led nowhere else.
//!
//! A scan asks for addresses that strangers write, so each step is judged by itself and again after
//! each redirect: how the address is written, its port, every address its name leads to. The
//! connection then goes to *those* addresses without a second look-up, so a name that changes its
//! mind in between gains nothing. Size, time and redirects are bounded; nothing is unpacked beyond
//! the bound, no cookie is kept, no proxy of the environment is used.

mod address;
mod error;
mod fetched;
mod hop;
mod lookup;
mod request;
mod spelling;
mod stream;
mod tls;
mod turn;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use url::Host;

pub use address::{interface_addresses, is_forbidden};
pub use error::FetchError;
pub(crate) use fetched::organisation;
pub use fetched::{Fetched, Limits};
pub use lookup::{DnsLookup, Lookup};
pub use request::Request;

use crate::metrics;
use hop::Answer;
use turn::Turn;

/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 8;

/// What an operator may set about the door. The default is the strict one.
#[derive(Clone)]
pub struct ConnectorSettings {
    /// DNS servers to ask (`OSINT_RESOLVERS`); empty means the system's.
    pub resolvers: Vec<SocketAddr>,
    /// How long one question to one server may take. Default 3 seconds.
    pub dns_timeout: Duration,
    /// Asked instead of DNS when set.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Further addresses never to contact, such as this host's public one behind a NAT.
    pub refuse: Vec<IpAddr>,
    /// Tells the addresses of this machine, which are never contacted either; asked each time, for they change.
    /// Default: [`interface_addresses`].
    pub own_addresses: fn() -> Vec<IpAddr>,
    /// Exact sockets that may be contacted although the rules say no: for fakes on loopback in
    /// tests, empty in any real installation.
    pub allow_loopback: Vec<SocketAddr>,
    /// A PEM file with authorities to trust besides the system's.
    pub extra_authorities: Option<PathBuf>,
    /// What the door calls itself to servers.
    pub user_agent: String,
}

/// The door. Cheap to share by reference; one serves the whole process.
pub struct Connector {
    settings: ConnectorSettings,
    lookup: Arc<dyn Lookup>,
    trust: OnceLock<Result<ClientConfig, String>>,
}

impl Default for ConnectorSettings {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            dns_timeout: Duration::from_secs(3),
            lookup: None,
            refuse: Vec::new(),
            own_addresses: interface_addresses,
            allow_loopback: Vec::new(),
            extra_authorities: None,
            user_agent: concat!("apium-osint/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl ConnectorSettings {
    /// Whether these settings let `ip` be contacted at all, for those who talk to it without the door: the same
    /// judgement, but without the sockets excepted for tests.
    pub fn admits(&self, ip: IpAddr) -> bool {
        let admitted = self.refusal(ip, &(self.own_addresses)()).is_none();
        if !admitted {
            metrics::blocked_address();
        }
        admitted
    }

    fn refusal(&self, ip: IpAddr, own: &[IpAddr]) -> Option<&'static str> {
        is_forbidden(ip)
            .or_else(|| own.contains(&ip).then_some("es una dirección de esta máquina"))
            .or_else(|| self.refuse.contains(&ip).then_some("está excluida por el administrador"))
    }
}

impl Connector {
    /// A door with these settings. Nothing is read or contacted yet.
    pub fn new(settings: ConnectorSettings) -> Self {
        // The HTTP client panics without a process-wide provider. Whoever came first has installed
        // the same one, so "already there" is no failure.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lookup = settings.lookup.clone();
        let lookup = lookup
            .unwrap_or_else(|| Arc::new(DnsLookup::new(settings.resolvers.clone()).with_timeout(settings.dns_timeout)));
        Self { settings, lookup, trust: OnceLock::new() }
    }

    /// Fetches `url` with GET, following redirects, and answers with whatever status came last.
    ///
    /// # Errors
    /// [`FetchError`] when the address or one it redirects to is refused, cannot be reached, is not
    /// HTTP, or goes beyond `limits`.
    pub async fn fetch(&self, url: &str, limits: &Limits) -> Result<Fetched, FetchError> {
        self.send(Request::get(url), limits).await
    }

    /// Sends a request, as [`Connector::fetch`] does.
    ///
    /// # Errors
    /// As [`Connector::fetch`].
    pub async fn send(&self, request: Request, limits: &Limits) -> Result<Fetched, FetchError> {
        self.send_counting(request, limits, &mut 0).await
    }

    /// The same, adding to `sent` each request that was sent, also where nothing came of it.
    ///
    /// # Errors
    /// As [`Connector::fetch`].
    pub async fn send_counting(
        &self,
        request: Request,
        limits: &Limits,
        sent: &mut u32,
    ) -> Result<Fetched, FetchError> {
        let mut asked = String::new();
        let mut turn = Turn::new(request.turns.clone());
        if let Ok(url) = spelling::first(&request.url) {
            turn.at(&url).await;
        }
        let outcome = match timeout(limits.total, self.follow(request, limits, &mut asked, sent, &mut turn)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout { host: asked.clone(), limit: limits.total }),
        };
        if let Err(why) = &outcome {
            tell(&asked, why);
        }
        outcome
    }

    async fn follow(
        &self,
        mut request: Request,
        limits: &Limits,
        asked: &mut String,
        sent: &mut u32,
        turn: &mut Turn,
    ) -> Result<Fetched, FetchError> {
        let started = Instant::now();
        let mut url = spelling::first(&request.url)?;
        let mut trail = Vec::new();
        loop {
            url.host_str().unwrap_or_default().clone_into(asked);
            turn.at(&url).await;
            let port = url.port_or_known_default().unwrap_or_default();
            let addresses = self.admit(url.host(), port, &WEB).await?;
            let client = hop::client(self, &url, &addresses, limits)?;
            *sent = sent.saturating_add(1);
            let (status, location) = match hop::ask(&client, &url, &request, limits).await? {
                Answer::Page(page) => return Ok(page.at(&url, trail, started.elapsed())),
                Answer::Redirect { status, location } => (status, location),
            };
            let next = spelling::next(&url, &location)?;
            trail.push(url.to_string());
            if trail.len() > limits.redirects {
                return Err(FetchError::Redirects { why: format!("hay más de {}", limits.redirects) });
            }
            if trail.iter().any(|seen| seen == next.as_str()) {
                return Err(FetchError::Redirects { why: "da vueltas en círculo".to_owned() });
            }
            request.redirected(status, &url, &next);
            url = next;
        }
    }

    /// The addresses of `host` that may be connected to at `port`, one of the `allowed`; never empty.
    async fn admit(&self, host: Option<Host<&str>>, port: u16, allowed: &[u16]) -> Result<Vec<SocketAddr>, FetchError> {
        let named = allowed.contains(&port);
        if !named && !self.settings.allow_loopback.iter().any(|socket| socket.port() == port) {
            return Err(FetchError::Port(port));
        }
        let what = host.as_ref().map(ToString::to_string).unwrap_or_default();
        let found = match host {
            Some(Host::Ipv4(ip)) => vec![IpAddr::V4(ip)],
            Some(Host::Ipv6(ip)) => vec![IpAddr::V6(ip)],
            Some(Host::Domain(name)) => {
                let asked = self.lookup.addresses(name).await;
                asked.map_err(|why| FetchError::Dns { host: what.clone(), why: error::quoted(&why) })?
            }
            None => Vec::new(),
        };
        let own = (self.settings.own_addresses)();
        let mut refused = None;
        let mut admitted = Vec::new();
        for ip in found {
            let socket = SocketAddr::new(ip, port);
            match self.judge(socket, &own) {
                Some(why) => refused = refused.or(Some((ip, why))),
                None if !named && !self.settings.allow_loopback.contains(&socket) => {
                    return Err(FetchError::Port(port));
                }
                None => admitted.push(socket),
            }
        }
        admitted.truncate(MAX_ADDRESSES);
        match refused {
            _ if !admitted.is_empty() => Ok(admitted),
            Some((ip, why)) if what == ip.to_string() => Err(FetchError::Forbidden { what, why }),
            Some((ip, why)) => Err(FetchError::Forbidden { what: format!("{what} → {ip}"), why }),
            None => Err(FetchError::Dns { host: what, why: "no tiene direcciones".to_owned() }),
        }
    }

    fn judge(&self, socket: SocketAddr, own: &[IpAddr]) -> Option<&'static str> {
        if self.settings.allow_loopback.contains(&socket) {
            return None;
        }
        self.settings.refusal(socket.ip(), own)
    }

    fn trust(&self, host: &str) -> Result<ClientConfig, FetchError> {
        let trust = self.trust.get_or_init(|| tls::trusting(self.settings.extra_authorities.as_deref()));
        trust.clone().map_err(|why| FetchError::Tls { host: host.to_owned(), why })
    }
}

/// Counts and logs what was refused by policy: somebody may be trying the door from outside, and the operator should
/// see it.
fn tell(asked: &str, why: &FetchError) {
    if metrics::blocked(why) {
        tracing::warn!(host = %error::quoted(asked), reason = %why, "a fetch was refused by policy");
    }
}

/// The ports of the web.
const WEB: [u16; 2] = [80, 443];
/// How long connecting alone may take within a fetch: the shorter of this and the idle limit.
const CONNECT: Duration = Duration::from_secs(10);
