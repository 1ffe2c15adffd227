//! Where the mail of an address goes: the servers its domain names, and whether they are of those that throw it away.

use serde_json::{Value, json};

use super::disposable::Disposable;
use crate::collectors::dns::{self, DnsSettings};
use crate::model::Gathering;

/// What is known of the domain of an address.
pub(super) struct Mailbox {
    domain: String,
    /// Best first; `None`: nobody said.
    pub(super) servers: Option<Vec<String>>,
    /// Whether it declares that it takes no mail (RFC 7505).
    pub(super) null_mx: bool,
    pub(super) disposable: bool,
}

/// Asks the operator's resolvers; reports the source `dns:MX`.
pub(super) async fn look_up(dns: &DnsSettings, disposable: &Disposable, out: &Gathering, domain: &str) -> Mailbox {
    let servers = dns::mail_servers(dns, domain, out).await;
    let null_mx = servers.as_deref() == Some(&[".".to_owned()][..]);
    let servers = servers.map(|servers| if null_mx { Vec::new() } else { servers });
    Mailbox { disposable: disposable.holds(domain), domain: domain.to_owned(), servers, null_mx }
}

impl Mailbox {
    /// As the collector tells it.
    pub(super) fn told(&self) -> Value {
        json!({
            "domain": self.domain,
            "servers": self.servers,
            "null_mx": self.null_mx,
            "disposable": self.disposable,
        })
    }
}
