//! How a scan is doing, told as it changes.

use apium_core::protocol::RawJson;
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::bench::Bench;

/// A stream of events, read one after the other.
struct Events {
    body: BodyDataStream,
    read: String,
}

impl Events {
    async fn of(bench: &Bench, id: &str) -> Self {
        let request = Request::get(format!("/api/v1/scan/{id}/events")).body(Body::empty()).unwrap();
        let response = bench.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event: its name, its id and its data; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.clone().split_once("\n\n") {
                rest.clone_into(&mut self.read);
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start_matches(':').trim().to_owned()).unwrap_or_default()
                };
                return Some((field("event"), field("id"), serde_json::from_str(&field("data")).unwrap()));
            }
            let piece = self.body.next().await?.unwrap();
            self.read.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn processing(done: u32) -> RawJson {
    let told =
        json!({"target": "ejemplo.es", "collector_type": "dns", "progress": {"done": done, "total": 9}, "worker": "w"});
    RawJson::from(&told).unwrap()
}

#[tokio::test]
async fn each_change_is_told_once_until_the_end() {
    let bench = Bench::new();
    let id = bench.queued().await;
    let mut events = Events::of(&bench, &id).await;
    let (name, _, first) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &first["status"]), ("progress", &json!("PENDING")));
    bench.store(&id, "PROCESSING", processing(3), false).await;
    let (_, _, second) = events.next().await.unwrap();
    assert_eq!(second["progress"], json!({"done": 3, "total": 9}));
    bench.store(&id, "SUCCESS", RawJson::from(&json!({"data": {}})).unwrap(), true).await;
    let (name, last_id, end) = events.next().await.unwrap();
    assert_eq!((name.as_str(), last_id.as_str(), &end["status"]), ("end", "end", &json!("SUCCESS")));
    assert_eq!(end["result"], Value::Null, "it is had by its own address");
    assert!(events.next().await.is_none(), "the stream is closed");
}

#[tokio::test]
async fn who_has_heard_the_end_is_told_not_to_come_back() {
    let bench = Bench::new();
    let id = bench.queued().await;
    let again = |last: &str| {
        let request = Request::get(format!("/api/v1/scan/{id}/events")).header("Last-Event-ID", last);
        request.body(Body::empty()).unwrap()
    };
    bench.store(&id, "SUCCESS", RawJson::from(&json!({"data": {}})).unwrap(), true).await;
    assert_eq!(bench.send(again("end")).await.status, 204);
    let answer = bench.send(again("7")).await;
    assert!(answer.status == 200 && answer.text.contains("event: end"), "{}", answer.text);
    bench.get("/api/v1/scan/11111111-2222-4333-8444-555555555555/events").await.error(404, "unknown_scan");
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let bench = Bench::new();
    let id = bench.queued().await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(Events::of(&bench, &id).await);
    }
    let path = format!("/api/v1/scan/{id}/events");
    let refused = bench.get(&path).await;
    refused.error(503, "too_many_streams");
    assert_eq!(refused.headers["retry-after"], "10");
    open.pop();
    open.push(Events::of(&bench, &id).await);
}
