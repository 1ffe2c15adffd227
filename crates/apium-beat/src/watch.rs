//! The watch: beside its office a leader looks whether anybody will run what is due soon, and whether one of Celery's own
//! beats sends what it sends too. It only tells; nothing is held back.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apium_core::{BackendError, Broker};
use tokio::time::Instant;

use crate::agenda::Agenda;
use crate::roll::{self, Foreign};
use crate::scheduler::Scheduler;

/// Between two looks.
const EVERY: Duration = Duration::from_mins(1);

/// Before the first: a worker that starts along with its scheduler has told of itself by then.
const SETTLED: Duration = Duration::from_secs(5);

/// What is due within this time must have a worker.
const AHEAD: Duration = Duration::from_mins(10);

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waiting messages are looked at in the first two looks, and then every so many.
const MESSAGES: u64 = 10;

/// How often one beat is told of.
const AGAIN: Duration = Duration::from_hours(1);

/// Entries that are named in one line of the log.
const NAMED: usize = 3;

/// What was told, so that it is not told at every look.
#[derive(Default)]
struct Watch {
    /// Entries whose task nobody registers, with that task.
    alone: BTreeMap<Arc<str>, Arc<str>>,
    /// Beats, and when they were told of.
    beats: BTreeMap<String, Instant>,
    /// Messages of beats that were seen in the last look at messages.
    seen: Option<BTreeSet<Foreign>>,
}

/// Watches for as long as it is let.
pub(crate) async fn watch(scheduler: &Scheduler, agenda: &Mutex<Agenda>) -> Infallible {
    let mut watch = Watch::default();
    tokio::time::sleep(SETTLED).await;
    for look in 0_u64.. {
        let broker = &**scheduler.client.broker();
        let messages = look < 2 || look.is_multiple_of(MESSAGES);
        let looked = async {
            watch.workers(scheduler, agenda).await?;
            watch.beats(broker, messages).await
        };
        if let Err(error) = looked.await {
            tracing::debug!(%error, "who is there for the schedules cannot be asked");
        }
        tokio::time::sleep(EVERY).await;
    }
    std::future::pending().await
}

impl Watch {
    /// Looks for entries that are due soon and whose tasks nobody would run.
    async fn workers(&mut self, scheduler: &Scheduler, agenda: &Mutex<Agenda>) -> Result<(), BackendError> {
        let broker = &**scheduler.client.broker();
        let soon = apium_core::clock::after(scheduler.clock.now(), AHEAD);
        let due = agenda.lock().unwrap_or_else(PoisonError::into_inner).tasks(soon);
        if due.is_empty() && self.alone.is_empty() {
            return Ok(());
        }
        let mut known = roll::cards(broker).await?;
        if due.iter().any(|task| !known.tasks.contains(&**task)) {
            known.join(roll::registered(broker, PATIENCE).await?);
        }
        self.is_back(&known.tasks);
        let missing: BTreeSet<_> = due.into_iter().filter(|task| !known.tasks.contains(&**task)).collect();
        if !missing.is_empty() {
            let entries = agenda.lock().unwrap_or_else(PoisonError::into_inner).entries_of(&missing, soon);
            self.is_alone(entries);
        }
        Ok(())
    }

    /// Of these entries nobody registers the task.
    fn is_alone(&mut self, entries: BTreeMap<Arc<str>, Vec<Arc<str>>>) {
        for (task, mut names) in entries {
            names.retain(|name| self.alone.get(name) != Some(&task));
            if names.is_empty() {
                continue;
            }
            let schedules = named(&names);
            tracing::warn!(
                task = &*task,
                schedules,
                "due within ten minutes, but no worker that answers registers the task: start one that does, correct \
                 the name of the task, or pause the schedule"
            );
            self.alone.extend(names.into_iter().map(|name| (name, task.clone())));
        }
    }

    /// These tasks are registered.
    fn is_back(&mut self, tasks: &BTreeSet<String>) {
        let mut back = BTreeSet::new();
        self.alone.retain(|_, task| {
            let alone = !tasks.contains(&**task);
            if !alone {
                back.insert(task.clone());
            }
            alone
        });
        for task in back {
            tracing::info!(task = &*task, "a worker registers the task of these schedules now");
        }
    }

    /// Looks for Celery's own beats; `messages`: also in what waits.
    async fn beats(&mut self, broker: &dyn Broker, messages: bool) -> Result<(), BackendError> {
        self.beats.retain(|_, told| told.elapsed() < AGAIN);
        for node in roll::beats(broker, PATIENCE).await? {
            self.tell(node);
        }
        let Some(inspection) = broker.inspection().filter(|_| messages) else { return Ok(()) };
        let now = roll::foreign(&inspection.examine().await?);
        // What was there from the first may be of a beat that has been stopped since.
        if let Some(before) = self.seen.replace(now.clone()) {
            for Foreign { origin, .. } in now.difference(&before) {
                self.tell(origin.clone());
            }
        }
        Ok(())
    }

    fn tell(&mut self, beat: String) {
        if let Entry::Vacant(untold) = self.beats.entry(beat) {
            tracing::error!(
                beat = untold.key(),
                "a Celery beat runs beside this scheduler, and what both have in their schedules is sent twice: stop the \
                 beat, or take what it sends out of the schedules here"
            );
            untold.insert(Instant::now());
        }
    }
}

/// `a`, `a, b`, `a, b, c and 4 more`.
fn named(names: &[Arc<str>]) -> String {
    let (named, more) = names.split_at(names.len().min(NAMED));
    let named = named.join(", ");
    if more.is_empty() { named } else { format!("{named} and {} more", more.len()) }
}
