//! Reads a Redis URL as Celery writes it into where to connect and a name that may be shown.

use std::collections::HashMap;
use std::path::PathBuf;

use apium_core::BackendError;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};
use url::Url;

use crate::connection::Siblings;
use crate::sentinel::{SentinelSettings, Sentinels};

const PORT: u16 = 6379;

/// Every scheme a Redis URL may have, and how such a server is reached.
const SCHEMES: &[(&str, Reach)] = &[
    ("redis", Reach::Tcp),
    ("valkey", Reach::Tcp),
    ("rediss", Reach::Tls),
    ("valkeys", Reach::Tls),
    ("unix", Reach::Socket),
    ("socket", Reach::Socket),
    ("redis+socket", Reach::Socket),
    ("redis+unix", Reach::Socket),
    ("sentinel", Reach::Sentinels),
];

/// How a server is reached.
#[derive(Clone, Copy)]
enum Reach {
    Tcp,
    Tls,
    Socket,
    Sentinels,
}

/// Whether a URL is one of a Redis, by its scheme.
pub fn is_redis_url(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| reach(scheme).is_some())
}

/// Reads a URL as [`RedisBackend::connect`](crate::RedisBackend::connect) does, and contacts nobody.
///
/// # Errors
/// [`BackendError::Broken`] with what is wrong; of the URL it shows nothing that could be a password.
pub fn check_url(url: &str) -> Result<(), BackendError> {
    // Which master is meant stands elsewhere.
    Address::read(url, &SentinelSettings { master_name: Some("?".to_owned()), password: None }).map(drop)
}

/// Where a Redis is, in two forms: one to connect with, one to show.
#[derive(Clone)]
pub(crate) struct Address {
    /// How it is found; holds the password.
    way: Way,
    /// All that was opened there.
    pub(crate) siblings: Siblings,
    /// `scheme://host:port/db`: no user, no password, no options.
    pub(crate) home: String,
}

/// How a server is found.
#[derive(Clone)]
enum Way {
    /// It is always the same.
    Direct(Client),
    /// These know which one it is.
    Sentinels(Sentinels),
}

impl Address {
    /// Understands `redis://`, `rediss://` (TLS; also Celery's `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`),
    /// `redis+socket://` or `unix://` (Celery's `virtual_host` or `db` for the database), and `sentinel://`.
    pub(crate) fn read(url: &str, sentinel: &SentinelSettings) -> Result<Self, BackendError> {
        if url.split_once(':').is_some_and(|(scheme, _)| matches!(reach(scheme), Some(Reach::Sentinels))) {
            let sentinels = Sentinels::read(url, sentinel)?;
            return Ok(Self::found(Way::Sentinels(sentinels.clone()), sentinels.home));
        }
        // The error of the URL reader is not passed on: it could quote the password.
        let url =
            Url::parse(url).map_err(|_| broken("the Redis URL cannot be read; it looks like redis://host:6379/0"))?;
        let options: HashMap<String, String> =
            url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        match reach(url.scheme()) {
            Some(Reach::Tcp) => Self::tcp(&url),
            Some(Reach::Tls) => Self::tls(&url, &options),
            Some(Reach::Socket) => Self::socket(&url, &options),
            Some(Reach::Sentinels) | None => {
                let scheme = url.scheme();
                Err(broken(&format!("{scheme}:// is not a Redis URL; use redis://, rediss:// or redis+socket://")))
            }
        }
    }

    fn found(way: Way, home: String) -> Self {
        Self { way, siblings: Siblings::default(), home }
    }

    /// The number of the database, as it stands in the names of channels.
    pub(crate) fn database(&self) -> u32 {
        let database = match &self.way {
            Way::Direct(client) => client.get_connection_info().redis_settings().db(),
            Way::Sentinels(sentinels) => sentinels.database,
        };
        u32::try_from(database).unwrap_or(0)
    }

    /// What opens a connection to the server now. Where it is another than before, all that was opened ends.
    pub(crate) async fn client(&self) -> Result<Client, BackendError> {
        match &self.way {
            Way::Direct(client) => Ok(client.clone()),
            Way::Sentinels(sentinels) => {
                let (client, another) = sentinels.master().await?;
                if another {
                    tracing::warn!(redis = %self.home, "another server is the master now; connecting anew");
                    self.siblings.end();
                }
                Ok(client)
            }
        }
    }

    /// Whether the server may be another one later, and what was found may be a server that was the master once.
    pub(crate) fn moves(&self) -> bool {
        matches!(self.way, Way::Sentinels(_))
    }

    fn tcp(url: &Url) -> Result<Self, BackendError> {
        let (host, port, db) = place(url)?;
        let home = format!("redis://{host}:{port}/{db}");
        let info = info(ConnectionAddr::Tcp(bare(&host), port), login(url, db))?;
        Ok(Self::found(Way::Direct(open(info)?), home))
    }

    fn tls(url: &Url, options: &HashMap<String, String>) -> Result<Self, BackendError> {
        if options.get("ssl_cert_reqs").is_some_and(|value| !value.to_ascii_lowercase().ends_with("required")) {
            return Err(broken(
                "ssl_cert_reqs in the Redis URL turns the certificate check off, which Apium does not do; \
                 name the certificate authority with ssl_ca_certs=/path/to/ca.pem instead",
            ));
        }
        // A second call finds a provider installed and changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (host, port, db) = place(url)?;
        let home = format!("rediss://{host}:{port}/{db}");
        let addr = ConnectionAddr::TcpTls { host: bare(&host), port, insecure: false, tls_params: None };
        let file = |option: &str| options.get(option).map(|path| read(option, path)).transpose();
        let client_tls = match (file("ssl_certfile")?, file("ssl_keyfile")?) {
            (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
            (None, None) => None,
            _ => return Err(broken("the Redis URL names one of ssl_certfile and ssl_keyfile; TLS needs both")),
        };
        let certificates = TlsCertificates { client_tls, root_cert: file("ssl_ca_certs")? };
        let client = Client::build_with_tls(info(addr, login(url, db))?, certificates)
            .map_err(|error| broken(&format!("the TLS settings for {home} cannot be used: {error}")))?;
        Ok(Self::found(Way::Direct(client), home))
    }

    fn socket(url: &Url, options: &HashMap<String, String>) -> Result<Self, BackendError> {
        if url.path().contains('%') || (url.path().contains('@') && url.path().contains(':')) {
            return Err(broken("the socket's path in the Redis URL must be plain: no %, and no login before it"));
        }
        let path = PathBuf::from(url.path());
        let db = match options.get("virtual_host").or_else(|| options.get("db")) {
            Some(text) => database(text, url)?,
            None => 0,
        };
        let home = format!("redis+socket://{}?virtual_host={db}", path.display());
        Ok(Self::found(Way::Direct(open(info(ConnectionAddr::Unix(path), login(url, db))?)?), home))
    }
}

fn reach(scheme: &str) -> Option<Reach> {
    SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme)).map(|(_, reach)| *reach)
}

fn place(url: &Url) -> Result<(String, u16, i64), BackendError> {
    Ok((plain_host(url)?, url.port().unwrap_or(PORT), database(url.path(), url)?))
}

/// The host, which may be shown.
pub(crate) fn plain_host(url: &Url) -> Result<String, BackendError> {
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost").to_owned();
    // Such as a login of which every sign was percent-encoded: it would be shown as the host.
    if !host.chars().all(|sign| sign.is_ascii_alphanumeric() || "-._:[]".contains(sign)) {
        return Err(broken(
            "the host in the Redis URL has signs no host has; it looks like redis://USER:PASSWORD@HOST:6379/0, with \
             only what is special in user and password percent-encoded",
        ));
    }
    Ok(host)
}

/// An IPv6 address without its brackets.
pub(crate) fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// The number of the database behind the first slash.
pub(crate) fn database(text: &str, url: &Url) -> Result<i64, BackendError> {
    match text.trim_matches('/') {
        "" => Ok(0),
        number => number.parse().ok().filter(|db| *db >= 0).ok_or_else(|| {
            let it_is = shown(number, url).map(|number| format!(", but it is `{number}`")).unwrap_or_default();
            broken(&format!("the database in the Redis URL must be a number such as 0{it_is}"))
        }),
    }
}

/// A piece of a URL, unless it could belong to a login: one that should have been percent-encoded
/// (`redis://:with/slash@host`) ends up where the database is written.
fn shown<'a>(piece: &'a str, url: &Url) -> Option<&'a str> {
    let plain = piece.chars().all(|sign| sign.is_ascii_alphanumeric() || "-._".contains(sign));
    let behind = [Some(url.path()), url.query(), url.fragment()];
    let login = behind.into_iter().flatten().any(|text| text.contains('@') || text.contains("%40"));
    (plain && !login).then_some(piece)
}

/// With whose login one works, and in which database.
pub(crate) fn login(url: &Url, db: i64) -> RedisConnectionInfo {
    // RESP3, because only it carries the pushes of server-assisted tracking on the same connection.
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(db)
        .set_lib_name("apium", env!("CARGO_PKG_VERSION"));
    if !url.username().is_empty() {
        settings = settings.set_username(decoded(url.username()));
    }
    if let Some(password) = url.password() {
        settings = settings.set_password(decoded(password));
    }
    settings
}

pub(crate) fn info(addr: ConnectionAddr, settings: RedisConnectionInfo) -> Result<ConnectionInfo, BackendError> {
    let info =
        addr.into_connection_info().map_err(|error| broken(&format!("the Redis address is unusable: {error}")))?;
    Ok(info.set_redis_settings(settings))
}

pub(crate) fn open(info: ConnectionInfo) -> Result<Client, BackendError> {
    Client::open(info).map_err(|error| broken(&format!("the Redis address cannot be used: {error}")))
}

fn read(option: &str, path: &str) -> Result<Vec<u8>, BackendError> {
    let name = if path.contains(['@', ':', '=']) { "" } else { path };
    std::fs::read(path).map_err(|error| broken(&format!("the TLS file {name} of {option} cannot be read: {error}")))
}

/// User and password are percent-encoded in a URL.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

pub(crate) fn broken(sentence: &str) -> BackendError {
    BackendError::Broken(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Address, is_redis_url};
    use crate::sentinel::SentinelSettings;

    fn home(url: &str) -> String {
        let settings = SentinelSettings { master_name: Some("prime".to_owned()), password: None };
        match Address::read(url, &settings) {
            Ok(address) => address.home,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn homes_show_no_secret() {
        assert_eq!(home("redis://"), "redis://localhost:6379/0");
        assert_eq!(home("redis://me:s%40cret@cache:7000/3?x=y"), "redis://cache:7000/3");
        assert_eq!(home("rediss://:secret@cache/1"), "rediss://cache:6379/1");
        assert_eq!(
            home("redis+socket:///run/redis.sock?virtual_host=2"),
            "redis+socket:///run/redis.sock?virtual_host=2"
        );
        assert_eq!(home("unix:///run/redis.sock?db=2"), "redis+socket:///run/redis.sock?virtual_host=2");
        assert_eq!(home("redis://[::1]:7000/"), "redis://[::1]:7000/0");
        assert_eq!(
            home("sentinel://:secret@a/2;sentinel://b:7001"),
            "sentinel://a:26379;sentinel://b:7001/2?master_name=prime"
        );
    }

    #[test]
    fn a_redis_is_known_by_its_scheme() {
        for url in ["redis://", "REDIS://h", "valkeys://h", "unix:///run/redis.sock", "redis+socket:///run/redis.sock"]
        {
            assert!(is_redis_url(url), "{url}");
        }
        for url in ["", "redis", "redis//:p@h", "sqlite:redis", "memory://", "amqp://redis"] {
            assert!(!is_redis_url(url), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_secret() {
        for (url, word) in [
            ("amqp://u:secret@h/", "amqp://"),
            ("redis://:secret@h/first", "`first`"),
            ("redis://:secret@h:port/", "redis://host:6379/0"),
            ("rediss://:secret@h/?ssl_cert_reqs=none", "ssl_ca_certs"),
            ("rediss://:secret@h/?ssl_ca_certs=/no/such/file", "/no/such/file"),
            ("rediss://h/?ssl_ca_certs=redis://:secret@h", "ssl_ca_certs"),
            ("redis://me:6379/with/slash-secret@h", "must be a number"),
            ("redis://me:6379/secret?mark@h", "must be a number"),
            ("redis://me%3Asecret%40h/0", "the host in the Redis URL"),
            ("redis://a;redis://:secret@h", "the host in the Redis URL"),
            ("unix:///:secret@h", "the socket's path"),
            ("unix:///%3Asecret%40h", "the socket's path"),
            ("redis//:secret@h", "cannot be read"),
            ("sentinel://:secret@a;redis://:secret@b", "looks like sentinel://"),
            ("sentinel://:secret@a;sentinel://b/3", "behind the first"),
            ("sentinel://a/secret?mark@h", "looks like sentinel://"),
        ] {
            let told = home(url);
            assert!(told.contains(word) && !told.contains("secret"), "{url}: {told}");
        }
    }
}
