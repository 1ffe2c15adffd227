//! The HTTP API: every route, its shapes and its errors, and nothing that thinks.

mod access;
mod described;
mod exports;
mod listing;
mod live;
mod repeats;
mod upload;
mod wanted;

use std::sync::Arc;

use apium_core::client::{fresh_id, iso};
use apium_core::{Client, Signature, TaskState};
use apium_web::{ApiError, ErrorBody, Json, StatusCode};
use axum::Router;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Multipart, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use tracing::Instrument as _;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};
use uuid::Uuid;

use crate::allowed::Allowed;
use crate::collectors::{COLLECTORS, Collector};
use crate::contract::{
    Cancelled, CollectorList, Health, MAX_UPLOAD, ScanAccepted, ScanList, ScanRequest, ScanStatus, UploadForm,
};
use crate::digest::id_of;
use crate::error;
use crate::metrics;
use crate::providers::ProviderSettings;
use crate::quotas::Gauge;
use crate::repeats::Repeats;
use crate::scans::{Caller, Scans};
use crate::settings::UPLOAD_ROOM;
use crate::store::{NewScan, Store};
use crate::view;
use access::{Known, Lock, Paces};
use listing::ListQuery;
use live::Watchers;
use upload::{ARRIVAL, FORM_OVERHEAD, Room, Upload, too_slow};
use wanted::Wanted;

/// A client's own key for a scan: the same key, target and type make the same scan.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Answers about a scan are true for a moment only; and a cached GET would not cancel (T13).
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct OsintApi {
    scans: Scans,
    repeats: Repeats,
    watchers: Watchers,
    gauge: Gauge,
    room: Room,
    providers: Arc<ProviderSettings>,
    allowed: Arc<Allowed>,
    paces: Paces,
    lock: Lock,
}

/// The id of a scan in a path. What is no UUID cannot be one of ours and is answered like an unknown one.
struct ScanId(String);

/// What a health check answers with when all is not well.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only ever described, never made")]
enum Unwell {
    /// Nobody takes scans.
    Nobody(Health),
    /// It cannot be told.
    Unknown(ErrorBody),
}

/// What the three ways to cancel answer with.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "only ever described, never made")]
enum CancelAnswers {
    #[response(status = 200, description = "Cancelado, o deteniéndose")]
    Done(Cancelled),
    #[response(status = 404, description = "Nunca visto (`unknown_scan`)")]
    Unknown(ErrorBody),
    #[response(status = 409, description = "Ya había terminado (`ended_scan`, con `status`)")]
    Ended(ErrorBody),
    #[response(status = 410, description = "Terminado y caducado (`expired_scan`)")]
    Expired(ErrorBody),
    #[response(status = 503, description = "El servicio de colas no responde (`backend_unavailable`)")]
    Unavailable(ErrorBody),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Apium OSINT",
        version = "2.1.0",
        description = "Escaneos OSINT asíncronos: se encolan con POST, se consultan por su task_id. Todos los errores \
                       tienen la misma forma: `error.code` para programas, `error.message` y `detail` para personas. \
                       Cualquier ruta puede responder 500 (`internal_error`); la cabecera `X-Request-Id` la \
                       identifica en el registro.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags((name = "async-scans", description = "Escaneos asíncronos")),
    components(schemas(Cancelled))
)]
struct Description;

impl OsintApi {
    /// An API that sends scans and reads their results with `client`, remembers them in `store`, and takes in
    /// [`UPLOAD_ROOM`] of files at once.
    pub fn new(client: Client, store: Store) -> Self {
        let scans = Scans::new(client, Arc::new(store));
        Self {
            repeats: Repeats::new(scans.clone()),
            watchers: Watchers::default(),
            gauge: Gauge::default(),
            scans,
            room: Room::new(UPLOAD_ROOM),
            providers: Arc::default(),
            allowed: Arc::default(),
            paces: Paces::default(),
            lock: Lock::default(),
        }
    }

    /// Refuses targets that are not allowed.
    #[must_use]
    pub fn with_allowed(mut self, allowed: Allowed) -> Self {
        self.allowed = Arc::new(allowed);
        self
    }

    /// Tells callers which collectors have what they need by these settings.
    #[must_use]
    pub fn with_providers(mut self, providers: ProviderSettings) -> Self {
        self.providers = Arc::new(providers);
        self
    }

    /// Takes in this many MiB of uploaded files at once, at least one.
    #[must_use]
    pub fn with_upload_room(mut self, mib: u32) -> Self {
        self.room = Room::new(mib);
        self
    }

    /// Opens the history now, on the runtime this is called on, so that the first requests need not wait for it. Where that
    /// fails the log says so, and it is tried again when it is needed.
    #[must_use]
    pub fn open_history(self) -> Self {
        let scans = self.scans.clone();
        tokio::spawn(async move {
            if let Err(error) = scans.store().open().await {
                tracing::warn!(%error, "the history of scans cannot be opened yet");
            }
        });
        self
    }

    /// Asks for the scan of a file, as [`Self::ask`] does for any; the file takes room until it is sent.
    async fn ask_file(
        &self,
        upload: Upload,
        id: String,
        keyed: bool,
        caller: Caller,
    ) -> Result<(String, TaskState), ApiError> {
        let scans = self.scans.clone();
        let sending = async move {
            let (size, announced) = (upload.size, upload.announced(&id, &caller.name));
            let (signature, _held) = upload.pack().await?;
            let sent = scans.ask(announced, signature, keyed, &caller).await?;
            metrics::uploaded(size);
            Ok(sent)
        };
        to_the_end(sending).await
    }

    /// Asks for a scan to the end even if the client hangs up: one that is sent and not remembered would be sent again
    /// at the client's next try.
    async fn ask(
        &self,
        announced: NewScan,
        signature: Signature,
        keyed: bool,
        caller: Caller,
    ) -> Result<(String, TaskState), ApiError> {
        let scans = self.scans.clone();
        to_the_end(async move { scans.ask(announced, signature, keyed, &caller).await }).await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ScanId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
        id.map(|id| Self(id.hyphenated().to_string())).ok_or_else(error::unknown_scan)
    }
}

/// The whole API: scans, `/docs` and `/openapi.json`. Whoever serves it puts `apium_web::manners` around it.
pub fn router(state: OsintApi) -> Router {
    let upload = OpenApiRouter::new().routes(routes!(upload)).layer(DefaultBodyLimit::max(MAX_UPLOAD + FORM_OVERHEAD));
    let (router, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(scan))
        .routes(routes!(list))
        .routes(routes!(status, delete))
        .routes(routes!(cancel, cancel_by_get))
        .routes(routes!(live::follow))
        .routes(routes!(repeats::keep, repeats::list))
        .routes(routes!(repeats::show, repeats::discard))
        .routes(routes!(repeats::pause))
        .routes(routes!(repeats::resume))
        .routes(routes!(exports::export))
        .routes(routes!(exports::diff))
        .routes(routes!(collectors))
        .routes(routes!(health))
        .merge(upload)
        .split_for_parts();
    described::complete(&mut description);
    // The page's own default sends the description's address to a validator on the internet.
    let page = Config::default().validator_url("none");
    router.with_state(state).merge(SwaggerUi::new("/docs").url("/openapi.json", description).config(page))
}

#[utoipa::path(
    post, path = "/api/v1/scan", tag = "async-scans",
    summary = "Encola un escaneo",
    description = "Responde enseguida con el `task_id` por el que se consulta. Con la misma `Idempotency-Key`, el mismo \
                   objetivo, tipo y opciones, devuelve durante 7 días el mismo escaneo sin encolarlo otra vez.",
    params(("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255,
            pattern = "^[!-~]+$", description = "Clave propia, de 1 a 255 caracteres ASCII visibles")),
    request_body = ScanRequest,
    responses(
        (status = 202, description = "Encolado", body = ScanAccepted),
        (status = 400, description = "No es JSON (`malformed_json`), tipo desconocido (`unknown_type`, con la lista \
                                      `types`) o clave inválida (`invalid_idempotency_key`)", body = ErrorBody),
        (status = 403, description = "El administrador no permite escanear el objetivo (`target_not_allowed`)",
         body = ErrorBody),
        (status = 410, description = "El escaneo de esa clave ha caducado (`expired_scan`)", body = ErrorBody),
        (status = 413, description = "Cuerpo demasiado grande (`body_too_large`)", body = ErrorBody),
        (status = 415, description = "El cuerpo no es application/json (`unsupported_media_type`)", body = ErrorBody),
        (status = 422, description = "Otra forma (`invalid_body`) u objetivo no válido para el tipo (`invalid_target`)",
         body = ErrorBody),
        (status = 429, description = "El token ha pedido demasiados escaneos (`rate_limited`, con `retry_after`)",
         body = ErrorBody, headers(("Retry-After" = u64, description = "Segundos hasta que admita otro"))),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn scan(
    State(api): State<OsintApi>,
    known: Known,
    headers: HeaderMap,
    Json(request): Json<ScanRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let key = idempotency_key(&headers)?;
    let wanted = Wanted::read(request, &api.allowed)?;
    known.count(&api.paces, api.scans.client()).await?;
    let id = match &key {
        None => fresh_id(),
        Some(key) => {
            id_of(&["apium osint scan", &known.caller.name, key, &wanted.shown, &wanted.collector, &wanted.told])
        }
    };
    let announced = wanted.announced(&id, &known.caller.name);
    let (task_id, state) = api.ask(announced, wanted.signature, key.is_some(), known.caller).await?;
    Ok((StatusCode::ACCEPTED, Json(view::accepted(task_id, &state, wanted.shown, wanted.collector))))
}

#[utoipa::path(
    post, path = "/api/v1/scan/upload", tag = "async-scans",
    summary = "Encola el análisis de los metadatos de un fichero",
    description = "El fichero va en el campo `file`, 10 MiB como máximo; `type`, si va, es `metadata`. El objetivo es \
                   el nombre del fichero. Con la misma `Idempotency-Key`, el mismo nombre y el mismo contenido, \
                   devuelve durante 7 días el mismo escaneo sin encolarlo otra vez.",
    params(("Idempotency-Key" = Option<String>, Header, nullable = false, min_length = 1, max_length = 255,
            pattern = "^[!-~]+$", description = "Clave propia, de 1 a 255 caracteres ASCII visibles")),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "Encolado", body = ScanAccepted),
        (status = 400, description = "Formulario roto (`malformed_form`), tipo desconocido (`unknown_type`, con la lista \
                                      `types`) o clave inválida (`invalid_idempotency_key`)", body = ErrorBody),
        (status = 410, description = "El escaneo de esa clave ha caducado (`expired_scan`)", body = ErrorBody),
        (status = 413, description = "Fichero demasiado grande (`file_too_large`)", body = ErrorBody),
        (status = 415, description = "El cuerpo no es multipart/form-data (`unsupported_media_type`)", body = ErrorBody),
        (status = 422, description = "Falta el fichero, está vacío o el tipo no admite ficheros (`invalid_file`), o sobra \
                                      un campo (`invalid_form`)", body = ErrorBody),
        (status = 429, description = "El token ha pedido demasiados escaneos (`rate_limited`, con `retry_after`)",
         body = ErrorBody, headers(("Retry-After" = u64, description = "Segundos hasta que admita otro"))),
        (status = 503, description = "Se reciben demasiados ficheros a la vez (`uploads_busy`, con `Retry-After`), o el \
                                      servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn upload(
    State(api): State<OsintApi>,
    known: Known,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let form = form.map_err(|_| {
        let sentence = "El fichero debe enviarse como «multipart/form-data».";
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", sentence)
    })?;
    let key = idempotency_key(&headers)?;
    let place = api.room.enter(&headers).await?;
    let upload = tokio::time::timeout(ARRIVAL, Upload::read(form, &headers, place)).await.map_err(|_| too_slow())??;
    let (target, collector_type) = (upload.name.clone(), upload.collector_type.clone());
    known.count(&api.paces, api.scans.client()).await?;
    let (id, keyed) = match key {
        None => (fresh_id(), false),
        Some(key) => {
            let parts = ["apium osint upload", &known.caller.name, &key, &target, &collector_type, &upload.digest];
            (id_of(&parts), true)
        }
    };
    let (task_id, state) = api.ask_file(upload, id, keyed, known.caller).await?;
    Ok((StatusCode::ACCEPTED, Json(view::accepted(task_id, &state, target, collector_type))))
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}", tag = "async-scans",
    summary = "Cómo va un escaneo, y su resultado",
    params(("task_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(
        (status = 200, description = "El estado, y con SUCCESS el resultado entero", body = ScanStatus),
        (status = 404, description = "Nunca visto (`unknown_scan`)", body = ErrorBody),
        (status = 410, description = "Terminado y caducado (`expired_scan`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn status(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.scans.find(&task_id, &known.caller).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/scans", tag = "async-scans",
    summary = "El historial de escaneos",
    description = "Los más recientes primero. Con un token, los que se pidieron con él.",
    params(ListQuery),
    responses(
        (status = 200, description = "Una página", body = ScanList),
        (status = 422, description = "Un parámetro no vale (`invalid_query`)", body = ErrorBody),
        (status = 503, description = "El historial no responde (`history_unavailable`)", body = ErrorBody),
    )
)]
async fn list(
    State(api): State<OsintApi>,
    known: Known,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(query) = query.map_err(|error| listing::invalid(&error.body_text()))?;
    let (scans, next) = api.scans.list(&query.filter(&known.caller)?).await?;
    Ok((NO_STORE, Json(ScanList { scans, next })))
}

#[utoipa::path(
    post, path = "/api/v1/scan/{task_id}/cancel", tag = "async-scans",
    summary = "Cancela un escaneo",
    description = "El que espera no empieza; el que corre se detiene. Se puede repetir.",
    params(("task_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn cancel(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.scans.call_off(&task_id, &known.caller).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}/cancel", tag = "async-scans",
    summary = "Cancela un escaneo (por compatibilidad)",
    description = "Hace lo mismo que POST. Un GET que cambia algo lo puede disparar cualquier rastreador: use POST o DELETE.",
    params(("task_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn cancel_by_get(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
    method: Method,
) -> Result<Response, ApiError> {
    // HEAD comes the same way; whoever only looks must not cancel.
    if method == Method::HEAD {
        return Ok((NO_STORE, Json(api.scans.find(&task_id, &known.caller).await?)).into_response());
    }
    Ok((NO_STORE, Json(api.scans.call_off(&task_id, &known.caller).await?)).into_response())
}

#[utoipa::path(
    delete, path = "/api/v1/scan/{task_id}", tag = "async-scans",
    summary = "Cancela un escaneo",
    description = "Hace lo mismo que POST …/cancel; el registro del escaneo se conserva.",
    params(("task_id" = String, Path, format = "uuid", description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn delete(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(task_id): ScanId,
) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.scans.call_off(&task_id, &known.caller).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/collectors", tag = "async-scans",
    summary = "Los tipos de escaneo disponibles",
    responses((status = 200, description = "Todos los que funcionan", body = CollectorList))
)]
async fn collectors(State(api): State<OsintApi>) -> impl IntoResponse {
    let card = async |collector: &'static Collector| {
        let mut card = collector.card(&api.providers);
        if let Some(provider) = collector.provider.filter(|_| card.configured) {
            let left = api.gauge.look(&api.scans, &api.providers, provider).await;
            (card.quota_left, card.quota_resets) = (left.requests, left.resets.map(iso));
        }
        card
    };
    let collectors = join_all(COLLECTORS.iter().map(card)).await;
    (NO_STORE, Json(CollectorList { collectors, total: COLLECTORS.len() }))
}

#[utoipa::path(
    get, path = "/api/v1/health", tag = "async-scans",
    summary = "Si hay quien escanee",
    responses(
        (status = 200, description = "Al menos un trabajador atiende escaneos", body = Health),
        (status = 503, description = "Ninguno los atiende (`Health` con `unhealthy`), o el servicio de colas no responde \
                                      (`backend_unavailable`)", body = Unwell),
    )
)]
async fn health(State(api): State<OsintApi>) -> Result<impl IntoResponse, ApiError> {
    let workers = api.scans.client().broker().workers().await.map_err(|error| error::backend(&error))?;
    let health = view::health(workers);
    let status = if health.workers == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, NO_STORE, Json(health)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        // Two of them are no key: which one counts would be a guess.
        return Err(error::invalid_key());
    }
    let visible = |byte: &u8| byte.is_ascii_graphic();
    let fits = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(visible);
    key.to_str().ok().filter(|_| fits).map(|key| Some(key.to_owned())).ok_or_else(error::invalid_key)
}

/// Does `work` even if the client hangs up: its request, and all that runs in it, is dropped then.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(error::stopping()),
        },
    }
}
