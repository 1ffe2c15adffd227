//! The faults a provider can have, each as a server: the rows of the table of faults.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::fault_cases::{Case, Shape};
use crate::provider_fakes::{Asked, Fake, NOBODY, OTHER, SECURE, reply};
use crate::samples::bomb;
use crate::web::raw;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Unknown,
    Tls,
    Html,
    Empty,
    Truncated,
    WrongShape,
    InvalidUtf8,
    HundredMegabytes,
    GzipBomb,
    Drip,
    RedirectLoop,
    RedirectInside,
    RedirectElsewhere,
    RedirectToNothing,
    RetryAfterSeconds,
    RetryAfterDate,
    RetryAfterNegative,
    RetryAfterGarbage,
    TooManyForEver,
    ErrorForEver,
    ErrorOnce,
    Unauthorized,
    Forbidden,
    NotFound,
    RevokedLater,
    Refused,
    Reset,
    NoName,
}

/// A provider with a fault, and what it was asked.
pub(crate) struct Faulty {
    /// The address of the provider as settings name it.
    pub(crate) base: String,
    /// The provider where it behaves, for the other sources of the scan.
    pub(crate) fake: Fake,
    /// Where a redirect leads.
    pub(crate) elsewhere: Fake,
    /// The sockets that may be contacted.
    pub(crate) allow: Vec<SocketAddr>,
    /// Requests for the faulty source that arrived.
    pub(crate) arrived: Arc<AtomicUsize>,
    /// Held so that nobody else gets its port.
    _deaf: Option<TcpSocket>,
}

/// A server beside the others that alone has the fault.
struct Apart {
    base: String,
    socket: Option<SocketAddr>,
    deaf: Option<TcpSocket>,
}

/// Where redirects lead in a circle.
const CIRCLE: [&str; 2] = ["/vuelta", "/otra"];

static BOMB: LazyLock<Bytes> = LazyLock::new(|| bomb(b"\x1f\x8b\x08\0\0\0\0\0\0\xff", 500).into());
static PIECE: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 65_536].into());

impl Fault {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 29] = [
        Self::None,
        Self::Unknown,
        Self::NoName,
        Self::Refused,
        Self::Reset,
        Self::Tls,
        Self::Drip,
        Self::Empty,
        Self::Html,
        Self::Truncated,
        Self::InvalidUtf8,
        Self::WrongShape,
        Self::HundredMegabytes,
        Self::GzipBomb,
        Self::RedirectLoop,
        Self::RedirectInside,
        Self::RedirectElsewhere,
        Self::RedirectToNothing,
        Self::Unauthorized,
        Self::RevokedLater,
        Self::Forbidden,
        Self::NotFound,
        Self::RetryAfterSeconds,
        Self::RetryAfterDate,
        Self::RetryAfterNegative,
        Self::RetryAfterGarbage,
        Self::TooManyForEver,
        Self::ErrorForEver,
        Self::ErrorOnce,
    ];

    /// How the table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "404 by which it says that nothing is known",
            Self::NoName => "its name does not resolve",
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Tls => "certificate nobody vouches for",
            Self::Drip => "a byte a second",
            Self::Empty => "200 without a body",
            Self::Html => "200 with a page",
            Self::Truncated => "200 cut off in the middle",
            Self::InvalidUtf8 => "200 with bytes that are no UTF-8",
            Self::WrongShape => "200 of another shape",
            Self::HundredMegabytes => "200 with 100 MB",
            Self::GzipBomb => "200 with 500 MiB in gzip",
            Self::RedirectLoop => "redirects in a circle",
            Self::RedirectInside => "redirect to 127.0.0.1",
            Self::RedirectElsewhere => "redirect to another host that answers well",
            Self::RedirectToNothing => "redirect to another host that knows nothing",
            Self::Unauthorized => "401",
            Self::RevokedLater => "401 from the second request on",
            Self::Forbidden => "403",
            Self::NotFound => "404 with a page",
            Self::RetryAfterSeconds => "429, Retry-After in seconds",
            Self::RetryAfterDate => "429, Retry-After as a date",
            Self::RetryAfterNegative => "429, Retry-After negative",
            Self::RetryAfterGarbage => "429, Retry-After without sense",
            Self::TooManyForEver => "429 for ever",
            Self::ErrorForEver => "503 for ever",
            Self::ErrorOnce => "503, then well",
        }
    }

    /// Whether this source can have it.
    pub(crate) fn concerns(self, case: &Case) -> bool {
        match self {
            Self::Unknown => case.unknown.is_some(),
            Self::RevokedLater => case.later,
            // What is no text has no letters to be wrong.
            Self::InvalidUtf8 => !matches!(case.shape, Shape::Picture | Shape::File),
            _ => true,
        }
    }

    /// Starts the provider that has it.
    pub(crate) async fn start(self, case: Case) -> Faulty {
        let arrived = Arc::new(AtomicUsize::new(0));
        let elsewhere = Fake::answering(move |asked| match self {
            Self::RedirectToNothing => reply(404, case.unknown.unwrap_or_default()),
            _ => well(&case, asked),
        })
        .await;
        let away = format!("http://{OTHER}:{}", elsewhere.address.port());
        let apart = self.apart(case, &arrived).await;
        let base = apart.as_ref().map(|apart| apart.base.clone());
        let (counted, base_of_others) = (Arc::clone(&arrived), base.clone());
        let fake = Fake::answering(move |asked| {
            let ours = case.is_asked_by(&asked.path) || CIRCLE.contains(&asked.path.as_str());
            match case.other(&asked.path) {
                other if self == Self::RevokedLater => revoked_later(&case, other, asked, &counted),
                _ if ours => self.answer(&case, asked, counted.fetch_add(1, Ordering::SeqCst), &away),
                Some(body) => {
                    reply(200, body.replace("{base}", &base_of_others.clone().unwrap_or_else(|| here(asked))))
                }
                None => reply(404, ""),
            }
        })
        .await;
        let mut allow = vec![fake.address, elsewhere.address];
        allow.extend(apart.as_ref().and_then(|apart| apart.socket));
        let base = base.unwrap_or_else(|| format!("http://{}", fake.address));
        Faulty { base, fake, elsewhere, allow, arrived, _deaf: apart.and_then(|apart| apart.deaf) }
    }

    /// The server of a fault that no web server could have.
    async fn apart(self, case: Case, arrived: &Arc<AtomicUsize>) -> Option<Apart> {
        let at = |base: String, socket| Some(Apart { base, socket, deaf: None });
        match self {
            Self::Tls => {
                let server = untrusted().await;
                at(format!("https://{SECURE}:{}", server.port()), Some(server))
            }
            Self::NoName => at(format!("http://{NOBODY}"), None),
            Self::Refused => {
                // Bound and not listening: its port is nobody else's.
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
                let address = socket.local_addr().unwrap();
                Some(Apart { base: format!("http://{address}"), socket: Some(address), deaf: Some(socket) })
            }
            Self::Reset => {
                let server = resetting(case, Arc::clone(arrived)).await;
                at(format!("http://{server}"), Some(server))
            }
            _ => None,
        }
    }

    /// The answer to a request that asks the faulty source, or that follows a redirect of it.
    fn answer(self, case: &Case, asked: &Asked, before: usize, away: &str) -> Response {
        let good = case.good.1;
        let reply_alike = |body: Body| sent(200, case.content_type, body);
        match self {
            Self::Unknown => reply(404, case.unknown.unwrap_or_default()),
            Self::Html => reply(200, "<!DOCTYPE html><title>Just a moment...</title>"),
            Self::Empty => reply(200, ""),
            Self::Truncated => reply_alike(good[..good.len() / 2].into()),
            Self::WrongShape => reply(200, if case.shape == Shape::Object { "[]" } else { "{}" }),
            Self::InvalidUtf8 => reply_alike(broken(good).into()),
            Self::HundredMegabytes => reply_alike(hundred_megabytes(case.shape)),
            Self::GzipBomb => packed(BOMB.clone()),
            Self::Drip => reply_alike(Body::from_stream(drops(good))),
            Self::RedirectLoop => to(CIRCLE[usize::from(asked.path == CIRCLE[0])]),
            Self::RedirectInside => to("http://127.0.0.1/"),
            // Without the query, in which a key may stand.
            Self::RedirectElsewhere | Self::RedirectToNothing => {
                to(&format!("{away}{}", asked.path.split('?').next().unwrap_or_default()))
            }
            Self::RetryAfterSeconds => too_many("30"),
            Self::RetryAfterDate => too_many(&in_a_while()),
            Self::RetryAfterNegative => too_many("-30"),
            Self::RetryAfterGarbage => too_many("dentro de un rato"),
            Self::TooManyForEver => reply(429, ""),
            Self::ErrorForEver => reply(503, ""),
            Self::ErrorOnce if before == 0 => reply(503, ""),
            Self::Unauthorized => reply(401, ""),
            Self::Forbidden => reply(403, ""),
            Self::NotFound => reply(404, "<html>Not Found</html>"),
            Self::None | Self::ErrorOnce => well(case, asked),
            Self::RevokedLater | Self::Tls | Self::Refused | Self::Reset | Self::NoName => {
                unreachable!("it has a server of its own")
            }
        }
    }
}

/// What a provider that is well answers.
fn well(case: &Case, asked: &Asked) -> Response {
    let other = case.other(&asked.path).filter(|_| !case.is_asked_by(&asked.path));
    let (status, body) = match (other, case.site) {
        (Some(body), _) => (200, body),
        (None, Some(site)) if !asked.path.ends_with(case.target) => site.nobody,
        (None, _) => (200, case.good.1),
    };
    sent(status, case.content_type, body.replace("{base}", &here(asked)).into())
}

/// The server that was asked, as its client calls it.
fn here(asked: &Asked) -> String {
    format!("http://{}", asked.headers[header::HOST].to_str().unwrap())
}

/// An answer of this type.
fn sent(status: u16, content_type: &'static str, body: Body) -> Response {
    let mut answer = reply(status, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Well at first, then not; `other` is what another source of the scan would get.
fn revoked_later(case: &Case, other: Option<&str>, asked: &Asked, counted: &AtomicUsize) -> Response {
    let ours = case.is_asked_by(&asked.path);
    if ours {
        counted.fetch_add(1, Ordering::SeqCst);
    }
    match other {
        _ if asked.before > 0 => reply(401, ""),
        Some(body) if !ours => reply(200, body.to_owned()),
        _ => reply(200, case.good.1),
    }
}

/// The good answer with a byte in its first word or digits that no text has.
fn broken(good: &str) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    let word = bytes.windows(2).position(|pair| pair[0].is_ascii_alphanumeric() && pair[1].is_ascii_alphanumeric());
    bytes[word.unwrap()] = 0xff;
    bytes
}

fn hundred_megabytes(shape: Shape) -> Body {
    let begin = match shape {
        Shape::Object => "{\"x\":\"",
        Shape::List => "[{\"id\":1,\"x\":\"",
        Shape::Page => "<!DOCTYPE html><p>",
        Shape::Lines | Shape::Picture | Shape::File => "",
    };
    let pieces = std::iter::once(Bytes::from_static(begin.as_bytes())).chain(std::iter::repeat_n(PIECE.clone(), 1_600));
    Body::from_stream(futures_util::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
}

fn packed(body: Bytes) -> Response {
    let mut answer = reply(200, body);
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// A byte each second.
fn drops(good: &'static str) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let clock = tokio::time::interval(Duration::from_secs(1));
    let bytes = futures_util::stream::iter(good.as_bytes().chunks(1));
    bytes
        .zip(futures_util::stream::unfold(clock, async |mut clock| {
            clock.tick().await;
            Some(((), clock))
        }))
        .map(|(byte, ())| Ok(Bytes::from_static(byte)))
}

fn to(place: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, place.to_owned())]).into_response()
}

fn too_many(wait: &str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait.to_owned())]).into_response()
}

fn in_a_while() -> String {
    let later = Timestamp::now() + Duration::from_secs(90);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&later).unwrap()
}

/// A server whose certificate nobody vouches for.
async fn untrusted() -> SocketAddr {
    let certified = rcgen::generate_simple_self_signed(vec![SECURE.to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}

/// A server that reads each request and then cuts the line; it counts those for the faulty source, and answers the
/// others well.
async fn resetting(case: Case, arrived: Arc<AtomicUsize>) -> SocketAddr {
    raw(move |mut stream: TcpStream| {
        let arrived = Arc::clone(&arrived);
        async move {
            let path = path_of(&mut stream).await;
            if case.is_asked_by(&path) {
                arrived.fetch_add(1, Ordering::SeqCst);
                stream.set_zero_linger().unwrap();
                return;
            }
            let (status, body) = case.other(&path).map_or(("404 Not Found", ""), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes()).await;
        }
    })
    .await
}

/// Reads a request's head and gives its path.
async fn path_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned()
}
