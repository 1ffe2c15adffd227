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

use crate::fault_cases::{Case, Key, Shape};
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

static BOMB: LazyLock<Bytes> = LazyLock::new(|| bomb(b"\x1f\x8b\x08\0\0\0\0\0\0\xff", 500).into());
static PIECE: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 65_536].into());

impl Fault {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 28] = [
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
            _ => true,
        }
    }

    /// Starts the provider that has it.
    pub(crate) async fn start(self, case: Case) -> Faulty {
        let arrived = Arc::new(AtomicUsize::new(0));
        let elsewhere = Fake::answering(move |_| reply(200, case.good.1)).await;
        let away = format!("http://{OTHER}:{}/", elsewhere.address.port());
        let counted = Arc::clone(&arrived);
        let fake = Fake::answering(move |asked| match case.other(&asked.path) {
            Some(body) if !case.is_asked_by(&asked.path) && self != Self::RevokedLater => reply(200, body),
            other if self == Self::RevokedLater => revoked_later(&case, other, asked, &counted),
            _ => {
                let before = counted.fetch_add(1, Ordering::SeqCst);
                self.answer(&case, asked, before, &away)
            }
        })
        .await;
        let mut allow = vec![fake.address, elsewhere.address];
        let (base, deaf) = match self {
            Self::Tls => {
                let server = untrusted().await;
                allow.push(server);
                (format!("https://{SECURE}:{}", server.port()), None)
            }
            Self::NoName => (format!("http://{NOBODY}:{}", fake.address.port()), None),
            Self::Refused => {
                // Bound and not listening: its port is nobody else's.
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
                let address = socket.local_addr().unwrap();
                allow.push(address);
                (format!("http://{address}"), Some(socket))
            }
            Self::Reset => {
                let server = resetting(case, Arc::clone(&arrived)).await;
                allow.push(server);
                (format!("http://{server}"), None)
            }
            _ => (format!("http://{}", fake.address), None),
        };
        Faulty { base, fake, elsewhere, allow, arrived, _deaf: deaf }
    }

    /// The answer to a request that asks the faulty source, or that follows a redirect of it.
    fn answer(self, case: &Case, asked: &Asked, before: usize, away: &str) -> Response {
        let good = case.good.1;
        match self {
            Self::Unknown => reply(404, case.unknown.unwrap_or_default()),
            Self::Html => reply(200, "<!DOCTYPE html><title>Just a moment...</title>"),
            Self::Empty => reply(200, ""),
            Self::Truncated => reply(200, &good[..good.len() / 2]),
            Self::WrongShape => reply(200, if case.shape == Shape::Object { "[]" } else { "{}" }),
            Self::InvalidUtf8 => reply(200, broken(good)),
            Self::HundredMegabytes => reply(200, hundred_megabytes(case.shape)),
            Self::GzipBomb => packed(BOMB.clone()),
            Self::Drip => reply(200, Body::from_stream(drops(good))),
            Self::RedirectLoop => to(if asked.path == "/vuelta" { "/otra" } else { "/vuelta" }),
            Self::RedirectInside => to("http://127.0.0.1/"),
            Self::RedirectElsewhere => to(away),
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
            Self::None | Self::ErrorOnce => reply(200, good),
            Self::RevokedLater | Self::Tls | Self::Refused | Self::Reset | Self::NoName => {
                unreachable!("it has a server of its own")
            }
        }
    }

    /// What the report must say of this source, and how many requests for it must arrive.
    pub(crate) fn verdict(self, case: &Case) -> String {
        let crtsh = case.source == "crtsh";
        let keyed = case.key != Key::None;
        let history = case.source == "securitytrails:history:txt" || case.source == "securitytrails:history:a";
        let (told, arrived) = match self {
            Self::Unknown => ("empty", 1),
            Self::NoName => ("failed/dns", 0),
            Self::Refused => ("failed/connect", 0),
            Self::Reset => ("failed/transport-error", 3),
            Self::Tls => ("failed/tls", 0),
            Self::Drip => ("timeout/timeout", 1),
            Self::Empty => ("failed/empty-answer", 3),
            Self::Html => ("failed/html-instead-of-json", 3),
            Self::Truncated if case.shape != Shape::Lines => ("failed/truncated-json", 3),
            Self::Truncated | Self::InvalidUtf8 | Self::WrongShape => ("failed/invalid-response", 1),
            // Then the current certificates alone are asked for.
            Self::HundredMegabytes | Self::GzipBomb if crtsh => ("failed/too-large", 2),
            Self::HundredMegabytes | Self::GzipBomb => ("failed/too-large", 1),
            Self::RedirectLoop | Self::RedirectInside | Self::RedirectElsewhere if case.key == Key::Parameter => {
                ("failed/redirected", 1)
            }
            Self::RedirectLoop => ("failed/redirects", 3),
            Self::RedirectInside => ("blocked/forbidden-address", 1),
            Self::RedirectElsewhere if keyed => ("failed/redirected", 1),
            Self::None | Self::RedirectElsewhere => ("ok", 1),
            Self::Unauthorized if keyed => ("failed/key-rejected", 1),
            Self::Unauthorized => ("blocked/http-401", 1),
            // It is not the second question but a later one, and the provider is closed by then.
            Self::RevokedLater if history => ("skipped/key-rejected", 0),
            Self::RevokedLater => ("failed/key-rejected", 1),
            Self::Forbidden => (case.forbidden, 1),
            Self::NotFound if crtsh => ("failed/http-404", 3),
            Self::NotFound => ("failed/http-404", 1),
            Self::RetryAfterSeconds | Self::RetryAfterDate => ("rate_limited/http-429", 1),
            Self::RetryAfterNegative | Self::RetryAfterGarbage | Self::TooManyForEver => ("rate_limited/http-429", 3),
            Self::ErrorForEver => ("failed/http-503", 3),
            Self::ErrorOnce => ("ok", 2),
        };
        format!("{told} ×{arrived}")
    }
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
        Shape::Lines => "",
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
            match case.other(&path) {
                Some(body) if !case.is_asked_by(&path) => {
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all((head + body).as_bytes()).await;
                }
                _ => {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    stream.set_zero_linger().unwrap();
                }
            }
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
