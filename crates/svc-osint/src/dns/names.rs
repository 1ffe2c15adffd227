//! Names and bytes of the DNS as text: readable where they are, escaped where they are not, and
//! never a reason to fail.

use std::fmt::Write as _;
use std::net::IpAddr;

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
