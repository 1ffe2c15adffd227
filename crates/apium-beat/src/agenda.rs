//! When to look at which entry next: names by their times, and nothing else of them. A hundred thousand entries are some
//! ten megabytes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The entries that are to be looked at.
#[derive(Default)]
pub(crate) struct Agenda {
    times: HashMap<Arc<str>, Timestamp>,
    order: BTreeSet<(Timestamp, Arc<str>)>,
}

impl Agenda {
    /// Look at this entry then; never, without a time.
    pub(crate) fn set(&mut self, name: &str, when: Option<Timestamp>) {
        if let Some((name, before)) = self.times.remove_entry(name) {
            self.order.remove(&(before, name));
        }
        if let Some(when) = when {
            let name: Arc<str> = name.into();
            self.times.insert(name.clone(), when);
            self.order.insert((when, name));
        }
    }

    /// The names that are to be looked at now, those that have waited longest first, at most so many.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Vec<String> {
        let due = self.order.iter().take_while(|(when, _)| *when <= now).take(most);
        due.map(|(_, name)| name.to_string()).collect()
    }

    /// How long there is nothing to look at; at most so long.
    pub(crate) fn pause(&self, now: Timestamp, at_most: Duration) -> Duration {
        let Some((first, _)) = self.order.first() else { return at_most };
        Duration::try_from(first.duration_since(now)).unwrap_or_default().min(at_most)
    }
}
