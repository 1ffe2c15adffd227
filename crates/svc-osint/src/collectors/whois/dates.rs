//! Dates as registries write them, of which there are dozens, turned into ISO 8601 in UTC.
//!
//! A date without a time of day stays one (`2020-01-31`): midnight would be an invention. So does one whose zone is
//! not known. A time without a zone is taken for UTC, as most registries mean it. Who reads the result finds the text
//! of the source beside it.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

/// Longest text looked at, in bytes.
const LONGEST: usize = 64;
/// Years before this are misreadings: there were no registries.
const FIRST_YEAR: i16 = 1950;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Zones that registries name, in minutes east of Greenwich.
const ZONES: [(&str, i32); 19] = [
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("wet", 0),
    ("cet", 60),
    ("cest", 120),
    ("eet", 120),
    ("eest", 180),
    ("msk", 180),
    ("hkt", 480),
    ("sgt", 480),
    ("jst", 540),
    ("kst", 540),
    ("aest", 600),
    ("brt", -180),
    ("est", -300),
    ("edt", -240),
    ("pst", -480),
    ("pdt", -420),
];

/// What has been found of a date so far.
#[derive(Default)]
struct Parts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<Time>,
    zone: Zone,
}

#[derive(Default, Clone, Copy)]
enum Zone {
    #[default]
    Untold,
    East(i32),
    Unknown,
}

/// The moment or the day that `text` names, in UTC; `None` where it names none.
pub fn utc(text: &str) -> Option<String> {
    // `19990518 #157263`: what follows is a number of the registry's own.
    let text = text.split('#').next().unwrap_or_default().trim();
    if text.len() > LONGEST {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return shown(moment);
    }
    let spaced = text.replace(['(', ')', ',', ';'], " ");
    let mut parts = Parts::default();
    for word in spaced.split_whitespace() {
        match split_at_t(word) {
            Some((date, time)) => {
                parts.take(date)?;
                parts.take(time)?;
            }
            None => parts.take(word)?,
        }
    }
    parts.whole()
}

/// `2020-01-31T10:20:30` in its halves.
fn split_at_t(word: &str) -> Option<(&str, &str)> {
    let (date, time) = word.split_once('T')?;
    let digits = date.ends_with(|c: char| c.is_ascii_digit()) && time.starts_with(|c: char| c.is_ascii_digit());
    digits.then_some((date, time))
}

impl Parts {
    /// Takes one word; `None` for what belongs to no date.
    fn take(&mut self, word: &str) -> Option<()> {
        let word = word.trim_end_matches('.');
        if word.contains(':') {
            return if self.time.is_some() { self.offset(word) } else { self.clock(word) };
        }
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        match word.len() {
            0 => Some(()),
            _ if word.starts_with(['+', '-']) => self.offset(word),
            14 if digits => {
                self.date([word.get(..4)?, word.get(4..6)?, word.get(6..8)?])?;
                self.clock(&format!("{}:{}:{}", word.get(8..10)?, word.get(10..12)?, word.get(12..14)?))
            }
            8 if digits => self.date([word.get(..4)?, word.get(4..6)?, word.get(6..8)?]),
            4 if digits => put(&mut self.year, word.parse().ok()?),
            1 | 2 if digits => self.number(word.parse().ok()?),
            _ if word.chars().all(char::is_alphabetic) => self.name(&word.to_lowercase()),
            _ => {
                let pieces: Vec<&str> = word.split(['-', '/', '.']).collect();
                self.date(<[&str; 3]>::try_from(pieces).ok()?)
            }
        }
    }

    /// A number of one or two digits by itself: after the year comes the month, else it is the day.
    fn number(&mut self, number: i8) -> Option<()> {
        if self.year.is_some() && self.month.is_none() {
            put(&mut self.month, number)
        } else {
            put(&mut self.day, number)
        }
    }

    fn name(&mut self, word: &str) -> Option<()> {
        if let Some(month) = month(word) {
            return put(&mut self.month, month);
        }
        if WEEKDAYS.iter().any(|day| word.len() >= 3 && day.starts_with(word)) {
            return Some(());
        }
        if let Some((_, minutes)) = ZONES.iter().find(|(name, _)| *name == word) {
            self.zone = Zone::East(*minutes);
            return Some(());
        }
        // Some other zone, perhaps; without a time before it, it is none.
        let zone = self.time.is_some() && word.len() <= 5;
        zone.then(|| self.zone = Zone::Unknown)
    }

    /// Year, month and day, or the other way round; with months before days only where it cannot be otherwise.
    fn date(&mut self, [a, b, c]: [&str; 3]) -> Option<()> {
        let number = |text: &str| text.parse::<i8>().ok();
        let (year, middle, day) = if a.len() == 4 { (a, b, number(c)?) } else { (c, b, number(a)?) };
        if year.len() != 4 {
            return None;
        }
        let (mut month, mut day) = (month(&middle.to_lowercase()).or_else(|| number(middle))?, day);
        if a.len() != 4 && month > 12 {
            std::mem::swap(&mut month, &mut day);
        }
        put(&mut self.year, year.parse().ok()?)?;
        put(&mut self.month, month)?;
        put(&mut self.day, day)
    }

    /// `10:20`, `10:20:30`, `10:20:30.4`, with an offset behind it or none.
    fn clock(&mut self, word: &str) -> Option<()> {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(word.len());
        let (clock, offset) = word.split_at(end);
        let mut numbers = clock.split(':');
        let (hour, minute) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let second = numbers.next().map_or(Some(0), |text| text.split('.').next()?.parse().ok())?;
        if numbers.next().is_some() {
            return None;
        }
        put(&mut self.time, Time::new(hour, minute, second, 0).ok()?)?;
        match offset {
            "" => Some(()),
            offset if offset.starts_with(['+', '-']) => self.offset(offset),
            name => self.name(&name.to_lowercase()),
        }
    }

    /// `+01`, `+0100`, `+01:00`.
    fn offset(&mut self, word: &str) -> Option<()> {
        self.time?;
        let (sign, digits) = match word.split_at_checked(1)? {
            ("+", digits) => (1, digits.replace(':', "")),
            ("-", digits) => (-1, digits.replace(':', "")),
            _ => return None,
        };
        let whole = matches!(digits.len(), 2 | 4) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: i32 = digits.parse().ok().filter(|_| whole)?;
        let minutes = if digits.len() == 2 { number * 60 } else { number / 100 * 60 + number % 100 };
        self.zone = Zone::East(sign * minutes);
        Some(())
    }

    fn whole(self) -> Option<String> {
        let year = self.year.filter(|year| *year >= FIRST_YEAR)?;
        let date = Date::new(year, self.month?, self.day?).ok()?;
        let minutes = match self.zone {
            Zone::Untold => 0,
            Zone::East(minutes) => minutes,
            Zone::Unknown => return Some(date.to_string()),
        };
        let Some(time) = self.time else { return Some(date.to_string()) };
        let offset = Offset::from_seconds(minutes * 60).ok()?;
        shown(offset.to_timestamp(date.to_datetime(time)).ok()?)
    }
}

fn month(word: &str) -> Option<i8> {
    let at = MONTHS.iter().position(|month| word.len() >= 3 && month.starts_with(word));
    i8::try_from(at? + 1).ok()
}

/// Sets what is not set yet: who says a thing twice says no date.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn shown(moment: Timestamp) -> Option<String> {
    let zoned = moment.to_zoned(TimeZone::UTC);
    if zoned.year() < FIRST_YEAR {
        return None;
    }
    Some(zoned.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
