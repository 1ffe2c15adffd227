//! Reads a JSON body, and tells in the envelope what is wrong with it.

mod fault;
mod value;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::ApiError;
use value::Value;

/// A JSON body, read or to be written.
///
/// What cannot be read is refused so: 400 `malformed_json` (no JSON at all), 422 `invalid_body` (JSON of
/// another shape, as FastAPI says it), 415 `unsupported_media_type` (not sent as `application/json`), 413
/// `body_too_large`. FastAPI tells no JSON at all with 422 too; 400 tells a broken client from a wrong form.
///
/// An object is never read from a list, nor a member that is there twice, whatever the type would take. A type
/// with fields that keep JSON as its text (`RawValue`) cannot be read so.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "El cuerpo debe enviarse con «Content-Type: application/json».",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
        T::deserialize(value).map(Self).map_err(|fault| {
            let sentence = format!("El cuerpo no tiene la forma esperada: {fault}.");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", sentence)
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// `application/json`, or a format made of it such as `application/problem+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let place = format!("línea {}, columna {}", error.line(), error.column());
    let sentence = match error.classify() {
        Category::Eof if error.column() == 0 => "El cuerpo está vacío; debe ser JSON.".to_owned(),
        Category::Eof => format!("El cuerpo no es JSON: se acaba antes de tiempo ({place})."),
        Category::Syntax | Category::Data | Category::Io => {
            format!("El cuerpo no es JSON: hay un error en la {place}.")
        }
    };
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", sentence)
}

fn unread(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "El cuerpo de la petición es demasiado grande.",
        ),
        status => ApiError::new(status, "unreadable_body", "No se ha podido leer el cuerpo de la petición."),
    }
}
