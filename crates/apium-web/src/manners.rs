//! What every router of the house gets around its routes.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::error::ApiError;
use crate::request;

/// Largest body a route takes unless it sets its own `DefaultBodyLimit`, in bytes: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;

/// How long a body may stand still before its request is given up: 30 seconds.
pub const BODY_PAUSE: Duration = Duration::from_secs(30);

/// How long a request may take to its answer's first byte, its body included: 5 minutes.
pub const REQUEST_TIME: Duration = Duration::from_mins(5);

/// Wraps a complete router; call it once, last.
///
/// Unknown paths and methods, panics, and requests that take too long answer in the envelope (404 `not_found`, 405
/// `method_not_allowed` with `Allow`, 500 `internal_error`, 408 `request_timeout`); every answer carries
/// `X-Request-Id`.
pub fn manners(router: Router) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(middleware::from_fn(in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(request::follow))
}

async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "No hay nada en esta dirección.")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Esta dirección no admite ese método; la cabecera «Allow» dice cuáles admite.",
    )
}

/// A client that sends its body drop by drop does not hold what its request holds for ever.
async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(REQUEST_TIME, next.run(request)).await;
    let overdue = |_| {
        let message = "La petición ha tardado demasiado; vuelva a intentarlo.";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message).into_response()
    };
    answered.unwrap_or_else(overdue)
}

/// What the panic said goes to the log only: it may tell of things the client must not know.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands the payload over by value")]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let said = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
    tracing::error!(said, "a request handler panicked");
    let message = "Error interno; con el identificador de la cabecera «X-Request-Id» se puede buscar en el registro.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).into_response()
}
