//! The one thread that writes: it takes every job that waits, runs them in one transaction, commits, answers.
//!
//! A durable commit costs a flush of the disk, so a hundred callers share one. Each job runs under its own
//! savepoint: one that fails undoes itself, not its neighbours. No answer leaves before the commit. The thread
//! ends when the last handle is dropped, after the jobs that still waited.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use apium_core::{BackendError, Clock};
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::anchor::Anchor;
use crate::backend::Synchronous;
use crate::fault::{Fault, ended};
use crate::vacuum::Vacuum;
use crate::wake::{Bell, Rung};

/// Jobs that may wait before callers have to.
const QUEUE: usize = 1_024;

/// Most jobs in one transaction, and the rows after which it takes no further one.
const GROUP_JOBS: usize = 256;
const GROUP_ROWS: usize = 4_096;

/// Bytes of one page of the file, and of one in the write-ahead log, its header included.
const PAGE: usize = 4_096;
const LOG_PAGE: u64 = 4_096 + 24;

/// Bytes of large messages that may be on their way to the writer, and from which size on a message counts as large.
/// The caller keeps its own until it is answered: with a second copy of each, a crowd of them would need twice as much.
const ROOM: usize = 32 << 20;
const LARGE: usize = 64 << 10;

/// When the log is this many times too long, because readers never left it, the writer insists.
const FAR_TOO_LONG: u64 = 8;

/// How long the writer pauses before it asks again for a lock that another process holds.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Set in every tag, so that each takes its full length.
const LONG_TAG: u64 = 1 << 62;

thread_local! {
    /// SQLite's call-backs are plain functions: what they need of the writer stands here.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static BUSY_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether the connection flushes at each commit now.
    static FLUSHING: Cell<Option<bool>> = const { Cell::new(None) };
    static LOG_PAGES: Cell<u64> = const { Cell::new(0) };
}

/// What a job asks of the transaction it shares.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    /// About how many rows it writes, or pages when these are more.
    rows: usize,
    /// Whether the commit must be flushed to the disk before the answer.
    flushed: bool,
}

/// A piece of writing that somebody waits for.
pub(crate) trait Job: Send {
    /// What it asks of the transaction.
    fn weight(&self) -> Weight;

    /// Does it, inside a transaction that is not committed yet.
    fn run(&mut self, work: &Work<'_>) -> Result<(), Fault>;

    /// Tells the caller how it ended; returns what must be done when nobody listens any more.
    fn answer(self: Box<Self>, outcome: Result<(), BackendError>) -> Option<Box<dyn Job>>;
}

/// What a job works with.
pub(crate) struct Work<'a> {
    /// The connection, inside a transaction.
    pub(crate) db: &'a Connection,
    /// The present moment, in microseconds.
    pub(crate) now: i64,
    /// Who is to be woken after the commit.
    pub(crate) rung: &'a Rung,
    /// What gives room back to the disk after the answers.
    pub(crate) vacuum: &'a Vacuum,
    tags: &'a Cell<u64>,
}

/// What undoes a committed job whose caller stopped listening; `None` when there is nothing to undo.
pub(crate) type Unheard<T> = fn(T) -> Option<Box<dyn Job>>;

/// A job made of a closure.
struct Errand<T, F> {
    weight: Weight,
    work: Option<F>,
    made: Option<T>,
    reply: oneshot::Sender<Result<T, BackendError>>,
    unheard: Option<Unheard<T>>,
}

/// A caller's place; who leaves it has what was answered meanwhile undone, too.
struct Awaited<T> {
    answer: oneshot::Receiver<Result<T, BackendError>>,
    unheard: Option<Unheard<T>>,
    jobs: mpsc::Sender<Box<dyn Job>>,
}

/// The way to the writer. It ends with the last clone.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    room: Arc<Semaphore>,
    file: Arc<PathBuf>,
}

/// What the writer thread is given.
pub(crate) struct Desk {
    pub(crate) db: Connection,
    pub(crate) vacuum: Vacuum,
    pub(crate) anchor: Arc<Anchor>,
    pub(crate) file: Arc<PathBuf>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) synchronous: Synchronous,
    pub(crate) patience: Duration,
    pub(crate) checkpoint_bytes: u64,
}

impl Weight {
    /// What must survive a power cut once it is answered.
    pub(crate) fn flushed(rows: usize) -> Self {
        Self { rows, flushed: true }
    }

    /// What may be forgotten in a power cut (and in nothing less), because the world is then right without it: a
    /// claim whose worker died with the machine, a heartbeat. It waits for no disk.
    pub(crate) fn light(rows: usize) -> Self {
        Self { rows, flushed: false }
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(desk: Desk) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let file = desk.file.clone();
        thread::Builder::new().name("sqlite-write".to_owned()).spawn(move || desk.serve(waiting))?;
        Ok(Self { jobs, room: Arc::new(Semaphore::new(ROOM)), file })
    }

    /// Waits until so many bytes may be copied for the writer; `None` for few, which need not wait.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes < LARGE {
            return None;
        }
        // One larger than the whole room goes when it is alone. The semaphore is never closed.
        let bytes = u32::try_from(bytes.min(ROOM)).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(bytes).await.ok()
    }

    /// Has `work` done and waits until it is committed.
    pub(crate) async fn write<T, F>(&self, weight: Weight, work: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Work<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.write_heard(weight, work, None).await
    }

    /// As [`Self::write`]; `unheard` undoes what was committed when the caller stopped listening.
    pub(crate) async fn write_heard<T, F>(
        &self,
        weight: Weight,
        work: F,
        unheard: Option<Unheard<T>>,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Work<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let errand = Errand { weight, work: Some(work), made: None, reply, unheard };
        let mut awaited = Awaited { answer, unheard, jobs: self.jobs.clone() };
        self.jobs.send(Box::new(errand)).await.map_err(|_| ended(&self.file))?;
        (&mut awaited.answer).await.map_err(|_| ended(&self.file))?
    }
}

impl Desk {
    fn serve(self, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
        PATIENCE.set(self.patience);
        self.db.wal_hook(Some(note_log_length));
        if let Err(error) = self.db.busy_handler(Some(pause)) {
            tracing::warn!(file = %self.file.display(), %error, "the writer keeps SQLite's own patience");
        }
        let tags = Cell::new(random());
        while let Some(first) = waiting.blocking_recv() {
            let mut unheard = self.commit(take(first, &mut waiting), &tags);
            while !unheard.is_empty() {
                unheard = self.commit(unheard, &tags);
            }
            self.shorten_log();
            while self.vacuum.is_asked() && waiting.is_empty() && !waiting.is_closed() && self.anchor.holds().is_ok() {
                self.vacuum.step(&self.db, &self.file);
                self.shorten_log();
            }
        }
    }

    /// Runs a group in one transaction and answers it; returns the jobs that undo what nobody heard.
    fn commit(&self, mut group: Vec<Box<dyn Job>>, tags: &Cell<u64>) -> Vec<Box<dyn Job>> {
        let rung = Rung::default();
        let outcomes = match self.run_on_the_file(&mut group, &rung, tags) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                if !self.db.is_autocommit() {
                    // Nothing was committed; what a roll-back could still say changes nothing for the callers.
                    self.db.execute_batch("ROLLBACK").ok();
                }
                group.iter().map(|_| Err(error.clone())).collect()
            }
        };
        self.bell.ring(rung);
        group.into_iter().zip(outcomes).filter_map(|(job, outcome)| job.answer(outcome)).collect()
    }

    /// As [`Self::run`], but never into a file that has lost its name: what is written there is lost with this process.
    fn run_on_the_file(
        &self,
        group: &mut [Box<dyn Job>],
        rung: &Rung,
        tags: &Cell<u64>,
    ) -> Result<Vec<Result<(), BackendError>>, BackendError> {
        self.anchor.holds()?;
        let ran = self.run(group, rung, tags);
        // Once more, because it may have gone meanwhile: no answer tells of a commit that nobody will find.
        self.anchor.holds()?;
        ran.map_err(|fault| fault.tell(&self.file))
    }

    fn run(
        &self,
        group: &mut [Box<dyn Job>],
        rung: &Rung,
        tags: &Cell<u64>,
    ) -> Result<Vec<Result<(), BackendError>>, Fault> {
        // Asked again only when it changes; a flush covers all that was committed lightly before it.
        let flushed = self.synchronous == Synchronous::Full && group.iter().any(|job| job.weight().flushed);
        if FLUSHING.replace(Some(flushed)) != Some(flushed) {
            self.db.pragma_update(None, "synchronous", if flushed { "full" } else { "normal" })?;
        }
        self.step("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            let (db, now, vacuum) = (&self.db, self.clock.now().as_microsecond(), &self.vacuum);
            let work = Work { db, now, rung, vacuum, tags };
            self.step("SAVEPOINT job")?;
            let outcome = job.run(&work);
            if let Err(fault) = &outcome {
                if self.db.is_autocommit() {
                    // SQLite gave the whole transaction up (disk full, failed write): the neighbours are undone too.
                    return outcome.map(|()| Vec::new());
                }
                tracing::debug!(file = %self.file.display(), ?fault, "a job failed and was undone");
                self.step("ROLLBACK TO job")?;
            }
            self.step("RELEASE job")?;
            outcomes.push(outcome.map_err(|fault| fault.tell(&self.file)));
        }
        self.step("COMMIT")?;
        Ok(outcomes)
    }

    fn step(&self, sql: &str) -> Result<(), Fault> {
        self.db.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Moves the log into the file when it has grown; after the answers, so that no caller waits for it.
    fn shorten_log(&self) {
        let length = LOG_PAGES.get() * LOG_PAGE;
        if length < self.checkpoint_bytes {
            return;
        }
        LOG_PAGES.set(0);
        let far_too_long = length / FAR_TOO_LONG > self.checkpoint_bytes;
        let pragma = if far_too_long { "PRAGMA wal_checkpoint(TRUNCATE)" } else { "PRAGMA wal_checkpoint(PASSIVE)" };
        let shortened = self.db.query_row(pragma, [], |_| Ok(()));
        if let Err(error) = shortened {
            tracing::warn!(file = %self.file.display(), %error, "the write-ahead log could not be shortened");
        }
    }
}

impl Work<'_> {
    /// A mark no other claim bears: random where this writer began, counted on, and always a long number
    /// (see `schema.sql`).
    pub(crate) fn fresh_tag(&self) -> i64 {
        let next = self.tags.get().wrapping_add(1);
        self.tags.set(next);
        (next & (LONG_TAG - 1) | LONG_TAG).cast_signed()
    }

    /// `span` from now, in microseconds.
    pub(crate) fn after(&self, span: Duration) -> i64 {
        self.now.saturating_add(micros(span))
    }
}

impl<T, F> Job for Errand<T, F>
where
    T: Send,
    F: FnOnce(&Work<'_>) -> Result<T, Fault> + Send,
{
    fn weight(&self) -> Weight {
        self.weight
    }

    fn run(&mut self, work: &Work<'_>) -> Result<(), Fault> {
        // Who can undo what nobody hears need not do it either when nobody listens any more.
        if self.unheard.is_some() && self.reply.is_closed() {
            return Ok(());
        }
        if let Some(errand) = self.work.take() {
            self.made = Some(errand(work)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), BackendError>) -> Option<Box<dyn Job>> {
        let answer = match outcome {
            Ok(()) => Ok(self.made?),
            Err(error) => Err(error),
        };
        match (self.reply.send(answer), self.unheard) {
            (Err(Ok(made)), Some(unheard)) => unheard(made),
            _ => None,
        }
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        // From now on the writer itself sees that nobody listens.
        self.answer.close();
        let (Some(unheard), Ok(Ok(made))) = (self.unheard, self.answer.try_recv()) else { return };
        // Without room for it the lease runs out, as after a crash.
        if let Some(job) = unheard(made)
            && self.jobs.try_send(job).is_err()
        {
            tracing::debug!("what nobody heard could not be undone now");
        }
    }
}

/// A job that nobody waits for.
pub(crate) fn unattended<F>(weight: Weight, work: F) -> Box<dyn Job>
where
    F: FnOnce(&Work<'_>) -> Result<(), Fault> + Send + 'static,
{
    let (reply, _) = oneshot::channel();
    Box::new(Errand { weight, work: Some(work), made: None, reply, unheard: None })
}

/// Pages that so many bytes fill beyond the first, which is no more than a row.
pub(crate) fn pages(bytes: usize) -> usize {
    bytes / PAGE
}

/// The first job and all that wait behind it, up to the limits of one transaction.
fn take(first: Box<dyn Job>, waiting: &mut mpsc::Receiver<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let mut rows = first.weight().rows;
    let mut group = vec![first];
    while group.len() < GROUP_JOBS
        && rows < GROUP_ROWS
        && let Ok(job) = waiting.try_recv()
    {
        rows = rows.saturating_add(job.weight().rows);
        group.push(job);
    }
    group
}

/// Asks soon again for a lock that another process holds: its transactions are short, SQLite's own pauses are not.
fn pause(asked: i32) -> bool {
    let now = Instant::now();
    if asked == 0 {
        BUSY_SINCE.set(Some(now));
    }
    if BUSY_SINCE.get().is_some_and(|since| now.duration_since(since) >= PATIENCE.get()) {
        return false;
    }
    let longer = 1 << (asked.clamp(0, 16) / 4);
    thread::sleep((FIRST_PAUSE * longer).min(LONGEST_PAUSE));
    true
}

// SQLite prescribes the signature.
#[allow(clippy::unnecessary_wraps)]
fn note_log_length(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    LOG_PAGES.set(u64::try_from(pages).unwrap_or(0));
    Ok(())
}

/// A span as SQLite keeps moments.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one((std::process::id(), thread::current().id()))
}
