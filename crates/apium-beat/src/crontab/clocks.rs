//! From wall times to instants, in the nights in which clocks change too: the rule stands in [`crate::crontab`].
//!
//! Between two changes the clock runs on evenly, and what is due is plain. A change forward leaves out some wall times,
//! a change back brings some twice; both are looked at from the stretch that begins with the change.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::Crontab;

/// Longer than any clock was ever moved (Samoa left out a day), and than any zone is from UTC.
const SHIFT: SignedDuration = SignedDuration::from_hours(26);

const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// The first instant after this one at which a crontab is due in a zone.
pub(super) fn next(crontab: &Crontab, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let offset = zone.to_offset(after);
    let due = instant(offset, crontab.wall.next(offset.to_datetime(after))?);
    // Nearly always no clock is moved near by.
    match (due, following(zone, after.checked_sub(SHIFT).ok()?)) {
        (Some(due), None) => Some(due),
        (Some(due), Some(change)) if due < change => Some(due),
        _ => search(crontab, after, zone),
    }
}

/// A stretch of time without a change.
struct Stretch {
    /// When it began, and the offset before.
    began: Option<(Timestamp, Offset)>,
    offset: Offset,
    /// When the next begins.
    ends: Option<Timestamp>,
}

fn search(crontab: &Crontab, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let (mut floor, mut inside) = (after, after);
    loop {
        let stretch = Stretch::around(inside, zone);
        if let Some(due) = stretch.next(crontab, floor) {
            return Some(due);
        }
        let ends = stretch.ends?;
        // What is repeated after a change back was on the clock before it, so only from well before the change one may
        // jump to the next wall time at all.
        let early = floor < ends.checked_sub(SHIFT).ok()?;
        let wall = crontab.wall.next(stretch.offset.to_datetime(floor));
        inside = match wall {
            None if early => return None,
            Some(wall) if early => instant(Offset::UTC, wall)?.checked_sub(SHIFT).ok()?.max(ends),
            _ => ends,
        };
        floor = inside.checked_sub(TICK).ok()?;
    }
}

impl Stretch {
    fn around(inside: Timestamp, zone: &TimeZone) -> Self {
        let began = inside.checked_add(TICK).ok().and_then(|just_after| zone.preceding(just_after).next());
        let began = began.map(|change| change.timestamp());
        let before = began.and_then(|change| change.checked_sub(TICK).ok()).map(|before| zone.to_offset(before));
        Self { began: began.zip(before), offset: zone.to_offset(inside), ends: following(zone, inside) }
    }

    /// The first due time in it after the floor.
    fn next(&self, crontab: &Crontab, floor: Timestamp) -> Option<Timestamp> {
        let own = self.own(crontab, floor).filter(|due| self.ends.is_none_or(|ends| *due < ends));
        match (own, self.left_out(crontab, floor)) {
            (Some(own), Some(moved)) => Some(own.min(moved)),
            (own, moved) => own.or(moved),
        }
    }

    /// By its own clock. What the clock has shown before a change back is not due again, unless it is a rhythm.
    fn own(&self, crontab: &Crontab, floor: Timestamp) -> Option<Timestamp> {
        let mut after = self.offset.to_datetime(floor);
        if let Some((began, before)) = self.began
            && !crontab.rhythm
        {
            after = after.max(before.to_datetime(began).checked_sub(TICK).ok()?);
        }
        instant(self.offset, crontab.wall.next(after)?)
    }

    /// What the change at its beginning left out, by a clock that was not put forward.
    fn left_out(&self, crontab: &Crontab, floor: Timestamp) -> Option<Timestamp> {
        let (began, before) = self.began.filter(|(_, before)| *before < self.offset)?;
        let after = before.to_datetime(floor.max(began.checked_sub(TICK).ok()?));
        let wall = crontab.wall.next(after)?;
        if wall < self.offset.to_datetime(began) { instant(before, wall) } else { None }
    }
}

fn following(zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    zone.following(after).next().map(|change| change.timestamp())
}

fn instant(offset: Offset, wall: DateTime) -> Option<Timestamp> {
    offset.to_timestamp(wall).ok()
}
