//! Results to take along, and what two of them say differently.

use apium_web::{ApiError, ErrorBody, Json, StatusCode};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::access::Known;
use super::listing::invalid;
use super::{NO_STORE, OsintApi, ScanId};
use crate::contract::{CollectorResult, ScanDiff};
use crate::error;
use crate::export::Format;
use crate::shapes;

/// In what form a result is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// `json` (si no se dice), `csv` o `stix`.
    #[param(example = "stix", schema_with = shapes::export_format)]
    format: Option<String>,
}

/// With what a scan is compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffQuery {
    /// El escaneo con el que comparar; si no se dice, el anterior del mismo objetivo, tipo y opciones.
    with: Option<String>,
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}/export", tag = "async-scans",
    summary = "El resultado de un escaneo, para llevárselo",
    description = "JSON: el resultado entero. CSV: una línea por hallazgo (RFC 4180), protegida contra fórmulas. STIX 2.1: \
                   un «bundle». El mismo escaneo da siempre los mismos bytes.",
    params(("task_id" = String, Path, description = "El identificador que dio POST"), ExportQuery),
    responses(
        (status = 200, description = "El fichero, con su nombre en `Content-Disposition`", content(
            (CollectorResult = "application/json"),
            (String = "text/csv"),
            (Value = "application/stix+json;version=2.1"),
        )),
        (status = 404, description = "Nunca visto (`unknown_scan`)", body = ErrorBody),
        (status = 409, description = "Aún no ha terminado (`unfinished_scan`), o terminó en FAILURE o REVOKED y no tiene \
                                      resultado (`no_result`); con `status`", body = ErrorBody),
        (status = 410, description = "Terminado y caducado (`expired_scan`)", body = ErrorBody),
        (status = 422, description = "Formato desconocido (`unknown_format`, con la lista `formats`) u otro parámetro que \
                                      no vale (`invalid_query`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas o el historial no responde (`backend_unavailable`, \
                                      `history_unavailable`)", body = ErrorBody),
    )
)]
pub(super) async fn export(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(query) = query.map_err(|error| invalid(&error.body_text()))?;
    let format = query.format.as_deref().map_or(Some(Format::Json), Format::named).ok_or_else(unknown_format)?;
    let export = api.scans.export(&task_id, format, &known.caller).await?;
    let disposition = format!("attachment; filename=\"{}\"", export.name);
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        // What strangers have written stays what it says it is.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((NO_STORE, headers, export.bytes))
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}/diff", tag = "async-scans",
    summary = "Qué ha cambiado desde otro escaneo",
    description = "Compara los hallazgos por tipo y valor. Lo que una fuente no ha podido decir, porque no respondió o la \
                   recogida se cortó, no se da por desaparecido ni por nuevo: va aparte, con el porqué.",
    params(("task_id" = String, Path, description = "El escaneo más nuevo"), DiffQuery),
    responses(
        (status = 200, description = "Las diferencias", body = ScanDiff),
        (status = 404, description = "Nunca visto (`unknown_scan`), o no hay ninguno anterior (`nothing_to_compare`)",
         body = ErrorBody),
        (status = 409, description = "Uno de los dos no ha terminado (`unfinished_scan`) o no tiene resultado \
                                      (`no_result`); con `task_id` y `status`", body = ErrorBody),
        (status = 410, description = "Terminado y caducado (`expired_scan`)", body = ErrorBody),
        (status = 422, description = "Son de objetivos o tipos distintos, o el mismo (`incomparable_scans`), o un parámetro \
                                      no vale (`invalid_query`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas o el historial no responde (`backend_unavailable`, \
                                      `history_unavailable`)", body = ErrorBody),
    )
)]
pub(super) async fn diff(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
    query: Result<Query<DiffQuery>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(query) = query.map_err(|error| invalid(&error.body_text()))?;
    let id = |text: String| Uuid::try_parse(&text).map(|id| id.hyphenated().to_string());
    let with = query.with.map(id).transpose().map_err(|_| error::unknown_scan())?;
    Ok((NO_STORE, Json(api.scans.compare(&task_id, with.as_deref(), &known.caller).await?)))
}

/// 422: a format that there is not.
fn unknown_format() -> ApiError {
    let formats = Format::ALL.map(Format::as_str);
    let sentence = format!("Ese formato no existe. Los disponibles son: {}.", formats.join(", "));
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_format", sentence).with("formats", formats.to_vec())
}
