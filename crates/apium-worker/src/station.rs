//! What all loops of one worker share.

use std::sync::Arc;

use apium_core::broadcast::Broadcast;
use apium_core::context::States;
use apium_core::protocol::event::EventKind;
use apium_core::task::Isolation;
use apium_core::{Broker, Client, Clock, Registry, SystemClock};
use jiff::Timestamp;

use crate::alarm::Alarm;
use crate::alerts::Alerts;
use crate::errbacks;
use crate::events::Events;
use crate::inline::AtOnce;
use crate::isolation::Children;
use crate::leases::Leases;
use crate::limits::Bounds;
use crate::looks::Looks;
use crate::options::WorkerOptions;
use crate::poison::Suspects;
use crate::put_off::PutOff;
use crate::queues::Queues;
use crate::rates::Rates;
use crate::revoked::Revoked;
use crate::settler::Settler;
use crate::shared_limits::SharedLimits;
use crate::shares::Turns;
use crate::slots::Slots;
use crate::threads::Threads;
use crate::vitals::Vitals;

/// One worker's belongings.
pub(crate) struct Station {
    pub(crate) options: WorkerOptions,
    pub(crate) registry: Registry,
    pub(crate) states: States,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) slots: Slots,
    pub(crate) queues: Queues,
    pub(crate) looks: Looks,
    pub(crate) leases: Leases,
    pub(crate) put_off: PutOff,
    pub(crate) suspects: Suspects,
    pub(crate) rates: Rates,
    pub(crate) bounds: Bounds,
    pub(crate) shared_limits: SharedLimits,
    pub(crate) turns: Turns,
    pub(crate) events: Events,
    pub(crate) revoked: Revoked,
    pub(crate) settler: Settler,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) alarm: Alarm,
    pub(crate) alerts: Alerts,
    pub(crate) foreign_errbacks: errbacks::Foreign,
    pub(crate) threads: Threads,
    /// A task that is to run isolated, if there is one.
    pub(crate) isolated: Option<String>,
    /// Where isolated tasks run; `None`: with all others.
    pub(crate) children: Option<Children>,
    /// Where what is sent is run at once (see [`crate::inline`]).
    pub(crate) at_once: Option<AtOnce>,
}

impl Station {
    /// The station of a worker that has yet to begin.
    pub(crate) fn new(
        options: WorkerOptions,
        registry: Registry,
        states: States,
        client: Client,
        settler: Settler,
        vitals: Arc<Vitals>,
    ) -> Self {
        let tasks: Vec<_> = registry.iter().map(|(name, task)| (name, task.options())).collect();
        let isolated = tasks.iter().find(|(_, options)| options.isolation == Isolation::Process);
        let isolated = isolated.map(|(name, _)| (*name).to_owned());
        let rates = Rates::of_tasks(&tasks, options.default_rate_limit.as_ref());
        let alerts = Alerts::new(&options.dead_letter_command);
        Self {
            slots: Slots::new(options.concurrency),
            queues: Queues::new(&options.queues),
            events: Events::new(&options.name, options.task_events),
            looks: Looks::default(),
            leases: settler.leases.clone(),
            put_off: PutOff::default(),
            suspects: Suspects::default(),
            rates,
            bounds: Bounds::default(),
            shared_limits: SharedLimits::of_tasks(&registry),
            turns: Turns::default(),
            registry,
            states,
            client,
            clock: Arc::new(SystemClock),
            revoked: Revoked::default(),
            settler,
            vitals,
            alarm: Alarm::default(),
            alerts,
            foreign_errbacks: errbacks::Foreign::default(),
            threads: Threads::shared(),
            isolated,
            children: Some(Children::new(options.max_tasks_per_child, options.max_memory_per_child)),
            at_once: None,
            options,
        }
    }

    pub(crate) fn broker(&self) -> &dyn Broker {
        &**self.client.broker()
    }

    /// What goes to everybody at once.
    pub(crate) fn broadcast(&self) -> &dyn Broadcast {
        self.broker().broadcast()
    }

    /// The time of day by which ETA, expiry and retries are reckoned.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends an event, if such events are wanted.
    pub(crate) fn say(&self, kind: EventKind) {
        self.events.say(kind, self.now());
    }

    /// True when nothing can be claimed: every slot is taken by an attempt, or every queue was cancelled.
    pub(crate) fn claims_nothing(&self) -> bool {
        let full = usize::try_from(self.vitals.active()).is_ok_and(|active| active >= self.slots.count());
        full || self.queues.is_empty()
    }
}
