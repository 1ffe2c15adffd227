//! Ranges of addresses: read as registries write them, and put into the fewest prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::record::Record;

/// Most prefixes a range is put into.
const MAX_PREFIXES: usize = 64;

/// A range within one family, its first address not above its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: IpAddr,
    pub(super) end: IpAddr,
}

impl Range {
    /// From one address to another.
    pub(super) fn new(start: IpAddr, end: IpAddr) -> Option<Self> {
        (start.is_ipv4() == end.is_ipv4() && bits(start) <= bits(end)).then_some(Self { start, end })
    }

    /// `192.0.2.0 - 192.0.2.255`, `2001:db8::/32`, or as in Latin America `200.160/20`.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some((start, end)) = text.split_once(" - ") {
            return Self::new(start.trim().parse().ok()?, end.trim().parse().ok()?);
        }
        let (address, length) = text.split_whitespace().next()?.trim_end_matches(',').split_once('/')?;
        let start: IpAddr = if address.contains(':') {
            address.parse().ok()?
        } else {
            let missing = 3_usize.checked_sub(address.matches('.').count())?;
            format!("{address}{}", ".0".repeat(missing)).parse().ok()?
        };
        let width = width(start);
        let host = width.checked_sub(length.parse().ok()?)?;
        let ones = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
        let first = bits(start) & !ones;
        Self::new(address_of(first, width), address_of(first | ones, width))
    }

    /// Whether the address lies within.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.start.is_ipv4() == address.is_ipv4() && (bits(self.start)..=bits(self.end)).contains(&bits(address))
    }

    /// Addresses in it, less one.
    pub(super) fn size(&self) -> u128 {
        bits(self.end) - bits(self.start)
    }

    /// The fewest prefixes that are it.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let (width, last) = (width(self.start), bits(self.end));
        let mut first = bits(self.start);
        let mut found = Vec::new();
        while found.len() < MAX_PREFIXES {
            // The largest block that begins here and does not go beyond the end.
            let mut host = first.trailing_zeros().min(width);
            while 1_u128.checked_shl(host).is_none_or(|size| size - 1 > last - first) && host > 0 {
                host -= 1;
            }
            found.push(format!("{}/{}", address_of(first, width), width - host));
            let next = 1_u128.checked_shl(host).and_then(|size| first.checked_add(size));
            match next.filter(|next| *next <= last) {
                Some(next) => first = next,
                None => break,
            }
        }
        found
    }

    /// Writes where it begins and ends, and its prefixes.
    pub(super) fn write(&self, record: &mut Record) {
        record.set("network.start", Some(&self.start.to_string()));
        record.set("network.end", Some(&self.end.to_string()));
        record.set_value(
            "network.cidrs",
            Value::Array(self.prefixes().into_iter().map(|prefix| json!(prefix)).collect()),
        );
    }
}

/// The bits of an address, and how many there are.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

pub(super) fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn address_of(bits: u128, width: u32) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if width == 32 => IpAddr::V4(Ipv4Addr::from(bits)),
        _ => IpAddr::V6(Ipv6Addr::from(bits)),
    }
}
