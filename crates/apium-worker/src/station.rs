//! What all loops of one worker share.

use std::sync::Arc;

use apium_core::context::States;
use apium_core::{Broker, Client, Clock, Registry};
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::alarm::Alarm;
use crate::leases::Leases;
use crate::options::WorkerOptions;
use crate::revoked::Revoked;
use crate::settler::Settler;
use crate::vitals::Vitals;

/// One worker's belongings.
pub(crate) struct Station {
    pub(crate) options: WorkerOptions,
    pub(crate) registry: Registry,
    pub(crate) states: States,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: Leases,
    pub(crate) revoked: Revoked,
    pub(crate) settler: Settler,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) alarm: Alarm,
    pub(crate) task_runtime: Option<Handle>,
}

impl Station {
    pub(crate) fn broker(&self) -> &dyn Broker {
        &**self.client.broker()
    }

    /// The time of day by which ETA, expiry and retries are reckoned.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where tasks run: beside the worker's own loops only when no other runtime was given.
    pub(crate) fn task_runtime(&self) -> Handle {
        self.task_runtime.clone().unwrap_or_else(Handle::current)
    }

    /// True when every slot is taken by an attempt.
    pub(crate) fn is_full(&self) -> bool {
        usize::try_from(self.vitals.active()).is_ok_and(|active| active >= self.options.concurrency)
    }
}
