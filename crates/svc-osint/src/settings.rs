//! What the operator decides about scans, read from the environment's names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::connector::{self, Connector, ConnectorSettings};
use crate::dns::DnsSettings;
use crate::metadata::MetadataSettings;

/// Every setting's name, and what it means; the one list from which manuals are made.
pub const NAMES: [(&str, &str); 10] = [
    ("OSINT_RESOLVERS", "DNS resolvers to ask, ip[:port] separated by commas. Default: the system's."),
    ("OSINT_DNS_TIMEOUT", "Seconds to wait for one DNS answer. Default: 3."),
    ("OSINT_DNS_MAX_QUERIES", "Most DNS questions of one scan. Default: 300."),
    ("OSINT_AXFR", "Whether zone transfers are tried, true or false. Default: true."),
    ("OSINT_METADATA_FILES", "Most files fetched from a domain. Default: 5."),
    ("OSINT_SANDBOX_PROGRAM", "The program that parses files. Default: the running one."),
    ("OSINT_REFUSE_ADDRESSES", "Further IP addresses never to contact, separated by commas. Default: none."),
    ("OSINT_EXTRA_AUTHORITIES", "PEM file with certificate authorities to trust too. Default: none."),
    ("OSINT_USER_AGENT", "What the service calls itself to web servers. Default: apium-osint/VERSION."),
    ("OSINT_ALLOW_SOCKETS", "For tests: forbidden ip:port sockets to contact all the same. Default: none."),
];

/// Everything the operator decides. [`OsintSettings::from_lookup`] gives the defaults; every field may be
/// changed afterwards.
#[derive(Clone)]
pub struct OsintSettings {
    /// The `dns` collector.
    pub dns: DnsSettings,
    /// The `metadata` collector.
    pub metadata: MetadataSettings,
    /// The door to the web.
    pub connector: ConnectorSettings,
}

/// What the tasks of this service need of their program: put it into the worker's states.
pub struct Osint {
    /// The operator's decisions.
    pub settings: OsintSettings,
    /// The one door to the web of this process.
    pub connector: Connector,
}

impl OsintSettings {
    /// Reads the settings named in [`NAMES`]; `lookup` gives the text of one, if it is set. An empty text
    /// counts as not set.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let resolvers = text("OSINT_RESOLVERS");
        let mut dns = DnsSettings::new(resolvers.as_deref(), public).map_err(|error| error.to_string())?;
        let mut metadata = MetadataSettings::default();
        let mut connector = ConnectorSettings::default();
        if resolvers.is_some() {
            connector.resolvers.clone_from(&dns.resolvers);
        }
        if let Some(seconds) = read::<f64>(&text, "OSINT_DNS_TIMEOUT", "a number of seconds between 0.1 and 60")? {
            dns.timeout = patience(seconds)?;
        }
        set(&mut dns.max_queries, read(&text, "OSINT_DNS_MAX_QUERIES", "a whole number")?);
        set(&mut dns.axfr, read(&text, "OSINT_AXFR", "true or false")?);
        set(&mut metadata.files, read(&text, "OSINT_METADATA_FILES", "a whole number")?);
        metadata.sandbox.program = text("OSINT_SANDBOX_PROGRAM").map(PathBuf::from);
        connector.extra_authorities = text("OSINT_EXTRA_AUTHORITIES").map(PathBuf::from);
        connector.refuse = list::<IpAddr>(&text, "OSINT_REFUSE_ADDRESSES", "IP addresses")?;
        connector.allow_loopback = list::<SocketAddr>(&text, "OSINT_ALLOW_SOCKETS", "ip:port sockets")?;
        set(&mut connector.user_agent, text("OSINT_USER_AGENT"));
        Ok(Self { dns, metadata, connector })
    }
}

impl Osint {
    /// The collectors' tools for these settings. Nothing is contacted yet.
    pub fn new(settings: OsintSettings) -> Self {
        let connector = Connector::new(settings.connector.clone());
        Self { settings, connector }
    }
}

/// DNS asks name servers directly; they must not lead into the operator's own network.
fn public(address: IpAddr) -> bool {
    connector::is_forbidden(address).is_none()
}

fn patience(seconds: f64) -> Result<Duration, String> {
    if (0.1..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(wrong("OSINT_DNS_TIMEOUT", "a number of seconds between 0.1 and 60", &seconds.to_string()))
    }
}

fn read<T: FromStr>(text: &impl Fn(&str) -> Option<String>, name: &str, expected: &str) -> Result<Option<T>, String> {
    text(name).map(|text| text.parse().map_err(|_| wrong(name, expected, &text))).transpose()
}

fn list<T: FromStr>(text: &impl Fn(&str) -> Option<String>, name: &str, expected: &str) -> Result<Vec<T>, String> {
    let text = text(name).unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(|entry| entry.parse().map_err(|_| wrong(name, expected, entry))).collect()
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn wrong(name: &str, expected: &str, found: &str) -> String {
    format!("{name} must be {expected}, but it contains `{found}`")
}
