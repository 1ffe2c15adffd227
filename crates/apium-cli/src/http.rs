//! What every process that listens answers: `/livez`, `/readyz`, `/metrics`, beside the services' routes.

mod schedules;

use std::sync::Arc;
use std::time::Duration;

use apium::{Backend, Stop, Vitals};
use apium_web::Patience;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::services::Service;

pub(crate) use schedules::schedules;

/// A worker that has not heard from its broker for longer than this is not ready.
const STALE: Duration = Duration::from_secs(30);

/// How long `/readyz` waits for the broker's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the three routes look at.
#[derive(Clone)]
pub(crate) struct Health {
    backend: Backend,
    vitals: Option<Arc<Vitals>>,
    registry: Arc<Registry>,
}

impl Health {
    /// Looks at a worker's vitals where there is a worker, else at the broker.
    pub(crate) fn new(backend: Backend, vitals: Option<Arc<Vitals>>, services: &[Service]) -> Self {
        let mut registry = Registry::default();
        if let Some(vitals) = &vitals {
            vitals.register(&mut registry);
        }
        for service in services {
            (service.metrics)(&mut registry);
        }
        Self { backend, vitals, registry: Arc::new(registry) }
    }

    /// The three routes.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

/// Takes the address; a port that is taken is one sentence.
pub(crate) async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::new(format!(
            "{address} is taken by another program; stop it or choose another with --listen HOST:PORT"
        )),
        std::io::ErrorKind::PermissionDenied => Failure::new(format!(
            "listening on {address} is not allowed; choose a port above 1023 with --listen HOST:PORT"
        )),
        _ => Failure::new(format!("cannot listen on {address}: {error}")),
    })
}

/// Serves until asked to stop; requests under way are answered, but for at most `patience`, and not on a cold stop:
/// a client that stalls must not keep the process from ending.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: Stop, patience: Duration) {
    let overdue = async {
        stop.requested().await;
        tokio::select! {
            () = stop.cold() => {}
            () = tokio::time::sleep(patience) => {}
        }
    };
    tokio::select! {
        () = apium_web::serve(listener, router, Patience::default(), stop.requested()) => {}
        () = overdue => tracing::warn!("stopped without answering every request"),
    }
}

/// Ready: the broker answered a claim of late, whose age is told either way, and takes what is written.
async fn readyz(State(health): State<Health>) -> Response {
    let (ready, told) = match &health.vitals {
        Some(vitals) => {
            let age = vitals.last_claim_age();
            let seconds = age.map(|age| (age.as_secs_f64() * 1000.0).round() / 1000.0);
            // A store that was removed, or a broker that is gone, is known before a loop of the worker notices.
            let trouble = match answer(&health.backend).await {
                Ok(_) => vitals.trouble(),
                Err(sentence) => Some(sentence),
            };
            let ready = trouble.is_none() && age.is_some_and(|age| age < STALE);
            let mut told = json!({"last_claim_age_seconds": seconds});
            if let Some(trouble) = trouble {
                told["trouble"] = trouble.into();
            }
            (ready, told)
        }
        None => match answer(&health.backend).await {
            Ok(workers) => (true, json!({"broker": "answers", "workers": workers})),
            Err(sentence) => (false, json!({"broker": sentence})),
        },
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({"ready": ready, "detail": told}))).into_response()
}

/// How many workers the broker knows, or why it cannot tell.
async fn answer(backend: &Backend) -> Result<usize, String> {
    match tokio::time::timeout(PATIENCE, backend.broker.workers()).await {
        Ok(Ok(workers)) => Ok(workers.len()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("does not answer".to_owned()),
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &health.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
