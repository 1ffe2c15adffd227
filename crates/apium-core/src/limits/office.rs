//! The rules of admission and of spending, for stores that keep rows and are written by one at a time: memory and
//! SQLite. The scripts on Redis say the same in Lua.
//!
//! A line never stands still: whoever is first is *called* as soon as its turn is known, that is, its message is made
//! due then. So much is kept free for those who were called; who does not come for [`GRACE`] is no longer waited for.

use std::time::Duration;

use super::meter::micros;
use super::{Admission, GRACE, Limit, LimitEnd, MOST_CALLED, Meter, PlaceEnd, Spent};

/// The rows of limits, in one step that nobody sees half of. Times in microseconds since 1970.
pub trait Shelf {
    /// What can go wrong.
    type Error;

    /// The present moment.
    fn now(&self) -> i64;
    /// What counts for a name: its own definition before that of its kind.
    fn limit(&self, name: &str) -> Result<Option<Limit>, Self::Error>;
    /// What the limit has counted.
    fn meter(&self, name: &str) -> Result<Meter, Self::Error>;
    /// Keeps that, at least until this moment.
    fn keep_meter(&mut self, name: &str, meter: &Meter, until: i64) -> Result<(), Self::Error>;
    /// How many places are held, once those are forgotten whose claim or time has ended.
    fn running(&mut self, name: &str) -> Result<u64, Self::Error>;
    /// Whether this one holds a place.
    fn holds(&self, name: &str, holder: &str) -> Result<bool, Self::Error>;
    /// Gives it a place, for as long as its claim lives, or until this moment.
    fn hold(&mut self, name: &str, holder: &str, until: Option<i64>) -> Result<(), Self::Error>;
    /// Takes its place away.
    fn free(&mut self, name: &str, holder: &str) -> Result<(), Self::Error>;
    /// How many were called and have not come, once those are forgotten that were called for a moment before this.
    fn called(&mut self, name: &str, before: i64) -> Result<u64, Self::Error>;
    /// Since when a task stands in the line, and whether it was called.
    fn standing(&self, name: &str, task_id: &str) -> Result<Option<(i64, bool)>, Self::Error>;
    /// How many stand in the line or were called.
    fn waiting(&self, name: &str) -> Result<u64, Self::Error>;
    /// Takes a task out of the line.
    fn leave(&mut self, name: &str, task_id: &str) -> Result<(), Self::Error>;
    /// The first in the line that was not called.
    fn first(&self, name: &str) -> Result<Option<String>, Self::Error>;
    /// Calls it: makes its message due then, if that is sooner. False when the message no longer waits.
    fn call(&mut self, name: &str, task_id: &str, when: i64) -> Result<bool, Self::Error>;
    /// Puts all that were called back into the line.
    fn recall(&mut self, name: &str) -> Result<(), Self::Error>;
}

/// Takes the places of a message: `None`. Or takes none, and tells in which line it is to stand, and since when.
pub fn admit<S: Shelf>(shelf: &mut S, ask: &Admission) -> Result<Option<(String, i64)>, S::Error> {
    let (id, holder, now) = (&ask.task_id, &ask.receipt.tag, shelf.now());
    let mut since = now;
    let mut refused = None;
    let mut set = Vec::new();
    for name in &ask.limits {
        let standing = shelf.standing(name, id)?;
        since = standing.map_or(since, |(stood, _)| since.min(stood));
        let limit = shelf.limit(name)?;
        if let Some(limit) = &limit
            && refused.is_none()
            && !shelf.holds(name, holder)?
        {
            let mine = standing.is_some_and(|(_, called)| called);
            let called = if mine { 0 } else { called(shelf, name)? };
            if turn(shelf, name, limit, called)?.is_none_or(|when| when > now) {
                refused = Some(name.clone());
            }
        }
        if standing.is_some() {
            shelf.leave(name, id)?;
        }
        set.push((name, limit));
    }
    if refused.is_none() {
        for (name, limit) in &set {
            // Asked once more because our answer was lost, it has its places already.
            if let Some(limit) = limit
                && !shelf.holds(name, holder)?
            {
                let mut meter = shelf.meter(name)?;
                meter.start(limit, now, holder);
                shelf.keep_meter(name, &meter, meter.until(limit))?;
                shelf.hold(name, holder, None)?;
            }
        }
    }
    // What this one does not take goes to the next; its own line is seen to once it stands there.
    for (name, _) in set.iter().filter(|(name, _)| Some(*name) != refused.as_ref()) {
        call(shelf, name)?;
    }
    Ok(refused.map(|name| (name, since)))
}

/// Takes so many starts from the rate of each of these limits, or none from any. What is kept free for those who were
/// called is not to be had: who stands in no line overtakes nobody.
pub fn spend<S: Shelf>(shelf: &mut S, names: &[String], starts: u32) -> Result<Spent, S::Error> {
    let now = shelf.now();
    let mut left: Option<u32> = None;
    let mut after: Option<(Duration, &String)> = None;
    let mut paced = Vec::new();
    for (_, name) in names.iter().enumerate().filter(|(at, name)| !names[..*at].contains(name)) {
        let Some(limit) = shelf.limit(name)? else { continue };
        let Some(pace) = limit.rate else { continue };
        let meter = meter(shelf, name, &limit)?;
        let room = meter.left(pace, now, called(shelf, name)?);
        if room < starts {
            let wait = meter.wait(pace, now, starts);
            // Where only those are in the way who were called: by then they have come, or are no longer waited for.
            let wait = if wait.is_zero() { GRACE } else { wait };
            after = after.filter(|(longest, _)| *longest >= wait).or(Some((wait, name)));
        }
        left = Some(left.map_or(room, |least| least.min(room)));
        paced.push((name, limit, pace, meter));
    }
    if let Some((wait, limit)) = after {
        return Ok(Spent::After { limit: limit.clone(), wait });
    }
    if starts > 0 {
        for (name, limit, pace, mut meter) in paced {
            meter.count(pace, now, starts);
            shelf.keep_meter(name, &meter, meter.until(&limit))?;
            call(shelf, name)?;
        }
    }
    Ok(Spent::Now { left: left.map(|left| left - starts) })
}

/// What a settlement does to the places of its attempt.
pub fn end<S: Shelf>(shelf: &mut S, end: &LimitEnd) -> Result<(), S::Error> {
    let now = shelf.now();
    for name in &end.limits {
        if let PlaceEnd::Keep(span) = end.place {
            shelf.hold(name, &end.holder, Some(now.saturating_add(micros(span))))?;
            continue;
        }
        if end.place == PlaceEnd::Gone {
            shelf.leave(name, &end.holder)?;
            call(shelf, name)?;
            continue;
        }
        if let Some(limit) = shelf.limit(name)?
            && limit.breaker.is_some()
        {
            let mut meter = shelf.meter(name)?;
            meter.end(&limit, now, &end.holder, end.place);
            shelf.keep_meter(name, &meter, meter.until(&limit))?;
        }
        shelf.free(name, &end.holder)?;
        call(shelf, name)?;
    }
    Ok(())
}

/// Calls from the line whoever has a turn.
pub fn call<S: Shelf>(shelf: &mut S, name: &str) -> Result<(), S::Error> {
    if shelf.waiting(name)? == 0 {
        return Ok(());
    }
    let limit = shelf.limit(name)?;
    let mut called = called(shelf, name)?;
    for _ in 0..MOST_CALLED {
        let Some(first) = shelf.first(name)? else { break };
        let when = match &limit {
            // Nobody asks for it any more, so nobody is expected.
            None => {
                shelf.call(name, &first, shelf.now())?;
                shelf.leave(name, &first)?;
                continue;
            }
            Some(_) if called >= MOST_CALLED => break,
            Some(limit) => turn(shelf, name, limit, called)?,
        };
        let Some(when) = when else { break };
        if shelf.call(name, &first, when)? {
            called += 1;
        } else {
            shelf.leave(name, &first)?;
        }
    }
    Ok(())
}

fn called<S: Shelf>(shelf: &mut S, name: &str) -> Result<u64, S::Error> {
    let before = shelf.now().saturating_sub(micros(GRACE));
    shelf.called(name, before)
}

/// What the limit has counted, brought back to the clock where that was set back.
fn meter<S: Shelf>(shelf: &mut S, name: &str, limit: &Limit) -> Result<Meter, S::Error> {
    let mut meter = shelf.meter(name)?;
    if meter.bring_back(shelf.now()) {
        shelf.keep_meter(name, &meter, meter.until(limit))?;
    }
    Ok(meter)
}

fn turn<S: Shelf>(shelf: &mut S, name: &str, limit: &Limit, called: u64) -> Result<Option<i64>, S::Error> {
    let running = if limit.concurrency.is_some() || limit.breaker.is_some() { shelf.running(name)? } else { 0 };
    let mut meter = meter(shelf, name, limit)?;
    if let Some(probe) = meter.probe()
        && !shelf.holds(name, probe)?
    {
        meter.probe_is_gone();
        shelf.keep_meter(name, &meter, meter.until(limit))?;
    }
    Ok(meter.turn(limit, shelf.now(), running, called))
}
