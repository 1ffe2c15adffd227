//! How a scan is doing, told whenever it changes: server-sent events (HTML standard, section 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use apium_core::TaskState;
use apium_web::{ApiError, ErrorBody, StatusCode, Stopping};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::access::Known;
use super::{NO_STORE, OsintApi, ScanId};
use crate::contract::ScanStatus;
use crate::scans::{Caller, Scans};
use crate::shapes::{self, END, PROGRESS};

/// Streams at once: half of the connections that a server takes, so that others find one.
const MOST: usize = 256;
/// How often a scan is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A stream is ended after this; a client that is still there comes back by itself.
const LONGEST: Duration = Duration::from_mins(30);
/// What is sent, so that no proxy takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx would hold the events back otherwise.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// What an event is, for the document of the API.
enum ScanEvent {}

impl PartialSchema for ScanEvent {
    fn schema() -> RefOr<Schema> {
        shapes::scan_event()
    }
}

impl ToSchema for ScanEvent {}

/// The streams of this process.
#[derive(Clone)]
pub(super) struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

/// One stream: a loop that ends with its scan, its client, the server, or after [`LONGEST`].
struct Watch {
    scans: Scans,
    id: String,
    caller: Caller,
    /// What is to be told without another look.
    first: Option<ScanStatus>,
    told: Option<ScanStatus>,
    looks: Interval,
    until: Instant,
    stopping: Option<Stopping>,
    _seat: OwnedSemaphorePermit,
}

#[utoipa::path(
    get, path = "/api/v1/scan/{task_id}/events", tag = "async-scans",
    summary = "El progreso de un escaneo, en vivo",
    description = "Eventos `progress` con el mismo objeto que la consulta, sin `result`, cada vez que cambia; al terminar, un \
                   evento `end`, y se cierra. Un `EventSource` vuelve a conectar por sí solo; si ya recibió `end`, se le \
                   responde 204 y no insiste.",
    params(
        ("task_id" = String, Path, format = "uuid", description = "El identificador que dio POST"),
        ("Last-Event-ID" = Option<String>, Header, nullable = false, description = "Lo envía el navegador al volver a conectar"),
    ),
    responses(
        (status = 200, description = "Los eventos", body = ScanEvent, content_type = "text/event-stream"),
        (status = 204, description = "Ya se recibió el final"),
        (status = 401, description = "Falta el token o no vale (`unauthorized`)", body = ErrorBody),
        (status = 404, description = "Nunca visto (`unknown_scan`)", body = ErrorBody),
        (status = 410, description = "Terminado y caducado (`expired_scan`)", body = ErrorBody),
        (status = 503, description = "El servicio de colas no responde (`backend_unavailable`), o hay demasiados que miran \
                                      (`too_many_streams`)", body = ErrorBody),
    )
)]
pub(super) async fn follow(
    State(api): State<OsintApi>,
    known: Known,
    ScanId(id): ScanId,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let first = api.scans.find(&id, &known.caller).await?;
    if headers.get(LAST_EVENT_ID).is_some_and(|last| last.as_bytes() == END.as_bytes()) && has_ended(&first) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let seat = api.watchers.0.clone().try_acquire_owned().map_err(|_| too_many())?;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch {
        scans: api.scans,
        id,
        caller: known.caller,
        first: Some(first),
        told: None,
        looks,
        until: Instant::now() + LONGEST,
        stopping: stopping.map(|Extension(stopping)| stopping),
        _seat: seat,
    };
    let events = Sse::new(futures_util::stream::unfold(watch, Watch::next));
    Ok((NO_STORE, [UNBUFFERED], events.keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response())
}

impl Watch {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.told.as_ref().is_some_and(has_ended) {
            return None;
        }
        let status = self.changed().await?;
        let ended = has_ended(&status);
        // The result may be large, and is to be had by its own address.
        let shown = ScanStatus { result: None, ..status.clone() };
        let event = Event::default().event(if ended { END } else { PROGRESS });
        let event = if ended { event.id(END) } else { event };
        let event = event.json_data(&shown).ok()?;
        self.told = Some(status);
        Some((Ok(event), self))
    }

    /// How the scan stands once that is another way than was told; `None` when nothing more is told.
    async fn changed(&mut self) -> Option<ScanStatus> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                () = stop(self.stopping.as_mut()) => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                _ = self.looks.tick() => {}
            }
            match self.scans.find(&self.id, &self.caller).await {
                Ok(status) if self.told.as_ref() != Some(&status) => return Some(status),
                Ok(_) => {}
                // The store may answer the next time.
                Err(error) if error.status().is_server_error() => {}
                Err(_) => return None,
            }
        }
    }
}

async fn stop(stopping: Option<&mut Stopping>) {
    match stopping {
        Some(stopping) => stopping.requested().await,
        None => std::future::pending().await,
    }
}

fn has_ended(status: &ScanStatus) -> bool {
    TaskState::from_name(&status.status).is_ready()
}

/// 503: no further stream now.
fn too_many() -> ApiError {
    let sentence = "Hay demasiados clientes mirando escaneos en vivo; consulte el estado con GET, o vuelva más tarde.";
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", sentence);
    error.header(header::RETRY_AFTER, HeaderValue::from_static("10"))
}
