//! What a limit has counted: the latest starts and failures, and how its breaker stands. Pure: no I/O, no clock.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BreakerState, Limit, Pace, PlaceEnd};

/// How long an open breaker that nobody tries any more is remembered beyond its time.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// The memory of one limit; times in microseconds since 1970, of the store's clock. What lies further ahead than it can was
/// noted before that clock was set back: a start then counts as of now, and the rest no more. So no more start than
/// may, and nothing waits until the clock is there again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    /// The latest starts, the oldest first; as many as the rate counts.
    starts: VecDeque<i64>,
    /// The latest failures since the breaker closed; as many as it counts.
    failures: VecDeque<i64>,
    /// While the breaker is not closed: until when nothing starts.
    open_until: Option<i64>,
    /// Who tries whether it goes well again.
    probe: Option<String>,
}

impl Meter {
    /// When one more may start beside `running` that run and `called` that were told to come: now, or later by the
    /// clock alone; `None` while something must end first.
    pub fn turn(&self, limit: &Limit, now: i64, running: u64, called: u64) -> Option<i64> {
        let mut when = now;
        if limit.concurrency.is_some_and(|most| running + called >= u64::from(most)) {
            return None;
        }
        if let Some(pace) = limit.rate {
            when = self.paced(pace, now, called.saturating_add(1))?;
        }
        if let Some(until) = self.shut_until(limit, now) {
            if called > 0 || self.probe.is_some() {
                return None;
            }
            when = when.max(until);
        }
        Some(when)
    }

    /// When so many more may start; `None` while that hangs on starts that are still to come.
    fn paced(&self, pace: Pace, now: i64, more: u64) -> Option<i64> {
        let most = usize::try_from(pace.starts).ok()?;
        let all = self.starts.len().saturating_add(usize::try_from(more).ok()?);
        // The last of them has so many before it, the first of which must lie a window back.
        let Some(before) = all.checked_sub(most.saturating_add(1)) else { return Some(now) };
        let start = *self.starts.get(before)?;
        Some(now.max(start.min(now).saturating_add(micros(pace.within))))
    }

    /// How many more may start now beside `called` that were told to come.
    pub fn left(&self, pace: Pace, now: i64, called: u64) -> u32 {
        let from = now.saturating_sub(micros(pace.within));
        let started = self.starts.iter().rev().take_while(|start| **start > from).count();
        let taken = u32::try_from(called.saturating_add(started as u64)).unwrap_or(u32::MAX);
        pace.starts.saturating_sub(taken)
    }

    /// How long until so many may start if nothing else does; the whole window where the pace never allows so many.
    pub fn wait(&self, pace: Pace, now: i64, starts: u32) -> Duration {
        let when = self.paced(pace, now, starts.into());
        when.map_or(pace.within, |when| Duration::from_micros(when.saturating_sub(now).unsigned_abs()))
    }

    /// Lets starts that lie ahead count as of now; true where there were any.
    pub fn bring_back(&mut self, now: i64) -> bool {
        let mut found = false;
        for start in self.starts.iter_mut().filter(|start| **start > now) {
            (*start, found) = (now, true);
        }
        found
    }

    /// Who tries whether it goes well again, if somebody does.
    pub fn probe(&self) -> Option<&str> {
        self.probe.as_deref()
    }

    /// The probe's claim has ended without a word.
    pub fn probe_is_gone(&mut self) {
        self.probe = None;
    }

    /// An attempt starts.
    pub fn start(&mut self, limit: &Limit, now: i64, holder: &str) {
        if let Some(pace) = limit.rate {
            self.count(pace, now, 1);
        }
        if limit.breaker.is_some() && self.open_until.is_some() {
            self.probe = Some(holder.to_owned());
        }
    }

    /// So many starts, which may be of no attempt.
    pub fn count(&mut self, pace: Pace, now: i64, starts: u32) {
        for _ in 0..starts {
            note(&mut self.starts, pace.starts, now);
        }
    }

    /// An attempt has ended.
    pub fn end(&mut self, limit: &Limit, now: i64, holder: &str, how: PlaceEnd) {
        let Some(breaker) = limit.breaker else { return };
        if self.open_until.is_some() {
            // What began before it opened tells nothing new.
            if self.probe.as_deref() != Some(holder) {
                return;
            }
            self.probe = None;
            match how {
                PlaceEnd::Good => self.open_until = None,
                PlaceEnd::Bad => self.open_until = Some(now.saturating_add(micros(breaker.open))),
                PlaceEnd::Neither | PlaceEnd::Gone | PlaceEnd::Keep(_) => {}
            }
        } else if how == PlaceEnd::Bad {
            note(&mut self.failures, breaker.failures, now);
            let all = usize::try_from(breaker.failures).is_ok_and(|most| self.failures.len() >= most);
            let first = self.failures.front().copied().unwrap_or(now);
            if all && now.saturating_sub(first) <= micros(breaker.within) {
                self.failures.clear();
                self.open_until = Some(now.saturating_add(micros(breaker.open)));
            }
        }
    }

    /// How the breaker stands, where there is one.
    pub fn state(&self, limit: &Limit, now: i64) -> Option<BreakerState> {
        limit.breaker?;
        Some(match self.shut_until(limit, now) {
            None => BreakerState::Closed,
            Some(until) if until > now => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        })
    }

    /// Until when an open breaker lets nobody try.
    fn shut_until(&self, limit: &Limit, now: i64) -> Option<i64> {
        let (breaker, until) = (limit.breaker?, self.open_until?);
        Some(if until.saturating_sub(now) > micros(breaker.open) { now } else { until })
    }

    /// From when on nothing of this matters any more.
    pub fn until(&self, limit: &Limit) -> i64 {
        let last = |of: &VecDeque<i64>, within: Option<Duration>| {
            of.back().zip(within).map(|(last, within)| last.saturating_add(micros(within)))
        };
        let starts = last(&self.starts, limit.rate.map(|pace| pace.within));
        let failures = last(&self.failures, limit.breaker.map(|breaker| breaker.within));
        let open = self.open_until.map(|until| until.saturating_add(micros(FORGOTTEN)));
        [starts, failures, open].into_iter().flatten().max().unwrap_or(0)
    }
}

/// A span as the meter counts.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn note(log: &mut VecDeque<i64>, most: u32, now: i64) {
    log.push_back(now);
    while usize::try_from(most).is_ok_and(|most| log.len() > most) {
        log.pop_front();
    }
}
