//! Reads a JSON body, and tells in the envelope what is wrong with it.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A JSON body, read or to be written.
///
/// What cannot be read is refused so: 400 `malformed_json` (no JSON at all), 422 `invalid_body` (JSON of
/// another shape, as FastAPI says it), 415 `unsupported_media_type` (not sent as `application/json`), 413
/// `body_too_large`. FastAPI tells no JSON at all with 422 too; 400 tells a broken client from a wrong form.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = axum::Json::<T>::from_request(request, state).await;
        read.map(|axum::Json(value)| Self(value)).map_err(|rejection| refusal(&rejection))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refusal(rejection: &JsonRejection) -> ApiError {
    let why = cause(rejection);
    match rejection {
        JsonRejection::JsonSyntaxError(_) => {
            ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("El cuerpo no es JSON: {why}."))
        }
        JsonRejection::JsonDataError(_) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_body",
            format!("El cuerpo no tiene la forma esperada: {why}."),
        ),
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "El cuerpo debe enviarse con «Content-Type: application/json».",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "El cuerpo de la petición es demasiado grande.",
        ),
        other => ApiError::new(other.status(), "unreadable_body", "No se ha podido leer el cuerpo de la petición."),
    }
}

/// The innermost cause: what serde found, without the names of our types around it.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
