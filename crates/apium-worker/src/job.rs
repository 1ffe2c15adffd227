//! A delivery that may run: the message read, its task known.

use std::sync::{Arc, OnceLock};

use apium_core::protocol::{Embed, Headers, Payload, Properties, RawJson};
use apium_core::{Delivery, Task, TaskOptions};
use tokio_util::sync::CancellationToken;

use crate::outcome::Subject;
use crate::poison::{self, LastChance};

/// What an attempt needs to know of its delivery.
pub(crate) struct Job {
    pub(crate) delivery: Delivery,
    pub(crate) headers: Arc<Headers>,
    pub(crate) properties: Arc<Properties>,
    /// Taken when the attempt begins: what is large should be there once, as the task has it.
    pub(crate) payload: Payload,
    /// What is to follow the task.
    pub(crate) embed: Arc<Embed>,
    /// What the task has sent, once it has ended.
    pub(crate) children: Vec<RawJson>,
    pub(crate) task: Arc<dyn Task>,
    pub(crate) options: TaskOptions,
    pub(crate) call_off: CallOff,
    /// True once the message is gone, before its attempt: whatever comes now, it cannot be given back.
    pub(crate) acknowledged: bool,
    /// The shared limits that have given it a place.
    pub(crate) limits: Vec<String>,
    /// Held to the end where the next death would be the last.
    pub(crate) last_chance: Option<LastChance>,
}

/// Calls an attempt off from outside, once, with the first reason given.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallOff(Arc<Called>);

#[derive(Debug, Default)]
struct Called {
    off: CancellationToken,
    reason: OnceLock<Reason>,
    signal: OnceLock<i64>,
}

/// Why an attempt was called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Somebody revoked the task.
    Revoked,
    /// The broker no longer knows the delivery.
    LeaseLost,
    /// This worker stops.
    Stopping,
}

impl Job {
    pub(crate) fn id(&self) -> &str {
        &self.headers.id
    }

    /// Where the next death would be the last: returns once what was claimed along with it is put off.
    pub(crate) async fn suspicion_settles(&self) {
        if self.last_chance.is_some() {
            tokio::time::sleep(poison::ASIDE).await;
        }
    }

    /// For the table of verdicts.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            delivery: &self.delivery,
            headers: &self.headers,
            embed: &self.embed,
            children: &self.children,
            options: &self.options,
            parameters: self.task.parameters(),
            call_off: Some(&self.call_off),
            acknowledged: self.acknowledged,
            limits: &self.limits,
        }
    }
}

impl CallOff {
    /// Calls it off, unless that was done already.
    pub(crate) fn because(&self, reason: Reason) {
        // A second reason comes too late: the first one is being acted on.
        let _ = self.0.reason.set(reason);
        self.0.off.cancel();
    }

    /// Calls a revoked task off in the name of a signal, which only events tell of.
    pub(crate) fn by_signal(&self, signal: i64) {
        let _ = self.0.signal.set(signal);
        self.because(Reason::Revoked);
    }

    /// The signal in whose name it was called off.
    pub(crate) fn signal(&self) -> Option<i64> {
        self.0.signal.get().copied()
    }

    /// The reason, once called off.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.0.reason.get().copied()
    }

    /// Resolves with the reason once called off.
    pub(crate) async fn called_off(&self) -> Reason {
        self.0.off.cancelled().await;
        *self.0.reason.get_or_init(|| Reason::Stopping)
    }

    /// The token a task may watch.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.0.off
    }
}
