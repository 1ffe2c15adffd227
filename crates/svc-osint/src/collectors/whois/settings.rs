//! What the operator decides about WHOIS and RDAP, and the name of a WHOIS server.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;

/// The port of WHOIS.
pub(super) const PORT: u16 = 43;
/// Longest name of a server, in bytes.
const MAX_HOST: usize = 253;

/// A WHOIS server, by its name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// In lower case, an IPv6 address without brackets.
    pub host: String,
    /// 43, unless it is said otherwise; the door decides whether it may be.
    pub port: u16,
}

/// How the `whois` collector works.
#[derive(Debug, Clone)]
pub struct WhoisSettings {
    /// The WHOIS server that is asked first. Default: `whois.iana.org:43`.
    pub server: Server,
    /// How much of a WHOIS server's answer is taken.
    pub limits: WhoisLimits,
    /// Most referrals followed from one WHOIS server to the next. Default: 5.
    pub referrals: usize,
    /// How long a list of IANA's counts as fresh. Default: a day.
    pub lists_last: Duration,
    /// The lists that this process has read.
    pub directory: Arc<Directory>,
}

/// How much of a WHOIS server's answer is taken. What came until then is used.
#[derive(Debug, Clone)]
pub struct WhoisLimits {
    /// Largest answer, in bytes. Default: 256 KiB.
    pub bytes: usize,
    /// Longest time for connecting. Default: 10 s.
    pub connect: Duration,
    /// Longest time for the whole answer. Default: 20 s.
    pub total: Duration,
    /// Longest silence. Default: 8 s.
    pub idle: Duration,
}

impl Default for WhoisSettings {
    fn default() -> Self {
        Self {
            server: Server { host: "whois.iana.org".to_owned(), port: PORT },
            limits: WhoisLimits::default(),
            referrals: 5,
            lists_last: Duration::from_hours(24),
            directory: Arc::default(),
        }
    }
}

impl Default for WhoisLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 10,
            connect: Duration::from_secs(10),
            total: Duration::from_secs(20),
            idle: Duration::from_secs(8),
        }
    }
}

impl Server {
    /// The server that a line of an answer refers to: `whois.ripe.net`, `whois://whois.ripe.net:43/`. `None` for
    /// servers of other protocols and for what is no server at all.
    pub(super) fn referred(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let rest = match word.split_once("://") {
            Some(("whois", rest)) => rest,
            Some(_) => return None,
            None => word,
        };
        rest.split(['/', '?']).next()?.trim_end_matches('.').parse().ok()
    }
}

impl FromStr for Server {
    type Err = ();

    /// Reads `host`, `host:port`, `192.0.2.1:port`, `2001:db8::1` and `[2001:db8::1]:port`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = match text.rsplit_once(':') {
            _ if text.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') => (text, PORT),
            Some((host, port)) => (host, port.parse().map_err(|_| ())?),
            None => (text, PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_'));
        if host.is_empty() || host.len() > MAX_HOST || !plain || port == 0 {
            return Err(());
        }
        Ok(Self { host: host.to_lowercase(), port })
    }
}

impl fmt::Display for Server {
    /// The port is shown where it is not the usual one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (_, PORT) => f.write_str(&self.host),
            (true, port) => write!(f, "[{}]:{port}", self.host),
            (false, port) => write!(f, "{}:{port}", self.host),
        }
    }
}
