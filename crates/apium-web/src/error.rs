//! The one envelope for everything that goes wrong, whoever noticed it.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An error on its way to a client: a status, a code for programs, a sentence for people.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

/// Kept behind a pointer: errors are rare, and every `Result` of a handler has room for one.
#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a client reads: the error, and its sentence again as `detail`, where FastAPI clients look.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
    /// The sentence.
    #[schema(example = "No se conoce ningún escaneo con ese identificador.")]
    pub detail: String,
}

/// The error's parts. Some errors carry further members, named in the route's description.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// A word that never changes, for programs.
    #[schema(example = "unknown_scan")]
    pub code: String,
    /// A sentence for the person who must act.
    #[schema(example = "No se conoce ningún escaneo con ese identificador.")]
    pub message: String,
    /// Whatever else a program may want.
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: Map<String, Value>,
}

impl ApiError {
    /// An error with this status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { status, code, message: message.into(), more: Map::new(), headers: Vec::new() }))
    }

    /// Adds a member beside `code` and `message`.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status it is told with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The word for programs.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The envelope.
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.0.code.to_owned(),
                message: self.0.message.clone(),
                more: self.0.more.clone(),
            },
            detail: self.0.message.clone(),
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, axum::Json(self.body())).into_response();
        response.headers_mut().extend(self.0.headers);
        response
    }
}
