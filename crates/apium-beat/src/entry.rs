//! An entry: a schedule with the task that is sent when it is due, and what is wanted when things go wrong.
//!
//! ```json
//! {"name": "check-hps-expiration", "task": "hps_core.tasks.check_hps_expiration_task",
//!  "schedule": {"crontab": "0 9 * * 1-5"}, "zone": "Europe/Madrid",
//!  "args": [], "kwargs": {"days": 30}, "options": {"queue": "email", "expires": 3600},
//!  "missed": "latest", "window": "2h", "overlap": "skip", "jitter": 30}
//! ```
//!
//! Only `name`, `task` and `schedule` must be there.

use std::fmt;
use std::time::Duration;

use apium_core::Signature;
use apium_protocol::RawJson;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::ScheduleError;
use crate::identity;
use crate::policy::{Missed, Origin, Overlap};
use crate::schedule::Schedule;
use crate::zone::Zone;

/// The header that Celery 5.7 gives to what its beat sends.
pub const HEADER: &str = "celery_beat_task";

/// The longest name.
pub const LONGEST_NAME: usize = 250;

/// The most that a run may be put off by `jitter`: a day.
pub const MOST_JITTER: Duration = Duration::from_hours(24);

/// What is sent, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, which no other entry has.
    pub name: String,
    /// The name of the task.
    pub task: String,
    /// When it is due.
    pub schedule: Schedule,
    /// The zone of the schedule's clock; UTC unless said otherwise.
    #[serde(default, skip_serializing_if = "Zone::is_utc")]
    pub zone: Zone,
    /// The arguments by position.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<RawJson>,
    /// The arguments by name.
    #[serde(default, with = "members", skip_serializing_if = "Vec::is_empty")]
    pub kwargs: Vec<(String, RawJson)>,
    /// Celery's `options`, as for `apply_async`: `queue`, `priority`, `expires`, `headers`, …
    #[serde(default, with = "members", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, RawJson)>,
    /// What becomes of due times that nobody was there for.
    #[serde(default)]
    pub missed: Missed,
    /// A run that is later than this is not sent at all; `None`: however late (Celery's `beat_cron_starting_deadline`).
    #[serde(default, with = "maybe_span", skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// What becomes of a run that is due while the one before has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each run is put off by up to this much; see [`identity::jitter`].
    #[serde(default, with = "crate::span", skip_serializing_if = "Duration::is_zero")]
    pub jitter: Duration,
    /// Whether nothing is sent for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// It is not due before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// It is not due after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Who has declared it.
    #[serde(default)]
    pub origin: Origin,
}

impl Entry {
    /// An entry without arguments, in UTC, with the policies of Celery.
    pub fn new(name: impl Into<String>, task: impl Into<String>, schedule: impl Into<Schedule>) -> Self {
        Self {
            name: name.into(),
            task: task.into(),
            schedule: schedule.into(),
            zone: Zone::UTC,
            args: Vec::new(),
            kwargs: Vec::new(),
            options: Vec::new(),
            missed: Missed::default(),
            window: None,
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
            paused: false,
            start: None,
            end: None,
            origin: Origin::default(),
        }
    }

    /// An entry from its JSON, checked.
    ///
    /// # Errors
    /// When it is no entry, or [`Entry::check`] does not let it pass.
    pub fn parse(json: &str) -> Result<Self, ScheduleError> {
        let read = RawJson::parse(json).and_then(|json| json.to::<Self>());
        let entry = read.map_err(|error| ScheduleError::new("entry", format!("cannot be read: {error}")))?;
        entry.check()?;
        Ok(entry)
    }

    /// Whether it can be kept and sent.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let wrong = |field: &str, reason: String| Err(ScheduleError::new(field, reason).within(&self.name));
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || self.name.chars().any(char::is_control) {
            let reason = format!("must have from 1 to {LONGEST_NAME} characters, none of which is a control character");
            return Err(ScheduleError::new("name", reason));
        }
        if self.task.is_empty() {
            return wrong("task", "must be the name of a task".to_owned());
        }
        if self.jitter > MOST_JITTER {
            return wrong("jitter", format!("must be a day at most, not {} seconds", self.jitter.as_secs()));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start > end
        {
            return wrong("end", format!("must not be before start ({start}), and {end} is"));
        }
        if self.options.iter().any(|(name, _)| name == "task_id") {
            return wrong("options", "cannot name a task_id: each due time has its own".to_owned());
        }
        match self.options.iter().find(|(name, value)| name == "headers" && !value.is_object() && !value.is_null()) {
            Some((_, headers)) => wrong("options", format!("must have a table as headers, not {headers}")),
            None => Ok(()),
        }
    }

    /// The first due time after an instant, between `start` and `end`. Pausing does not change it.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(self.since(after), &self.zone).filter(|due| self.end.is_none_or(|end| *due <= end))
    }

    /// The last due time after the first of these instants that is not after the second.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let until = self.end.map_or(until, |end| end.min(until));
        self.schedule.latest(self.since(after), until, &self.zone)
    }

    /// The due times after an instant, in order.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |due| self.next(*due))
    }

    /// When the run of a due time is to be sent: then, or a little later by its jitter.
    pub fn release(&self, due: Timestamp) -> Timestamp {
        let jitter = SignedDuration::try_from(identity::jitter(&self.name, due, self.jitter)).unwrap_or_default();
        due.saturating_add(jitter).unwrap_or(Timestamp::MAX)
    }

    /// The id of the run of a due time.
    pub fn task_id(&self, due: Timestamp) -> String {
        identity::task_id(&self.name, due)
    }

    /// What is sent for a due time: what Celery's beat would send, under the id of that due time.
    pub fn signature(&self, due: Timestamp) -> Signature {
        let signature = Signature::new(&*self.task).raw_arguments(self.args.clone(), self.kwargs.clone());
        let with_options = self
            .options
            .iter()
            .filter(|(_, value)| !value.is_null())
            .fold(signature, |signature, (name, value)| signature.option(name, value));
        with_options.header(HEADER, true).task_id(self.task_id(due))
    }

    /// Whether both are due at the same times, so that what was decided for the one holds for the other.
    pub fn same_times(&self, other: &Self) -> bool {
        (&self.schedule, &self.zone, self.start, self.end, self.jitter)
            == (&other.schedule, &other.zone, other.start, other.end, other.jitter)
    }

    /// When it is due, in plain words: "at 09:00 on Monday to Friday, Europe/Madrid".
    pub fn in_words(&self) -> impl fmt::Display {
        InWords(self)
    }

    fn since(&self, after: Timestamp) -> Timestamp {
        let just_before = |start: Timestamp| start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
        self.start.map(just_before).map_or(after, |start| start.max(after))
    }
}

struct InWords<'a>(&'a Entry);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { schedule, zone, .. } = self.0;
        match schedule {
            Schedule::Once(at) => {
                write!(f, "once at {}, {zone}", zone.rules().to_datetime(*at).strftime("%Y-%m-%d %H:%M:%S"))
            }
            Schedule::Interval(interval) if !interval.is_relative() => schedule.fmt(f),
            Schedule::Solar(_) => schedule.fmt(f),
            Schedule::Crontab(_) | Schedule::Interval(_) => write!(f, "{schedule}, {zone}"),
        }
    }
}

/// A list that takes no more room than it needs: there may be a hundred thousand entries.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawJson>, D::Error> {
    let mut list = Vec::deserialize(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
}

/// A table of JSON values in its order; `null` is an empty one, as Celery's `None` is.
mod members {
    use std::fmt;

    use apium_protocol::RawJson;
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(members: &[(String, RawJson)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, RawJson)>, D::Error> {
        deserializer.deserialize_any(Members)
    }

    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, RawJson)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members: Self::Value = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, RawJson>()? {
                // The last one counts, as in Python.
                members.retain(|(known, _)| *known != name);
                members.push((name, value));
            }
            members.shrink_to_fit();
            Ok(members)
        }
    }
}

/// A span that may be left out or `null`.
mod maybe_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::span;

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Span(#[serde(with = "span")] Duration);

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => span::serialize(span, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(deserializer)?.map(|Span(span)| span))
    }
}
