//! Dates as files write them, turned into ISO 8601; a date that is none is left out.

/// `2020:01:02 03:04:05` with an optional offset `+01:00`, as EXIF writes it.
pub(super) fn exif(text: &str, offset: Option<&str>) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let shaped = text.trim_end_matches('\0').trim();
    if shaped.len() < 19 || !shaped.is_ascii() {
        return None;
    }
    let offset = offset.map(str::trim).filter(|o| is_offset(o)).unwrap_or_default();
    Some(format!("{}{offset}", moment(&digits)?))
}

/// `D:20200102030405+01'00'`, as PDF writes it; everything after the year may be missing.
pub(super) fn pdf(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("D:").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, zone) = text.split_at(end);
    let zone: String = zone.chars().filter(|c| *c != '\'').collect();
    let offset = match zone.as_bytes() {
        [b'Z', ..] => "Z".to_owned(),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2, ..] => {
            [*sign, *h1, *h2, b':', *m1, *m2].map(char::from).iter().collect()
        }
        [sign @ (b'+' | b'-'), h1, h2] => [*sign, *h1, *h2].map(char::from).iter().collect::<String>() + ":00",
        _ => String::new(),
    };
    let offset = if is_offset(&offset) { offset } else { String::new() };
    Some(format!("{}{offset}", moment(digits)?))
}

/// A date that should be ISO 8601 already (XMP, Office): kept if it begins like one.
pub(super) fn iso(text: &str) -> Option<String> {
    let text = text.trim();
    let year = text.get(..4).is_some_and(|year| year.bytes().all(|b| b.is_ascii_digit()));
    let rest = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b'Z' | b'+' | b'.'));
    (year && rest && text.len() <= 35).then(|| text.to_owned())
}

fn is_offset(text: &str) -> bool {
    matches!(text.as_bytes(), [b'Z'] | [b'+' | b'-', b'0'..=b'1', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'])
}

/// Year, month, day, hour, minute, second from a run of digits; missing parts take their first value.
fn moment(digits: &str) -> Option<String> {
    let part = |from: usize, len: usize, default: i8| match digits.get(from..from + len) {
        Some(part) => part.parse().ok(),
        None => Some(default),
    };
    let year: i16 = digits.get(..4)?.parse().ok().filter(|year| *year > 0)?;
    let date = jiff::civil::date(year, 1, 1).with().month(part(4, 2, 1)?).day(part(6, 2, 1)?).build().ok()?;
    let time = jiff::civil::Time::new(part(8, 2, 0)?, part(10, 2, 0)?, part(12, 2, 0)?, 0).ok()?;
    Some(date.to_datetime(time).to_string())
}
