//! What the operator decides about scans, read from the environment's names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::allowed::Allowed;
use crate::collectors::dns::DnsSettings;
use crate::collectors::identity::{DISPOSABLE_DOMAINS, Disposable};
use crate::collectors::metadata::MetadataSettings;
use crate::collectors::username::{SITE_LISTS, SiteLists, UsernameSettings};
use crate::collectors::whois::{Server, WhoisSettings};
use crate::connector::{Connector, ConnectorSettings};
use crate::enquiry::Patience;
use crate::providers::ProviderSettings;
use crate::store::Store;

/// How many MiB of uploaded files are taken in at once when nothing is set.
pub const UPLOAD_ROOM: u32 = 64;

/// Where the engine keeps what it keeps, unless it is told otherwise.
const DATA: &str = "./apium-data";
const DAY: Duration = Duration::from_hours(24);
/// Seconds for which a result is good when nothing is set.
const CACHE: u32 = 3_600;
/// Days for which scans are remembered when nothing is set.
const RETENTION: u32 = 90;
/// Days for which raw answers are kept when nothing is set.
const EVIDENCE: u32 = 7;

/// The most that can be set; more than the largest machine has.
const MAX_ROOM: u32 = 1 << 20;
const ROOM: &str = "a whole number of MiB between 1 and 1048576";

/// One setting: its key in a settings file, its environment variable, and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// The key in `apium.toml`; the flag is the same with dashes.
    pub key: &'static str,
    /// The environment variable, in a slice because an engine's setting may have several.
    pub env: &'static [&'static str],
    /// The value when nothing is set; `None`: as `help` tells.
    pub default: Option<&'static str>,
    /// What stands for the value in a help text.
    pub value: &'static str,
    /// One line on what it does, with its unit.
    pub help: &'static str,
    /// What its value must be.
    pub kind: Kind,
}

/// What a value must be, so that a wrong one is refused at start, by its name and with the place it came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A file that can be read.
    File,
    /// What a header of HTTP can carry.
    Header,
    /// `true` or `false`.
    Switch,
    /// A whole number in this range.
    Count(u32, u32),
    /// Seconds in this range, fractions allowed.
    Seconds(f64, f64),
    /// IP addresses with commas between.
    Addresses,
    /// IP addresses, each with its port, with commas between.
    Sockets,
    /// IP addresses with or without a port, with commas between.
    Servers,
    /// A URL of a database, shown without its password.
    Database,
    /// A key, never shown.
    Secret,
    /// Whatever the service itself can read; it says what is wrong.
    Text,
}

const fn setting(
    key: &'static str,
    env: &'static [&'static str],
    default: Option<&'static str>,
    value: &'static str,
    help: &'static str,
    kind: Kind,
) -> Declaration {
    Declaration { key, env, default, value, help, kind }
}

/// Every setting; the one list from which flags and manuals are made.
pub const SETTINGS: &[Declaration] = &[
    setting(
        "osint_resolvers",
        &["OSINT_RESOLVERS"],
        None,
        "IP:PORT,…",
        "The DNS servers scans ask; the port may be left out. Default: the system's",
        Kind::Servers,
    ),
    setting(
        "osint_dns_timeout",
        &["OSINT_DNS_TIMEOUT"],
        Some("3"),
        "SECONDS",
        "How long one DNS answer is waited for",
        Kind::Seconds(0.1, 60.0),
    ),
    setting(
        "osint_dns_max_queries",
        &["OSINT_DNS_MAX_QUERIES"],
        Some("300"),
        "N",
        "Most DNS questions of one scan",
        Kind::Count(0, 100_000),
    ),
    setting(
        "osint_axfr",
        &["OSINT_AXFR"],
        Some("true"),
        "true|false",
        "Whether zone transfers are tried",
        Kind::Switch,
    ),
    setting(
        "osint_metadata_files",
        &["OSINT_METADATA_FILES"],
        Some("5"),
        "N",
        "Most files fetched from a domain",
        Kind::Count(0, 1_000),
    ),
    setting(
        "osint_whois_server",
        &["OSINT_WHOIS_SERVER"],
        Some("whois.iana.org:43"),
        "HOST:PORT",
        "The WHOIS server that is asked first where RDAP does not help, and refers to the others",
        Kind::Text,
    ),
    setting(
        "osint_site_lists",
        &["OSINT_SITE_LISTS"],
        None,
        "PATH,…",
        "Lists of sites to look for names at, of Sherlock, Maigret or WhatsMyName. Default: a small one that is bundled",
        Kind::Text,
    ),
    setting(
        "osint_sites_at_once",
        &["OSINT_SITES_AT_ONCE"],
        Some("20"),
        "N",
        "Most sites asked at once for one name; no host is asked two things at once",
        Kind::Count(1, 1_000),
    ),
    setting(
        "osint_disposable_domains",
        &["OSINT_DISPOSABLE_DOMAINS"],
        None,
        "PATH",
        "A file with the domains of disposable e-mail addresses, one a line. Default: a small list that is bundled",
        Kind::File,
    ),
    setting(
        "shodan_api_key",
        &["SHODAN_API_KEY"],
        None,
        "KEY",
        "The key of Shodan. Default: none, and what needs it is skipped",
        Kind::Secret,
    ),
    setting(
        "virustotal_api_key",
        &["VIRUSTOTAL_API_KEY"],
        None,
        "KEY",
        "The key of VirusTotal. Default: none, and what needs it is skipped",
        Kind::Secret,
    ),
    setting(
        "securitytrails_api_key",
        &["SECURITYTRAILS_API_KEY"],
        None,
        "KEY",
        "The key of SecurityTrails. Default: none, and what needs it is skipped",
        Kind::Secret,
    ),
    setting(
        "hibp_api_key",
        &["HIBP_API_KEY"],
        None,
        "KEY",
        "The key of Have I Been Pwned. Default: none, and what needs it is skipped",
        Kind::Secret,
    ),
    setting(
        "osint_provider_urls",
        &["OSINT_PROVIDER_URLS"],
        None,
        "NAME=URL,…",
        "Other addresses of providers, such as a mirror's. Default: their own",
        Kind::Text,
    ),
    setting(
        "osint_provider_windows",
        &["OSINT_PROVIDER_WINDOWS"],
        None,
        "NAME=RATE RATE,…",
        "How often providers may be asked, by all workers together: virustotal=4/m 500/d. Default: their free plans'",
        Kind::Text,
    ),
    setting(
        "osint_database",
        &["OSINT_DATABASE"],
        None,
        "URL",
        "Where scans are remembered: sqlite:PATH or postgres://…. Default: osint.db in the data folder",
        Kind::Database,
    ),
    setting(
        "osint_allow_targets",
        &["OSINT_ALLOW_TARGETS"],
        None,
        "LIST",
        "The only targets to scan: domains (with all below them), addresses, CIDR blocks, @usernames and digests, with commas between. Default: every public one",
        Kind::Text,
    ),
    setting(
        "osint_allow_targets_file",
        &["OSINT_ALLOW_TARGETS_FILE"],
        None,
        "PATH",
        "A file with further ones, an entry a line, remarks behind #. Default: none",
        Kind::File,
    ),
    setting(
        "osint_cache",
        &["OSINT_CACHE"],
        Some("3600"),
        "SECONDS",
        "How long a result answers the same question again; 0: never",
        Kind::Count(0, 31_536_000),
    ),
    setting(
        "osint_retention",
        &["OSINT_RETENTION"],
        Some("90"),
        "DAYS",
        "How long scans, and who asked for them, are remembered",
        Kind::Count(1, 36_500),
    ),
    setting(
        "osint_evidence",
        &["OSINT_EVIDENCE"],
        Some("7"),
        "DAYS",
        "How long the raw answers of providers are kept as evidence",
        Kind::Count(1, 36_500),
    ),
    setting(
        "osint_upload_room",
        &["OSINT_UPLOAD_ROOM"],
        Some("64"),
        "MIB",
        "Most MiB of uploaded files taken in at once; further ones wait, then are refused with 503",
        Kind::Count(1, MAX_ROOM),
    ),
    setting(
        "osint_sandbox_program",
        &["OSINT_SANDBOX_PROGRAM"],
        None,
        "PATH",
        "The program that parses files. Default: the running one",
        Kind::File,
    ),
    setting(
        "osint_refuse_addresses",
        &["OSINT_REFUSE_ADDRESSES"],
        None,
        "IP,…",
        "Further addresses never to contact. Default: none",
        Kind::Addresses,
    ),
    setting(
        "osint_extra_authorities",
        &["OSINT_EXTRA_AUTHORITIES"],
        None,
        "PATH",
        "A PEM file with certificate authorities to trust too. Default: none",
        Kind::File,
    ),
    setting(
        "osint_user_agent",
        &["OSINT_USER_AGENT"],
        None,
        "TEXT",
        "What the service calls itself to web servers. Default: apium-osint/VERSION",
        Kind::Header,
    ),
    setting(
        "osint_allow_sockets",
        &["OSINT_ALLOW_SOCKETS"],
        None,
        "IP:PORT,…",
        "For tests: forbidden sockets to contact all the same. Default: none",
        Kind::Sockets,
    ),
];

/// Everything the operator decides. [`OsintSettings::from_lookup`] gives the defaults; every field may be
/// changed afterwards, but `connector.refuse` only together with `dns.may_contact`, which has its own copy.
#[derive(Clone)]
pub struct OsintSettings {
    /// The `dns` collector.
    pub dns: DnsSettings,
    /// The `metadata` collector.
    pub metadata: MetadataSettings,
    /// The `whois` collector.
    pub whois: WhoisSettings,
    /// The `username` collector.
    pub username: UsernameSettings,
    /// The `identity` collector: whose addresses are disposable.
    pub disposable: Disposable,
    /// Where providers are, with what keys, how often.
    pub providers: ProviderSettings,
    /// How patiently they are asked.
    pub patience: Patience,
    /// Whom this installation may scan. Default: everything public.
    pub allowed: Allowed,
    /// Where the history is. Default: `osint.db` in the data folder.
    pub database: String,
    /// How long a result answers the same question again. Default: one hour; zero: never.
    pub cache: Duration,
    /// How long scans, and who asked for them, are remembered. Default: 90 days.
    pub retention: Duration,
    /// How long raw answers are kept as evidence. Default: 7 days.
    pub evidence: Duration,
    /// The door to the web.
    pub connector: ConnectorSettings,
    /// How many MiB of uploaded files are taken in at once, for [`OsintApi`](crate::OsintApi). Default: [`UPLOAD_ROOM`].
    pub upload_room: u32,
}

/// What the tasks of this service need of their program: put it into the worker's states.
pub struct Osint {
    /// The operator's decisions.
    pub settings: OsintSettings,
    /// The one door to the web of this process.
    pub connector: Connector,
    /// The history.
    pub store: Store,
    /// Whether the windows of providers are known to the broker.
    pub(crate) declared: OnceCell<()>,
    /// Whether the schedule of the housekeeping was seen to.
    pub(crate) scheduled: OnceCell<()>,
}

impl OsintSettings {
    /// Reads the settings named in [`SETTINGS`]; `lookup` gives the text of one, if it is set. An empty text
    /// counts as not set.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut metadata = MetadataSettings::default();
        let mut connector = ConnectorSettings {
            refuse: list::<IpAddr>(&text, "OSINT_REFUSE_ADDRESSES", "IP addresses")?,
            ..ConnectorSettings::default()
        };
        let resolvers = text("OSINT_RESOLVERS");
        // DNS asks name servers directly: what the door to the web refuses is refused to them too.
        let door = connector.clone();
        let mut dns = DnsSettings::new(resolvers.as_deref(), move |address| door.admits(address))
            .map_err(|error| error.to_string())?;
        if resolvers.is_some() {
            connector.resolvers.clone_from(&dns.resolvers);
        }
        if let Some(seconds) = read::<f64>(&text, "OSINT_DNS_TIMEOUT", "a number of seconds between 0.1 and 60")? {
            dns.timeout = patience(seconds)?;
            connector.dns_timeout = dns.timeout;
        }
        set(&mut dns.max_queries, read(&text, "OSINT_DNS_MAX_QUERIES", "a whole number")?);
        set(&mut dns.axfr, read(&text, "OSINT_AXFR", "true or false")?);
        set(&mut metadata.files, read(&text, "OSINT_METADATA_FILES", "a whole number")?);
        let lists = text(SITE_LISTS).unwrap_or_default();
        let files: Vec<_> =
            lists.split(',').map(str::trim).filter(|file| !file.is_empty()).map(PathBuf::from).collect();
        let mut username = UsernameSettings::new(SiteLists::read(&files)?);
        set(&mut username.at_once, read(&text, "OSINT_SITES_AT_ONCE", "a whole number")?);
        let disposable = Disposable::read(text(DISPOSABLE_DOMAINS).map(PathBuf::from).as_deref())?;
        metadata.sandbox.program = text("OSINT_SANDBOX_PROGRAM").map(PathBuf::from);
        connector.extra_authorities = text("OSINT_EXTRA_AUTHORITIES").map(PathBuf::from);
        connector.allow_loopback = list::<SocketAddr>(&text, "OSINT_ALLOW_SOCKETS", "ip:port sockets")?;
        set(&mut connector.user_agent, text("OSINT_USER_AGENT"));
        let upload_room = read(&text, "OSINT_UPLOAD_ROOM", ROOM)?.unwrap_or(UPLOAD_ROOM);
        if !(1..=MAX_ROOM).contains(&upload_room) {
            return Err(wrong("OSINT_UPLOAD_ROOM", ROOM, &upload_room.to_string()));
        }
        let mut whois = WhoisSettings::default();
        set(
            &mut whois.server,
            read::<Server>(&text, "OSINT_WHOIS_SERVER", "a host name or address, with or without :port")?,
        );
        let providers = ProviderSettings::read(&text)?;
        let data = text("APIUM_DATA").unwrap_or_else(|| DATA.to_owned());
        let database = text("OSINT_DATABASE").unwrap_or_else(|| format!("sqlite:{data}/osint.db"));
        let cache = read::<u32>(&text, "OSINT_CACHE", "a whole number of seconds")?.unwrap_or(CACHE);
        let retention = read::<u32>(&text, "OSINT_RETENTION", "a whole number of days")?.unwrap_or(RETENTION);
        let evidence = read::<u32>(&text, "OSINT_EVIDENCE", "a whole number of days")?.unwrap_or(EVIDENCE);
        Ok(Self {
            dns,
            metadata,
            whois,
            username,
            disposable,
            allowed: allowed(&text)?,
            providers,
            patience: Patience::default(),
            database,
            cache: Duration::from_secs(cache.into()),
            retention: DAY * retention,
            evidence: DAY * evidence,
            connector,
            upload_room,
        })
    }
}

impl Osint {
    /// The collectors' tools for these settings. Nothing is contacted yet.
    pub fn new(settings: OsintSettings) -> Self {
        let connector = Connector::new(settings.connector.clone());
        let store = Store::at(settings.database.clone()).of_worker();
        Self { settings, connector, store, declared: OnceCell::new(), scheduled: OnceCell::new() }
    }
}

fn allowed(text: &impl Fn(&str) -> Option<String>) -> Result<Allowed, String> {
    let file = match text("OSINT_ALLOW_TARGETS_FILE") {
        Some(path) => std::fs::read_to_string(&path)
            .map_err(|error| format!("OSINT_ALLOW_TARGETS_FILE: {path} cannot be read: {error}"))?,
        None => String::new(),
    };
    let list = text("OSINT_ALLOW_TARGETS").unwrap_or_default();
    Allowed::read(&format!("{list}\n{file}")).map_err(|wrong| format!("OSINT_ALLOW_TARGETS: {wrong}"))
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
