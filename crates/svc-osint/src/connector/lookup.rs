//! From a name to its addresses, asked once a hop: what this answers is what gets connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Whoever turns a host name into addresses. The connector judges every answer; an implementation
/// need not, and must not, filter.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The IPv4 and IPv6 addresses of `host` (lower-case ASCII, no final dot), or a Spanish clause
    /// saying why there are none.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String>;
}

/// The everyday lookup: DNS, through the given servers or those of the system.
#[derive(Default)]
pub struct DnsLookup {
    servers: Vec<SocketAddr>,
    /// How long one question to one server may take; the system's setting when `None`.
    timeout: Option<Duration>,
    // Made at the first question: reading the system's settings may fail, and that is an answer to
    // the question, not a reason not to start.
    resolver: OnceLock<Result<TokioResolver, String>>,
}

impl DnsLookup {
    /// A lookup that asks `servers` (UDP first, TCP when the answer is cut), or the system's when
    /// the list is empty.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, timeout: None, resolver: OnceLock::new() }
    }

    /// The same, asking each question for this long at the most, and once more where nobody answers.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn build(&self) -> Result<TokioResolver, String> {
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|e| e.to_string())?
        } else {
            let servers = self.servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        public_names_only(options);
        if let Some(timeout) = self.timeout {
            (options.timeout, options.attempts) = (timeout, 1);
        }
        builder.build().map_err(|e| e.to_string())
    }
}

#[async_trait]
impl Lookup for DnsLookup {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let resolver = self.resolver.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)?;
        // The final dot keeps the system's search list out: `intra` must not become `intra.corp`.
        let answer = resolver.lookup_ip(format!("{host}.")).await.map_err(|e| {
            if e.is_no_records_found() || e.is_nx_domain() { "no tiene direcciones".to_owned() } else { e.to_string() }
        })?;
        Ok(answer.iter().collect())
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn public_names_only(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // The hosts file is this machine's private matter.
    options.use_hosts_file = ResolveHosts::Never;
    options.edns0 = true;
}
