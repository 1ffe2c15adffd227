//! The written form of a crontab: a line, or its fields by name as Celery's own `crontab(…)` takes them.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Crontab;
use super::field::Spec;

/// The five fields by their names in Celery; each is `*` where it is not said otherwise.
///
/// ```
/// use apium_beat::crontab::{Crontab, Fields};
///
/// let fields = Fields { minute: "0".into(), hour: "9".into(), day_of_week: "mon-fri".into(), ..Fields::default() };
/// assert_eq!(Crontab::new(&fields)?.line(), "0 9 * * mon-fri");
/// # Ok::<(), apium_beat::ScheduleError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// 0 to 59.
    pub minute: Spec,
    /// 0 to 23.
    pub hour: Spec,
    /// 0 to 6 from Sunday, or names.
    pub day_of_week: Spec,
    /// 1 to 31; the day of the week must fit too.
    pub day_of_month: Spec,
    /// 1 to 12, or names.
    pub month_of_year: Spec,
}

impl Serialize for Crontab {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.line())
    }
}

impl<'de> Deserialize<'de> for Crontab {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CrontabVisitor)
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor)
    }
}

struct CrontabVisitor;

impl<'de> Visitor<'de> for CrontabVisitor {
    type Value = Crontab;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line of five fields such as `0 9 * * 1-5`, or a table of them")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Crontab, E> {
        Crontab::parse(line).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Crontab, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Crontab::new(&fields).map_err(Error::custom)
    }
}

struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = Spec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as `*/15`, a number or a list of numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Spec, E> {
        Ok(text.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Spec, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Spec, E> {
        // What does not fit is no number of any field, and told as that.
        Ok(i64::try_from(number).unwrap_or(i64::MAX).into())
    }

    /// Celery's `None`.
    fn visit_unit<E: Error>(self) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Spec, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Spec::Numbers(numbers))
    }
}
