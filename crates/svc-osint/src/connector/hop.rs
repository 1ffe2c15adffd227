//! One request to addresses already judged, and its answer read within bounds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::header::{CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Method, Response};
use tokio::time::timeout;
use url::{Host, Url};

use super::fetched::{KEPT_HEADERS, Page};
use super::{CONNECT, Connector, FetchError, Limits, Request, tls};

/// Longest header value kept, in characters.
const MAX_HEADER: usize = 500;

/// What one request led to.
pub(super) enum Answer {
    /// Elsewhere.
    Redirect { status: u16, location: String },
    /// An answer to keep.
    Page(Page),
}

/// Answers no question: every name has been looked up before the client exists, so a client that
/// asks is about to connect to something nobody judged.
struct NoLookup;

impl Resolve for NoLookup {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async { Err("el nombre no ha pasado el control".into()) })
    }
}

/// A client for this hop only: it knows the judged addresses of one host and no other.
pub(super) fn client(
    door: &Connector,
    url: &Url,
    addresses: &[SocketAddr],
    limits: &Limits,
) -> Result<Client, FetchError> {
    let host = url.host_str().unwrap_or_default();
    let broken = |why: String| FetchError::Tls { host: host.to_owned(), why };
    let trust = if url.scheme() == "https" { door.trust(host)? } else { tls::trusting_nobody().map_err(broken)? };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(trust)
        .dns_resolver(NoLookup)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        // One request a connection: HTTP/2 would bring nothing but its own floods.
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(limits.idle.min(CONNECT))
        .user_agent(&door.settings.user_agent);
    if let Some(Host::Domain(name)) = url.host() {
        builder = builder.resolve_to_addrs(name, addresses);
    }
    builder.build().map_err(|e| FetchError::from_client(e, host))
}

/// Sends the request and reads the answer.
pub(super) async fn ask(client: &Client, url: &Url, request: &Request, limits: &Limits) -> Result<Answer, FetchError> {
    let host = url.host_str().unwrap_or_default();
    let silent = || FetchError::Timeout { host: host.to_owned(), limit: limits.idle };
    let mut sending = client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
    if let Some(body) = &request.body {
        sending = sending.body(body.clone());
    }
    let sent = timeout(limits.idle, sending.send()).await.map_err(|_| silent())?;
    let mut response = sent.map_err(|e| if e.is_timeout() { silent() } else { FetchError::from_client(e, host) })?;
    if request.follow
        && let Some(location) = location(&response)?
    {
        return Ok(Answer::Redirect { status: response.status().as_u16(), location });
    }
    let too_large = || FetchError::TooLarge { host: host.to_owned(), limit: limits.body };
    let body = request.method != Method::HEAD;
    if body && !limits.cut && response.content_length().is_some_and(|length| length > limits.body as u64) {
        return Err(too_large());
    }
    if let Some(packing) = response.headers().get(CONTENT_ENCODING) {
        // Ours are taken off by the client; the rest was not asked for.
        if !packing.as_bytes().eq_ignore_ascii_case(b"identity") {
            let why = "comprime la respuesta de un modo que no se ha pedido".to_owned();
            return Err(FetchError::Http { host: host.to_owned(), why });
        }
    }
    let (status, headers) = (response.status().as_u16(), kept(&response));
    let (mut body, mut cut) = (Vec::new(), false);
    while let Some(piece) = timeout(limits.idle, response.chunk())
        .await
        .map_err(|_| silent())?
        .map_err(|e| FetchError::from_client(e, host))?
    {
        let room = limits.body - body.len();
        if piece.len() > room {
            if !limits.cut {
                return Err(too_large());
            }
            body.extend_from_slice(&piece[..room]);
            cut = true;
            break;
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer::Page(Page { status, headers, body, cut }))
}

fn location(response: &Response) -> Result<Option<String>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(value) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    let text = str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| FetchError::Redirects { why: "su destino no es texto".to_owned() })?;
    Ok(Some(text.to_owned()))
}

fn kept(response: &Response) -> BTreeMap<String, String> {
    let value = |name: &str| {
        let raw = String::from_utf8_lossy(response.headers().get(name)?.as_bytes()).into_owned();
        Some(raw.chars().filter(|c| !c.is_control()).take(MAX_HEADER).collect())
    };
    KEPT_HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect()
}
