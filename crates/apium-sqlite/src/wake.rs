//! How a waiter hears of work: in this process at the commit, in others by a doorbell beside the file.
//!
//! The write-ahead log itself is no doorbell: it is written *before* the commit is flushed and visible, and what
//! makes it visible is shared memory, of which no event tells. A waiter woken by the log would look too early and
//! then sleep. So the writer, once committed, writes one byte to `FILE-bell`, and every process watches that file.
//! Twice a second the watching thread also asks SQLite whether anything was committed, for writers that ring no
//! bell (a shell) and for the process that died between its commit and its ring.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher};
use rusqlite::Connection;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::anchor::Anchor;
use crate::place::{beside, private_file};
use crate::results;

/// How often the file is asked for commits that nobody rang for; and how often when the bell cannot be watched.
const SLOW: Duration = Duration::from_millis(500);
const WITHOUT_BELL: Duration = Duration::from_millis(25);

/// Whom a transaction concerns; collected while it runs, rung after the commit.
#[derive(Default)]
pub(crate) struct Rung {
    messages: Cell<bool>,
    revocations: Cell<bool>,
    limits: Cell<bool>,
    schedules: Cell<bool>,
    broadcasts: Cell<bool>,
    ready: RefCell<Vec<String>>,
}

/// Those who wait in this process, and the bell that others hear.
pub(crate) struct Bell {
    messages: Notify,
    revocations: Notify,
    limits: Notify,
    schedules: Notify,
    broadcasts: Notify,
    awaited: Mutex<HashMap<String, Awaited>>,
    rope: File,
}

/// A task id whose result somebody waits for.
struct Awaited {
    ready: Arc<Notify>,
    waiters: usize,
}

/// One waiter's place; leaving it gives the place up.
pub(crate) struct Waiter<'a> {
    bell: &'a Bell,
    task_id: &'a str,
    pub(crate) ready: Arc<Notify>,
}

/// Watches the bell; dropping it ends the watching thread.
pub(crate) struct Watch {
    _bell: Option<notify::RecommendedWatcher>,
    _end: SyncSender<()>,
}

impl Rung {
    /// Messages can be claimed, now or at another time than was known.
    pub(crate) fn messages(&self) {
        self.messages.set(true);
    }

    /// A task was called off.
    pub(crate) fn revocations(&self) {
        self.revocations.set(true);
    }

    /// A limit was set or taken away.
    pub(crate) fn limits(&self) {
        self.limits.set(true);
    }

    /// An entry of a schedule was put or dropped.
    pub(crate) fn schedules(&self) {
        self.schedules.set(true);
    }

    /// Something was said to everyone.
    pub(crate) fn broadcasts(&self) {
        self.broadcasts.set(true);
    }

    /// A result is there and will not change by itself.
    pub(crate) fn ready(&self, task_id: &str) {
        self.ready.borrow_mut().push(task_id.to_owned());
    }
}

impl Bell {
    /// The bell of this file, made if it is missing.
    pub(crate) fn hang(file: &Path) -> std::io::Result<Self> {
        Ok(Self {
            messages: Notify::new(),
            revocations: Notify::new(),
            limits: Notify::new(),
            schedules: Notify::new(),
            broadcasts: Notify::new(),
            awaited: Mutex::default(),
            rope: private_file(&beside(file, "-bell"))?,
        })
    }

    /// Wakes those whom a commit concerns, here and elsewhere.
    pub(crate) fn ring(&self, rung: Rung) {
        let ready = rung.ready.into_inner();
        let all = [&rung.messages, &rung.revocations, &rung.limits, &rung.schedules, &rung.broadcasts];
        if all.iter().all(|one| !one.get()) && ready.is_empty() {
            return;
        }
        if rung.messages.get() {
            self.messages.notify_waiters();
        }
        if rung.revocations.get() {
            self.revocations.notify_waiters();
        }
        if rung.limits.get() {
            self.limits.notify_waiters();
        }
        if rung.schedules.get() {
            self.schedules.notify_waiters();
        }
        if rung.broadcasts.get() {
            self.broadcasts.notify_waiters();
        }
        for task_id in ready {
            if let Some(awaited) = self.awaited().get(&task_id) {
                awaited.ready.notify_waiters();
            }
        }
        let mut rope = &self.rope;
        if let Err(error) = rope.rewind().and_then(|()| rope.write_all(b"!")) {
            // The others will still see the commit when they next ask, half a second late.
            tracing::warn!(%error, "the bell beside the store could not be rung");
        }
    }

    /// Rung when a message may be due.
    pub(crate) fn messages(&self) -> &Notify {
        &self.messages
    }

    /// Rung when a task was called off.
    pub(crate) fn revocations(&self) -> &Notify {
        &self.revocations
    }

    /// Rung when a limit was set or taken away.
    pub(crate) fn limits(&self) -> &Notify {
        &self.limits
    }

    /// Rung when an entry of a schedule was put or dropped.
    pub(crate) fn schedules(&self) -> &Notify {
        &self.schedules
    }

    /// Rung when something was said to everyone.
    pub(crate) fn broadcasts(&self) -> &Notify {
        &self.broadcasts
    }

    /// A place among those who wait for this task's result.
    pub(crate) fn wait_for<'a>(&'a self, task_id: &'a str) -> Waiter<'a> {
        let mut awaited = self.awaited();
        let awaited =
            awaited.entry(task_id.to_owned()).or_insert_with(|| Awaited { ready: Arc::default(), waiters: 0 });
        awaited.waiters += 1;
        Waiter { bell: self, task_id, ready: awaited.ready.clone() }
    }

    /// Somebody else has committed something: whoever waits for messages, revocations, limits, schedules or broadcasts looks himself, while the
    /// awaited results are looked up here (`ready`), so that a hundred waiters are not a hundred questions.
    fn heard(&self, ready: impl Fn(&str) -> bool) {
        self.messages.notify_waiters();
        self.revocations.notify_waiters();
        self.limits.notify_waiters();
        self.schedules.notify_waiters();
        self.broadcasts.notify_waiters();
        let awaited: Vec<String> = self.awaited().keys().cloned().collect();
        for task_id in awaited {
            if ready(&task_id)
                && let Some(awaited) = self.awaited().get(&task_id)
            {
                awaited.ready.notify_waiters();
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut awaited = self.bell.awaited();
        if let Some(place) = awaited.get_mut(self.task_id) {
            place.waiters -= 1;
            if place.waiters == 0 {
                awaited.remove(self.task_id);
            }
        }
    }
}

impl Watch {
    /// Starts the watching thread, which looks through `db`.
    pub(crate) fn start(file: &Path, db: Connection, bell: Arc<Bell>, anchor: Arc<Anchor>) -> std::io::Result<Self> {
        // One place is enough: a ring that is not yet heard stands for all that follow.
        let (end, rings) = sync_channel(1);
        let watcher = watch_bell(&beside(file, "-bell"), end.clone());
        let pace = match &watcher {
            Ok(_) => SLOW,
            Err(error) => {
                tracing::warn!(
                    file = %file.display(), %error,
                    "the bell beside the store cannot be watched; it is asked 40 times a second instead"
                );
                WITHOUT_BELL
            }
        };
        // Before the thread runs: a commit made until then would be taken for what was there already.
        let seen = version(&db);
        let watch = move || listen(&db, &anchor, seen, &rings, &bell, pace);
        thread::Builder::new().name("sqlite-watch".to_owned()).spawn(watch)?;
        Ok(Self { _bell: watcher.ok(), _end: end })
    }
}

/// When a wait of `at_most` from now ends; one longer than a year ends after a year.
pub(crate) fn deadline(at_most: Duration) -> Instant {
    Instant::now() + at_most.min(Duration::from_hours(24 * 365))
}

fn watch_bell(bell: &Path, ring: SyncSender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // An error may hide a ring.
        if event.map_or(true, |event| matches!(event.kind, EventKind::Modify(_)))
            && let Err(TrySendError::Disconnected(())) = ring.try_send(())
        {
            tracing::debug!("the bell rings, but the watching thread has ended");
        }
    })?;
    watcher.watch(bell, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn listen(db: &Connection, anchor: &Anchor, mut seen: Option<i64>, rings: &Receiver<()>, bell: &Bell, pace: Duration) {
    loop {
        let rung = match rings.recv_timeout(pace) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Asked before looking: what is committed after it is seen the next time.
        let current = anchor.holds().ok().and_then(|()| version(db));
        match current {
            // The waiters look themselves, and tell their callers what is wrong.
            None => bell.heard(|_| true),
            Some(_) if rung || current != seen => {
                bell.heard(|task_id| results::is_ready(db, task_id).unwrap_or(true));
            }
            Some(_) => {}
        }
        seen = current;
    }
}

/// A number that changes whenever another connection commits; `None` when the file cannot be asked.
fn version(db: &Connection) -> Option<i64> {
    db.prepare_cached("PRAGMA data_version").and_then(|mut asked| asked.query_row([], |row| row.get(0))).ok()
}
