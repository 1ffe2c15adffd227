//! The values of DNS records as SecurityTrails writes them: each type under names of its own.

use serde::{Deserialize, Serialize};

/// One value of a record. Which of these are there depends on the type; some have two names, one for what is and one
/// for what was.
#[derive(Deserialize, Serialize)]
pub(super) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ipv6: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6_organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname_organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mx_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameserver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameserver_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nameserver_organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl Entry {
    /// The record's data on one line, if it says any.
    pub(super) fn line(&self) -> Option<&str> {
        let names = [&self.ip, &self.ipv6, &self.hostname, &self.host, &self.nameserver, &self.email, &self.value];
        names.into_iter().flatten().map(String::as_str).next()
    }

    /// The address it holds.
    pub(super) fn address(&self) -> Option<&str> {
        self.ip.as_deref().or(self.ipv6.as_deref())
    }

    /// The host it leads to.
    pub(super) fn target(&self) -> Option<&str> {
        self.hostname.as_deref().or(self.host.as_deref()).or(self.nameserver.as_deref())
    }
}
