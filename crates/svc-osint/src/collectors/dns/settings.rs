//! What the operator decides about DNS: whom to ask, how patiently, how much, and which foreign
//! servers may be contacted directly.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::system_conf::read_system_conf;

/// The port of the DNS.
const DNS_PORT: u16 = 53;

/// Says whether an address may be contacted directly.
pub type MayContact = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How the `dns` collector works. [`DnsSettings::new`] gives the defaults; every field may be
/// changed afterwards.
#[derive(Clone)]
pub struct DnsSettings {
    /// The resolvers, asked in this order. They are the operator's choice and therefore not
    /// subject to `may_contact`.
    pub resolvers: Vec<SocketAddr>,
    /// How long to wait for one answer. Default: 3 s.
    pub timeout: Duration,
    /// How often a silent resolver is asked the same question. Default: 2.
    pub attempts: u32,
    /// Most questions sent for one scan. Default: 300.
    pub max_queries: u32,
    /// Most questions under way at once. Default: 8.
    pub parallel: usize,
    /// Whether a zone transfer is tried at each name server. Default: true.
    pub axfr: bool,
    /// The port at which the zone's own servers are asked for a transfer. Default: 53.
    pub authority_port: u16,
    /// Which addresses may be contacted directly (name servers) or asked about (reverse names). A
    /// zone can name any address as its server; without this check a scan could be turned against
    /// our own network.
    pub may_contact: MayContact,
}

/// Why the resolvers could not be taken from the settings: one sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettingsError {
    sentence: String,
}

impl DnsSettings {
    /// The defaults, with the resolvers named in `resolvers` (the text of `OSINT_RESOLVERS`:
    /// `ip[:port]`, separated by commas; an IPv6 address with a port stands in brackets). Without
    /// a text, or with an empty one, the machine's own resolvers are used.
    ///
    /// # Errors
    /// When an entry is not an address, or no resolver is known.
    pub fn new(
        resolvers: Option<&str>,
        may_contact: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Result<Self, DnsSettingsError> {
        let resolvers = match resolvers.map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => text.split(',').map(read_resolver).collect::<Result<_, _>>()?,
            None => system_resolvers()?,
        };
        Ok(Self {
            resolvers,
            timeout: Duration::from_secs(3),
            attempts: 2,
            max_queries: 300,
            parallel: 8,
            axfr: true,
            authority_port: DNS_PORT,
            may_contact: Arc::new(may_contact),
        })
    }
}

impl fmt::Debug for DnsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsSettings")
            .field("resolvers", &self.resolvers)
            .field("timeout", &self.timeout)
            .field("attempts", &self.attempts)
            .field("max_queries", &self.max_queries)
            .field("parallel", &self.parallel)
            .field("axfr", &self.axfr)
            .field("authority_port", &self.authority_port)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DnsSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for DnsSettingsError {}

fn read_resolver(entry: &str) -> Result<SocketAddr, DnsSettingsError> {
    let entry = entry.trim();
    let with_port = entry.parse::<SocketAddr>();
    let read = with_port.or_else(|_| entry.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT)));
    match read {
        Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(address),
        _ => Err(DnsSettingsError {
            sentence: format!(
                "OSINT_RESOLVERS must be a comma-separated list of ip or ip:port (for example \
                 192.0.2.53,[2001:db8::53]:5353), but it contains `{entry}`"
            ),
        }),
    }
}

fn system_resolvers() -> Result<Vec<SocketAddr>, DnsSettingsError> {
    let missing = |why: &str| DnsSettingsError {
        sentence: format!("no DNS resolver is known ({why}): set OSINT_RESOLVERS=ip[:port],…"),
    };
    let (config, _) = read_system_conf().map_err(|error| missing(&error.to_string()))?;
    let mut found: Vec<SocketAddr> = Vec::new();
    for server in &config.name_servers {
        let port = server.connections.first().map_or(DNS_PORT, |connection| connection.port);
        let address = SocketAddr::new(server.ip, port);
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() { Err(missing("/etc/resolv.conf names none")) } else { Ok(found) }
}
