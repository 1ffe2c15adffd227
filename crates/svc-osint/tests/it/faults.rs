//! Servers that lie, drip, flood and go round in circles cost bounded bytes and bounded time.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use svc_osint::connector::{Connector, ConnectorSettings, FetchError, Fetched, Limits};
use svc_osint::model::SourceStatus;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::samples::bomb;
use crate::web::{Names, door, raw, read_head, serve};

const MEBIBYTE: usize = 1 << 20;

fn short() -> Limits {
    Limits {
        body: MEBIBYTE,
        total: Duration::from_millis(1_500),
        idle: Duration::from_millis(600),
        ..Limits::default()
    }
}

async fn fetch(server: SocketAddr, path: &str, limits: &Limits) -> Result<Fetched, FetchError> {
    door(&[server], Names::of(&[])).fetch(&format!("http://{server}{path}"), limits).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn a_page_comes_with_its_headers_and_its_way() {
    let router = Router::new()
        .route("/", get(async || (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/caf%C3%A9?a=1#x")])))
        .route("/caf%C3%A9", get(async || ([(header::SERVER, "fake/1"), (header::SET_COOKIE, "a=b")], "hola")))
        .route("/café", get(async || ([(header::SERVER, "fake/1"), (header::SET_COOKIE, "a=b")], "hola")));
    let server = serve(router).await;
    let page = fetch(server, "/", &Limits::default()).await.unwrap();
    assert_eq!((page.status, page.body.as_slice()), (200, b"hola".as_slice()));
    assert_eq!(page.url, format!("http://{server}/caf%C3%A9?a=1"));
    assert_eq!(page.trail, [format!("http://{server}/")]);
    assert_eq!(page.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(page.headers.get("server").map(String::as_str), Some("fake/1"));
    assert!(!page.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_request_carries_our_name_and_nothing_of_the_last_one() {
    let router = Router::new()
        .route(
            "/",
            get(async || (StatusCode::FOUND, [(header::LOCATION, "/echo"), (header::SET_COOKIE, "session=1; Path=/")])),
        )
        .route("/echo", get(async |headers: HeaderMap| format!("{headers:?}")));
    let server = serve(router).await;
    let page = fetch(server, "/", &Limits::default()).await.unwrap();
    let echo = String::from_utf8(page.body).unwrap();
    assert!(echo.contains("apium-osint/"), "{echo}");
    for absent in ["cookie", "referer", "authorization", "forwarded"] {
        assert!(!echo.contains(absent), "{echo}");
    }
}

#[tokio::test]
async fn a_packed_body_is_unpacked_and_a_bomb_is_not() {
    let small = gzip(&vec![b'x'; MEBIBYTE]);
    let bomb = bomb(b"\x1f\x8b\x08\0\0\0\0\0\0\xff", 500);
    assert!(bomb.len() < MEBIBYTE);
    let packed = |bytes: Vec<u8>| get(async move || ([(header::CONTENT_ENCODING, "gzip")], bytes.clone()));
    let server = serve(Router::new().route("/small", packed(small)).route("/bomb", packed(bomb))).await;
    assert_eq!(fetch(server, "/small", &Limits::default()).await.unwrap().body.len(), MEBIBYTE);
    let error = fetch(server, "/bomb", &Limits::default()).await.unwrap_err();
    assert_eq!(error, FetchError::TooLarge { host: "127.0.0.1".to_owned(), limit: 10 << 20 });
}

#[tokio::test]
async fn a_packing_nobody_asked_for_is_refused() {
    let router = Router::new().route("/", get(async || ([(header::CONTENT_ENCODING, "br")], "xxxx")));
    let error = fetch(serve(router).await, "/", &Limits::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Http { .. }), "{error:?}");
}

#[tokio::test]
async fn a_hundred_megabytes_are_not_read() {
    let announced = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\nabc").await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = fetch(announced, "/", &short()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");

    let endless = async || {
        let piece = vec![b'x'; 65_536];
        Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
            .into_response()
    };
    let server = serve(Router::new().route("/", get(endless))).await;
    let error = fetch(server, "/", &Limits::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_drip_and_a_silence_end_in_time() {
    let drip = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let mut drops = tokio::time::interval(Duration::from_millis(100));
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            drops.tick().await;
        }
    })
    .await;
    let started = Instant::now();
    let error = fetch(drip, "/", &short()).await.unwrap_err();
    assert_eq!(error, FetchError::Timeout { host: "127.0.0.1".to_owned(), limit: short().total });
    assert_eq!(error.status(), SourceStatus::Timeout);
    assert!(started.elapsed() < Duration::from_secs(4));

    for beginning in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
        let silent = raw(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(beginning.as_bytes()).await;
            std::future::pending::<()>().await;
        })
        .await;
        let error = fetch(silent, "/", &short()).await.unwrap_err();
        assert_eq!(error, FetchError::Timeout { host: "127.0.0.1".to_owned(), limit: short().idle });
    }
}

#[tokio::test]
async fn redirects_end() {
    let next = async |Path(n): Path<u32>| match n {
        0 => "there".into_response(),
        n => (StatusCode::FOUND, [(header::LOCATION, format!("/count/{}", n - 1))]).into_response(),
    };
    let away = |to: &'static str| get(async move || (StatusCode::SEE_OTHER, [(header::LOCATION, to)]));
    let router = Router::new()
        .route("/count/{n}", get(next))
        .route("/self", away("/self"))
        .route("/ping", away("/pong"))
        .route("/pong", away("/ping"))
        .route("/file", away("file:///etc/passwd"))
        .route("/loopback", away("http://127.0.0.1/"))
        .route("/port", away("http://example.com:8080/"))
        .route("/broken", away("http://["))
        .route("/nowhere", get(async || StatusCode::FOUND));
    let server = serve(router).await;
    let fetch = async |path| fetch(server, path, &Limits::default()).await;
    assert_eq!(fetch("/count/5").await.unwrap().body, b"there");
    assert!(matches!(fetch("/count/6").await, Err(FetchError::Redirects { .. })));
    assert!(matches!(fetch("/self").await, Err(FetchError::Redirects { .. })));
    assert!(matches!(fetch("/ping").await, Err(FetchError::Redirects { .. })));
    assert!(matches!(fetch("/broken").await, Err(FetchError::Redirects { .. })));
    assert_eq!(fetch("/file").await.unwrap_err(), FetchError::Scheme("file".to_owned()));
    assert!(matches!(fetch("/loopback").await, Err(FetchError::Forbidden { .. })));
    assert_eq!(fetch("/port").await.unwrap_err(), FetchError::Port(8080));
    // Without a destination it is an answer like any other.
    assert_eq!(fetch("/nowhere").await.unwrap().status, 302);
}

#[tokio::test]
async fn what_is_not_http_is_not_believed() {
    let babble: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in babble {
        let server = raw(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(bytes).await;
        })
        .await;
        let error = fetch(server, "/", &short()).await.unwrap_err();
        assert!(matches!(error, FetchError::Http { .. }), "{bytes:?}: {error:?}");
    }
}

#[tokio::test]
async fn headers_without_end_are_not_read() {
    let server = raw(async |mut stream| {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&[b'x'; 4_096]).await.is_ok() {}
    })
    .await;
    let error = fetch(server, "/", &Limits::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Http { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let error = fetch(gone, "/", &short()).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect { .. }), "{error:?}");
    assert!(error.to_string().starts_with("No se puede conectar con «127.0.0.1»: "), "{error}");
}

#[tokio::test]
async fn only_trusted_certificates_are_spoken_to() {
    let certified = rcgen::generate_simple_self_signed(vec!["tls.example.com".to_owned()]).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = raw(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, certified.cert.pem()).unwrap();
    let door = |extra_authorities| {
        Connector::new(ConnectorSettings {
            allow_loopback: vec![server],
            lookup: Some(Names::of(&[("tls.example.com", server.ip()), ("other.example.com", server.ip())])),
            extra_authorities,
            ..ConnectorSettings::default()
        })
    };
    let url = |name: &str| format!("https://{name}:{}/", server.port());
    let trusting = door(Some(authorities));
    assert_eq!(trusting.fetch(&url("tls.example.com"), &short()).await.unwrap().body, b"secret");
    let wrong_name = trusting.fetch(&url("other.example.com"), &short()).await.unwrap_err();
    assert!(matches!(wrong_name, FetchError::Tls { .. }), "{wrong_name:?}");
    let unknown = door(None).fetch(&url("tls.example.com"), &short()).await.unwrap_err();
    assert!(matches!(unknown, FetchError::Tls { .. }), "{unknown:?}");
    let missing = door(Some("/nonexistent.pem".into())).fetch(&url("tls.example.com"), &short()).await.unwrap_err();
    assert!(missing.to_string().contains("/nonexistent.pem"), "{missing}");
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_is_a_failed_handshake() {
    let server = raw(async |mut stream| {
        let _ = stream.write_all(b"220 mail.example.com ESMTP ready\r\n").await;
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    })
    .await;
    let names = Names::of(&[("tls.example.com", server.ip())]);
    let url = format!("https://tls.example.com:{}/", server.port());
    let error = door(&[server], names).fetch(&url, &short()).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }), "{error:?}");
}
