//! When to look at which entry next: names by their times, with the task that is sent, and nothing else of them. A hundred
//! thousand entries are some ten megabytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The entries that are to be looked at.
#[derive(Default)]
pub(crate) struct Agenda {
    times: HashMap<Arc<str>, Place>,
    order: BTreeSet<(Timestamp, Arc<str>)>,
    /// Each task's name once, of however many entries it is.
    tasks: HashSet<Arc<str>>,
}

/// Where an entry stands.
struct Place {
    when: Timestamp,
    /// What is sent; `None` while it is paused.
    task: Option<Arc<str>>,
}

impl Agenda {
    /// An entry was put: it sends this task, or nothing, and is to be looked at then; never, without a time.
    pub(crate) fn put(&mut self, name: &str, when: Option<Timestamp>, task: Option<&str>) {
        let task = task.map(|task| self.shared(task));
        self.set(name, when);
        if let Some(place) = self.times.get_mut(name) {
            place.task = task;
        }
    }

    /// Look at this entry then; never, without a time.
    pub(crate) fn set(&mut self, name: &str, when: Option<Timestamp>) {
        let before = self.times.remove_entry(name).map(|(name, Place { when, task })| {
            self.order.remove(&(when, name));
            task
        });
        if let Some(when) = when {
            let name: Arc<str> = name.into();
            self.times.insert(name.clone(), Place { when, task: before.flatten() });
            self.order.insert((when, name));
        }
    }

    /// The names that are to be looked at now, those that have waited longest first, at most so many.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Vec<String> {
        self.until(now).take(most).map(ToString::to_string).collect()
    }

    /// How long there is nothing to look at; at most so long.
    pub(crate) fn pause(&self, now: Timestamp, at_most: Duration) -> Duration {
        let Some((first, _)) = self.order.first() else { return at_most };
        Duration::try_from(first.duration_since(now)).unwrap_or_default().min(at_most)
    }

    /// The tasks that are sent until then.
    pub(crate) fn tasks(&self, until: Timestamp) -> BTreeSet<Arc<str>> {
        self.until(until).filter_map(|name| self.times.get(name)?.task.clone()).collect()
    }

    /// The entries that send one of these tasks until then, by task.
    pub(crate) fn entries_of(&self, tasks: &BTreeSet<Arc<str>>, until: Timestamp) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for name in self.until(until) {
            let task = self.times.get(name).and_then(|place| place.task.as_ref());
            if let Some(task) = task.filter(|task| tasks.contains(*task)) {
                found.entry(task.clone()).or_default().push(name.clone());
            }
        }
        found
    }

    fn until(&self, until: Timestamp) -> impl Iterator<Item = &Arc<str>> {
        self.order.iter().take_while(move |(when, _)| *when <= until).map(|(_, name)| name)
    }

    fn shared(&mut self, task: &str) -> Arc<str> {
        if let Some(known) = self.tasks.get(task) {
            return known.clone();
        }
        let task: Arc<str> = task.into();
        self.tasks.insert(task.clone());
        task
    }
}
