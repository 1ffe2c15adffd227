//! Whom this installation may scan: everything public, or only what its operator has put on a list.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::target::{DomainName, Target, TargetKind};

/// The list; an empty one allows every target.
#[derive(Debug, Clone, Default)]
pub struct Allowed(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A domain, all below it, its URLs and mail addresses.
    Domain(String),
    /// Addresses with this beginning, and URLs that name one of them.
    Block(IpAddr, u8),
    /// Any other target, in its one spelling: `@name`, `AS3333`, a digest.
    Just(String),
}

impl Allowed {
    /// Reads entries with commas, spaces or lines between; what stands behind `#` in a line is a remark.
    ///
    /// # Errors
    /// A sentence with the first entry that cannot be one.
    pub fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let entries = lines.flat_map(|line| line.split([',', ' ', '\t'])).filter(|entry| !entry.is_empty());
        entries.map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this target may be scanned.
    pub fn admits(&self, target: &Target) -> bool {
        self.0.is_empty() || self.0.iter().any(|entry| entry.covers(target))
    }
}

impl Entry {
    fn covers(&self, target: &Target) -> bool {
        match target {
            Target::Domain(domain) => self.covers_name(&domain.ascii),
            Target::Email(address) => self.covers_name(&address.domain.ascii),
            Target::Ip(ip) => self.covers_ip(*ip),
            Target::Url(url) => match url.host() {
                Some(url::Host::Domain(name)) => self.covers_name(name.trim_end_matches('.')),
                Some(url::Host::Ipv4(ip)) => self.covers_ip(IpAddr::V4(ip)),
                Some(url::Host::Ipv6(ip)) => self.covers_ip(IpAddr::V6(ip)),
                None => false,
            },
            Target::Username(name) => *self == Self::Just(format!("@{name}")),
            Target::Hash(digest) => *self == Self::Just(digest.clone()),
            Target::Asn(_) => *self == Self::Just(target.to_string()),
            Target::File(_) => true,
        }
    }

    fn covers_name(&self, name: &str) -> bool {
        match self {
            Self::Domain(domain) => crate::target::below(name, domain),
            Self::Block(..) | Self::Just(_) => false,
        }
    }

    fn covers_ip(&self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Block(IpAddr::V4(first), bits), IpAddr::V4(ip)) => {
                let differ = u32::from(*first) ^ u32::from(ip);
                differ.checked_shr(32 - u32::from(*bits)).unwrap_or_default() == 0
            }
            (Self::Block(IpAddr::V6(first), bits), IpAddr::V6(ip)) => {
                let differ = u128::from(*first) ^ u128::from(ip);
                differ.checked_shr(128 - u32::from(*bits)).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no domain, address, CIDR block, AS number, username or digest");
        let (first, bits) = text.split_once('/').map_or((text, None), |(first, bits)| (first, Some(bits)));
        if let Ok(ip) = first.parse::<IpAddr>() {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(most), str::parse::<u8>).map_err(|_| wrong())?;
            return if bits <= most { Ok(Self::Block(ip, bits)) } else { Err(wrong()) };
        }
        if let Some(name) = text.strip_prefix('@').filter(|name| !name.is_empty()) {
            return Ok(Self::Just(format!("@{name}")));
        }
        if matches!(text.len(), 32 | 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(Self::Just(text.to_ascii_lowercase()));
        }
        if let Ok(system) = Target::parse_for(text, &[TargetKind::Asn]) {
            return Ok(Self::Just(system.to_string()));
        }
        let bare = text.strip_prefix("*.").unwrap_or(text);
        DomainName::parse(bare).map(|domain| Self::Domain(domain.ascii)).map_err(|_| wrong())
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("todos los públicos"),
            1 => f.write_str("una entrada"),
            count => write!(f, "{count} entradas"),
        }
    }
}
