//! The manners, at the door: what a client sees of requests that go well, go wrong, or lead nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod server;

use std::convert::Infallible;
use std::time::Duration;

use apium_web::{ApiError, Json, REQUEST_ID, REQUEST_TIME, StatusCode, manners};
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Request, header};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::interval;
use tower::ServiceExt;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    target: String,
}

fn router() -> Router {
    let large = post(|Json(wish): Json<Wish>| async { Json(wish) }).layer(DefaultBodyLimit::max(3 << 20));
    manners(
        Router::new()
            .route("/echo", post(|Json(wish): Json<Wish>| async { Json(wish) }))
            .route("/large", large)
            .route("/panic", get(|| async { panic!("a secret: hunter2") as () }))
            .route("/busy", get(busy)),
    )
}

async fn busy() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Vuelva más tarde.")
        .with("workers", 0)
        .header(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

async fn send(request: Request<Body>) -> Response {
    router().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn get_from(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn posted(path: &str, content_type: Option<&str>, text: impl Into<String>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(Body::from(text.into())).unwrap()
}

#[tokio::test]
async fn an_error_is_told_in_the_envelope_and_again_where_fastapi_clients_look() {
    let response = send(get_from("/busy")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers()["content-type"], "application/json");
    let expected = json!({
        "error": { "code": "busy", "message": "Vuelva más tarde.", "workers": 0 },
        "detail": "Vuelva más tarde.",
    });
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn paths_and_methods_that_lead_nowhere_answer_in_the_envelope() {
    let lost = send(get_from("/nowhere")).await;
    assert_eq!(lost.status(), 404);
    assert!(lost.headers().contains_key(REQUEST_ID));
    assert_eq!(body(lost).await["error"]["code"], "not_found");

    let wrong = send(get_from("/echo")).await;
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(body(wrong).await["error"]["code"], "method_not_allowed");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_keeps_its_secrets() {
    let response = send(get_from("/panic")).await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key(REQUEST_ID));
    let body = body(response).await;
    assert_eq!(body["error"]["code"], "internal_error");
    assert!(!body.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_request_keeps_a_plain_id_and_is_given_one_otherwise() {
    let name = HeaderName::from_static("x-request-id");
    let with = |id: &str| Request::get("/busy").header(&name, id).body(Body::empty()).unwrap();
    let own = send(with("req-42:a/b")).await;
    assert_eq!(own.headers()[&name], "req-42:a/b");
    for refused in ["", "two words", "ñ", &"x".repeat(129)] {
        let given = send(with(refused)).await.headers()[&name].clone();
        assert!(uuid::Uuid::parse_str(given.to_str().unwrap()).is_ok(), "{refused} -> {given:?}");
    }
    let first = send(get_from("/busy")).await.headers()[&name].clone();
    assert_ne!(first, send(get_from("/busy")).await.headers()[&name]);
}

#[tokio::test]
async fn the_faults_of_a_body_have_a_status_and_a_code_each() {
    let json = Some("application/json");
    let cases = [
        (posted("/echo", json, r#"{"target""#), 400, "malformed_json"),
        (posted("/echo", json, ""), 400, "malformed_json"),
        (posted("/echo", json, "{}"), 422, "invalid_body"),
        (posted("/echo", json, r#"{"target": 1}"#), 422, "invalid_body"),
        (posted("/echo", json, r#"{"target": "a", "x": 1}"#), 422, "invalid_body"),
        (posted("/echo", None, r#"{"target": "a"}"#), 415, "unsupported_media_type"),
        (posted("/echo", Some("text/plain"), r#"{"target": "a"}"#), 415, "unsupported_media_type"),
        (posted("/echo", json, format!(r#"{{"target": "{}"}}"#, "x".repeat(1 << 20))), 413, "body_too_large"),
    ];
    for (request, status, code) in cases {
        let response = send(request).await;
        assert_eq!(response.status(), status, "{code}");
        let body = body(response).await;
        assert_eq!(body["error"]["code"], code);
        assert_eq!(body["error"]["message"], body["detail"]);
    }
}

#[tokio::test]
async fn a_body_is_read_and_written() {
    let request = posted("/echo", Some("application/json; charset=utf-8"), r#"{"target": "ejemplo.es"}"#);
    let response = send(request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(body(response).await, json!({ "target": "ejemplo.es" }));
}

#[tokio::test]
async fn a_route_may_take_larger_bodies_than_the_others() {
    let text = format!(r#"{{"target": "{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(send(posted("/large", Some("application/json"), text)).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_or_drips_is_given_up() {
    let begun = || stream::once(async { Ok::<_, Infallible>("{\"target\": \"") });
    let still = Body::from_stream(begun().chain(stream::pending()));
    let dripping =
        Body::from_stream(begun().chain(stream::unfold(interval(Duration::from_secs(20)), |mut drip| async {
            drip.tick().await;
            Some((Ok("."), drip))
        })));
    for (body_of, status, code) in [(still, 400, "unreadable_body"), (dripping, 408, "request_timeout")] {
        let request = Request::post("/echo").header(header::CONTENT_TYPE, "application/json").body(body_of).unwrap();
        let began = tokio::time::Instant::now();
        let response = send(request).await;
        assert!(began.elapsed() <= REQUEST_TIME, "{:?}", began.elapsed());
        assert_eq!(response.status(), status);
        assert_eq!(body(response).await["error"]["code"], code);
    }
}
