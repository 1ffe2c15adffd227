//! When something is due: one of four kinds of schedule, and the due times that follow from it.
//!
//! Written as JSON (or TOML), a schedule is a table with its kind as the only name. A crontab may also be written as its
//! line alone, an interval as its seconds alone:
//!
//! ```json
//! {"crontab": "0 9 * * 1-5"}
//! {"crontab": {"minute": 0, "hour": "8-18", "day_of_week": [1, 3]}}
//! {"interval": 30}
//! {"interval": {"every": "2h", "relative": true, "from": "2026-01-01T00:00:00Z"}}
//! {"once": "2026-12-24T18:00:00Z"}
//! {"solar": {"event": "sunset", "lat": 40.4, "lon": -3.7}}
//! ```

use std::fmt;

use jiff::Timestamp;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::crontab::Crontab;
use crate::interval::Interval;
use crate::solar::Solar;
use crate::zone::Zone;

/// When something is due.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// By the clock and the calendar of a zone.
    Crontab(Crontab),
    /// Again and again after the same span.
    Interval(Interval),
    /// At one instant only.
    Once(Timestamp),
    /// When the sun is somewhere.
    Solar(Solar),
}

/// The due times of a schedule, in order; see [`Schedule::upcoming`].
#[derive(Debug, Clone)]
pub struct Upcoming<'a> {
    schedule: &'a Schedule,
    zone: &'a Zone,
    after: Option<Timestamp>,
}

impl Schedule {
    /// The first due time after an instant, never that instant itself. None when there is no further one.
    pub fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        match self {
            Self::Crontab(crontab) => crontab.next(after, zone),
            Self::Interval(interval) => interval.next(after, zone),
            Self::Once(at) => Some(*at).filter(|at| *at > after),
            Self::Solar(solar) => solar.next(after),
        }
    }

    /// The due times after an instant, in order.
    pub fn upcoming<'a>(&'a self, after: Timestamp, zone: &'a Zone) -> Upcoming<'a> {
        Upcoming { schedule: self, zone, after: Some(after) }
    }

    /// The last due time after the first of these instants that is not after the second.
    pub fn latest(&self, after: Timestamp, until: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let mut latest = self.next(after, zone).filter(|due| *due <= until)?;
        let (mut from, mut to) = (latest, until);
        // Halved again and again: a schedule knows the next due time, not the one before.
        while let Some(next) = self.next(from, zone).filter(|due| *due <= to) {
            latest = next;
            let middle = halfway(next, to);
            (from, to) = match self.next(middle, zone).filter(|due| *due <= to) {
                Some(later) => {
                    latest = later;
                    (later, to)
                }
                None => (next, middle),
            };
        }
        Some(latest)
    }
}

impl Iterator for Upcoming<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.after = self.schedule.next(self.after?, self.zone);
        self.after
    }
}

/// In plain words, without the zone: "at 09:00 on Monday to Friday".
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crontab(crontab) => crontab.in_words().fmt(f),
            Self::Interval(interval) => interval.fmt(f),
            Self::Once(at) => write!(f, "once at {at}"),
            Self::Solar(solar) => solar.fmt(f),
        }
    }
}

impl From<Crontab> for Schedule {
    fn from(crontab: Crontab) -> Self {
        Self::Crontab(crontab)
    }
}

impl From<Interval> for Schedule {
    fn from(interval: Interval) -> Self {
        Self::Interval(interval)
    }
}

impl From<Solar> for Schedule {
    fn from(solar: Solar) -> Self {
        Self::Solar(solar)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScheduleVisitor)
    }
}

struct ScheduleVisitor;

impl<'de> Visitor<'de> for ScheduleVisitor {
    type Value = Schedule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a line of five fields, a number of seconds, or a table with `crontab`, `interval`, `once` or `solar`",
        )
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Schedule, E> {
        Crontab::parse(line).map(Schedule::Crontab).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Schedule, E> {
        interval(seconds)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Schedule, E> {
        interval(seconds)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Schedule, E> {
        interval(seconds)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Schedule, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(A::Error::invalid_value(Unexpected::Map, &self));
        };
        let schedule = match kind.as_str() {
            "crontab" => Schedule::Crontab(map.next_value()?),
            "interval" => Schedule::Interval(map.next_value()?),
            "once" => Schedule::Once(instant(&map.next_value::<String>()?)?),
            "solar" => Schedule::Solar(map.next_value()?),
            _ => return Err(A::Error::unknown_field(&kind, &["crontab", "interval", "once", "solar"])),
        };
        match map.next_key::<String>()? {
            None => Ok(schedule),
            Some(more) => Err(A::Error::custom(format!("schedule has `{kind}` and `{more}`; it must be one of them"))),
        }
    }
}

fn interval<'de, E: Error>(seconds: impl serde::de::IntoDeserializer<'de, E>) -> Result<Schedule, E> {
    Interval::deserialize(seconds.into_deserializer()).map(Schedule::Interval)
}

fn instant<E: Error>(text: &str) -> Result<Timestamp, E> {
    text.parse().map_err(|_| E::custom(format!("once must be an instant such as `2026-12-24T18:00:00Z`, not `{text}`")))
}

/// The instant in the middle, not before the first.
fn halfway(from: Timestamp, to: Timestamp) -> Timestamp {
    let middle = from.as_nanosecond() + (to.as_nanosecond() - from.as_nanosecond()) / 2;
    Timestamp::from_nanosecond(middle).unwrap_or(from)
}
