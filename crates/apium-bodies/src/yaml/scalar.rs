//! What a scalar of YAML stands for, by the rules of YAML 1.1 that PyYAML keeps to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::Json;

/// Writes what a scalar stands for; only a plain one without a tag is guessed at.
pub(super) fn write(json: &mut Json, text: &str, plain: bool, tag: Option<&str>) -> Result<(), String> {
    let odd = |kind: &str| format!("{text:.60?} in it is no {kind}");
    match tag {
        None if plain => guess(json, text),
        None | Some("str" | "!") => json.string(text),
        Some("null") => json.raw("null"),
        Some("bool") => json.raw(boolean(text).ok_or_else(|| odd("bool"))?),
        Some("int") => json.raw(&integer(text).ok_or_else(|| odd("int"))?),
        Some("float") => json.float(float(text).or_else(|| text.parse().ok()).ok_or_else(|| odd("float"))?),
        Some("timestamp") => {
            let (tag, iso) = moment(text).ok_or_else(|| odd("timestamp"))?;
            json.tagged(tag, &iso)
        }
        Some("binary") => {
            let base64: String = text.split_ascii_whitespace().collect();
            json.bytes(&STANDARD.decode(base64).map_err(|error| format!("binary in it is not base64: {error}"))?)
        }
        Some(tag) => Err(foreign(tag)),
    }
}

/// A tag that `safe_load` does not read either, or that has no JSON.
pub(super) fn foreign(tag: &str) -> String {
    format!("it holds a value tagged {tag:?}, which is not plain data")
}

fn guess(json: &mut Json, text: &str) -> Result<(), String> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return json.raw("null");
    }
    if let Some(word) = boolean(text) {
        return json.raw(word);
    }
    if let Some(digits) = integer(text) {
        return json.raw(&digits);
    }
    if let Some(value) = float(text) {
        return json.float(value);
    }
    match moment(text) {
        Some((tag, iso)) => json.tagged(tag, &iso),
        None => json.string(text),
    }
}

fn boolean(text: &str) -> Option<&'static str> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some("true"),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some("false"),
        _ => None,
    }
}

/// A whole number in its digits: decimal, binary, octal (by a leading 0), hexadecimal, or in sixties (`1:30`).
fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|sign: char| sign.is_ascii_digit()) {
        return None;
    }
    let bare = digits.replace('_', "");
    let radix = |digits: &str, radix| u128::from_str_radix(digits, radix).ok().map(|value| value.to_string());
    let value = if let Some(binary) = bare.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hex) = bare.strip_prefix("0x") {
        radix(hex, 16)?
    } else if bare.contains(':') {
        sixties(&bare).filter(|_| !bare.starts_with('0'))?.to_string()
    } else if bare.len() > 1 && bare.starts_with('0') {
        radix(&bare, 8)?
    } else if bare.bytes().all(|digit| digit.is_ascii_digit()) {
        bare
    } else {
        return None;
    };
    Some(if value == "0" { value } else { format!("{sign}{value}") })
}

/// `1:30:00`, the highest first; all but the first below sixty.
fn sixties(digits: &str) -> Option<u64> {
    let mut parts = digits.split(':');
    let first = parts.next()?.parse::<u64>().ok()?;
    parts.try_fold(first, |sum, part| {
        let fits = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit());
        let value = part.parse::<u64>().ok().filter(|value| fits && *value < 60)?;
        sum.checked_mul(60)?.checked_add(value)
    })
}

/// A number with a point in it; an exponent has its sign.
fn float(text: &str) -> Option<f64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Some(f64::NAN),
        _ => {}
    }
    let (whole, fraction) = rest.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if let Some((high, low)) = whole.rsplit_once(':') {
        let sum = sixties(&format!("{high}:{low}").replace('_', ""))?;
        let part: f64 = format!("0.{}", fraction.replace('_', "")).parse().ok().filter(|_| digits(fraction))?;
        #[allow(clippy::cast_precision_loss, reason = "it is a float that is read")]
        return Some(sign * (sum as f64 + part));
    }
    let (fraction, exponent) = match fraction.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (fraction, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or_default();
        !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit())
    });
    let begins = whole.starts_with(|sign: char| sign.is_ascii_digit())
        || (whole.is_empty() && text.starts_with('.') && fraction.starts_with(|sign: char| sign.is_ascii_digit()));
    if !(begins && digits(whole) && digits(fraction) && exponent_fits) {
        return None;
    }
    let exponent = exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default();
    format!("0{}.{}0{exponent}", whole.replace('_', ""), fraction.replace('_', ""))
        .parse::<f64>()
        .ok()
        .map(|v| sign * v)
}

/// A date, or a date with a time; kombu's tag and the text in ISO 8601.
fn moment(text: &str) -> Option<(&'static str, String)> {
    let number = |text: &str, least: usize, most: usize| {
        let fits = (least..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| fits)
    };
    let end = text.find(['T', 't', ' ', '\t']).unwrap_or(text.len());
    let mut parts = text[..end].splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let date = format!("{:04}-{:02}-{:02}", number(year, 4, 4)?, number(month, 1, 2)?, number(day, 1, 2)?);
    if end == text.len() {
        return (month.len() == 2 && day.len() == 2).then_some(("date", date));
    }
    let rest = text[end..].trim_start_matches(['T', 't', ' ', '\t']);
    let clock_end = rest.find(|sign: char| !sign.is_ascii_digit() && sign != ':' && sign != '.').unwrap_or(rest.len());
    let (clock, zone) = (&rest[..clock_end], rest[clock_end..].trim_start_matches([' ', '\t']));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let time = format!("{:02}:{:02}:{:02}", number(hour, 1, 2)?, number(minute, 2, 2)?, number(second, 2, 2)?);
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let micros = format!("{fraction:0<6}").get(..6)?.to_owned();
    let micros = if micros == "000000" { String::new() } else { format!(".{micros}") };
    let zone = match zone.strip_prefix(['+', '-']) {
        _ if zone.is_empty() => String::new(),
        _ if zone == "Z" => "+00:00".to_owned(),
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':').unwrap_or_else(|| offset.split_at(offset.len().min(2)));
            let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2, 2)? };
            format!("{}{:02}:{minutes:02}", &zone[..1], number(hours, 1, 2)?)
        }
        None => return None,
    };
    Some(("datetime", format!("{date}T{time}{micros}{zone}")))
}
