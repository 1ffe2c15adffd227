//! Numbers as Python writes and reads them.

use std::fmt::{Display, LowerExp};

use super::JsonError;

/// Where a number ends, and whether `serde_json` would read it otherwise than Python.
pub(crate) struct Number {
    pub(crate) end: usize,
    pub(crate) dialect: bool,
}

/// Passes over the number that starts at `start` (a digit or a minus sign).
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<Number, JsonError> {
    let negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let rest = bytes.get(first..).unwrap_or_default();
    if negative && rest.starts_with(b"Infinity") {
        return Ok(Number { end: first + "Infinity".len(), dialect: true });
    }
    let whole = digits(bytes, first);
    if whole == 0 {
        return Err(JsonError::at("expected a digit", first));
    }
    if whole > 1 && bytes.get(first) == Some(&b'0') {
        return Err(JsonError::at("a number has a leading zero", first));
    }
    let mut end = first + whole;
    let fraction = fraction_length(bytes, end)?;
    end += fraction;
    let exponent = exponent_length(bytes, end)?;
    end += exponent;
    let dialect = if fraction == 0 && exponent == 0 {
        // Beyond 64 bits serde_json rounds to a float; and it reads -0, an integer to Python, as one.
        whole > 18 || (negative && bytes.get(first) == Some(&b'0'))
    } else {
        // It refuses what Python reads as infinity.
        exponent > 3 || whole > 300
    };
    Ok(Number { end, dialect })
}

/// A float as Python's `repr` writes it: `1.0`, `1e+16`, `1e-05`; and `NaN`, `Infinity` as its `json` does.
/// Of two shortest forms equally near, Python takes the even last digit and Rust may take the other; both are read
/// back as the same float.
pub(crate) fn float<T: Display + LowerExp + Copy + Into<f64>>(value: T) -> String {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return "NaN".to_owned();
    }
    if wide.is_infinite() {
        return if wide > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn digits(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of `.123` at `at`, 0 when there is none.
fn fraction_length(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    if bytes.get(at) != Some(&b'.') {
        return Ok(0);
    }
    match digits(bytes, at + 1) {
        0 => Err(JsonError::at("expected a digit after the point", at + 1)),
        count => Ok(count + 1),
    }
}

/// The length of `e+12` at `at`, 0 when there is none.
fn exponent_length(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    if !matches!(bytes.get(at), Some(b'e' | b'E')) {
        return Ok(0);
    }
    let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
    match digits(bytes, at + 1 + sign) {
        0 => Err(JsonError::at("expected a digit in the exponent", at + 1 + sign)),
        count => Ok(1 + sign + count),
    }
}
