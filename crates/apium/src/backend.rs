//! The one place where a URL becomes a broker and a result store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::{BackendError, Broker, ResultStore};
use apium_redis::{RedisBackend, RedisSettings};
use apium_sqlite::{SqliteBackend, SqliteSettings};

/// A broker and a result store, open.
#[derive(Clone)]
pub struct Backend {
    /// Where messages are.
    pub broker: Arc<dyn Broker>,
    /// Where results are.
    pub results: Arc<dyn ResultStore>,
}

/// What can be set about a backend beside its URL.
#[derive(Debug, Clone, Copy)]
pub struct BackendSettings {
    /// After how long a message that a Python worker holds counts as left behind, on Redis
    /// (Celery's `visibility_timeout`). Must be at least what those workers use. Default 1 h.
    pub visibility_timeout: Duration,
}

impl Default for BackendSettings {
    fn default() -> Self {
        Self { visibility_timeout: Duration::from_hours(1) }
    }
}

/// Opens a broker and, if results are to live elsewhere, a result store.
///
/// Known are `sqlite:PATH` (one file, made when missing), `redis://`, `rediss://` (TLS), `unix://` (a Redis
/// socket), and `memory://` (gone with the process).
///
/// # Errors
/// One sentence that names the URL, without its password, and what is wrong with it.
pub async fn open(broker: &str, results: Option<&str>) -> Result<Backend, BackendError> {
    open_with(broker, results, BackendSettings::default()).await
}

/// [`open`] with settings.
pub async fn open_with(
    broker: &str,
    results: Option<&str>,
    settings: BackendSettings,
) -> Result<Backend, BackendError> {
    let first = one(broker, settings).await?;
    let results = match results {
        Some(url) if url != broker => one(url, settings).await?.results,
        _ => first.results,
    };
    Ok(Backend { broker: first.broker, results })
}

async fn one(url: &str, settings: BackendSettings) -> Result<Backend, BackendError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "sqlite" => {
            let path = Path::new(rest.strip_prefix("//").unwrap_or(rest)).to_owned();
            SqliteBackend::open(path, SqliteSettings::default()).map(both)
        }
        "redis" | "rediss" | "unix" | "redis+socket" => {
            let settings =
                RedisSettings { visibility_timeout: settings.visibility_timeout, ..RedisSettings::default() };
            RedisBackend::connect(url, settings).await.map(both)
        }
        "memory" => Ok(both(Memory::default())),
        _ => Err(BackendError::Broken(format!(
            "{} is not a URL Apium knows; write sqlite:PATH, redis://HOST:PORT/DB, rediss://…, unix://… or memory://",
            redact(url)
        ))),
    }
}

fn both<B: Broker + ResultStore + Clone>(backend: B) -> Backend {
    Backend { broker: Arc::new(backend.clone()), results: Arc::new(backend) }
}

/// A URL fit to be shown: its password replaced by `***`.
///
/// A password that should have been percent-encoded (`redis://:with/slash@host`) makes no valid URL, but is no less
/// secret: everything up to the last `@` counts as the login.
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    let place = if place.contains("password=") { place.split('?').next().unwrap_or(place) } else { place };
    match login.map(|login| login.split_once(':').map_or((login, false), |(user, _)| (user, true))) {
        Some((user, true)) => format!("{scheme}://{user}:***@{place}"),
        Some((user, false)) => format!("{scheme}://{user}@{place}"),
        None => format!("{scheme}://{place}"),
    }
}
