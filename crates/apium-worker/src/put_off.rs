//! What this worker has claimed and put back until later: due at another time, or over the limit of its task.
//!
//! The messages wait in the store, where any worker may take them. They are listed here because whoever asks a Celery
//! worker for its scheduled and reserved tasks expects those that it has seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apium_core::Delivery;
use jiff::{SignedDuration, Timestamp};

/// Messages listed at most, and their bytes: beyond that a list is of no use, and memory is.
const LISTED: usize = 1_000;
const LISTED_BYTES: usize = 4 << 20;

/// How long a message that is due may be on its way back here before it counts as taken by another worker.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(30);

/// Why a message was put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its time has not come.
    NotDue,
    /// It may not be started more often, or beside others.
    OverRate,
}

/// A message put off.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) redelivered: bool,
    pub(crate) until: Timestamp,
    pub(crate) why: Why,
}

/// What one worker has put off, by task id.
#[derive(Default)]
pub(crate) struct PutOff(Mutex<Book>);

#[derive(Default)]
struct Book {
    waiting: HashMap<String, Waiting>,
    bytes: usize,
}

impl PutOff {
    /// Notes a message that is put off. True when it is listed now and was not before.
    pub(crate) fn note(&self, id: &str, delivery: &Delivery, until: Timestamp, why: Why, now: Timestamp) -> bool {
        let mut book = self.open();
        if let Some(known) = book.waiting.get_mut(id) {
            (known.until, known.why) = (until, why);
            return false;
        }
        let size = delivery.bytes.len();
        if !book.has_room(size) {
            book.tidy(now);
        }
        if id.is_empty() || !book.has_room(size) {
            return false;
        }
        book.bytes += size;
        let waiting = Waiting { bytes: delivery.bytes.clone(), redelivered: delivery.redelivered, until, why };
        book.waiting.insert(id.to_owned(), waiting);
        true
    }

    /// Strikes out a message that came back. True when it was listed.
    pub(crate) fn came_back(&self, id: &str) -> bool {
        let mut book = self.open();
        let known = book.waiting.remove(id);
        book.bytes -= known.as_ref().map_or(0, |known| known.bytes.len());
        known.is_some()
    }

    /// All that wait, the first due first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<Waiting> {
        let mut book = self.open();
        book.tidy(now);
        let mut waiting: Vec<_> = book.waiting.values().cloned().collect();
        waiting.sort_by_key(|waiting| waiting.until);
        waiting
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn has_room(&self, size: usize) -> bool {
        self.waiting.len() < LISTED && self.bytes + size <= LISTED_BYTES
    }

    /// Drops what another worker must have taken.
    fn tidy(&mut self, now: Timestamp) {
        self.waiting.retain(|_, waiting| now.duration_since(waiting.until) < ON_ITS_WAY);
        self.bytes = self.waiting.values().map(|waiting| waiting.bytes.len()).sum();
    }
}
