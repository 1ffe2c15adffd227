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
        Self { visibility_timeout: Duration::from_secs(3_600) }
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
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let query = if path.contains("password=") { path.split('?').next().unwrap_or(path) } else { path };
    match authority.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            let hidden = if login.contains(':') { ":***" } else { "" };
            format!("{scheme}://{user}{hidden}@{host}{query}")
        }
        None => format!("{scheme}://{authority}{query}"),
    }
}
