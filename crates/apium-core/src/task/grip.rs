//! An attempt's grip on threads: whether it computes just now, and what it has given to the pool for blocking work.
//!
//! Dropping a future calls an attempt off at its next await, and there is no other way to end a thread's work. Only here
//! can a worker see whether an attempt that was dropped has let go.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

tokio::task_local! {
    static GRIP: Grip;
}

/// The grip of one attempt. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Grip(Arc<Hold>);

#[derive(Debug, Default)]
struct Hold {
    computes: AtomicBool,
    blocking: AtomicUsize,
    /// Told when the last of it has returned.
    unblocked: Notify,
}

/// Set while a thread computes for the attempt.
struct Computing<'a>(&'a AtomicBool);

/// Blocking work of an attempt, from its asking until its end.
pub(crate) struct Blocking(Option<Grip>);

impl Grip {
    /// The grip of an attempt that has yet to begin.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The attempt, watched. What it spawns itself is not seen.
    pub async fn on<F: Future>(self, attempt: F) -> F::Output {
        let hold = self.0.clone();
        let mut attempt = pin!(GRIP.scope(self, attempt));
        std::future::poll_fn(move |task| -> Poll<F::Output> {
            hold.computes.store(true, Ordering::Relaxed);
            let _computing = Computing(&hold.computes);
            attempt.as_mut().poll(task)
        })
        .await
    }

    /// Whether a thread computes for it at this moment.
    pub fn computes(&self) -> bool {
        self.0.computes.load(Ordering::Relaxed)
    }

    /// Whether blocking work it has asked for has not returned.
    pub fn blocks(&self) -> bool {
        self.0.blocking.load(Ordering::SeqCst) > 0
    }

    /// Resolves once all blocking work it has asked for has returned.
    pub async fn unblocked(&self) {
        loop {
            // Made before the look: what returns in between is heard.
            let told = self.0.unblocked.notified();
            if !self.blocks() {
                return;
            }
            told.await;
        }
    }
}

impl Default for Grip {
    fn default() -> Self {
        Self::new()
    }
}

impl Blocking {
    /// For the attempt that asks, if a worker watches it.
    pub(crate) fn begin() -> Self {
        let grip = GRIP.try_with(Clone::clone).ok();
        if let Some(grip) = &grip {
            grip.0.blocking.fetch_add(1, Ordering::SeqCst);
        }
        Self(grip)
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let Some(grip) = &self.0
            && grip.0.blocking.fetch_sub(1, Ordering::SeqCst) == 1
        {
            grip.0.unblocked.notify_waiters();
        }
    }
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
