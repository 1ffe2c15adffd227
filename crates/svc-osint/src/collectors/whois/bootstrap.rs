//! IANA's lists of who answers by RDAP for which names, addresses and numbers (RFC 9224, first RFC 7484).

use std::collections::HashMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Wanted;
use super::network::{bits, width};

/// One of the four lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Top-level domains, and names below them.
    Dns,
    /// IPv4 prefixes.
    Ipv4,
    /// IPv6 prefixes.
    Ipv6,
    /// Ranges of autonomous systems.
    Asn,
}

/// A list, ready to be asked.
#[derive(Debug, Default)]
pub struct Services {
    servers: Vec<Url>,
    /// By name, in lower-case ASCII.
    names: HashMap<String, usize>,
    /// By length and bits of a prefix.
    prefixes: HashMap<(u32, u128), usize>,
    /// First, last, and whose they are.
    ranges: Vec<(u32, u32, usize)>,
}

#[derive(Deserialize)]
struct File {
    services: Vec<Value>,
}

impl List {
    /// The one that knows this target.
    pub fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Domain(_) => Self::Dns,
            Wanted::Ip(IpAddr::V4(_)) => Self::Ipv4,
            Wanted::Ip(IpAddr::V6(_)) => Self::Ipv6,
            Wanted::Asn(_) => Self::Asn,
        }
    }

    /// The name of its file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Dns => "dns.json",
            Self::Ipv4 => "ipv4.json",
            Self::Ipv6 => "ipv6.json",
            Self::Asn => "asn.json",
        }
    }
}

impl Services {
    /// Reads a list; entries that are none of its kind are left out. `None` when nothing is left.
    pub fn read(list: List, json: &Value) -> Option<Self> {
        let file = File::deserialize(json).ok()?;
        let mut services = Self::default();
        for service in &file.services {
            let Some(server) = service.get(1).and_then(best) else { continue };
            let keys = service.get(0).and_then(Value::as_array).into_iter().flatten();
            let at = services.servers.len();
            services.servers.push(server);
            for key in keys.filter_map(Value::as_str) {
                services.add(list, key, at);
            }
        }
        let filled = !services.names.is_empty() || !services.prefixes.is_empty() || !services.ranges.is_empty();
        filled.then_some(services)
    }

    /// The server that answers for the target: the one with the longest match.
    pub fn server(&self, wanted: &Wanted) -> Option<&Url> {
        let at = match wanted {
            Wanted::Domain(name) => self.by_name(name),
            Wanted::Ip(address) => self.by_address(*address),
            Wanted::Asn(number) => self.by_number(*number),
        };
        self.servers.get(at?)
    }

    fn add(&mut self, list: List, key: &str, at: usize) {
        match list {
            List::Dns => {
                let name = key.trim_matches('.').to_ascii_lowercase();
                self.names.entry(name).or_insert(at);
            }
            List::Ipv4 | List::Ipv6 => {
                if let Some(prefix) = prefix(key, list) {
                    self.prefixes.entry(prefix).or_insert(at);
                }
            }
            List::Asn => {
                let (first, last) = key.split_once('-').unwrap_or((key, key));
                if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) {
                    self.ranges.push((first, last, at));
                }
            }
        }
    }

    fn by_name(&self, name: &str) -> Option<usize> {
        let mut rest = name;
        loop {
            if let Some(at) = self.names.get(rest) {
                return Some(*at);
            }
            (_, rest) = rest.split_once('.')?;
        }
    }

    fn by_address(&self, address: IpAddr) -> Option<usize> {
        let (bits, width) = (bits(address), width(address));
        let head = |length: u32| bits.checked_shr(width - length).unwrap_or(0);
        (0..=width).rev().find_map(|length| self.prefixes.get(&(length, head(length))).copied())
    }

    /// The narrowest range, should two overlap.
    fn by_number(&self, number: u32) -> Option<usize> {
        let holds = self.ranges.iter().filter(|(first, last, _)| (*first..=*last).contains(&number));
        holds.min_by_key(|(first, last, _)| last - first).map(|(_, _, at)| *at)
    }
}

/// An encrypted server before one that is not.
fn best(urls: &Value) -> Option<Url> {
    let urls: Vec<Url> = urls.as_array()?.iter().filter_map(|url| Url::parse(url.as_str()?).ok()).collect();
    let https = urls.iter().find(|url| url.scheme() == "https");
    https.or_else(|| urls.iter().find(|url| url.scheme() == "http")).cloned()
}

fn prefix(key: &str, list: List) -> Option<(u32, u128)> {
    let (address, length) = key.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let (width, length) = (width(address), length.parse::<u32>().ok()?);
    let of_the_family = address.is_ipv4() == (list == List::Ipv4);
    let host = width.checked_sub(length).filter(|_| of_the_family)?;
    Some((length, bits(address).checked_shr(host).unwrap_or(0)))
}
