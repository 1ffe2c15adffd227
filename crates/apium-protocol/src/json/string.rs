//! Strings: finding their end, taking their escapes out, and writing them in ASCII as Python does.

use std::{borrow::Cow, fmt::Write as _};

use super::{JsonError, plain};

/// Where a string ends (behind its closing quote), and whether an escape in it is half of a surrogate pair.
pub(crate) struct StringEnd {
    pub(crate) end: usize,
    pub(crate) lone_surrogate: bool,
}

/// Passes over the string whose opening quote is at `start`.
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<StringEnd, JsonError> {
    let mut at = start + 1;
    let mut lone_surrogate = false;
    loop {
        at += plain::unescaped(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            None => return Err(JsonError::at("a string does not end", start)),
            Some(b'"') => break,
            Some(b'\\') => {
                let escape = escape(bytes, at)?;
                lone_surrogate |= matches!(escape.meaning, Meaning::Surrogate);
                at += escape.length;
            }
            Some(_) => return Err(JsonError::at("a control character stands unescaped in a string", at)),
        }
    }
    Ok(StringEnd { end: at + 1, lone_surrogate })
}

/// The value of a scanned string, quotes included in `quoted`; borrowed when nothing was escaped. A lone surrogate
/// cannot be held by a Rust string and becomes U+FFFD.
pub(crate) fn unescape(quoted: &str) -> Result<Cow<'_, str>, JsonError> {
    let inner = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| JsonError::new("expected a string"))?;
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(plain) = rest.find('\\') {
        value.push_str(&rest[..plain]);
        let escape = escape(rest.as_bytes(), plain)?;
        match escape.meaning {
            Meaning::Char(character) => value.push(character),
            Meaning::Surrogate => value.push(char::REPLACEMENT_CHARACTER),
        }
        rest = rest.get(plain + escape.length..).unwrap_or_default();
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

/// Writes `value` in quotes, with everything outside printable ASCII escaped, as Python's `json` does by default.
pub(crate) fn write(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    loop {
        let (plain, special) = rest.split_at(plain::printable(rest.as_bytes()));
        out.push_str(plain);
        let mut characters = special.chars();
        let Some(character) = characters.next() else {
            break;
        };
        write_escaped(out, character);
        rest = characters.as_str();
    }
    out.push('"');
}

fn write_escaped(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

enum Meaning {
    Char(char),
    Surrogate,
}

struct Escape {
    meaning: Meaning,
    length: usize,
}

/// Reads the escape whose backslash is at `at`; the two halves of a surrogate pair count as one escape.
fn escape(bytes: &[u8], at: usize) -> Result<Escape, JsonError> {
    let character = match bytes.get(at + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(bytes, at),
        _ => return Err(JsonError::at("a string has an unknown escape", at)),
    };
    Ok(Escape { meaning: Meaning::Char(character), length: 2 })
}

fn unicode_escape(bytes: &[u8], at: usize) -> Result<Escape, JsonError> {
    let first = hex_unit(bytes, at).ok_or_else(|| JsonError::at("expected four hexadecimal digits after \\u", at))?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Ok(Escape { meaning: Meaning::Char(character), length: 6 });
    }
    let pair = [first, hex_unit(bytes, at + 6).unwrap_or_default()];
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) => Ok(Escape { meaning: Meaning::Char(character), length: 12 }),
        _ => Ok(Escape { meaning: Meaning::Surrogate, length: 6 }),
    }
}

/// The 16 bits written as `\uXXXX` at `at`.
fn hex_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}
