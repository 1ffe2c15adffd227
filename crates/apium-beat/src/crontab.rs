//! Celery's `crontab`: five fields, all of which must fit, in the time of a zone.
//!
//! # The grammar
//! `minute` 0–59, `hour` 0–23, `day_of_week` 0–6 (Sunday is 0, there is no 7), `day_of_month` 1–31, `month_of_year`
//! 1–12. A field is a list of parts with commas between them: `*`, `a`, `a-b`, `*/n`, `a-b/n`. A range whose end is less
//! than its beginning goes through the end of the field (`sat-mon`, `22-2`); a step counts from the first number of what
//! it follows (`*/2` of the days is 1, 3, 5, …). Weekdays and months have names, of which the first three letters count.
//! Both day fields must fit, unlike in cron.
//!
//! # When clocks change
//! - A wall time that is **left out** (02:30 when 02:00 becomes 03:00) is due once, when a clock that was not put
//!   forward would show it: at 03:30. Where that is due anyway, it is one run and not two. So nothing that is due once
//!   a day is lost, and a rhythm goes on in real time.
//! - A wall time that **comes twice** (02:30 when 03:00 becomes 02:00) is due the first time only; unless the crontab
//!   is a rhythm, which is due both times and so goes on in real time. It is a rhythm if its hours are all of them, or
//!   its minutes are written with a star or a step: `0 * * * *`, `*/5 * * * *` and `*/15 2 * * *` are, `30 2 * * *`,
//!   `0,30 2 * * *` and `0 */2 * * *` are not.
//!
//! That holds for every change of every zone: by half an hour (Lord Howe), by a whole day (Samoa on 30 December 2011),
//! or of a zone's own offset. Of a year in Europe/Madrid, `*/5 * * * *` is due 288 times a day, 276 times on the day in
//! spring and 300 times on the one in autumn.

mod clocks;
mod field;
mod form;
mod wall;
mod words;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::error::ScheduleError;
use crate::zone::Zone;
use field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH_OF_YEAR};
use wall::Wall;

pub use field::Spec;
pub use form::Fields;

/// A crontab; shown as its line, such as `0 9 * * 1-5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crontab {
    /// The five fields as they were written.
    line: Box<str>,
    wall: Wall,
    /// Whether it goes on in real time when clocks are put back.
    rhythm: bool,
}

impl Crontab {
    /// A crontab of these fields.
    ///
    /// # Errors
    /// When a field is not in the grammar, or the days and months have no date in common.
    pub fn new(fields: &Fields) -> Result<Self, ScheduleError> {
        let (minute, hour) = (MINUTE.read(&fields.minute)?, HOUR.read(&fields.hour)?);
        let weekday = DAY_OF_WEEK.read(&fields.day_of_week)?;
        let (day, month) = (DAY_OF_MONTH.read(&fields.day_of_month)?, MONTH_OF_YEAR.read(&fields.month_of_year)?);
        let wall = Wall {
            minutes: minute.bits,
            hours: narrow(hour.bits),
            days: narrow(day.bits),
            months: narrow(month.bits),
            weekdays: narrow(weekday.bits),
        };
        if !wall.has_days() {
            let reason = format!("cannot be `{}`: no month of `{}` has that day", day.text, month.text);
            return Err(ScheduleError::new(DAY_OF_MONTH.name, reason));
        }
        let line = [&*minute.text, &*hour.text, &*day.text, &*month.text, &*weekday.text].join(" ");
        let rhythm = hour.bits == HOUR.all() || minute.is_stepped();
        Ok(Self { line: line.into(), wall, rhythm })
    }

    /// A crontab from its line: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// As [`Crontab::new`]; or when there are not five fields.
    pub fn parse(line: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day_of_month, month_of_year, day_of_week] = fields[..] else {
            let reason = format!(
                "must have five fields (minute, hour, day of the month, month, day of the week), as in `0 9 * * 1-5`; `{}` has {}",
                line.chars().take(80).collect::<String>(),
                fields.len()
            );
            return Err(ScheduleError::new("crontab", reason));
        };
        Self::new(&Fields {
            minute: minute.into(),
            hour: hour.into(),
            day_of_week: day_of_week.into(),
            day_of_month: day_of_month.into(),
            month_of_year: month_of_year.into(),
        })
    }

    /// The line that means the same.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Whether both mean the same wall times, however they are written.
    pub fn same_times(&self, other: &Self) -> bool {
        self.wall == other.wall
    }

    /// It in plain words, such as "at 09:00 on Monday to Friday".
    pub fn in_words(&self) -> impl fmt::Display {
        words::InWords(self)
    }

    /// Whether it goes on in real time when clocks are put back (see the rule above).
    pub fn is_rhythm(&self) -> bool {
        self.rhythm
    }

    /// The first instant after this one at which it is due in the zone; none before the year 9999 ends.
    pub fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        clocks::next(self, after, zone.rules())
    }
}

impl fmt::Display for Crontab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl FromStr for Crontab {
    type Err = ScheduleError;

    fn from_str(line: &str) -> Result<Self, ScheduleError> {
        Self::parse(line)
    }
}

/// The bits of a field, which all fit.
fn narrow<T: TryFrom<u64> + Default>(bits: u64) -> T {
    T::try_from(bits).unwrap_or_default()
}
