//! Inline: what is sent is run where it is sent, to its end and that of all that follows, before the sending returns.
//!
//! Celery's `task_always_eager`, with a difference that matters: nothing is left out. A message is written and read
//! as for a broker, and goes through the very [`judge`](crate::judge), [`executor`](crate::executor) and
//! [`outcome`](crate::outcome) of a worker, whose settlements lead to a line of messages in memory. Only waiting is
//! left out: retries, `countdown` and `eta` are due at once, and nothing is limited in how often it may start.

mod broker;
mod sitting;
mod unique;

use std::sync::Arc;

use apium_core::context::States;
use apium_core::memory::Memory;
use apium_core::{Broker, Client, Clock, Registry, ResultStore, SystemClock};
use tokio::runtime::Handle;

use crate::builtins;
use crate::options::WorkerOptions;
use crate::vitals::Vitals;

use sitting::Sittings;

pub(crate) use sitting::AtOnce;

/// A broker that runs what it is given in this program, before publishing returns: with it, [`Client::send`] returns
/// when the task has ended, and its retries, its callbacks, the rest of its chain and the body of its chord too.
///
/// What differs from a worker behind a broker:
/// - one message after the other, in the order of their priorities; two sends at once run side by side;
/// - nothing waits: `countdown`, `eta` and the back-off of retries are due at once, `rate_limit` is not heeded. What has
///   expired when its turn comes is REVOKED all the same;
/// - a task that sends another runs it to its end before its own `send` returns, however deep; one that waits for
///   what stands behind it in the same line (another member of its group) waits in vain;
/// - no task's limits are installed; what is set with [`apium_core::limits::Limits::set_limit`] on this broker counts
///   what tasks spend here, in this program alone;
/// - no dead letter is kept: the sender has the failure in hand. A task that is unknown here has failed with
///   `NotRegistered`.
///
/// What is sent is run to its end even if nobody waits for the sending any more, as it would be behind a broker. There
/// is no loop and no thread beside what runs. Cheap to clone.
#[derive(Clone)]
pub struct Inline(Arc<Kit>);

/// How a client is made for a broker and a result store.
type Clients = dyn Fn(Arc<dyn Broker>, Arc<dyn ResultStore>) -> Client + Send + Sync;

#[derive(Clone)]
struct Kit {
    registry: Registry,
    states: States,
    clients: Arc<Clients>,
    options: WorkerOptions,
    clock: Arc<dyn Clock>,
    /// What is remembered between two sends: revocations, who listens, and results that are stored nowhere else.
    memory: Memory,
    results: Arc<dyn ResultStore>,
    sittings: Arc<Sittings>,
    vitals: Arc<Vitals>,
    task_runtime: Option<Handle>,
    propagates: bool,
    started: String,
}

impl Inline {
    /// Runs these tasks, sent by clients that are made so, which know the routes and the form of bodies. Results are
    /// kept in memory, and gone with the last clone of this and of its clients.
    pub fn new(
        registry: Registry,
        states: States,
        clients: impl Fn(Arc<dyn Broker>, Arc<dyn ResultStore>) -> Client + Send + Sync + 'static,
    ) -> Self {
        let (memory, clock) = (Memory::default(), SystemClock);
        Self(Arc::new(Kit {
            registry: builtins::beside(registry),
            states,
            clients: Arc::new(clients),
            options: WorkerOptions::default(),
            started: clock.now().to_string(),
            clock: Arc::new(clock),
            results: Arc::new(memory.clone()),
            memory,
            sittings: Arc::default(),
            vitals: Arc::default(),
            task_runtime: None,
            propagates: false,
        }))
    }

    /// Results go into this store, where others see them (Celery's `task_store_eager_result`).
    #[must_use]
    pub fn storing_in(mut self, results: Arc<dyn ResultStore>) -> Self {
        self.kit().results = results;
        self
    }

    /// A send in whose course a task fails for good returns the first such failure as its error, once all has run
    /// (Celery's `task_eager_propagates`). Without this, the result alone tells of it.
    #[must_use]
    pub fn propagating(mut self) -> Self {
        self.kit().propagates = true;
        self
    }

    /// Tasks see this worker name, and results are kept as these options say. What they say of leases, queues, slots
    /// and remote control has no meaning here.
    #[must_use]
    pub fn with_options(mut self, options: WorkerOptions) -> Self {
        self.kit().options = options;
        self
    }

    /// Tells the time of day by `clock` instead of the machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.kit().clock = clock;
        self
    }

    /// Runs the tasks themselves on a runtime of their own: one that computes without awaiting then does not hold up
    /// the sender's.
    #[must_use]
    pub fn with_task_runtime(mut self, runtime: Handle) -> Self {
        self.kit().task_runtime = Some(runtime);
        self
    }

    /// A client whose sends run here.
    pub fn client(&self) -> Client {
        (self.0.clients)(Arc::new(self.clone()), self.0.results.clone())
    }

    /// Where the results are.
    pub fn results(&self) -> &Arc<dyn ResultStore> {
        &self.0.results
    }

    fn kit(&mut self) -> &mut Kit {
        Arc::make_mut(&mut self.0)
    }
}
