//! Keys whose names are taken by another type: told of now and then, and passed over by whoever waits.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often the same key is told of.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// What was found so, and when it was last told of.
type Told = Mutex<HashMap<String, Instant>>;

/// What cannot be served, and what cannot be counted.
#[derive(Default)]
pub(crate) struct Misfits {
    keys: Told,
    queues: Told,
}

impl Misfits {
    /// Notes that of `looked_at` these are of another type, each with the error, and the others are not.
    pub(crate) fn note(&self, home: &str, looked_at: &[String], found: &[(&str, String)]) {
        let mut known = open(&self.keys);
        if known.is_empty() && found.is_empty() {
            return;
        }
        for key in looked_at {
            if known.contains_key(key) && !found.iter().any(|(misfit, _)| misfit == key) {
                known.remove(key);
                tracing::info!(redis = %home, key, "the key is of its proper type again; its queue is served");
            }
        }
        for (key, error) in found {
            if is_news(&mut known, key) {
                tracing::warn!(
                    redis = %home,
                    key,
                    error,
                    "a key of another type has a queue's name: the queue is not served, the others are; rename or delete it"
                );
            }
        }
    }

    /// Notes that a queue could not be counted.
    pub(crate) fn uncounted(&self, home: &str, queue: &str) {
        if is_news(&mut open(&self.queues), queue) {
            tracing::warn!(redis = %home, queue, "one of the queue's keys is of another type: it is left out of the count");
        }
    }

    /// Those of these keys that are what they should be, as far as is known.
    pub(crate) fn without(&self, keys: Vec<String>) -> Vec<String> {
        let known = open(&self.keys);
        if known.is_empty() { keys } else { keys.into_iter().filter(|key| !known.contains_key(key)).collect() }
    }
}

fn is_news(told: &mut HashMap<String, Instant>, name: &str) -> bool {
    let news = told.get(name).is_none_or(|at| at.elapsed() >= TELL_EVERY);
    if news {
        told.insert(name.to_owned(), Instant::now());
    }
    news
}

fn open(told: &Told) -> MutexGuard<'_, HashMap<String, Instant>> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
