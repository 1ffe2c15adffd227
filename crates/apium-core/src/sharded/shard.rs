//! One of the stores, and whether it can be used: a shard that is down must not hold up the others.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::error::BackendError;

/// So long after its last failure a shard is left alone, unless it has answered meanwhile: every heartbeat asks it.
const REST: Duration = Duration::from_secs(5);

/// What others have answered waits for a shard no longer than this.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// One of the stores that queues are sharded over.
pub struct Shard {
    name: String,
    pub(super) broker: Arc<dyn Broker>,
    /// When it failed last, if it has not answered since.
    failed: Mutex<Option<Instant>>,
    answered: Notify,
    /// When it last took nothing of what others brought, if it has taken nothing since.
    refused: Mutex<Option<Instant>>,
    /// The versions of the limits set in the home and here when they were last seen beside each other.
    pub(super) limits: Mutex<Option<(u64, u64)>>,
    /// Whether they could not be brought here the last time.
    pub(super) lacks_limits: AtomicBool,
    /// Told when something was put here that is for another shard.
    pub(super) put: Notify,
    /// Loops of this program that carry it (`sharded/carrying.rs`).
    pub(super) carriers: AtomicUsize,
}

impl Shard {
    /// A store under the name that errors and the log call it by.
    pub fn new(name: impl Into<String>, broker: Arc<dyn Broker>) -> Self {
        let (answered, put) = (Notify::new(), Notify::new());
        let (failed, refused, carriers) = (Mutex::default(), Mutex::default(), AtomicUsize::default());
        let (limits, lacks_limits) = (Mutex::default(), AtomicBool::default());
        Self { name: name.into(), broker, failed, answered, refused, limits, lacks_limits, put, carriers }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its store.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Whether it is to be left alone for now.
    pub(super) fn is_away(&self) -> bool {
        is_recent(&self.failed)
    }

    /// Whether what crosses is to be brought to it now.
    pub(super) fn takes_in(&self) -> bool {
        !self.is_away() && !is_recent(&self.refused)
    }

    /// Notes that it has taken what was brought.
    pub(super) fn note_taken(&self) {
        if self.refused.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!(shard = self.name, "the shard takes again what crosses to it");
        }
    }

    /// Notes that it has taken nothing of what was brought. One that is away is told of already, and one that was not
    /// asked has refused nothing.
    pub(super) fn note_refusal(&self, error: &BackendError) {
        if !self.takes_in() {
            return;
        }
        let before = self.refused.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none() {
            tracing::error!(shard = self.name, %error, "a shard refuses what crosses to it, which waits");
        }
    }

    /// What it answers, with its name in an error; its answer tells whether it can be used.
    pub(super) async fn ask<T>(&self, asked: impl Future<Output = Result<T, BackendError>>) -> Result<T, BackendError> {
        match asked.await {
            Ok(answer) => {
                self.note_answer();
                Ok(answer)
            }
            Err(error @ BackendError::Unavailable(_)) => Err(self.note_failure(error)),
            Err(error @ BackendError::Full(_)) => {
                // What it holds can still be worked off.
                self.note_answer();
                Err(self.named(error))
            }
            Err(error) => Err(self.named(error)),
        }
    }

    /// The same for a shard that is not waited for longer than this.
    pub(super) async fn ask_within<T>(
        &self,
        patience: Duration,
        asked: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let late = || BackendError::Unavailable(format!("no answer within {patience:?}"));
        self.ask(async { tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(late())) }).await
    }

    /// Returns once it answers again.
    pub(super) async fn back(&self) {
        loop {
            let answered = self.answered.notified();
            tokio::pin!(answered);
            answered.as_mut().enable();
            if !self.is_away() {
                return;
            }
            // Nobody may have asked it meanwhile.
            let _ = tokio::time::timeout(REST, answered).await;
        }
    }

    /// Names the shard in an error. One that was told by a task is nobody's fault here.
    pub(super) fn named(&self, error: BackendError) -> BackendError {
        let told = |sentence: &dyn Display| format!("shard {}: {sentence}", self.name);
        match error {
            BackendError::Unavailable(sentence) => BackendError::Unavailable(told(&sentence)),
            BackendError::Full(sentence) => BackendError::Full(told(&sentence)),
            BackendError::Broken(sentence) => BackendError::Broken(told(&sentence)),
            task @ BackendError::TaskFailed(_) => task,
        }
    }

    fn note_answer(&self) {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if failed.is_some() {
            tracing::info!(shard = self.name, "the shard answers again");
            self.answered.notify_waiters();
        }
    }

    /// Notes that it failed; gives the error with its name.
    pub(super) fn note_failure(&self, error: BackendError) -> BackendError {
        let before = self.failed.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_none() {
            tracing::warn!(shard = self.name, %error, "a shard cannot be used; what is in the others goes on");
        }
        self.named(error)
    }
}

fn is_recent(moment: &Mutex<Option<Instant>>) -> bool {
    moment.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|moment| moment.elapsed() < REST)
}
