//! How many uploads are taken in at once, and what becomes of those that find no room.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use svc_osint::store::Store;
use svc_osint::{OsintApi, router};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::bench::{Bench, MEMORY, client, settings};
use crate::keyed::Hesitant;

const HEAD: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-";
const END: &str = "\r\n--x--\r\n";

/// An upload that comes piece by piece, as the test lets it; its size is not announced.
fn dripping() -> (mpsc::Sender<&'static str>, Request<Body>) {
    let (pieces, coming) = mpsc::channel::<&'static str>(1);
    let stream = futures_util::stream::unfold(coming, |mut coming| async move { Some((coming.recv().await?, coming)) });
    let body = Body::from_stream(stream.map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))));
    (pieces, upload(body))
}

fn upload(body: Body) -> Request<Body> {
    let kind = "multipart/form-data; boundary=x";
    Request::post("/api/v1/scan/upload").header(header::CONTENT_TYPE, kind).body(body).unwrap()
}

/// An upload of a few bytes that says it is of this size.
fn announcing(bytes: usize) -> Request<Body> {
    let mut request = upload(Body::from(format!("{HEAD}{END}")));
    request.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    request
}

fn started(router: &Router, request: Request<Body>) -> JoinHandle<Response> {
    let answer = router.clone().oneshot(request);
    tokio::spawn(async move { answer.await.unwrap() })
}

/// Starts an upload and returns when its first piece was taken, and therefore its room.
async fn begun(router: &Router, pieces: &mpsc::Sender<&'static str>, request: Request<Body>) -> JoinHandle<Response> {
    let answer = started(router, request);
    pieces.send(HEAD).await.unwrap();
    pieces.reserve().await.unwrap();
    answer
}

fn bench(mib: u32) -> Bench {
    Bench::with(|api| api.with_upload_room(mib))
}

/// Stops the clock. What comes may not ask the database then, which works in the time of this world: whether anybody needs
/// a token was looked up by now.
fn stop_the_clock() {
    tokio::time::pause();
}

#[tokio::test]
async fn an_upload_that_finds_no_room_waits_and_is_then_told_to_come_back() {
    let bench = bench(11);
    let (pieces, slow) = dripping();
    let slow = begun(&bench.router, &pieces, slow).await;
    stop_the_clock();
    let began = tokio::time::Instant::now();
    let refused = bench.send(announcing(1_000)).await;
    assert_eq!(began.elapsed().as_secs(), 25);
    let sentence = refused.error(503, "uploads_busy");
    assert!(sentence.starts_with("Se están recibiendo demasiados ficheros"), "{sentence}");
    assert_eq!(refused.headers["retry-after"], "10");
    assert_eq!(bench.waiting().await, 0);
    tokio::time::resume();

    let patient = started(&bench.router, announcing(1_000));
    pieces.send(END).await.unwrap();
    drop(pieces);
    assert_eq!(slow.await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(patient.await.unwrap().status(), StatusCode::ACCEPTED, "there is room again");
    assert_eq!(bench.waiting().await, 2);
}

#[tokio::test]
async fn an_upload_takes_the_room_it_announces() {
    let bench = bench(4);
    let (pieces, mut slow) = dripping();
    slow.headers_mut().insert(header::CONTENT_LENGTH, (2 << 20).into());
    let slow = begun(&bench.router, &pieces, slow).await;
    assert_eq!(bench.send(announcing(2 << 20)).await.status, 202, "both fit");
    stop_the_clock();
    bench.send(announcing((2 << 20) + 1)).await.error(503, "uploads_busy");
    tokio::time::resume();
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    assert_eq!(bench.send(announcing(10 << 20)).await.status, 202, "alone it may take more than there is");
}

#[tokio::test]
async fn a_file_keeps_its_room_until_it_is_sent_even_if_its_client_leaves() {
    let store = Arc::new(Hesitant::default());
    let api =
        OsintApi::new(client(Arc::new(store.inner.clone()), store.clone()), Store::at(MEMORY)).with_upload_room(1);
    let router = apium_web::manners(router(api));
    let first = started(&router, announcing(100));
    store.asked.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    stop_the_clock();
    let refused = router.clone().oneshot(announcing(100)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "there is no room yet");
    tokio::time::resume();
    store.go_on.notify_one();
    assert_eq!(router.oneshot(announcing(100)).await.unwrap().status(), StatusCode::ACCEPTED, "there is room now");
}

#[test]
fn the_room_is_the_operators_decision() {
    assert_eq!(settings(&[]).unwrap().upload_room, 64);
    assert_eq!(settings(&[("OSINT_UPLOAD_ROOM", "256")]).unwrap().upload_room, 256);
    for wrong in ["0", "-1", "mucho", "1.5", "2000000"] {
        let sentence = settings(&[("OSINT_UPLOAD_ROOM", wrong)]).err().unwrap();
        assert!(sentence.starts_with("OSINT_UPLOAD_ROOM must be a whole number of MiB"), "{sentence}");
    }
}

/// It sends something now and then, and so is never idle: its room is taken back all the same.
#[tokio::test]
async fn an_upload_that_drips_for_too_long_loses_its_room() {
    let bench = bench(11);
    let (pieces, slow) = dripping();
    let slow = begun(&bench.router, &pieces, slow).await;
    stop_the_clock();
    let began = tokio::time::Instant::now();
    let mut drip = tokio::time::interval(std::time::Duration::from_secs(10));
    while pieces.try_send(".").is_ok() || !pieces.is_closed() {
        drip.tick().await;
    }
    let answer = slow.await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert!((120..=130).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    tokio::time::resume();
    assert_eq!(bench.send(announcing(1_000)).await.status, StatusCode::ACCEPTED);
}
