//! Dates and times as Python packs them, in ISO 8601.

use super::node::refused;

/// `datetime.date`: year, month, day.
pub(super) fn date(packed: &[u8]) -> Result<String, String> {
    let [high, low, month, day] = packed else { return Err(refused("datetime.date that cannot be read")) };
    let year = u16::from_be_bytes([*high, *low]);
    let real = (1..=9999).contains(&year) && (1..=12).contains(month) && (1..=31).contains(day);
    if real { Ok(format!("{year:04}-{month:02}-{day:02}")) } else { Err(refused("datetime.date that is none")) }
}

/// `datetime.time`; the highest bit of its first byte tells which of two equal times it is when clocks are set back.
pub(super) fn time(packed: &[u8], zone: Option<&str>) -> Result<String, String> {
    let [hour, minute, second, high, middle, low] = packed else {
        return Err(refused("datetime.time that cannot be read"));
    };
    let (hour, micros) = (hour & 0x7f, u32::from_be_bytes([0, *high, *middle, *low]));
    if hour > 23 || *minute > 59 || *second > 59 || micros > 999_999 {
        return Err(refused("datetime.time that is none"));
    }
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    Ok(format!("{hour:02}:{minute:02}:{second:02}{fraction}{}", zone.unwrap_or_default()))
}

/// `datetime.datetime`: a date and a time; here the month has the highest bit.
pub(super) fn datetime(packed: &[u8], zone: Option<&str>) -> Result<String, String> {
    let [high, low, month, day, rest @ ..] = packed else {
        return Err(refused("datetime.datetime that cannot be read"));
    };
    Ok(format!("{}T{}", date(&[*high, *low, month & 0x7f, *day])?, time(rest, zone)?))
}

/// An offset from UTC, in microseconds.
pub(super) fn offset(micros: i128) -> Result<String, String> {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest != 0 || seconds.abs() >= 86_400 {
        return Err(refused("datetime.timezone that is none"));
    }
    let (sign, seconds) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let seconds = if seconds == 0 { String::new() } else { format!(":{seconds:02}") };
    Ok(format!("{sign}{hours:02}:{minutes:02}{seconds}"))
}
