//! Who asks: the token of a request, and how often it may ask for scans.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apium_core::Client;
use apium_core::limits::{Limit, Pace, Spent};
use apium_web::{ApiError, StatusCode};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::OsintApi;
use crate::error;
use crate::scans::Caller;
use crate::store::{Store, Token};

/// How long it is believed that there are no tokens: the first one counts after this at the latest.
const OPEN: Duration = Duration::from_secs(5);

/// How often each token may ask for scans, as all processes of the API count it together.
#[derive(Clone, Default)]
pub(super) struct Paces(Arc<Mutex<HashMap<String, u32>>>);

/// Whether anybody needs a token, so that a door nobody has locked costs no look into the database each time.
#[derive(Clone, Default)]
pub(super) struct Lock(Arc<Mutex<Option<Instant>>>);

/// Whoever sent a request, if they may send any: as soon as one token was made, everybody needs one.
pub(super) struct Known {
    /// As the history knows them.
    pub(super) caller: Caller,
    token: Option<Token>,
}

impl FromRequestParts<OsintApi> for Known {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &OsintApi) -> Result<Self, ApiError> {
        let store = api.scans.store();
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = address.map(|ConnectInfo(peer)| peer.ip().to_string()).unwrap_or_default();
        if api.lock.is_open(store).await? {
            return Ok(Self { caller: Caller { name: String::new(), address }, token: None });
        }
        let text = bearer(&parts.headers).ok_or_else(unauthorized)?;
        let token = store.token(text).await.map_err(|error| error::history(&error))?.ok_or_else(unauthorized)?;
        Ok(Self { caller: Caller { name: token.name.clone(), address }, token: Some(token) })
    }
}

impl Known {
    /// Counts one scan against the token.
    ///
    /// # Errors
    /// 429 when it has asked for as many as it may, 503 when nobody can tell.
    pub(super) async fn count(&self, paces: &Paces, client: &Client) -> Result<(), ApiError> {
        let Some(token) = &self.token else { return Ok(()) };
        paces.declare(token, client).await?;
        let spent = client.broker().limits().spend(&[limit_name(token)], 1).await;
        match spent.map_err(|error| error::backend(&error))? {
            Spent::Now { .. } => Ok(()),
            Spent::After { wait, .. } => Err(too_often(wait)),
        }
    }
}

impl Lock {
    async fn is_open(&self, store: &Store) -> Result<bool, ApiError> {
        let looked = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|looked| looked.elapsed() < OPEN) {
            return Ok(true);
        }
        let open = !store.has_tokens().await.map_err(|error| error::history(&error))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = open.then(Instant::now);
        Ok(open)
    }
}

impl Paces {
    /// Tells the broker of a token's pace, once, and again when it is another.
    async fn declare(&self, token: &Token, client: &Client) -> Result<(), ApiError> {
        let known = |paces: &HashMap<String, u32>| paces.get(&token.name) == Some(&token.per_minute);
        if known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let pace = Pace::new(token.per_minute, Duration::from_mins(1));
        let limit = Limit { rate: Some(pace), ..Limit::default() };
        client
            .broker()
            .limits()
            .declare(&[(limit_name(token), limit)])
            .await
            .map_err(|error| error::backend(&error))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.name.clone(), token.per_minute);
        Ok(())
    }
}

fn limit_name(token: &Token) -> String {
    format!("osint_token={}", token.name)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// 401: no token, or one that is no good.
fn unauthorized() -> ApiError {
    let sentence = "Hace falta un token válido en la cabecera «Authorization: Bearer …»; lo da el administrador.";
    let wanted = HeaderValue::from_static("Bearer");
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", sentence).header(header::WWW_AUTHENTICATE, wanted)
}

/// 429: the token asks for scans too often.
fn too_often(wait: Duration) -> ApiError {
    let seconds = wait.as_secs() + 1;
    let sentence = format!("Este token ha pedido demasiados escaneos; vuelva a intentarlo dentro de {seconds} s.");
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", sentence).with("retry_after", seconds);
    error.header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
