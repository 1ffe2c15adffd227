//! One sitting: a line of messages in memory, worked off until nothing is left of it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use apium_core::memory::Memory;
use apium_core::{BackendError, Broker, Claim, Clock, Outgoing, TaskError};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::Inline;
use crate::consumer;
use crate::outcome::Outcome;
use crate::rates::Rates;
use crate::revoked;
use crate::settler::{Settler, SettlerLoop};
use crate::station::Station;
use crate::threads::Threads;

/// As many are taken from the line at once: enough not to search it for each.
const AT_ONCE: usize = 100;

/// The mark of a station that waits for nothing, and what its sender is to hear.
#[derive(Default)]
pub(crate) struct AtOnce {
    first_failure: OnceLock<TaskError>,
}

/// The sittings that have not ended, so that a revoke reaches what runs in them.
#[derive(Default)]
pub(super) struct Sittings(Mutex<Vec<Weak<Station>>>);

/// A clock at the end of time, where everything is due.
struct EndOfTime;

impl Clock for EndOfTime {
    fn now(&self) -> Timestamp {
        Timestamp::MAX
    }
}

impl Sittings {
    /// Calls a task off wherever it runs.
    pub(super) fn revoke(&self, task_id: &str) {
        let open: Vec<_> = self.open().iter().filter_map(Weak::upgrade).collect();
        for station in &open {
            revoked::revoke(station, task_id);
        }
    }

    fn add(&self, station: &Arc<Station>) {
        let mut open = self.open();
        open.retain(|station| station.strong_count() > 0);
        open.push(Arc::downgrade(station));
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<Station>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtOnce {
    /// Notes what a task has ended as.
    pub(crate) fn note(&self, outcome: &Outcome) {
        if let Outcome::Failure(error) | Outcome::Dead(_, error) = outcome {
            self.first_failure.get_or_init(|| error.clone());
        }
    }
}

impl Inline {
    /// Runs messages and all that follows from them, on a task of its own: however deep tasks send tasks, no stack
    /// grows, and a sender that is dropped half-way does not take with it what it has sent.
    pub(super) async fn run(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        let (inline, messages) = (self.clone(), messages.to_vec());
        match tokio::spawn(async move { Box::pin(inline.sit(&messages)).await }).await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(BackendError::Unavailable("the program ends; what was sent did not".to_owned())),
            },
        }
    }

    async fn sit(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        let line = Memory::with_clock(Arc::new(EndOfTime));
        line.publish(messages).await?;
        let (station, settling) = self.station(&line);
        let station = Arc::new(station);
        self.0.sittings.add(&station);
        // After it can be reached by a revoke: none falls in between.
        revoked::catch_up(&station).await?;
        let alarm = station.alarm.clone();
        let working = async {
            let worked = work_off(&station, &line).await;
            let failure = station.at_once.as_ref().and_then(|at_once| at_once.first_failure.get().cloned());
            // With the station goes its settler, and so the settling ends.
            drop(station);
            worked.map(|()| failure)
        };
        let (failure, _) =
            tokio::join!(working, join_all(settling.into_iter().map(|settling| settling.run(alarm.clone()))));
        alarm.verdict().map_err(|error| BackendError::Broken(error.to_string()))?;
        match failure?.filter(|_| self.0.propagates) {
            Some(error) => Err(BackendError::TaskFailed(Box::new(error))),
            None => Ok(()),
        }
    }

    /// A station like a worker's. What its attempts send on goes into the line; what their tasks send themselves is a
    /// sitting of its own.
    fn station(&self, line: &Memory) -> (Station, Vec<SettlerLoop>) {
        let kit = &*self.0;
        let (broker, vitals) = (Arc::new(line.clone()), kit.vitals.clone());
        let (settler, settling) = Settler::new(broker, &kit.results, vitals, kit.options.lease);
        let (options, registry, states) = (kit.options.clone(), kit.registry.clone(), kit.states.clone());
        let station = Station {
            clock: kit.clock.clone(),
            // A limit is for those who wait, and here nobody does.
            rates: Rates::default(),
            threads: kit.task_runtime.clone().map_or_else(Threads::shared, Threads::of),
            // Who sends waits in this process: what it runs, runs here.
            children: None,
            at_once: Some(AtOnce::default()),
            ..Station::new(options, registry, states, self.client(), settler, kit.vitals.clone())
        };
        (station, settling)
    }
}

/// One after the other, until the line is empty. What is claimed and not settled is not seen again: there is no end to
/// its lease.
async fn work_off(station: &Arc<Station>, line: &Memory) -> Result<(), BackendError> {
    loop {
        let queues: Vec<_> = line.depths(&[]).await?.into_iter().map(|depth| depth.queue).collect();
        let claim = Claim { queues: &queues, max: AT_ONCE, lease: station.options.lease };
        let deliveries = line.claim(&claim).await?;
        if deliveries.is_empty() || station.alarm.verdict().is_err() {
            return Ok(());
        }
        for delivery in deliveries {
            consumer::handle(station, delivery, None).await;
        }
    }
}
