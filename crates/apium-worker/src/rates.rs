//! Rate limits: how often a task may be started here, as it says itself or remote control has set it.
//!
//! A bucket that holds one token, as Celery's. A message that finds none is given the next one that is free, and goes
//! back into the store until then: it takes no slot and holds up no other task of its queue.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::TaskOptions;
use apium_core::task::Rate;
use tokio::time::Instant;

/// Messages that are remembered with their token; beyond that each waits for one when it comes back.
const REMEMBERED: usize = 50_000;

/// A message whose token was free so long ago was taken by another worker.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// However far off its token is, a message comes back after this long at least, or after this much for each that
/// waits: the limit may be lifted, or another worker may have a token to spare, and looking must stay cheap.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const LOOK_EACH: Duration = Duration::from_millis(50);

/// So much too early is early enough: the store's clock is not quite ours.
const JITTER: Duration = Duration::from_millis(20);

/// The limits of one worker, by task.
#[derive(Default)]
pub(crate) struct Rates(Mutex<Book>);

/// The limits, and what was given for each task: a limit of `0` is none, and shown all the same, as in Celery.
#[derive(Default)]
struct Book {
    given: HashMap<String, Rate>,
    buckets: HashMap<String, Bucket>,
}

struct Bucket {
    interval: Duration,
    /// When the last start was.
    started: Option<Instant>,
    /// When a token is free that nobody waits for.
    free: Instant,
    /// Who waits for which token, by task id.
    line: HashMap<String, Instant>,
}

impl Rates {
    /// The limits that the tasks bring along; `default` for those that bring none.
    pub(crate) fn of_tasks(tasks: &[(&str, TaskOptions)], default: Option<&Rate>) -> Self {
        let rates = Self::default();
        for (name, options) in tasks {
            if let Some(rate) = options.rate_limit.as_ref().or(default).cloned() {
                rates.set(name, rate);
            }
        }
        rates
    }

    /// Sets the limit of a task; everyone who waits stands in line anew.
    pub(crate) fn set(&self, task: &str, rate: Rate) {
        let mut book = self.open();
        let bucket = rate.per_second().map(|per_second| Bucket::new(per_second, book.buckets.get(task)));
        match bucket {
            Some(bucket) => drop(book.buckets.insert(task.to_owned(), bucket)),
            None => drop(book.buckets.remove(task)),
        }
        if rate.as_given().is_null() {
            book.given.remove(task);
        } else {
            book.given.insert(task.to_owned(), rate);
        }
    }

    /// What was given as the limit of a task, if anything was.
    pub(crate) fn of(&self, task: &str) -> Option<Rate> {
        self.open().given.get(task).cloned()
    }

    /// Whether a task is limited.
    pub(crate) fn limits(&self, task: &str) -> bool {
        self.open().buckets.contains_key(task)
    }

    /// Takes a token for a message of the task; `None` when it has one and may start, else how long it is to wait.
    pub(crate) fn wait(&self, task: &str, id: &str) -> Option<Duration> {
        let mut book = self.open();
        book.buckets.get_mut(task).and_then(|bucket| bucket.wait(id, Instant::now()))
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FOR_EVER: Duration = Duration::from_hours(24 * 365);

impl Bucket {
    /// A bucket in place of an older one, whose last start counts still.
    fn new(per_second: f64, before: Option<&Self>) -> Self {
        // Whoever wants one start in a thousand years gets none at all.
        let interval = Duration::try_from_secs_f64(per_second.recip()).unwrap_or(FOR_EVER).min(FOR_EVER);
        let (started, now) = (before.and_then(|bucket| bucket.started), Instant::now());
        let free = started.map_or(now, |started| now.max(started + interval));
        Self { interval, started, free, line: HashMap::new() }
    }

    fn wait(&mut self, id: &str, now: Instant) -> Option<Duration> {
        let turn = self.line.get(id).copied().unwrap_or(self.free);
        // A token that was not called for in time is no second one beside the next.
        let turn = self.started.map_or(turn, |started| turn.max(started + self.interval));
        if turn <= now + JITTER.min(self.interval / 10) {
            if self.line.remove(id).is_none() {
                self.free = now + self.interval;
            }
            self.started = Some(now);
            return None;
        }
        self.stand(id, turn, now);
        let patience = LOOK_AGAIN.max(LOOK_EACH.saturating_mul(u32::try_from(self.line.len()).unwrap_or(u32::MAX)));
        Some((turn - now).min(patience))
    }

    fn stand(&mut self, id: &str, turn: Instant, now: Instant) {
        if self.line.len() >= REMEMBERED {
            self.line.retain(|_, turn| *turn + FORGOTTEN > now);
        }
        let known = self.line.contains_key(id);
        if known || self.line.len() < REMEMBERED {
            self.line.insert(id.to_owned(), turn);
        }
        if !known {
            self.free = turn + self.interval;
        }
    }
}
