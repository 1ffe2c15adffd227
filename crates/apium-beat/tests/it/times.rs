//! What the tests say instants with.

use apium_beat::{Crontab, Schedule, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

/// A zone by the database that comes along, which is the same on every machine.
pub(crate) fn zone(name: &str) -> Zone {
    Zone::of(&TimeZoneDatabase::bundled(), name).unwrap()
}

/// An instant, as in `2026-03-29T01:30:00Z` or `2026-03-29T02:30:00+01:00`.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A crontab by its line.
pub(crate) fn crontab(line: &str) -> Schedule {
    Schedule::Crontab(Crontab::parse(line).unwrap())
}

/// The due times after the first instant and not after the second, as the clock of the zone shows them.
pub(crate) fn between(schedule: &Schedule, zone: &Zone, after: &str, until: &str) -> Vec<String> {
    let until = at(until);
    let due = schedule.upcoming(at(after), zone).take_while(|due| *due <= until);
    due.map(|due| due.to_zoned(zone.rules().clone()).strftime("%d %H:%M%:z").to_string()).collect()
}
