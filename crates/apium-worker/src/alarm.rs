//! The alarm: rung when what must not end has ended, so that no worker lives on as half of one.
//!
//! A worker whose claims go on while nobody settles takes messages and never gives them back: it is worse than none.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::limits::panic_text;

/// Why a worker ended without having been asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorkerError {
    /// One of the worker's own loops (not a task) panicked: a fault of Apium, of a store or of the log's writer.
    #[error(
        "the worker broke off: {0}; what it ran was given back to its queues, or is delivered again when its leases run out"
    )]
    BrokeOff(String),
    /// So many of its tasks do not let go of their threads.
    #[error(
        "the worker left because {0} tasks do not let go of their threads, which only the end of its process frees; give \
         such tasks `isolation = \"process\"`, or let them await"
    )]
    Stuck(u32),
    /// A task is to run in a child process, and this program was not prepared for that.
    #[error(
        "{0} asks for isolation = \"process\", and this program cannot start itself as a child: call \
         `apium::isolation::child(&app)` first in `main`, or use `apium_cli::main`"
    )]
    Unprepared(String),
}

/// Rung once; what comes after the first ring is a consequence of it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarm {
    rung: CancellationToken,
    leaving: CancellationToken,
    why: Arc<OnceLock<WorkerError>>,
}

impl Alarm {
    /// Runs what must not panic. True when it came to its end.
    ///
    /// Not an async function, which would take up the room of its work twice: as what it was given, and as what it awaits.
    pub(crate) fn guard(&self, what: &str, work: impl Future<Output = ()>) -> impl Future<Output = bool> {
        // What is behind locks is never left half-changed, and the worker ends soon.
        AssertUnwindSafe(work).catch_unwind().map(move |ended| match ended {
            Ok(()) => true,
            Err(panic) => {
                let why = format!("{what} panicked: {}", panic_text(&*panic));
                let _ = self.why.set(WorkerError::BrokeOff(why));
                self.rung.cancel();
                false
            }
        })
    }

    /// Resolves once rung.
    pub(crate) async fn rung(&self) {
        self.rung.cancelled().await;
    }

    /// Asks the worker to leave, in good order: nothing of it is broken, and its loops can still settle.
    pub(crate) fn leave(&self, why: WorkerError) {
        let _ = self.why.set(why);
        self.leaving.cancel();
    }

    /// Resolves once the worker is asked to leave.
    pub(crate) async fn asked_to_leave(&self) {
        self.leaving.cancelled().await;
    }

    /// What is to be told of it.
    pub(crate) fn verdict(&self) -> Result<(), WorkerError> {
        self.why.get().map_or(Ok(()), |why| Err(why.clone()))
    }
}
