//! The HTTP API: every route, its shapes and its errors, and nothing that thinks.

mod upload;

use std::sync::Arc;
use std::time::Duration;

use apium_core::client::REMEMBER_HEADER;
use apium_core::{BackendError, Client, Lookup, Signature, TaskState};
use apium_web::{ApiError, ErrorBody, Json, StatusCode};
use axum::Router;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Multipart, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};
use uuid::Uuid;

use crate::collectors::{COLLECTORS, Collector};
use crate::contract::{
    Cancelled, CollectorList, Health, MAX_UPLOAD, QUEUE, ScanAccepted, ScanOptions, ScanRequest, ScanStatus, UploadForm,
};
use crate::error;
use crate::metrics;
use crate::providers::ProviderSettings;
use crate::scan::Order;
use crate::settings::UPLOAD_ROOM;
use crate::tasks::perform_osint_scan;
use crate::turns::Turns;
use crate::view;
use upload::{ARRIVAL, FORM_OVERHEAD, Room, Upload, too_slow};

/// How long an id is remembered, so that an expired scan can be told from one that never was.
const REMEMBER: Duration = Duration::from_hours(7 * 24);
/// A client's own key for a scan: the same key, target and type make the same scan.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Answers about a scan are true for a moment only; and a cached GET would not cancel (T13).
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct OsintApi {
    client: Client,
    /// Held while a keyed scan is looked up and sent, so that two requests at once do not send twice.
    keyed: Arc<Turns>,
    room: Room,
    providers: Arc<ProviderSettings>,
}

/// The id of a scan in a path. What is no UUID cannot be one of ours and is answered like an unknown one.
struct ScanId(String);

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
    tags((name = "async-scans", description = "Escaneos asíncronos"))
)]
struct Description;

impl OsintApi {
    /// An API that sends scans and reads their results with `client`, and takes in [`UPLOAD_ROOM`] of files at once.
    pub fn new(client: Client) -> Self {
        Self { client, keyed: Arc::default(), room: Room::new(UPLOAD_ROOM), providers: Arc::default() }
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

    async fn known(&self, id: &str) -> Result<Lookup, ApiError> {
        self.client.pending(id).lookup().await.map_err(|error| error::backend(&error))
    }

    async fn find(&self, id: &str) -> Result<ScanStatus, ApiError> {
        match self.known(id).await? {
            Lookup::Stored(record) => view::stored(id, &record).map_err(|error| error::backend(&error)),
            Lookup::Waiting => Ok(view::waiting(id)),
            Lookup::Expired => Err(error::expired_scan()),
            Lookup::Unknown => Err(error::unknown_scan()),
        }
    }

    async fn enqueue(&self, signature: Signature) -> Result<String, ApiError> {
        let sent = self.client.send(&signature.queue(QUEUE).remember(REMEMBER)).await;
        sent.map(|pending| pending.id().to_owned()).map_err(|error| error::unsent(&error))
    }

    /// Does [`Self::enqueue_once`] to its end even if the client hangs up: a scan that is sent and not remembered
    /// would be sent again at the client's next try.
    async fn enqueue_keyed(&self, signature: Signature, id: String) -> Result<TaskState, ApiError> {
        let api = self.clone();
        to_the_end(async move { api.enqueue_once(signature, &id).await }).await
    }

    /// Sends the scan of a file, under `id` if it has one; gives its id and state. Also to its end, because the
    /// file takes room until then.
    async fn enqueue_file(&self, upload: Upload, id: Option<String>) -> Result<(String, TaskState), ApiError> {
        let api = self.clone();
        let sending = async move {
            let size = upload.size;
            let (signature, _held) = upload.pack().await?;
            let sent = match id {
                None => (api.enqueue(signature).await?, TaskState::Pending),
                Some(id) => api.enqueue_once(signature, &id).await.map(|state| (id, state))?,
            };
            metrics::uploaded(size);
            Ok(sent)
        };
        to_the_end(sending).await
    }

    /// Sends a scan under an id of its own choice unless the id is known; gives the state it is in.
    ///
    /// The id is remembered *after* the sending here: if the sending fails, the client's next try with the same
    /// key must not find a scan that was never queued. API processes do not see each other's lock: the same key
    /// at two of them in the same moment may queue two messages of one id, and one result.
    async fn enqueue_once(&self, signature: Signature, id: &str) -> Result<TaskState, ApiError> {
        let _alone = self.keyed.take(id).await;
        match self.known(id).await? {
            Lookup::Stored(record) => return Ok(TaskState::from_name(&record.status)),
            Lookup::Waiting => return Ok(TaskState::Pending),
            Lookup::Expired => return Err(error::expired_scan()),
            Lookup::Unknown => {}
        }
        let signature = signature.queue(QUEUE).task_id(id).header(REMEMBER_HEADER, REMEMBER.as_secs());
        self.client.send(&signature).await.map_err(|error| error::unsent(&error))?;
        self.client.results().remember(id, REMEMBER).await.map_err(|error| error::backend(&error))?;
        Ok(TaskState::Pending)
    }

    async fn call_off(&self, id: &str) -> Result<Cancelled, ApiError> {
        let before = TaskState::from_name(&self.find(id).await?.status);
        let revoked = match before {
            TaskState::Revoked => true,
            _ => self.client.revoke(id).await.map_err(|error| error::backend(&error))?,
        };
        let after = self.find(id).await?;
        let state = TaskState::from_name(&after.status);
        // It may have ended, or been called off by another, since it was looked up.
        if !revoked && state != TaskState::Revoked {
            return Err(error::ended_scan(&state));
        }
        let message = match state {
            TaskState::Revoked => "Escaneo cancelado",
            _ => "Cancelación pedida: el escaneo se está deteniendo",
        };
        Ok(Cancelled { task_id: after.task_id, status: after.status, message: message.to_owned() })
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
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(scan))
        .routes(routes!(status, delete))
        .routes(routes!(cancel, cancel_by_get))
        .routes(routes!(collectors))
        .routes(routes!(health))
        .merge(upload)
        .split_for_parts();
    // The page's own default sends the description's address to a validator on the internet.
    let page = Config::default().validator_url("none");
    router.with_state(state).merge(SwaggerUi::new("/docs").url("/openapi.json", description).config(page))
}

#[utoipa::path(
    post, path = "/api/v1/scan", tag = "async-scans",
    summary = "Encola un escaneo",
    description = "Responde enseguida con el `task_id` por el que se consulta. Con la misma `Idempotency-Key`, el mismo \
                   objetivo, tipo y opciones, devuelve durante 7 días el mismo escaneo sin encolarlo otra vez.",
    params(("Idempotency-Key" = Option<String>, Header, description = "Clave propia, de 1 a 255 caracteres ASCII visibles")),
    request_body = ScanRequest,
    responses(
        (status = 202, description = "Encolado", body = ScanAccepted),
        (status = 400, description = "No es JSON (`malformed_json`), tipo desconocido (`unknown_type`, con la lista \
                                      `types`) o clave inválida (`invalid_idempotency_key`)", body = ErrorBody),
        (status = 410, description = "El escaneo de esa clave ha caducado (`expired_scan`)", body = ErrorBody),
        (status = 413, description = "Cuerpo demasiado grande (`body_too_large`)", body = ErrorBody),
        (status = 415, description = "El cuerpo no es application/json (`unsupported_media_type`)", body = ErrorBody),
        (status = 422, description = "Otra forma (`invalid_body`) u objetivo no válido para el tipo (`invalid_target`)",
         body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn scan(
    State(api): State<OsintApi>,
    headers: HeaderMap,
    Json(request): Json<ScanRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let ScanRequest { target, collector_type, options } = request;
    let key = idempotency_key(&headers)?;
    let task_options = ScanOptions { axfr: options.axfr, file: None };
    let order = Order::read(&target, &collector_type, task_options.clone())?;
    let sent = (task_options != ScanOptions::default()).then_some(task_options);
    let signature = perform_osint_scan::s(order.shown.clone(), collector_type.clone(), sent);
    let (task_id, state) = match key {
        None => (api.enqueue(signature).await?, TaskState::Pending),
        Some(key) => {
            let axfr = options.axfr.map_or("", |axfr| if axfr { "true" } else { "false" });
            let id = keyed_id(["apium osint scan", &key, &order.shown, &collector_type, axfr]);
            let state = api.enqueue_keyed(signature, id.clone()).await?;
            (id, state)
        }
    };
    Ok((StatusCode::ACCEPTED, Json(view::accepted(task_id, &state, order.shown, collector_type))))
}

#[utoipa::path(
    post, path = "/api/v1/scan/upload", tag = "async-scans",
    summary = "Encola el análisis de los metadatos de un fichero",
    description = "El fichero va en el campo `file`, 10 MiB como máximo; `type`, si va, es `metadata`. El objetivo es \
                   el nombre del fichero. Con la misma `Idempotency-Key`, el mismo nombre y el mismo contenido, \
                   devuelve durante 7 días el mismo escaneo sin encolarlo otra vez.",
    params(("Idempotency-Key" = Option<String>, Header, description = "Clave propia, de 1 a 255 caracteres ASCII visibles")),
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
        (status = 503, description = "Se reciben demasiados ficheros a la vez (`uploads_busy`, con `Retry-After`), o el \
                                      servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn upload(
    State(api): State<OsintApi>,
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
    let id = key.map(|key| keyed_id(["apium osint upload", &key, &target, &collector_type, &upload.digest]));
    let (task_id, state) = api.enqueue_file(upload, id).await?;
    Ok((StatusCode::ACCEPTED, Json(view::accepted(task_id, &state, target, collector_type))))
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}", tag = "async-scans",
    summary = "Cómo va un escaneo, y su resultado",
    params(("task_id" = String, Path, description = "El identificador que dio POST")),
    responses(
        (status = 200, description = "El estado, y con SUCCESS el resultado entero", body = ScanStatus),
        (status = 404, description = "Nunca visto (`unknown_scan`)", body = ErrorBody),
        (status = 410, description = "Terminado y caducado (`expired_scan`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`)", body = ErrorBody),
    )
)]
async fn status(State(api): State<OsintApi>, ScanId(task_id): ScanId) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.find(&task_id).await?)))
}

#[utoipa::path(
    post, path = "/api/v1/scan/{task_id}/cancel", tag = "async-scans",
    summary = "Cancela un escaneo",
    description = "El que espera no empieza; el que corre se detiene. Se puede repetir.",
    params(("task_id" = String, Path, description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn cancel(State(api): State<OsintApi>, ScanId(task_id): ScanId) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.call_off(&task_id).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}/cancel", tag = "async-scans",
    summary = "Cancela un escaneo (por compatibilidad)",
    description = "Hace lo mismo que POST. Un GET que cambia algo lo puede disparar cualquier rastreador: use POST o DELETE.",
    params(("task_id" = String, Path, description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn cancel_by_get(
    State(api): State<OsintApi>,
    ScanId(task_id): ScanId,
    method: Method,
) -> Result<Response, ApiError> {
    // HEAD comes the same way; whoever only looks must not cancel.
    if method == Method::HEAD {
        return Ok((NO_STORE, Json(api.find(&task_id).await?)).into_response());
    }
    Ok((NO_STORE, Json(api.call_off(&task_id).await?)).into_response())
}

#[utoipa::path(
    delete, path = "/api/v1/scan/{task_id}", tag = "async-scans",
    summary = "Cancela un escaneo",
    description = "Hace lo mismo que POST …/cancel; el registro del escaneo se conserva.",
    params(("task_id" = String, Path, description = "El identificador que dio POST")),
    responses(CancelAnswers)
)]
async fn delete(State(api): State<OsintApi>, ScanId(task_id): ScanId) -> Result<impl IntoResponse, ApiError> {
    Ok((NO_STORE, Json(api.call_off(&task_id).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/collectors", tag = "async-scans",
    summary = "Los tipos de escaneo disponibles",
    responses((status = 200, description = "Todos los que funcionan", body = CollectorList))
)]
async fn collectors(State(api): State<OsintApi>) -> Json<CollectorList> {
    let collectors = COLLECTORS.iter().map(|collector| collector.card(&api.providers)).collect();
    Json(CollectorList { collectors, total: COLLECTORS.len() })
}

#[utoipa::path(
    get, path = "/api/v1/health", tag = "async-scans",
    summary = "Si hay quien escanee",
    responses(
        (status = 200, description = "Al menos un trabajador atiende escaneos", body = Health),
        (status = 503, description = "Ninguno los atiende (`Health` con `unhealthy`), o el servicio de colas no responde \
                                      (`backend_unavailable`)", body = Health),
    )
)]
async fn health(State(api): State<OsintApi>) -> Result<impl IntoResponse, ApiError> {
    let workers = api.client.broker().workers().await.map_err(|error| error::backend(&error))?;
    let health = view::health(workers);
    let status = if health.workers == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, NO_STORE, Json(health)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = |byte: &u8| byte.is_ascii_graphic();
    let fits = (1..=255).contains(&key.len()) && key.as_bytes().iter().all(visible);
    key.to_str().ok().filter(|_| fits).map(|key| Some(key.to_owned())).ok_or_else(error::invalid_key)
}

/// The id that a key and a request always make: a UUID (version 8) of their SHA-256. The request is part of it,
/// so a key used for something else by mistake makes another scan instead of answering with the wrong one.
fn keyed_id(parts: [&str; 5]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first: otherwise "a" + "bc" and "ab" + "c" would be one.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Does `work` even if the client hangs up: its request, and all that runs in it, is dropped then.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(error::backend(&BackendError::Unavailable("the program is ending".to_owned()))),
        },
    }
}
