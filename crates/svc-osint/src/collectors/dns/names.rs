//! Names and bytes of the DNS as text: readable where they are, escaped where they are not, and
//! never a reason to fail.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;

/// The name in lower case without the final dot; the root is `.`. Bytes that are not printable
/// ASCII, and the dot and backslash inside a label, are escaped as in zone files (`\000`, `\.`).
pub(super) fn text_of(name: &Name) -> String {
    if name.is_root() {
        return ".".to_owned();
    }
    let labels: Vec<_> = name.iter().map(label_text).collect();
    labels.join(".")
}

/// A name from text, fully qualified; `None` when no such name can exist.
pub(super) fn name_of(text: &str) -> Option<Name> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.is_empty() {
        return None;
    }
    Name::from_labels(bare.split('.').map(str::as_bytes)).ok().map(|name| name.to_lowercase())
}

/// `label` in front of `name`; `None` when the whole would be too long.
pub(super) fn below(label: &str, name: &Name) -> Option<Name> {
    Name::from_labels(label.split('.').map(str::as_bytes).chain(name.iter())).ok()
}

/// The name under which the DNS keeps the name of `address`.
pub(super) fn reverse_of(address: IpAddr) -> Name {
    Name::from(address)
}

/// The address a name of the reverse tree stands for; `None` for any other name, and for one above a block of 256
/// IPv4 addresses or a single IPv6 address.
///
/// Blocks smaller than that are handed on by an alias with a label more (RFC 2317: `7.0-63.2.0.192.in-addr.arpa`
/// for `192.0.2.7`); where no label says the last number, it counts as 0.
pub(super) fn address_of_reverse(name: &Name) -> Option<IpAddr> {
    let labels: Vec<_> = name.iter().map(|label| std::str::from_utf8(label).unwrap_or_default()).rev().collect();
    let is = |label: &str, wanted: &str| label.eq_ignore_ascii_case(wanted);
    match labels.as_slice() {
        [arpa, tree, a, b, c, rest @ ..] if is(arpa, "arpa") && is(tree, "in-addr") => {
            let last = rest.first().and_then(|label| octet(label)).or_else(|| octet(rest.last()?));
            Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, last.unwrap_or(0)).into())
        }
        [arpa, tree, nibbles @ ..] if is(arpa, "arpa") && is(tree, "ip6") => {
            let bits = nibbles.get(..32)?.iter().try_fold(0, |bits, label| Some(bits << 4 | nibble(label)?))?;
            Some(Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}

/// Bytes as text: UTF-8 stays, control characters and broken bytes become `\ddd`, `\` becomes `\\`.
pub(super) fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(&mut text, byte));
                }
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    text
}

fn octet(label: &str) -> Option<u8> {
    label.bytes().all(|byte| byte.is_ascii_digit()).then(|| label.parse().ok()).flatten()
}

fn nibble(label: &str) -> Option<u128> {
    let [byte] = label.as_bytes() else { return None };
    char::from(*byte).to_digit(16).map(u128::from)
}

fn label_text(label: &[u8]) -> String {
    let mut text = String::with_capacity(label.len());
    for byte in label {
        match byte {
            b'.' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b'!'..=b'~' => text.push(char::from(byte.to_ascii_lowercase())),
            _ => escape(&mut text, *byte),
        }
    }
    text
}

fn escape(text: &mut String, byte: u8) {
    // Writing into a String cannot fail.
    let _ = write!(text, "\\{byte:03}");
}
