//! What can go wrong with a scan, told twice: to Celery callers as an exception, to HTTP clients as
//! an envelope. The sentences are for the person who asked for the scan, in Spanish.

use std::time::Duration;

use apium_core::protocol::{ExceptionRecord, RawJson};
use apium_core::{BackendError, SendError, TaskError, TaskState};
use apium_sql::SqlError;
use apium_web::{ApiError, StatusCode};

use crate::collectors::Collector;
use crate::model::{SourceReport, SourceStatus};
use crate::target::TargetError;

/// The Python module of this service's own exceptions.
pub const EXCEPTIONS: &str = "app.collectors.errors";
/// No source answered, for reasons that may pass: tried again.
pub const UNAVAILABLE: &str = "CollectorUnavailable";
/// No source answered, and none will: not tried again.
pub const FAILED: &str = "CollectorError";

/// A source that asks for more patience than this is not waited for: the scan fails, and says until when.
const LONGEST_WAIT: Duration = Duration::from_mins(15);
/// Sources named in a sentence.
const NAMED: usize = 3;
/// Sources an exception carries.
const CARRIED: usize = 20;

/// Why a scan cannot be done. Not a `std::error::Error`, because `?` would then turn it into an
/// exception of another name.
#[derive(Debug, Clone)]
pub enum ScanError {
    /// No collector of this type.
    UnknownCollector(String),
    /// The target is none that the collector takes.
    Target(TargetError),
    /// No type was asked for.
    NoType,
    /// A type and several types were asked for.
    TwoTypes,
    /// The operator does not let this target be scanned.
    NotAllowed(String),
    /// The token that had it scheduled is revoked.
    TokenRevoked(String),
    /// The file that came along cannot be used; the sentence says why.
    File(String),
    /// No source answered, for reasons that may pass.
    Unavailable(Vec<SourceReport>),
    /// No source answered, and asking again would not help.
    Failed(Vec<SourceReport>),
}

impl ScanError {
    /// Of all types, none takes such a target.
    pub(crate) fn nobody_takes(target: &str) -> Self {
        let shown: String = target.chars().filter(|c| !c.is_control()).take(80).collect();
        Self::File(format!("Ningún tipo de escaneo admite «{shown}»."))
    }

    /// Whether the scan is to be tried again.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(sources) => wait(sources).is_none_or(|wait| wait <= LONGEST_WAIT),
            Self::UnknownCollector(_)
            | Self::NoType
            | Self::TwoTypes
            | Self::Target(_)
            | Self::NotAllowed(_)
            | Self::TokenRevoked(_)
            | Self::File(_)
            | Self::Failed(_) => false,
        }
    }

    /// How its sources answered.
    pub fn into_sources(self) -> Vec<SourceReport> {
        match self {
            Self::Unavailable(sources) | Self::Failed(sources) => sources,
            Self::UnknownCollector(_)
            | Self::NoType
            | Self::TwoTypes
            | Self::Target(_)
            | Self::NotAllowed(_)
            | Self::TokenRevoked(_)
            | Self::File(_) => Vec::new(),
        }
    }

    /// A file was sent for a collector that takes none.
    pub(crate) fn takes_no_files(collector: &str) -> Self {
        Self::File(format!("El tipo de escaneo «{collector}» no admite ficheros."))
    }
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownCollector(name) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                write!(
                    f,
                    "El tipo de escaneo «{name}» no existe. Los disponibles son: {}.",
                    Collector::names().join(", ")
                )
            }
            Self::NoType => f.write_str("Falta el tipo de escaneo: «type» con uno, o «types» con varios o con «all»."),
            Self::TwoTypes => f.write_str("«type» y «types» dicen lo mismo: envíe solo uno de los dos."),
            Self::Target(error) => write!(f, "{error}"),
            Self::NotAllowed(target) => {
                write!(f, "«{target}» no está entre los objetivos que el administrador permite escanear.")
            }
            Self::TokenRevoked(name) => {
                write!(f, "El token «{name}», para el que se programó este escaneo, ha sido revocado.")
            }
            Self::File(sentence) => f.write_str(sentence),
            Self::Unavailable(sources) => {
                write!(f, "Ninguna fuente ha respondido; puede ser pasajero. {}", reasons(sources))
            }
            Self::Failed(sources) => write!(f, "No se ha podido obtener nada. {}", reasons(sources)),
        }
    }
}

impl From<ScanError> for TaskError {
    fn from(error: ScanError) -> Self {
        let sentence = error.to_string();
        match error {
            ScanError::UnknownCollector(_)
            | ScanError::NoType
            | ScanError::TwoTypes
            | ScanError::Target(_)
            | ScanError::File(_) => TaskError::new("ValueError", sentence).fatal(),
            ScanError::NotAllowed(_) | ScanError::TokenRevoked(_) => {
                TaskError::new("PermissionError", sentence).fatal()
            }
            ScanError::Unavailable(sources) => {
                let error = with_sources(UNAVAILABLE, &sentence, &sources);
                match wait(&sources) {
                    None => error.retryable(),
                    Some(wait) if wait > LONGEST_WAIT => error.fatal(),
                    Some(wait) => error.retry_in(wait),
                }
            }
            ScanError::Failed(sources) => with_sources(FAILED, &sentence, &sources).fatal(),
        }
    }
}

impl From<ScanError> for ApiError {
    fn from(error: ScanError) -> Self {
        let sentence = error.to_string();
        match error {
            ScanError::NoType | ScanError::TwoTypes => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", sentence)
            }
            ScanError::UnknownCollector(_) => {
                ApiError::new(StatusCode::BAD_REQUEST, "unknown_type", sentence).with("types", Collector::names())
            }
            ScanError::Target(_) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_target", sentence),
            ScanError::NotAllowed(_) => ApiError::new(StatusCode::FORBIDDEN, "target_not_allowed", sentence),
            ScanError::TokenRevoked(_) => ApiError::new(StatusCode::FORBIDDEN, "token_revoked", sentence),
            ScanError::File(_) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_file", sentence),
            ScanError::Unavailable(_) | ScanError::Failed(_) => {
                ApiError::new(StatusCode::BAD_GATEWAY, "no_source", sentence)
            }
        }
    }
}

/// 404: an id that was never seen, or that is no id.
pub fn unknown_scan() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_scan", "No se conoce ningún escaneo con ese identificador.")
}

/// 404: no repeat of this id.
pub fn unknown_repeat() -> ApiError {
    let sentence = "No se conoce ninguna repetición con ese identificador.";
    ApiError::new(StatusCode::NOT_FOUND, "unknown_repeat", sentence)
}

/// 409: others change a repeat all the time.
pub fn busy_repeat() -> ApiError {
    let sentence = "Otros están cambiando esta repetición a la vez; vuelva a intentarlo.";
    ApiError::new(StatusCode::CONFLICT, "repeat_busy", sentence)
}

/// 422: a schedule or time zone that is none; `reason` says what the engine has against it.
pub fn invalid_schedule(field: &str, sentence: &str, reason: &str) -> ApiError {
    let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_schedule", sentence).with("field", field);
    if reason.is_empty() { error } else { error.with("reason", reason) }
}

/// 410: the scan ended, its result is gone.
pub fn expired_scan() -> ApiError {
    let sentence = "El escaneo terminó, pero su resultado ha caducado y se ha borrado. Pida otro escaneo.";
    ApiError::new(StatusCode::GONE, "expired_scan", sentence)
}

/// 409: a scan that has ended cannot be called off.
pub fn ended_scan(state: &TaskState) -> ApiError {
    let sentence = format!("El escaneo ya ha terminado ({state}) y no se puede cancelar.");
    ApiError::new(StatusCode::CONFLICT, "ended_scan", sentence).with("status", state.name())
}

/// 413: a file over the limit.
pub fn file_too_large(limit: usize) -> ApiError {
    let sentence = format!("El fichero supera el máximo de {} MiB.", limit >> 20);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", sentence).with("max_bytes", limit)
}

/// 400: an `Idempotency-Key` that cannot be one.
pub fn invalid_key() -> ApiError {
    let sentence = "La cabecera «Idempotency-Key» debe tener entre 1 y 255 caracteres ASCII visibles.";
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", sentence)
}

/// 503 when broker or store cannot be reached, 500 when they hold something broken. What they said goes to
/// the log: it may name machines.
pub fn backend(error: &BackendError) -> ApiError {
    tracing::error!(%error, "the broker or the result store failed");
    if error.is_transient() {
        let sentence = "El servicio de colas no responde ahora mismo. Vuelva a intentarlo dentro de un momento.";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "backend_unavailable", sentence)
    } else {
        let sentence = "El servicio de colas no ha podido atender la petición; avise al administrador, que encontrará la causa en el registro.";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "backend_broken", sentence)
    }
}

/// 503: the process ends, and the work of a request with it.
pub(crate) fn stopping() -> ApiError {
    backend(&BackendError::Unavailable("the program is ending".to_owned()))
}

/// 503 when the history cannot be read or written. What the database said goes to the log.
pub fn history(error: &SqlError) -> ApiError {
    tracing::error!(%error, "the history of scans failed");
    let sentence = "El historial de escaneos no responde ahora mismo. Vuelva a intentarlo dentro de un momento.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "history_unavailable", sentence)
}

/// A scan that could not be sent.
pub fn unsent(error: &SendError) -> ApiError {
    match error {
        SendError::Backend(error) => backend(error),
        SendError::Unencodable { .. }
        | SendError::Unpackable { .. }
        | SendError::NoWay(_)
        | SendError::NoQueue { .. }
        | SendError::Held { .. }
        | SendError::NotUnique { .. } => unencodable(error),
    }
}

/// 500: arguments that are no JSON.
pub(crate) fn unencodable(error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "a scan was not sent");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "unsent", "El escaneo no se ha podido encolar.")
}

/// An exception whose second argument is the report, so that the caller of a failed scan still learns what
/// could not be asked and why.
fn with_sources(exc_type: &str, sentence: &str, sources: &[SourceReport]) -> TaskError {
    let carried: Vec<_> = unanswered(sources).take(CARRIED).collect();
    let report = RawJson::from(&carried).unwrap_or_else(|_| RawJson::empty_array());
    TaskError::from_exception(ExceptionRecord {
        exc_type: exc_type.to_owned(),
        exc_message: RawJson::array(&[RawJson::string(sentence), report]),
        exc_module: Some(EXCEPTIONS.to_owned()),
    })
    .with_traceback(format!("{exc_type}: {sentence}\n"))
}

fn unanswered(sources: &[SourceReport]) -> impl Iterator<Item = &SourceReport> {
    sources.iter().filter(|report| !matches!(report.status, SourceStatus::Ok | SourceStatus::Empty))
}

/// How long those ask to be left alone that may answer later.
fn wait(sources: &[SourceReport]) -> Option<Duration> {
    sources
        .iter()
        .filter(|report| report.passing)
        .filter_map(|report| report.retry_after)
        .max()
        .map(Duration::from_secs)
}

/// The first few reasons, in one line.
fn reasons(sources: &[SourceReport]) -> String {
    let told: Vec<_> = unanswered(sources).map(|report| format!("{}: {}", report.source, reason(report))).collect();
    let more = told.len().saturating_sub(NAMED);
    let named = told.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    match (named.is_empty(), more) {
        (true, _) => "No había ninguna fuente a la que preguntar.".to_owned(),
        (false, 0) => format!("{}.", named.trim_end_matches('.')),
        (false, more) => format!("{} (y {more} más).", named.trim_end_matches('.')),
    }
}

fn reason(report: &SourceReport) -> &str {
    report.detail.as_deref().or(report.reason.as_deref()).unwrap_or(match report.status {
        SourceStatus::Ok | SourceStatus::Empty => "ha respondido",
        SourceStatus::Failed => "ha fallado",
        SourceStatus::RateLimited => "pide menos consultas",
        SourceStatus::MissingKey => "falta la clave",
        SourceStatus::Skipped => "no se ha consultado",
        SourceStatus::Timeout => "no ha respondido a tiempo",
        SourceStatus::Blocked => "no se permite",
    })
}
