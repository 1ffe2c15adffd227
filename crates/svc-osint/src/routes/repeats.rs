//! Repeated scans over HTTP.

use apium_web::{ApiError, ErrorBody, Json, StatusCode};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use uuid::Uuid;

use super::access::Known;
use super::wanted::Wanted;
use super::{NO_STORE, OsintApi};
use crate::contract::{Repeat, RepeatList, RepeatRequest, ScanRequest};
use crate::error;
use crate::repeats::NewRepeat;

/// The id of a repeat in a path. What is no UUID is answered like an unknown one.
pub(super) struct RepeatId(String);

/// What every route about one repeat may answer.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "only ever described, never made")]
enum OneAnswers {
    #[response(status = 200, description = "La repetición, como está ahora")]
    Found(Repeat),
    #[response(status = 401, description = "Falta el token o no vale (`unauthorized`)")]
    Unauthorized(ErrorBody),
    #[response(status = 404, description = "Nunca vista, o quitada (`unknown_repeat`)")]
    Unknown(ErrorBody),
    #[response(status = 409, description = "Otros la están cambiando a la vez (`repeat_busy`)")]
    Busy(ErrorBody),
    #[response(status = 503, description = "El servicio de colas no responde (`backend_unavailable`)")]
    Unavailable(ErrorBody),
}

impl<S: Send + Sync> FromRequestParts<S> for RepeatId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
        id.map(|id| Self(id.hyphenated().to_string())).ok_or_else(error::unknown_repeat)
    }
}

#[utoipa::path(
    post, path = "/api/v1/repeats", tag = "async-scans",
    summary = "Repite un escaneo según un calendario",
    description = "El primero se hace en la siguiente fecha de `schedule`; cada uno pregunta todo de nuevo y queda en el \
                   historial, donde `GET /api/v1/scan/{task_id}/diff` dice qué ha cambiado. Cuenta como un escaneo del token.",
    request_body = RepeatRequest,
    responses(
        (status = 201, description = "Programado", body = Repeat),
        (status = 400, description = "No es JSON (`malformed_json`) o tipo desconocido (`unknown_type`)", body = ErrorBody),
        (status = 401, description = "Falta el token o no vale (`unauthorized`)", body = ErrorBody),
        (status = 403, description = "Objetivo no permitido (`target_not_allowed`)", body = ErrorBody),
        (status = 413, description = "Cuerpo demasiado grande (`body_too_large`)", body = ErrorBody),
        (status = 415, description = "El cuerpo no es application/json (`unsupported_media_type`)", body = ErrorBody),
        (status = 422, description = "Otra forma (`invalid_body`), objetivo no válido para el tipo (`invalid_target`), o \
                                      calendario que no vale (`invalid_schedule`, con `field`)", body = ErrorBody),
        (status = 429, description = "Demasiadas peticiones con este token (`rate_limited`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
pub(super) async fn keep(
    State(api): State<OsintApi>,
    known: Known,
    Json(request): Json<RepeatRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let RepeatRequest { target, collector_type, types, schedule, zone, options } = request;
    let scan = ScanRequest { target, collector_type, types, force: false, options };
    let Wanted { shown, collector, options, .. } = Wanted::read(scan, &api.allowed)?;
    known.count(&api.paces, api.scans.client()).await?;
    let new = NewRepeat { target: shown, collector, options, when: schedule, zone };
    Ok((StatusCode::CREATED, NO_STORE, Json(api.repeats.keep(new, &known.caller).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/repeats", tag = "async-scans", operation_id = "repeats",
    summary = "Los escaneos que se repiten",
    description = "Con un token, los que se pidieron con él.",
    responses(
        (status = 200, description = "Todos", body = RepeatList),
        (status = 401, description = "Falta el token o no vale (`unauthorized`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
pub(super) async fn list(State(api): State<OsintApi>, known: Known) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(RepeatList { repeats: api.repeats.list(&known.caller).await? })))
}

#[utoipa::path(
    get, path = "/api/v1/repeats/{repeat_id}", tag = "async-scans",
    summary = "Un escaneo que se repite",
    params(("repeat_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(OneAnswers)
)]
pub(super) async fn show(
    State(api): State<OsintApi>,
    known: Known,
    RepeatId(id): RepeatId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.repeats.find(&id, &known.caller).await?)))
}

#[utoipa::path(
    delete, path = "/api/v1/repeats/{repeat_id}", tag = "async-scans",
    summary = "Deja de repetir un escaneo",
    description = "Lo que ya se ha escaneado se conserva en el historial.",
    params(("repeat_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(
        (status = 204, description = "Ya no se repite"),
        (status = 401, description = "Falta el token o no vale (`unauthorized`)", body = ErrorBody),
        (status = 404, description = "Nunca vista, o quitada (`unknown_repeat`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
pub(super) async fn discard(
    State(api): State<OsintApi>,
    known: Known,
    RepeatId(id): RepeatId,
) -> Result<StatusCode, ApiError> {
    api.repeats.discard(&id, &known.caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    post, path = "/api/v1/repeats/{repeat_id}/pause", tag = "async-scans",
    summary = "Pausa un escaneo que se repite",
    description = "Lo que tocaba durante la pausa no se recupera.",
    params(("repeat_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(OneAnswers)
)]
pub(super) async fn pause(
    State(api): State<OsintApi>,
    known: Known,
    RepeatId(id): RepeatId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.repeats.pause(&id, true, &known.caller).await?)))
}

#[utoipa::path(
    post, path = "/api/v1/repeats/{repeat_id}/resume", tag = "async-scans",
    summary = "Reanuda un escaneo que se repite",
    params(("repeat_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(OneAnswers)
)]
pub(super) async fn resume(
    State(api): State<OsintApi>,
    known: Known,
    RepeatId(id): RepeatId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.repeats.pause(&id, false, &known.caller).await?)))
}
