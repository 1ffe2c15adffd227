//! The one place where a URL becomes a broker and a result store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apium_bodies::WireBodies;
use apium_core::memory::Memory;
use apium_core::{BackendError, Bodies, Broker, ResultStore};
use apium_redis::{RedisBackend, RedisSettings, SentinelSettings};
use apium_sqlite::{SqliteBackend, SqliteSettings};

use crate::shards::{ShardSettings, check_shards, over};

/// A broker and a result store, open.
#[derive(Clone)]
pub struct Backend {
    /// Where messages are.
    pub broker: Arc<dyn Broker>,
    /// Where results are.
    pub results: Arc<dyn ResultStore>,
    /// In which form bodies are sent and accepted.
    pub bodies: Arc<dyn Bodies>,
}

/// What can be set about a backend beside its URL.
#[derive(Clone)]
pub struct BackendSettings {
    /// After how long a message that a Python worker holds counts as left behind, on Redis
    /// (Celery's `visibility_timeout`). Must be at least what those workers use. Default 1 h.
    pub visibility_timeout: Duration,
    /// Which master a `sentinel://` URL means, and how to log in to its Sentinels. Default: unknown.
    pub sentinel: SentinelSettings,
    /// Whether to make the embedded store where there is none. Default true; a program that only looks says false.
    pub create: bool,
    /// How bodies are packed and which are accepted. Default: Celery's, JSON alone, whatever it is compressed with.
    pub bodies: Arc<dyn Bodies>,
    /// Further stores, each with the queues that live there instead of in the broker; the broker is then the home of
    /// all else. Default: none.
    pub shards: Vec<ShardSettings>,
}

impl Default for BackendSettings {
    fn default() -> Self {
        let bodies = Arc::new(WireBodies::default());
        let sentinel = SentinelSettings::default();
        Self { visibility_timeout: Duration::from_hours(1), sentinel, create: true, bodies, shards: Vec::new() }
    }
}

impl fmt::Debug for BackendSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visibility_timeout, create, shards, .. } = self;
        f.debug_struct("BackendSettings")
            .field("visibility_timeout", visibility_timeout)
            .field("create", create)
            .field("shards", shards)
            .finish_non_exhaustive()
    }
}

/// Opens a broker and, if results are to live elsewhere, a result store.
///
/// Known are `sqlite:PATH` (one file, made when missing), `redis://`, `rediss://` (TLS), `unix://` (a Redis
/// socket), `sentinel://A;sentinel://B` (a Redis whose master Sentinels know), and `memory://` (gone with the process).
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
    check_shards(&settings.shards)?;
    let first = one(broker, &settings, false).await?;
    let results = match results {
        Some(url) if url != broker => one(url, &settings, false).await?.1,
        _ => first.1,
    };
    let broker = if settings.shards.is_empty() { first.0 } else { sharded(first.0, &settings).await? };
    Ok(Backend { broker, results, bodies: settings.bodies })
}

/// The broker with its shards. One that is out of reach now need not be when it is asked for something: the others go on
/// without it.
async fn sharded(home: Arc<dyn Broker>, settings: &BackendSettings) -> Result<Arc<dyn Broker>, BackendError> {
    let mut shards = Vec::new();
    for shard in &settings.shards {
        let named = |error: BackendError| BackendError::Broken(format!("shard {}: {error}", shard.name));
        shards.push((shard.clone(), one(&shard.url, settings, true).await.map_err(named)?.0));
    }
    over(home, shards)
}

/// The two ports of one store.
type Ports = (Arc<dyn Broker>, Arc<dyn ResultStore>);

/// `may_be_away`: whether it is opened also while it is out of reach.
async fn one(url: &str, settings: &BackendSettings, may_be_away: bool) -> Result<Ports, BackendError> {
    check_url(url)?;
    if let Some(path) = sqlite_path(url) {
        let settings = SqliteSettings { create: settings.create, ..SqliteSettings::default() };
        return SqliteBackend::open(path, settings).map(both);
    }
    if is_memory(url) {
        return Ok(both(Memory::default()));
    }
    let (visibility_timeout, bodies) = (settings.visibility_timeout, settings.bodies.clone());
    let sentinel = settings.sentinel.clone();
    let settings = RedisSettings { visibility_timeout, sentinel, bodies, may_be_away, ..RedisSettings::default() };
    RedisBackend::connect(url, settings).await.map(both)
}

/// Whether a URL can be opened, as far as can be told without contacting anyone.
///
/// # Errors
/// One sentence with what is wrong. It shows nothing of the URL that could be a password.
pub fn check_url(url: &str) -> Result<(), BackendError> {
    let broken = |sentence: &str| Err(BackendError::Broken(sentence.to_owned()));
    if !url.starts_with("sentinel://") && url.split([',', ';']).skip(1).any(|further| further.contains("://")) {
        return broken("it names several servers, as Celery's fail-over does; Apium takes one URL");
    }
    if let Some(path) = sqlite_path(url) {
        return match path {
            "" => broken("sqlite: names no file; write sqlite:PATH"),
            path if path.contains('?') => broken("sqlite:PATH takes no options: nothing may stand behind a `?`"),
            path if path.contains(char::is_control) => broken("sqlite:PATH has control characters in its path"),
            path if holds_login(path) => broken("sqlite:PATH is a file here and takes no login"),
            _ => Ok(()),
        };
    }
    if apium_redis::is_redis_url(url) {
        return apium_redis::check_url(url);
    }
    if is_memory(url) {
        return Ok(());
    }
    // Nothing is known of what stands where: only a plain scheme may be shown.
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| is_plain(scheme, "+.-"));
    let what =
        scheme.map_or_else(|| "it is not a URL".to_owned(), |scheme| format!("{scheme}:// is not known to Apium"));
    broken(&format!(
        "{what}; write sqlite:PATH, redis://HOST:PORT/DB, rediss://…, unix://…, sentinel://HOST:PORT;… or memory://"
    ))
}

/// Whether this URL's store lives and dies with the process that opens it, where no other can see it.
pub fn is_memory(url: &str) -> bool {
    url.strip_prefix("memory:").is_some_and(|rest| rest.trim_matches('/').is_empty())
}

fn sqlite_path(url: &str) -> Option<&str> {
    url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest))
}

fn both<B: Broker + ResultStore + Clone>(backend: B) -> Ports {
    (Arc::new(backend.clone()), Arc::new(backend))
}

/// What stands before the sign of a value that is secret.
const SECRETS: &[&str] = &["password", "passwd", "pass", "pwd", "secret", "token", "auth", "key"];

/// A text fit to be shown, be it a URL or what should have been one: whatever could be a password is `***`.
///
/// A password that should have been percent-encoded (`redis://:with/slash@host`) makes no valid URL, but is no less
/// secret: everything up to the last `@` counts as the login. So does what stands behind `password=` and its like.
pub fn redact(text: &str) -> String {
    if sqlite_path(text).is_some_and(|path| !holds_login(path)) {
        return text.to_owned();
    }
    let (scheme, rest) = match text.split_once("://").filter(|(scheme, _)| is_plain(scheme, "+.-")) {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let (login, place) = match login_end(rest) {
        Some((end, next)) => (Some(&rest[..end]), &rest[next..]),
        None => (None, rest),
    };
    let place = match secret(place) {
        Some(begin) => format!("{}***", &place[..begin]),
        None => place.to_owned(),
    };
    match login.map(|login| login.split_once(':').filter(|(user, _)| !scheme.is_empty() && is_plain(user, "-._"))) {
        Some(Some((user, password))) if !password.is_empty() => format!("{scheme}{user}:***@{place}"),
        Some(_) => format!("{scheme}***@{place}"),
        None => format!("{scheme}{place}"),
    }
}

/// Whether a text that is to be a plain name or path looks like a URL or a login, and so may hold a password.
pub fn holds_login(text: &str) -> bool {
    let before = login_end(text).map(|(end, _)| &text[..end]).unwrap_or_default();
    text.contains("://") || before.contains(':') || before.contains("%3") || secret(text).is_some()
}

/// Where the login ends and what follows it begins; its `@` may have been percent-encoded too eagerly.
fn login_end(text: &str) -> Option<(usize, usize)> {
    let plain = text.rfind('@').map(|at| (at, at + 1));
    plain.max(text.rfind("%40").map(|at| (at, at + 3)))
}

/// Where the value of a `password=` begins.
fn secret(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let sign = |from: usize| ["=", "%3d"].iter().find(|sign| lower[from..].starts_with(**sign)).map(|sign| sign.len());
    let value = |word: &&str| {
        let ends = lower.match_indices(*word).map(|(at, word)| at + word.len());
        ends.filter_map(|end| sign(end).map(|length| end + length)).min()
    };
    SECRETS.iter().filter_map(value).min()
}

fn is_plain(text: &str, further: &str) -> bool {
    text.chars().all(|sign| sign.is_ascii_alphanumeric() || further.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::{check_url, holds_login, redact};

    #[test]
    fn what_could_be_a_password_is_not_shown() {
        for (text, shown) in [
            ("redis://cache:7000/3?virtual_host=2", "redis://cache:7000/3?virtual_host=2"),
            ("redis://me:s3cret@cache/3", "redis://me:***@cache/3"),
            ("redis://:s3cret@cache/3", "redis://:***@cache/3"),
            ("redis://s3cret@cache", "redis://***@cache"),
            ("redis://me:with/s3cret@cache", "redis://me:***@cache"),
            ("redis://%3As3cret%40cache/0", "redis://***@cache/0"),
            ("redis://h/0?Password=s3cret&db=1", "redis://h/0?Password=***"),
            ("redis://h/0?auth=s3cret", "redis://h/0?auth=***"),
            ("redis//:s3cret@h", "***@h"),
            (":s3cret@h", "***@h"),
            ("redis://:s3cret@a;redis://me:s3cret@b", "redis://:***@b"),
            ("host=h password%3Ds3cret", "host=h password%3D***"),
            ("sqlite:/home/me@corp/apium.db", "sqlite:/home/me@corp/apium.db"),
            ("sqlite:///x?password=s3cret", "sqlite:///x?password=***"),
            ("plain", "plain"),
        ] {
            assert_eq!(redact(text), shown, "{text}");
        }
    }

    #[test]
    fn names_and_paths_are_told_from_logins() {
        for text in ["celery", "w1@host.dq2", "/home/me@corp/data", "a:b", "C:\\data", "50%40", "monkey", "auth:high"] {
            assert!(!holds_login(text), "{text}");
        }
        for text in ["redis://h", ":s3cret@h", "redis//:s3cret@h", "%3As3cret%40h", "x?password=s3cret"] {
            assert!(holds_login(text), "{text}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_opened_is_one_sentence_without_it() {
        for (url, told) in [
            ("redis//:s3cret@h", "it is not a URL; write sqlite:PATH"),
            (":s3cret@127.0.0.1", "it is not a URL"),
            ("memory", "it is not a URL"),
            ("amqp://me:s3cret@h//", "amqp:// is not known to Apium; write sqlite:PATH"),
            ("redis://:s3cret@a;redis://:s3cret@b", "several servers"),
            ("redis://:s3cret@a,redis://:s3cret@b", "several servers"),
            ("sqlite:", "names no file"),
            ("sqlite://", "names no file"),
            ("sqlite:///x?password=s3cret", "takes no options"),
            ("sqlite://me:s3cret@h/x", "takes no login"),
            ("sqlite:x\n", "control characters"),
        ] {
            let sentence = check_url(url).map_err(|error| error.to_string()).err().unwrap_or_default();
            assert!(sentence.contains(told) && !sentence.contains("s3cret"), "{url}: {sentence}");
        }
        for url in [
            "memory://",
            "memory:",
            "sqlite:x.db",
            "sqlite:///x.db",
            "redis://:a%2Cb@h",
            "valkey://h",
            "sentinel://:a@b/1;sentinel://c",
        ] {
            assert!(check_url(url).is_ok(), "{url}");
        }
    }
}
