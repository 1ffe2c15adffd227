//! A limit as people write it: `10/s`, `3/10s`; a number; `5/1m:30s`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Of how many starts the exact moments are kept. A pace with more is brought down, and its window with it: 5000 a
/// second are held as 1000 in each fifth of a second, which is stricter and never lets through more.
pub const MOST_STARTS: u32 = 1_000;

/// The longest name of a limit, in bytes.
const LONGEST_NAME: usize = 512;

/// The lightest share and the heaviest.
const WEIGHTS: RangeInclusive<f64> = 0.01..=1_000.0;

/// The longest span: a year.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What a name is limited to; what is `None` does not limit it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// How often it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Pace>,
    /// How many run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// When nothing starts because too much fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Of a queue (`queue:NAME`): the argument by which it is shared fairly. See [`crate::shares`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Of a value of that argument (`tenant=acme`, `tenant=*`): how many turns it gets while one without gets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// At most so many starts in any window of this length: it slides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// At least one, at most [`MOST_STARTS`].
    pub starts: u32,
    /// The length of the window, in seconds where it is written.
    #[serde(with = "seconds")]
    pub within: Duration,
}

/// After so many failures nothing starts for a while; then one, and if that goes well, everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// At least one, at most [`MOST_STARTS`].
    pub failures: u32,
    /// In a window of this length.
    #[serde(with = "seconds")]
    pub within: Duration,
    /// How long nothing starts.
    #[serde(with = "seconds")]
    pub open: Duration,
}

impl Limit {
    /// Whether it limits nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, from texts that were checked before (by `#[task]`); what cannot be read is left out.
    pub fn written(rate: Option<&str>, concurrency: Option<u32>, breaker: Option<&str>) -> Self {
        let (rate, breaker) = (rate.and_then(|text| text.parse().ok()), breaker.and_then(|text| text.parse().ok()));
        Self { rate, concurrency, breaker, ..Self::default() }
    }

    /// Whether anything may have to wait for it; a share and a weight only tell in which order.
    pub fn holds_up(&self) -> bool {
        self.rate.is_some() || self.concurrency.is_some() || self.breaker.is_some()
    }

    /// Whether it can be set under this name; a sentence if not.
    pub fn check(&self, name: &str) -> Result<(), String> {
        check_name(name)?;
        if self.share.is_some() && !name.starts_with("queue:") {
            return Err(format!("a queue is shared, and {name:?} is none: write queue:NAME"));
        }
        let argument = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
        if let Some(share) = self.share.as_ref().filter(|share| !argument(share)) {
            return Err(format!("{share:?} is no name of an argument, such as tenant"));
        }
        let Some(weight) = self.weight else { return Ok(()) };
        if !name.contains('=') || name.contains(':') {
            return Err(format!("{name:?} has no share that could have a weight: write tenant=acme or tenant=*"));
        }
        if WEIGHTS.contains(&weight) {
            return Ok(());
        }
        Err(format!("a weight is {} to {}, not {weight}", WEIGHTS.start(), WEIGHTS.end()))
    }
}

impl Pace {
    /// So many starts in such a window, brought down to what is kept.
    pub fn new(starts: u32, within: Duration) -> Self {
        if starts <= MOST_STARTS {
            return Self { starts: starts.max(1), within };
        }
        let share = f64::from(MOST_STARTS) / f64::from(starts);
        Self { starts: MOST_STARTS, within: within.mul_f64(share) }
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no rate: write 10/s, 5/m, 100/h, or 3/10s for 3 in any 10 seconds");
        let (starts, within) = text.split_once('/').ok_or_else(wrong)?;
        let starts = starts.parse().ok().filter(|starts| *starts > 0).ok_or_else(wrong)?;
        let within = span(within).filter(|within| !within.is_zero()).ok_or_else(wrong)?;
        Ok(Self::new(starts, within))
    }
}

impl FromStr for Breaker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no breaker: write 5/1m:30s for 5 failures in any minute, and then 30 s without a start"
            )
        };
        let (failures, spans) = text.split_once('/').ok_or_else(wrong)?;
        let (within, open) = spans.split_once(':').ok_or_else(wrong)?;
        let failures: u32 = failures.parse().map_err(|_| wrong())?;
        let of = |text| span(text).filter(|span| !span.is_zero()).ok_or_else(wrong);
        let (within, open) = (of(within)?, of(open)?);
        if !(1..=MOST_STARTS).contains(&failures) {
            return Err(format!("a breaker counts 1 to {MOST_STARTS} failures, not {failures}"));
        }
        Ok(Self { failures, within, open })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = shown(self.within);
        let unit = within.strip_prefix('1').filter(|unit| unit.chars().all(char::is_alphabetic));
        write!(f, "{}/{}", self.starts, unit.filter(|unit| *unit != "ms").unwrap_or(&within))
    }
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.failures, shown(self.within), shown(self.open))
    }
}

/// Whether a limit can have this name: `task:<name>`, `queue:<name>`, `<kind>=<value>` for one value of a task's argument
/// (`tenant=acme`), or `<kind>=*` for every value, each for itself.
pub fn check_name(name: &str) -> Result<(), String> {
    let known = ["task:", "queue:"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()));
    let word = |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let key = name.split_once('=').is_some_and(|(kind, value)| word(kind) && !value.is_empty());
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("the name of a limit has at most {LONGEST_NAME} bytes, and none to control a terminal"));
    }
    if known || key {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a limit: write task:NAME, queue:NAME, tenant=acme or tenant=*"))
}

/// `30s`, `1.5m`, `2h`, `100ms`; a unit alone is one of it.
fn span(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let number: f64 = if number.is_empty() { 1.0 } else { number.parse().ok()? };
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok().filter(|span| *span <= LONGEST)
}

/// The other way.
fn shown(span: Duration) -> String {
    let seconds = span.as_secs();
    match span.subsec_nanos() {
        0 if seconds > 0 && seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        0 if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        0 => format!("{seconds}s"),
        _ => format!("{}ms", span.as_secs_f64() * 1_000.0),
    }
}

/// Spans as seconds, which scripts can reckon with.
mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(span.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
    }
}
