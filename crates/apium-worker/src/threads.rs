//! The threads that tasks run on: given by the program, or the worker's own, which it replaces when a task holds one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::TaskResult;
use apium_core::task::grip::Grip;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use crate::handover::{Handover, Running};

/// How long threads have to begin something trivial before they count as all held.
const ANSWER: Duration = Duration::from_secs(1);

/// Where the tasks of one worker run.
pub(crate) enum Threads {
    /// On threads of the program's.
    Given(Arc<Handover>),
    /// On threads of the worker's own.
    Own { count: usize, team: Mutex<Arc<Team>> },
}

/// Threads that come and go together.
pub(crate) struct Team {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    way: Arc<Handover>,
    /// All its threads are held: what waits there waits in vain.
    stranded: CancellationToken,
}

/// An attempt's place on threads, which stay as long as it does.
#[derive(Clone)]
pub(crate) struct Seat {
    way: Arc<Handover>,
    team: Option<Arc<Team>>,
}

impl Threads {
    /// Where the worker's own loops run.
    pub(crate) fn shared() -> Self {
        Self::Given(Arc::default())
    }

    /// On a runtime of the program's.
    pub(crate) fn of(runtime: Handle) -> Self {
        Self::Given(Handover::to(runtime))
    }

    /// So many threads of the worker's own.
    pub(crate) fn own(count: usize) -> io::Result<Self> {
        Ok(Self::Own { count, team: Mutex::new(Team::new(count)?) })
    }

    /// A place for an attempt.
    pub(crate) fn seat(&self) -> Seat {
        match self {
            Self::Given(way) => Seat { way: way.clone(), team: None },
            Self::Own { team, .. } => open(team).seat(),
        }
    }

    /// Seats what comes on fresh threads, if this seat is among those that still take in; what sits there stays. False
    /// when there are no fresh threads to be had.
    pub(crate) fn make_good(&self, seat: &Seat) -> bool {
        let (Self::Own { count, team }, Some(held)) = (self, &seat.team) else { return false };
        let mut team = open(team);
        if Arc::ptr_eq(&team, held) {
            match Team::new(*count) {
                Ok(fresh) => *team = fresh,
                Err(error) => {
                    tracing::error!(%error, "no thread can be started in place of one that is held");
                    return false;
                }
            }
        }
        true
    }
}

impl Team {
    fn new(count: usize) -> io::Result<Arc<Self>> {
        let runtime =
            Builder::new_multi_thread().worker_threads(count.max(1)).thread_name("apium-task").enable_all().build()?;
        let way = Handover::to(runtime.handle().clone());
        Ok(Arc::new(Self { runtime: Some(runtime), way, stranded: CancellationToken::new() }))
    }

    fn seat(self: &Arc<Self>) -> Seat {
        Seat { way: self.way.clone(), team: Some(self.clone()) }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // What holds a thread must keep nobody waiting.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Seat {
    /// Has a call run there.
    pub(crate) fn run(&self, call: impl Future<Output = TaskResult> + Send + 'static) -> Running {
        self.way.run(call)
    }

    /// Resolves when no thread is left for an attempt that waits for one; never for one that holds a thread itself.
    pub(crate) async fn stranded(&self, grip: &Grip) {
        match &self.team {
            Some(team) => team.stranded.cancelled().await,
            None => std::future::pending().await,
        }
        if grip.computes() {
            std::future::pending::<()>().await;
        }
    }

    /// Finds out whether all its threads are held, and if so tells what sits there. True when they are.
    pub(crate) async fn sound_out(&self) -> bool {
        let Some(team) = &self.team else { return false };
        let Some(runtime) = &team.runtime else { return false };
        if tokio::time::timeout(ANSWER, runtime.spawn(async {})).await.is_ok() {
            return false;
        }
        team.stranded.cancel();
        true
    }
}

fn open(team: &Mutex<Arc<Team>>) -> MutexGuard<'_, Arc<Team>> {
    team.lock().unwrap_or_else(PoisonError::into_inner)
}
