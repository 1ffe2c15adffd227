//! Shared limits in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Memory, Shelves};
use crate::clock::after;
use crate::error::BackendError;
use crate::limits::{
    Admission, Admitted, Definition, Definitions, Limit, LimitEnd, LimitUse, Limits, Meter, Origin, Spent, office,
    patience,
};

/// Every limit that is set, and what is known of each name.
#[derive(Default)]
pub(super) struct Shelf {
    set: Definitions,
    names: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    meter: Meter,
    /// Each holder of a place, with until when if its claim does not tell.
    places: HashMap<String, Option<i64>>,
    line: HashMap<String, Stands>,
    /// Those in the line that were not called, the first in front.
    order: BTreeSet<(i64, String)>,
}

/// A message that waits.
struct Stands {
    since: i64,
    called: Option<i64>,
    /// Its place among the messages.
    message: i64,
}

/// One step.
struct Step<'a> {
    shelves: &'a mut Shelves,
    now: Timestamp,
}

impl Shelves {
    /// What a settlement does to the places of its attempt.
    pub(super) fn end_limits(&mut self, end: &LimitEnd, now: Timestamp) {
        let Ok(()) = office::end(&mut Step { shelves: self, now }, end);
    }

    /// Calls whoever has a turn, where nothing else has done so; those who were called too, if their turns are to be
    /// reckoned `anew`.
    pub(super) fn tend_limits(&mut self, now: Timestamp, anew: bool) {
        let names: Vec<_> = self.limits.names.keys().cloned().collect();
        for name in names {
            let mut step = Step { shelves: self, now };
            if anew {
                let Ok(()) = office::Shelf::recall(&mut step, &name);
            }
            let Ok(()) = office::call(&mut step, &name);
        }
    }

    /// Whether a task stands in the line of a limit and was called.
    pub(super) fn is_called(&self, limit: &str, task_id: &str) -> bool {
        let stands = self.limits.names.get(limit).and_then(|known| known.line.get(task_id));
        stands.is_some_and(|stands| stands.called.is_some())
    }

    fn change_limits(&mut self, now: Timestamp) {
        self.limits.set.version += 1;
        self.limits.set.all.sort_by(|one, other| one.name.cmp(&other.name));
        self.tend_limits(now, true);
    }

    fn admit(&mut self, ask: &Admission, now: Timestamp) -> Admitted {
        let Some(place) = self.place_of(&ask.receipt.tag) else { return Admitted::Lost };
        let mut step = Step { shelves: self, now };
        let Ok(refused) = office::admit(&mut step, ask);
        let Some((limit, since)) = refused else { return Admitted::Now };
        let known = self.limits.names.entry(limit.clone()).or_default();
        let at_most = patience(known.line.len() as u64);
        known.line.insert(ask.task_id.clone(), Stands { since, called: None, message: place });
        known.order.insert((since, ask.task_id.clone()));
        if let Some(held) = self.messages.get_mut(&place) {
            (held.claim, held.due) = (None, after(now, at_most));
        }
        if let Some(end) = &ask.unique {
            let keep = end.keep.map(|keep| keep + at_most);
            self.uniques.end(&crate::unique::UniqueEnd { keep, ..end.clone() }, now);
        }
        let Ok(()) = office::call(&mut Step { shelves: self, now }, &limit);
        Admitted::Waits { limit, at_most }
    }

    fn limit_use(&mut self, definition: &Definition, name: &str, now: Timestamp) -> LimitUse {
        let mut step = Step { shelves: self, now };
        let Ok(running) = office::Shelf::running(&mut step, name);
        let known = self.limits.names.get(name);
        LimitUse {
            name: name.to_owned(),
            limit: definition.limit.clone(),
            origin: definition.origin,
            running,
            waiting: known.map_or(0, |known| known.line.len() as u64),
            state: known.map_or(&Meter::default(), |known| &known.meter).state(&definition.limit, now.as_microsecond()),
        }
    }
}

impl Step<'_> {
    fn known(&self, name: &str) -> Option<&Known> {
        self.shelves.limits.names.get(name)
    }

    fn open(&mut self, name: &str) -> &mut Known {
        self.shelves.limits.names.entry(name.to_owned()).or_default()
    }

    fn lives(&self, holder: &str, until: Option<i64>) -> bool {
        match until {
            Some(until) => until > self.now.as_microsecond(),
            // Until it is put back or settled: who recovers judges whether a lease has run out, and nobody else.
            None => self.shelves.place_of(holder).is_some(),
        }
    }
}

impl office::Shelf for Step<'_> {
    type Error = Infallible;

    fn now(&self) -> i64 {
        self.now.as_microsecond()
    }

    fn limit(&self, name: &str) -> Result<Option<Limit>, Infallible> {
        Ok(self.shelves.limits.set.of(name).map(|definition| definition.limit.clone()))
    }

    fn meter(&self, name: &str) -> Result<Meter, Infallible> {
        Ok(self.known(name).map(|known| known.meter.clone()).unwrap_or_default())
    }

    fn keep_meter(&mut self, name: &str, meter: &Meter, _until: i64) -> Result<(), Infallible> {
        self.open(name).meter = meter.clone();
        Ok(())
    }

    fn running(&mut self, name: &str) -> Result<u64, Infallible> {
        let Some(known) = self.known(name) else { return Ok(0) };
        let places = known.places.iter();
        let gone: Vec<_> =
            places.filter(|(holder, until)| !self.lives(holder, **until)).map(|(holder, _)| holder.clone()).collect();
        let known = self.open(name);
        for holder in gone {
            known.places.remove(&holder);
        }
        Ok(known.places.len() as u64)
    }

    fn holds(&self, name: &str, holder: &str) -> Result<bool, Infallible> {
        let until = self.known(name).and_then(|known| known.places.get(holder));
        Ok(until.is_some_and(|until| self.lives(holder, *until)))
    }

    fn hold(&mut self, name: &str, holder: &str, until: Option<i64>) -> Result<(), Infallible> {
        self.open(name).places.insert(holder.to_owned(), until);
        Ok(())
    }

    fn free(&mut self, name: &str, holder: &str) -> Result<(), Infallible> {
        self.open(name).places.remove(holder);
        Ok(())
    }

    fn called(&mut self, name: &str, before: i64) -> Result<u64, Infallible> {
        let known = self.open(name);
        known.line.retain(|_, stands| stands.called.is_none_or(|when| when >= before));
        Ok(known.line.values().filter(|stands| stands.called.is_some()).count() as u64)
    }

    fn standing(&self, name: &str, task_id: &str) -> Result<Option<(i64, bool)>, Infallible> {
        let stands = self.known(name).and_then(|known| known.line.get(task_id));
        Ok(stands.map(|stands| (stands.since, stands.called.is_some())))
    }

    fn waiting(&self, name: &str) -> Result<u64, Infallible> {
        Ok(self.known(name).map_or(0, |known| known.line.len() as u64))
    }

    fn leave(&mut self, name: &str, task_id: &str) -> Result<(), Infallible> {
        let known = self.open(name);
        if let Some(stood) = known.line.remove(task_id) {
            known.order.remove(&(stood.since, task_id.to_owned()));
        }
        Ok(())
    }

    fn first(&self, name: &str) -> Result<Option<String>, Infallible> {
        Ok(self.known(name).and_then(|known| known.order.first()).map(|(_, id)| id.clone()))
    }

    fn call(&mut self, name: &str, task_id: &str, when: i64) -> Result<bool, Infallible> {
        let now = self.now;
        let known = self.shelves.limits.names.entry(name.to_owned()).or_default();
        let Some(stands) = known.line.get_mut(task_id) else { return Ok(false) };
        let held = self.shelves.messages.get_mut(&stands.message);
        let Some(held) = held.filter(|held| held.claim.is_none() && held.due > now) else { return Ok(false) };
        held.due = held.due.min(Timestamp::from_microsecond(when).unwrap_or(now));
        stands.called = Some(held.due.as_microsecond());
        known.order.remove(&(stands.since, task_id.to_owned()));
        Ok(true)
    }

    fn recall(&mut self, name: &str) -> Result<(), Infallible> {
        let known = self.open(name);
        for (id, stands) in known.line.iter_mut().filter(|(_, stands)| stands.called.is_some()) {
            stands.called = None;
            known.order.insert((stands.since, id.clone()));
        }
        Ok(())
    }
}

#[async_trait]
impl Limits for Memory {
    async fn declare(&self, limits: &[(String, Limit)]) -> Result<(), BackendError> {
        self.change(|set| {
            let before = set.clone();
            for (name, limit) in limits {
                match set.iter_mut().find(|known| known.name == *name) {
                    Some(known) if known.origin == Origin::Code => known.limit = limit.clone(),
                    Some(_) => {}
                    None => set.push(Definition { name: name.clone(), limit: limit.clone(), origin: Origin::Code }),
                }
            }
            *set != before
        });
        Ok(())
    }

    async fn set_limit(&self, name: &str, limit: &Limit) -> Result<(), BackendError> {
        self.change(|set| {
            set.retain(|known| known.name != name);
            set.push(Definition { name: name.to_owned(), limit: limit.clone(), origin: Origin::Operator });
            true
        });
        Ok(())
    }

    async fn drop_limit(&self, name: &str) -> Result<bool, BackendError> {
        Ok(self.change(|set| {
            let before = set.len();
            set.retain(|known| known.name != name);
            set.len() != before
        }))
    }

    async fn limits_set(&self, known: Option<u64>, at_most: Duration) -> Result<Definitions, BackendError> {
        let news = |shelves: &mut Shelves| Some(&shelves.limits.set).filter(|set| Some(set.version) != known).cloned();
        let told = self.until(at_most, news).await;
        Ok(told.unwrap_or_else(|| self.open().limits.set.clone()))
    }

    async fn limit_uses(&self) -> Result<Vec<LimitUse>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let set = shelves.limits.set.clone();
        let used = shelves.limits.names.keys().filter(|name| set.of(name).is_some_and(|by| by.name != **name));
        let names: BTreeSet<_> = used.cloned().chain(set.all.iter().map(|by| by.name.clone())).collect();
        let found = names.iter().filter_map(|name| Some((name, set.of(name)?)));
        Ok(found.map(|(name, by)| shelves.limit_use(by, name, now)).collect())
    }

    async fn admit(&self, ask: &Admission) -> Result<Admitted, BackendError> {
        let admitted = {
            let mut shelves = self.open();
            // Once nobody else can start: no start lies ahead of one that was noted before it.
            let now = self.clock.now();
            shelves.admit(ask, now)
        };
        self.changed.notify_waiters();
        Ok(admitted)
    }

    async fn spend(&self, limits: &[String], starts: u32) -> Result<Spent, BackendError> {
        let spent = {
            let mut shelves = self.open();
            let now = self.clock.now();
            let Ok(spent) = office::spend(&mut Step { shelves: &mut shelves, now }, limits, starts);
            spent
        };
        self.changed.notify_waiters();
        Ok(spent)
    }
}

impl Memory {
    /// Changes what is set; true when that was a change.
    fn change(&self, change: impl FnOnce(&mut Vec<Definition>) -> bool) -> bool {
        let now = self.clock.now();
        let mut shelves = self.open();
        let changed = change(&mut shelves.limits.set.all);
        if changed {
            shelves.change_limits(now);
        }
        drop(shelves);
        self.changed.notify_waiters();
        changed
    }
}
