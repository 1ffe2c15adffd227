//! The schedules over HTTP, for whoever has the token: listed, kept, dropped, run, paused, told of.
//!
//! They may send any task, so there are no such routes where no token is set: they are unknown like any other.

use std::collections::HashMap;
use std::sync::Arc;

use apium::beat::{Catalogue, CatalogueError, Entry, Listed, Origin, ScheduleError, Zone};
use apium::{BackendError, Client, SendError};
use apium_protocol::RawJson;
use apium_web::{ApiError, StatusCode};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::commands::beat::{coming, decided, in_full, upcoming};

/// The most that are told at once of what is due next, or was decided.
const MOST: usize = 10_000;

type Answer = Result<Response, ApiError>;
type Asked = Query<HashMap<String, String>>;

/// The routes, behind this token; none without one.
pub(crate) fn schedules(token: Option<&str>, client: &Client) -> Router {
    let Some(token) = token else { return Router::new() };
    let token: Arc<str> = token.into();
    Router::new()
        .route("/beat/schedules", get(list))
        .route("/beat/schedules/{name}", get(show).put(put).delete(discard))
        .route("/beat/schedules/{name}/run", post(run))
        .route("/beat/schedules/{name}/pause", post(pause))
        .route("/beat/schedules/{name}/resume", post(resume))
        .route("/beat/next", get(next))
        .route("/beat/history", get(history))
        .with_state(client.clone())
        .route_layer(middleware::from_fn_with_state(token, only_with))
}

/// Lets pass who has the token. How long it takes does not tell how much of it was right.
async fn only_with(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let (scheme, given) = given.split_at(given.len().min("Bearer ".len()));
    let bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
    if bearer && bool::from(given.ct_eq(token.as_bytes())) {
        return next.run(request).await;
    }
    let sentence = "this needs the token of the setting api_token: Authorization: Bearer TOKEN";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", sentence)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        .into_response()
}

async fn list(State(client): State<Client>) -> Answer {
    let now = Timestamp::now();
    let all = Catalogue::new(&client).list().await.map_err(unavailable)?;
    Ok(answer(StatusCode::OK, all.iter().map(|listed| in_full(listed, now)).collect()))
}

async fn show(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    shown(StatusCode::OK, &client, &name).await
}

async fn put(State(client): State<Client>, Path(name): Path<String>, body: Result<Bytes, BytesRejection>) -> Answer {
    let body = body.map_err(|error| ApiError::new(error.status(), "unreadable_body", error.body_text()))?;
    let entry = read(&name, &body)?;
    let new = Catalogue::new(&client).put(&entry).await.map_err(refused)?;
    shown(if new { StatusCode::CREATED } else { StatusCode::OK }, &client, &name).await
}

async fn discard(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    Catalogue::new(&client).discard(&name).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn run(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    let task_id = Catalogue::new(&client).run(&name).await.map_err(refused)?;
    Ok(answer(StatusCode::ACCEPTED, json!({"task_id": task_id})))
}

async fn pause(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    Catalogue::new(&client).pause(&name, true).await.map_err(refused)?;
    shown(StatusCode::OK, &client, &name).await
}

async fn resume(State(client): State<Client>, Path(name): Path<String>) -> Answer {
    Catalogue::new(&client).pause(&name, false).await.map_err(refused)?;
    shown(StatusCode::OK, &client, &name).await
}

async fn next(State(client): State<Client>, Query(asked): Asked) -> Answer {
    let count = count(&asked, 10)?;
    let zone = asked.get("tz").map(|name| Zone::named(name)).transpose();
    let zone = zone.map_err(|error| invalid("tz", error.to_string()))?;
    let all = Catalogue::new(&client).list().await.map_err(unavailable)?;
    let entries: Vec<Entry> = all.into_iter().map(|Listed { entry, .. }| entry).collect();
    let rows = coming(&entries, Timestamp::now(), count);
    Ok(answer(StatusCode::OK, rows.into_iter().map(|(due, entry)| upcoming(due, entry, zone.as_ref())).collect()))
}

async fn history(State(client): State<Client>, Query(asked): Asked) -> Answer {
    let count = count(&asked, 20)?;
    let name = asked.get("name").map(String::as_str);
    let lines = Catalogue::new(&client).history(name, count).await.map_err(unavailable)?;
    Ok(answer(StatusCode::OK, lines.iter().map(|(entry, told)| decided(entry, told)).collect()))
}

async fn shown(status: StatusCode, client: &Client, name: &str) -> Answer {
    let listed = Catalogue::new(client).get(name).await.map_err(refused)?;
    Ok(answer(status, in_full(&listed, Timestamp::now())))
}

fn answer(status: StatusCode, value: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(value)).into_response()
}

fn count(asked: &HashMap<String, String>, otherwise: usize) -> Result<usize, ApiError> {
    let Some(text) = asked.get("count") else { return Ok(otherwise) };
    let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| invalid("count", format!("count must be a whole number from 1 to {MOST}")))
}

/// The entry that is to be kept under this name, set by an operator whatever it says.
fn read(name: &str, body: &[u8]) -> Result<Entry, ApiError> {
    let malformed = |error: &dyn std::fmt::Display| {
        ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body must be a JSON object: {error}"))
    };
    let text = std::str::from_utf8(body).map_err(|error| malformed(&error))?;
    let json = RawJson::parse(text).map_err(|error| malformed(&error))?;
    let mut members = json.members().map_err(|error| malformed(&error))?;
    let named = RawJson::string(name);
    if members.iter().any(|(member, value)| member == "name" && value.to::<String>().ok().as_deref() != Some(name)) {
        return Err(invalid("name", format!("name must be that of the address, {named}, or be left out")));
    }
    members.retain(|(member, _)| member != "name");
    members.push(("name".to_owned(), named));
    let entry = Entry::parse(RawJson::object(&members).as_str()).map_err(|error| wrong(&members, &error, name))?;
    Ok(Entry { origin: Origin::Operator, ..entry })
}

/// Names the member that is wrong, where the entry could not be read at all.
fn wrong(members: &[(String, RawJson)], error: &ScheduleError, name: &str) -> ApiError {
    let field = error.field().strip_prefix(&format!("{name}: ")).unwrap_or(error.field());
    if field != "entry" {
        return invalid(field, error.to_string());
    }
    for needed in ["task", "schedule"] {
        if !members.iter().any(|(member, _)| member == needed) {
            return invalid(needed, format!("{needed} is missing"));
        }
    }
    let sound =
        [("name", RawJson::string("n")), ("task", RawJson::string("t")), ("schedule", RawJson::string("* * * * *"))];
    let alone = |(member, value): &&(String, RawJson)| {
        let mut entry: Vec<_> = sound.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        entry.retain(|(name, _)| name != member);
        entry.push((member.clone(), value.clone()));
        Entry::parse(RawJson::object(&entry).as_str()).is_err()
    };
    let field = members.iter().find(alone).map_or("entry", |(member, _)| member.as_str());
    // Not the place in a text that nobody has seen.
    let sentence = error.to_string();
    let sentence = sentence.rsplit_once(" at line ").map_or(&*sentence, |(what, _)| what);
    invalid(field, sentence.replacen("entry", field, 1))
}

fn invalid(field: &str, sentence: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_schedule", sentence).with("field", field)
}

fn refused(error: CatalogueError) -> ApiError {
    let sentence = error.to_string();
    match error {
        CatalogueError::Entry(error) => invalid(error.field(), sentence),
        CatalogueError::Unknown(name) => {
            ApiError::new(StatusCode::NOT_FOUND, "unknown_schedule", format!("no schedule has the name {name}"))
        }
        CatalogueError::Busy(_) => ApiError::new(StatusCode::CONFLICT, "schedule_busy", sentence),
        CatalogueError::Send(SendError::Backend(error)) | CatalogueError::Backend(error) => unavailable(error),
        CatalogueError::Send(_) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "not_sent", sentence),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn unavailable(error: BackendError) -> ApiError {
    tracing::warn!(%error, "schedules could not be asked for");
    let sentence = "the store of the schedules does not answer; try again";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "backend_unavailable", sentence)
}
