//! The way onto the threads of tasks: what is to begin there is handed over together, because waking a thread costs more
//! than a small task does.
//!
//! An idle worker hands a task over as soon as it has it; a busy one, whose loops share one thread as the executable's do,
//! all those it came to before they had their next turn. On a runtime of several threads there is less to wait for, and it
//! is mostly one at a time.

use std::any::Any;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apium_core::TaskResult;
use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, Abortable};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// One way, for all that goes to the same threads.
#[derive(Default)]
pub(crate) struct Handover {
    /// Where the worker's own loops run, when there is nothing here.
    threads: Option<Handle>,
    waiting: Mutex<Vec<Work>>,
}

/// A task's call on other threads, or on its way there.
pub(crate) struct Running {
    ended: oneshot::Receiver<Ended>,
    abort: AbortHandle,
}

/// What a call returned, or what it panicked with.
pub(crate) type Ended = Result<TaskResult, Box<dyn Any + Send>>;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Handover {
    pub(crate) fn to(threads: Handle) -> Arc<Self> {
        Arc::new(Self { threads: Some(threads), ..Self::default() })
    }

    /// Has a call run on the other threads.
    pub(crate) fn run(self: &Arc<Self>, call: impl Future<Output = TaskResult> + Send + 'static) -> Running {
        let (sender, ended) = oneshot::channel();
        let (abort, registration) = AbortHandle::new_pair();
        let call = async move {
            // It holds none of the engine's locks: what it leaves half-done is its own.
            let ended = AssertUnwindSafe(call).catch_unwind().await;
            // Nobody waits for one that was given up.
            let _ = sender.send(ended);
        };
        let call = Abortable::new(call, registration).map(drop);
        match &self.threads {
            Some(threads) => self.add(threads, Box::pin(call)),
            None => drop(tokio::spawn(call)),
        }
        Running { ended, abort }
    }

    fn add(self: &Arc<Self>, threads: &Handle, work: Work) {
        let mut waiting = self.open();
        waiting.push(work);
        if waiting.len() == 1 {
            let (this, threads) = (self.clone(), threads.clone());
            // Its turn comes after those of all attempts that have theirs now.
            tokio::spawn(async move {
                let waiting = mem::take(&mut *this.open());
                hand_over(&threads, waiting);
            });
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Work>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hand_over(threads: &Handle, mut waiting: Vec<Work>) {
    if waiting.len() == 1 {
        drop(waiting.pop().map(|work| threads.spawn(work)));
        return;
    }
    threads.spawn(async move {
        for work in waiting {
            tokio::spawn(work);
        }
    });
}

impl Running {
    /// Resolves when the call has ended; `None` when it was dropped before.
    pub(crate) async fn ended(&mut self) -> Option<Ended> {
        // Asked again, there is nothing more to be told.
        if self.ended.is_terminated() { None } else { (&mut self.ended).await.ok() }
    }

    /// Drops the call at its next await.
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }
}
