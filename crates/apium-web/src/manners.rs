//! What every router of the house gets around its routes.

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::request;

/// Largest body a route takes unless it sets its own `DefaultBodyLimit`, in bytes: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;

/// Wraps a complete router; call it once, last.
///
/// Unknown paths and methods, and panics, answer in the envelope (404 `not_found`, 405
/// `method_not_allowed` with `Allow`, 500 `internal_error`); every answer carries `X-Request-Id`.
pub fn manners(router: Router) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
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

/// What the panic said goes to the log only: it may tell of things the client must not know.
#[allow(clippy::needless_pass_by_value, reason = "the layer hands the payload over by value")]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let said = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
    tracing::error!(said, "a request handler panicked");
    let message = "Error interno; con el identificador de la cabecera «X-Request-Id» se puede buscar en el registro.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).into_response()
}
