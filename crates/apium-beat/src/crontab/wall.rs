//! The wall times of a crontab: which hands of the clock it means, whatever the zone.

use jiff::civil::{Date, DateTime};

/// The longest that a crontab may wait for its next day: the 29th of February on a certain weekday, around a year such
/// as 2100, which has none.
const MONTHS: usize = 12 * 41;

/// What a crontab's fields hold, one bit a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) minutes: u64,
    pub(super) hours: u32,
    pub(super) days: u32,
    pub(super) months: u16,
    pub(super) weekdays: u8,
}

impl Wall {
    /// The first wall time after this one; none in the years a calendar here can hold.
    pub(super) fn next(&self, after: DateTime) -> Option<DateTime> {
        let (date, hour, minute) = (after.date(), number(after.hour()), number(after.minute()));
        if self.has(date) {
            if self.hours & (1 << hour) != 0
                && let Some(minute) = above(self.minutes, minute)
            {
                return at(date, hour, minute);
            }
            if let Some(hour) = above(u64::from(self.hours), hour) {
                return at(date, hour, self.minutes.trailing_zeros());
            }
        }
        at(self.date(date)?, self.hours.trailing_zeros(), self.minutes.trailing_zeros())
    }

    /// Whether some day of some year is meant.
    pub(super) fn has_days(&self) -> bool {
        // 2000 has a 29th of February.
        (1..=12).any(|month| self.days & (!0 << 1) & days_of(2000, month) != 0 && self.months & (1 << month) != 0)
    }

    fn has(&self, date: Date) -> bool {
        self.months & (1 << number(date.month())) != 0
            && self.days & (1 << number(date.day())) != 0
            && self.weekdays & (1 << number(date.weekday().to_sunday_zero_offset())) != 0
    }

    /// The first day after this one, a month at a time.
    fn date(&self, after: Date) -> Option<Date> {
        let (mut year, mut month, mut day) = (after.year(), after.month(), number(after.day()));
        for _ in 0..MONTHS {
            if self.months & (1 << number(month)) != 0 {
                let days = u64::from(self.days & days_of(year, month) & self.days_of_week(year, month)?);
                if let Some(day) = above(days, day) {
                    return Date::new(year, month, i8::try_from(day).ok()?).ok();
                }
            }
            day = 0;
            (year, month) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
        }
        None
    }

    /// The days of a month that fall on one of the weekdays.
    fn days_of_week(&self, year: i16, month: i8) -> Option<u32> {
        let first = number(Date::new(year, month, 1).ok()?.weekday().to_sunday_zero_offset());
        // The weekdays from the first day's on, and then again and again.
        let week = (u64::from(self.weekdays) >> first | u64::from(self.weekdays) << (7 - first)) & 0x7f;
        let weeks = (0..5).fold(0, |weeks, number| weeks | week << (7 * number));
        u32::try_from((weeks << 1) & u64::from(u32::MAX)).ok()
    }
}

/// The days a month has, one bit each, from bit 1.
fn days_of(year: i16, month: i8) -> u32 {
    let last = Date::new(year, month, 1).map_or(28, Date::days_in_month);
    u32::MAX >> (31 - number(last)) & !1
}

/// The lowest number above this one.
fn above(bits: u64, number: u32) -> Option<u32> {
    let higher = bits & (u64::MAX << number << 1);
    (higher != 0).then(|| higher.trailing_zeros())
}

fn at(date: Date, hour: u32, minute: u32) -> Option<DateTime> {
    Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0))
}

fn number(part: i8) -> u32 {
    part.unsigned_abs().into()
}
