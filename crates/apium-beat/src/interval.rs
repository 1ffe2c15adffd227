//! Celery's `schedule(run_every, relative)`: again and again after the same span.
//!
//! Celery counts from the moment its beat was started. Here a due time must be the same for every scheduler, whoever
//! leads, so it is counted from a fixed instant: `from`, or 1970-01-01T00:00Z. It is real time: no change of clocks makes
//! a span longer or shorter.
//!
//! With `relative` the due times lie on the clock of the zone, as in Celery: an interval of days at midnight (a midnight
//! that is left out is 01:00; one that comes twice is the first), of hours on the hour, of minutes on the minute; what
//! goes beyond the whole days, hours or minutes does not count.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::ScheduleError;
use crate::span;
use crate::zone::Zone;

/// The shortest interval: a tenth of a second.
pub const SHORTEST: Duration = Duration::from_millis(100);

/// The longest interval: a hundred years.
pub const LONGEST: Duration = Duration::from_hours(24 * 36_525);

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
const MINUTE: u64 = 60;

/// Due again and again after the same span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    every: Duration,
    relative: bool,
    from: Option<Timestamp>,
}

impl Interval {
    /// Due again after each such span, counted from 1970-01-01T00:00Z.
    ///
    /// # Errors
    /// When the span is shorter than [`SHORTEST`] or longer than [`LONGEST`].
    pub fn new(every: Duration) -> Result<Self, ScheduleError> {
        if every < SHORTEST || every > LONGEST {
            let reason = format!("must be from 0.1 seconds to a hundred years, not {} seconds", every.as_secs_f64());
            return Err(ScheduleError::new("every", reason));
        }
        Ok(Self { every, relative: false, from: None })
    }

    /// Counted from this instant, which is the first at which it is due.
    pub fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// On the clock of the zone (Celery's `relative`).
    pub fn relative(mut self) -> Self {
        self.relative = true;
        self
    }

    /// The span.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Whether it is due on the clock of the zone.
    pub fn is_relative(&self) -> bool {
        self.relative
    }

    /// The first instant after this one at which it is due.
    pub fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let from = self.from.unwrap_or(Timestamp::UNIX_EPOCH);
        // What lies before the first due time does not matter.
        let after = after.max(from.checked_sub(SignedDuration::from_nanos(1)).ok()?);
        let seconds = self.every.as_secs();
        match seconds {
            _ if !self.relative || seconds < MINUTE => counted(after, from, self.every),
            DAY.. => midnights(after, from, seconds / DAY, zone.rules()),
            HOUR.. => on_the_hour(after, from, seconds / HOUR, zone.rules()),
            _ => counted(after, whole_minute(from)?, Duration::from_mins(seconds / MINUTE)),
        }
    }
}

/// Every so many seconds, as in "every 5 minutes".
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.every.as_secs();
        let unit = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")]
            .into_iter()
            .find(|(unit, _)| if self.relative { seconds >= *unit } else { seconds.is_multiple_of(*unit) });
        let even = self.every.subsec_nanos() == 0 || self.relative;
        match unit.filter(|_| even && seconds > 0).map(|(unit, name)| (seconds / unit, name)) {
            Some((1, name)) => write!(f, "every {name}")?,
            Some((count, name)) => write!(f, "every {count} {name}s")?,
            None if self.every == Duration::from_secs(1) => f.write_str("every second")?,
            None => write!(f, "every {} seconds", self.every.as_secs_f64())?,
        }
        match seconds {
            DAY.. if self.relative => f.write_str(" at midnight"),
            HOUR.. if self.relative => f.write_str(" on the hour"),
            _ => Ok(()),
        }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.relative && self.from.is_none() {
            return span::serialize(&self.every, serializer);
        }
        Form { every: self.every, relative: self.relative, from: self.from }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntervalVisitor)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(with = "span")]
    every: Duration,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    relative: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
}

struct IntervalVisitor;

impl<'de> Visitor<'de> for IntervalVisitor {
    type Value = Interval;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, a text such as `5m`, or a table with `every`, `relative` and `from`")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Interval, E> {
        Interval::new(Duration::from_secs(seconds)).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Interval, E> {
        // What is negative is too short, and told as that.
        self.visit_u64(u64::try_from(seconds).unwrap_or(0))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Interval, E> {
        let every = span::of_seconds(seconds).map_err(|reason| E::custom(format!("every {reason}")))?;
        Interval::new(every).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Interval, E> {
        let every = span::parse(text).map_err(|reason| E::custom(format!("every {reason}")))?;
        Interval::new(every).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Interval, A::Error> {
        let form = Form::deserialize(MapAccessDeserializer::new(map))?;
        let interval = Interval::new(form.every).map_err(Error::custom)?;
        Ok(Interval { relative: form.relative, from: form.from, ..interval })
    }
}

/// The first of `from + n * every` after an instant.
fn counted(after: Timestamp, from: Timestamp, every: Duration) -> Option<Timestamp> {
    let every = i128::try_from(every.as_nanos()).ok()?;
    let gone = after.as_nanosecond() - from.as_nanosecond();
    Timestamp::from_nanosecond(from.as_nanosecond() + (gone.div_euclid(every) + 1) * every).ok()
}

/// Every so many days, at the first moment of the day.
fn midnights(after: Timestamp, from: Timestamp, days: u64, zone: &TimeZone) -> Option<Timestamp> {
    let first = number_of(zone.to_datetime(from).date())?;
    let days = i64::try_from(days).ok()?;
    let mut number = number_of(zone.to_datetime(after).date())?;
    number -= (number - first).rem_euclid(days);
    // The midnight before may come twice, or not have come yet.
    for number in [number, number + days, number + 2 * days] {
        let day = date(1970, 1, 1).checked_add(i32::try_from(number).ok()?.days()).ok()?;
        let due = zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok()?;
        if due > after {
            return Some(due);
        }
    }
    None
}

/// The days since 1970-01-01.
fn number_of(day: Date) -> Option<i64> {
    date(1970, 1, 1).until(day).ok().map(|span| i64::from(span.get_days()))
}

/// Every so many hours, when the clock shows a full hour.
fn on_the_hour(after: Timestamp, from: Timestamp, hours: u64, zone: &TimeZone) -> Option<Timestamp> {
    const FULL: i64 = 3_600;
    // A zone may be half an hour from UTC, and its clock may be moved by half an hour.
    let apart = |second: i64| {
        let offset = zone.to_offset(Timestamp::from_second(second).ok()?);
        Some(i64::from(offset.seconds()).rem_euclid(FULL))
    };
    let first = (whole_second(from)? + apart(whole_second(from)?)?).div_euclid(FULL);
    let hours = i64::try_from(hours).ok()?;
    let mut least = whole_second(after)? + 1;
    loop {
        let off = apart(least)?;
        let hour = (least + off + FULL - 1).div_euclid(FULL);
        let due = (hour + (first - hour).rem_euclid(hours)) * FULL - off;
        if apart(due)? == off {
            return Timestamp::from_second(due).ok();
        }
        // By another clock from the next such change on.
        let changes = zone.following(Timestamp::from_second(least).ok()?);
        let mut changes = changes.map(|change| change.timestamp().as_second());
        least = changes.find(|change| apart(*change) != Some(off))?;
    }
}

fn whole_second(at: Timestamp) -> Option<i64> {
    i64::try_from(at.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

fn whole_minute(at: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).ok()
}
