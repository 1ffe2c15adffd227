//! The handle on one SQLite file: cheap to clone, safe to share, closed with its last clone.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::{BackendError, Clock, SystemClock};

use crate::anchor::Anchor;
use crate::fault::{Fault, tell_io};
use crate::judge::Judge;
use crate::place;
use crate::reader::Readers;
use crate::schema;
use crate::vacuum::Vacuum;
use crate::wake::{Bell, Watch};
use crate::writer::{Desk, Writer};

/// Broker, fleet and result store in one file, which other processes may open at the same time.
///
/// Beside the file stand SQLite's `-wal` and `-shm` and a `-bell` that wakes waiting processes. A network file
/// system will not do: SQLite's locks do not hold there.
#[derive(Clone)]
pub struct SqliteBackend {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) bell: Arc<Bell>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) judge: Arc<Mutex<Judge>>,
    pub(crate) home: Arc<str>,
    _watch: Arc<Watch>,
}

/// How the file is kept.
#[derive(Clone)]
pub struct SqliteSettings {
    /// Whether a store that is missing is made; true by default. A command that only looks says false: it then fails
    /// with a sentence, and leaves nothing behind.
    pub create: bool,
    /// What tells the time; the machine's clock by default.
    pub clock: Arc<dyn Clock>,
    /// What a commit survives; [`Synchronous::Full`] by default.
    pub synchronous: Synchronous,
    /// How long to wait for a lock another process holds before the call fails; 5 seconds by default.
    pub busy_timeout: Duration,
    /// Threads that answer questions; 2 by default, at least 1.
    pub readers: usize,
    /// Bytes the write-ahead log may reach before it is moved into the file, and to which it is cut back when one
    /// large commit made it longer; 8 MiB by default.
    pub checkpoint_bytes: u64,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// A power cut: the disk has it before anybody is told. (A claim, a renewal or a heartbeat is not flushed by
    /// itself: after a power cut the message stands in line again as if nobody had claimed it.)
    #[default]
    Full,
    /// A crash of the program, but not of the machine, which may lose the last commits; several times faster.
    Normal,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            create: true,
            clock: Arc::new(SystemClock),
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            readers: 2,
            checkpoint_bytes: 8 << 20,
        }
    }
}

impl SqliteBackend {
    /// Opens a store, making the file and its folder (for their owner alone) if they are missing.
    ///
    /// Blocks for some milliseconds, at most 30 or so while it looks for damage: at both ends of every table and
    /// index and at the first free pages, and at every page of a file of up to 8 MiB that can be read in 20 ms. What
    /// is damaged elsewhere is told by the call that meets it. Longer, at most the busy time-out, only while another
    /// process creates the same file.
    ///
    /// A file (or its log) that is removed or replaced while it is open is noticed: every call then fails with
    /// [`BackendError::Unavailable`], until that very file is back.
    ///
    /// # Errors
    /// [`BackendError::Broken`] for a path that is a folder, cannot be written, is damaged, or holds something else
    /// than an Apium store this program understands, or nothing when [`SqliteSettings::create`] is false;
    /// [`BackendError::Unavailable`] when the disk is full or another
    /// process holds the file. The sentence names the file and says what to do.
    pub fn open(path: impl AsRef<Path>, settings: SqliteSettings) -> Result<Self, BackendError> {
        let file = Arc::new(place::prepare(path.as_ref(), settings.create)?);
        let told = |fault: Fault| fault.tell(&file);
        let threads = |error: std::io::Error| {
            BackendError::Unavailable(format!("the threads for {} could not be started: {error}", file.display()))
        };
        let db = schema::open_to_write(&file, &settings).map_err(told)?;
        let look = || schema::open_to_read(&file, &settings).map_err(told);
        let looking = (0..settings.readers.max(1)).map(|_| look()).collect::<Result<_, _>>()?;
        let bell = Arc::new(Bell::hang(&file).map_err(|error| tell_io(&place::beside(&file, "-bell"), &error))?);
        let anchor = Arc::new(Anchor::cast(&file).map_err(|error| tell_io(&file, &error))?);
        let desk = Desk {
            vacuum: Vacuum::of(&db).map_err(|error| told(error.into()))?,
            db,
            anchor: anchor.clone(),
            file: file.clone(),
            bell: bell.clone(),
            clock: settings.clock.clone(),
            synchronous: settings.synchronous,
            patience: settings.busy_timeout,
            checkpoint_bytes: settings.checkpoint_bytes,
        };
        let judge = Judge::new(&*settings.clock);
        let watch = Watch::start(&file, look()?, bell.clone(), anchor.clone()).map_err(threads)?;
        Ok(Self {
            writer: Writer::start(desk).map_err(threads)?,
            readers: Readers::start(looking, file.clone(), anchor).map_err(threads)?,
            bell,
            clock: settings.clock,
            judge: Arc::new(Mutex::new(judge)),
            home: name(&file).into(),
            _watch: Arc::new(watch),
        })
    }

    /// The present moment, in microseconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }
}

impl std::fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteBackend").field("home", &self.home).finish_non_exhaustive()
    }
}

fn name(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}
