//! Reads a Redis URL as Celery writes it into where to connect and a name that may be shown.

use std::collections::HashMap;
use std::path::PathBuf;

use apium_core::BackendError;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};
use url::Url;

const PORT: u16 = 6379;

/// Where a Redis is, in two forms: one to connect with, one to show.
pub(crate) struct Address {
    /// Opens connections; holds the password.
    pub(crate) client: Client,
    /// `scheme://host:port/db`: no user, no password, no options.
    pub(crate) home: String,
}

impl Address {
    /// Understands `redis://`, `rediss://` (TLS; also Celery's `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`)
    /// and `redis+socket://` or `unix://` (Celery's `virtual_host` or `db` for the database).
    pub(crate) fn read(url: &str) -> Result<Self, BackendError> {
        // The error of the URL reader is not passed on: it could quote the password.
        let url =
            Url::parse(url).map_err(|_| broken("the Redis URL cannot be read; it looks like redis://host:6379/0"))?;
        let options: HashMap<String, String> =
            url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        match url.scheme() {
            "redis" | "valkey" => Self::tcp(&url),
            "rediss" | "valkeys" => Self::tls(&url, &options),
            "unix" | "redis+socket" | "redis+unix" | "socket" => Self::socket(&url, &options),
            other => Err(broken(&format!("{other}:// is not a Redis URL; use redis://, rediss:// or redis+socket://"))),
        }
    }

    fn tcp(url: &Url) -> Result<Self, BackendError> {
        let (host, port, db) = place(url)?;
        let home = format!("redis://{host}:{port}/{db}");
        let info = info(ConnectionAddr::Tcp(bare(&host), port), url, db)?;
        Ok(Self { client: open(info)?, home })
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
        let file = |option: &str| options.get(option).map(|path| read(path)).transpose();
        let client_tls = match (file("ssl_certfile")?, file("ssl_keyfile")?) {
            (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
            (None, None) => None,
            _ => return Err(broken("the Redis URL names one of ssl_certfile and ssl_keyfile; TLS needs both")),
        };
        let certificates = TlsCertificates { client_tls, root_cert: file("ssl_ca_certs")? };
        let client = Client::build_with_tls(info(addr, url, db)?, certificates)
            .map_err(|error| broken(&format!("the TLS settings for {home} cannot be used: {error}")))?;
        Ok(Self { client, home })
    }

    fn socket(url: &Url, options: &HashMap<String, String>) -> Result<Self, BackendError> {
        let path = PathBuf::from(url.path());
        let db = match options.get("virtual_host").or_else(|| options.get("db")) {
            Some(text) => database(text)?,
            None => 0,
        };
        let home = format!("redis+socket://{}?virtual_host={db}", path.display());
        Ok(Self { client: open(info(ConnectionAddr::Unix(path), url, db)?)?, home })
    }
}

fn place(url: &Url) -> Result<(String, u16, i64), BackendError> {
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost").to_owned();
    Ok((host, url.port().unwrap_or(PORT), database(url.path())?))
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn database(text: &str) -> Result<i64, BackendError> {
    match text.trim_matches('/') {
        "" => Ok(0),
        number => number.parse().ok().filter(|db| *db >= 0).ok_or_else(|| {
            broken(&format!("the database in the Redis URL must be a number such as 0, but it is `{number}`"))
        }),
    }
}

fn info(addr: ConnectionAddr, url: &Url, db: i64) -> Result<ConnectionInfo, BackendError> {
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
    let info =
        addr.into_connection_info().map_err(|error| broken(&format!("the Redis address is unusable: {error}")))?;
    Ok(info.set_redis_settings(settings))
}

fn open(info: ConnectionInfo) -> Result<Client, BackendError> {
    Client::open(info).map_err(|error| broken(&format!("the Redis address cannot be used: {error}")))
}

fn read(path: &str) -> Result<Vec<u8>, BackendError> {
    std::fs::read(path).map_err(|error| broken(&format!("the TLS file {path} cannot be read: {error}")))
}

/// User and password are percent-encoded in a URL.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn broken(sentence: &str) -> BackendError {
    BackendError::Broken(sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn home(url: &str) -> String {
        match Address::read(url) {
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
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_secret() {
        for (url, word) in [
            ("amqp://u:secret@h/", "amqp://"),
            ("redis://:secret@h/first", "`first`"),
            ("redis://:secret@h:port/", "redis://host:6379/0"),
            ("rediss://:secret@h/?ssl_cert_reqs=none", "ssl_ca_certs"),
            ("rediss://:secret@h/?ssl_ca_certs=/no/such/file", "/no/such/file"),
        ] {
            let told = home(url);
            assert!(told.contains(word) && !told.contains("secret"), "{url}: {told}");
        }
    }
}
