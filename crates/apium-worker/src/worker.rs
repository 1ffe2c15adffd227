//! A worker: its loops started in order, and ended in the order that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use apium_core::context::States;
use apium_core::{BackendError, Client, Clock, Registry};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::alarm::WorkerError;
use crate::options::WorkerOptions;
use crate::retry::Backoff;
use crate::settler::{Settler, SettlerLoop};
use crate::station::Station;
use crate::stop::Stop;
use crate::threads::Threads;
use crate::trouble::Errand;
use crate::vitals::Vitals;
use crate::{
    alerts, builtins, consumer, control, events, heart, isolation, leases, recovery, revoked, shared_limits, shares,
};

/// How long the loops beside the consumer get to end, and then the settling loop to write what it still has: a
/// backend that does not answer must not keep a process from ending.
const GOODBYE: Duration = Duration::from_secs(2);

/// One process's worker, ready to run.
pub struct Worker {
    station: Station,
    settling: Vec<SettlerLoop>,
}

impl Worker {
    /// A worker for these tasks on the client's broker and result store.
    pub fn new(options: WorkerOptions, registry: Registry, states: States, client: Client) -> Self {
        let vitals = Arc::new(Vitals::default());
        let options = options.within_bounds();
        let broker = client.broker().clone();
        let (settler, settling) = Settler::new(broker, client.results(), vitals.clone(), options.lease);
        let registry = builtins::beside(registry);
        let station = Station::new(options, registry, states, client, settler, vitals);
        Self { station, settling }
    }

    /// The same worker, telling the time of day by `clock` instead of the machine's: for tests that step time.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.station.clock = clock;
        self
    }

    /// The same worker, running its tasks on a runtime of their own. Without one, as many tasks that compute without
    /// awaiting as the runtime has threads hold up the worker's own loops, and it loses its leases.
    pub fn with_task_runtime(mut self, runtime: Handle) -> Self {
        self.station.threads = Threads::of(runtime);
        self
    }

    /// The same worker, running its tasks on so many threads of its own. They are replaced when a task does not let go of
    /// one, so that the tasks after it have as many; those of a runtime that is given cannot be.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn with_own_threads(mut self, count: usize) -> std::io::Result<Self> {
        self.station.threads = Threads::own(count)?;
        Ok(self)
    }

    /// What the worker can say of itself while it runs.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.station.vitals.clone()
    }

    /// Works until asked to stop, then drains: returns when every attempt is settled or given back, or, when the
    /// backend does not answer, a bounded time later; what is not settled then is delivered again.
    ///
    /// A panic in one of the worker's own loops ends it at once: it requests a cold stop of `stop`, so that whatever
    /// else goes by that signal ends too, gives back what runs, and returns the error. With
    /// [`max_stuck`](WorkerOptions::max_stuck) stuck tasks it requests a warm stop, and returns that.
    pub async fn run(self, stop: Stop) -> Result<(), WorkerError> {
        isolation::check(self.station.isolated.as_deref())?;
        let station = Arc::new(self.station);
        let alarm = station.alarm.clone();
        let settling = self.settling.into_iter().map(|settling| tokio::spawn(settling.run(alarm.clone())));
        let settling: Vec<_> = settling.map(AbortOnDropHandle::new).collect();
        let Some(known) = catch_up(&station, &stop).await else { return Ok(()) };
        let end = CancellationToken::new();
        let started = heart::introduce(&station).await;
        let loops = beside(&station, &known, started, &stop, &end);
        consume(&station, &stop).await;
        end.cancel();
        if tokio::time::timeout(GOODBYE, loops.join_all()).await.is_err() {
            tracing::warn!("the broker did not answer the goodbye");
        }
        // With the last station goes the last settler, and so the settling loops end.
        drop(station);
        if tokio::time::timeout(GOODBYE, join_all(settling)).await.is_err() {
            tracing::error!("some outcomes could not be written; their messages will be delivered again");
        }
        alarm.verdict()
    }
}

/// Starts the loops that stand beside the consumer; dropped, they end.
fn beside(station: &Arc<Station>, known: &Known, started: String, stop: &Stop, end: &CancellationToken) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let mut start = |name: &'static str, run: BoxFuture<'static, ()>| {
        let alarm = station.alarm.clone();
        loops.spawn(async move {
            alarm.guard(name, run).await;
        });
    };
    start("the heartbeat", heart::run(station.clone(), started, end.clone()).boxed());
    start("the lease loop", leases::run(station.clone(), end.clone()).boxed());
    start("the revocation loop", revoked::run(station.clone(), known.revoked, end.clone()).boxed());
    start("the limit loop", shared_limits::run(station.clone(), known.limits, end.clone()).boxed());
    start("the sorting loop", shares::run(station.clone(), stop.clone()).boxed());
    start("the recovery loop", recovery::run(station.clone(), end.clone()).boxed());
    let (carrier, ended) = (station.clone(), end.clone());
    start("the crossing loop", async move { carrier.broker().carry(&ended).await }.boxed());
    start("the alert loop", alerts::run(station.clone(), end.clone()).boxed());
    start("the event loop", events::run(station.clone(), end.clone()).boxed());
    start("the control loop", control::run(station.clone(), stop.clone(), end.clone()).boxed());
    loops
}

/// Consumes and drains; at an alarm the stop is a cold one, whatever was asked for.
async fn consume(station: &Arc<Station>, stop: &Stop) {
    let attempts = TaskTracker::new();
    let consuming = async {
        station.alarm.guard("the claiming loop", consumer::run(station, &attempts, stop)).await;
        station.alarm.guard("the drain", consumer::drain(station, &attempts, stop)).await;
    };
    tokio::pin!(consuming);
    let leaving = async {
        station.alarm.asked_to_leave().await;
        stop.request();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = station.alarm.rung() => stop_cold(stop),
        () = leaving => {}
        () = &mut consuming => {
            if station.alarm.verdict().is_err() {
                stop_cold(stop);
            }
            return;
        }
    }
    consuming.await;
}

fn stop_cold(stop: &Stop) {
    stop.request();
    stop.request();
}

/// What a worker has learnt before it begins: from where to listen on.
struct Known {
    revoked: u64,
    limits: u64,
}

/// A worker that does not know what was revoked and what is limited must not begin: it waits for its backend.
async fn catch_up(station: &Station, stop: &Stop) -> Option<Known> {
    let mut trouble = Backoff::reconnecting();
    loop {
        let learned = tokio::select! {
            () = stop.requested() => return None,
            learned = learn(station) => learned,
        };
        match learned {
            Ok(known) => {
                station.vitals.troubles.well(Errand::Revocations);
                return Some(known);
            }
            Err(error) => {
                let delay = trouble.next_delay();
                station.vitals.troubles.failed(Errand::Revocations, &error);
                tokio::select! {
                    () = stop.requested() => return None,
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
    }
}

async fn learn(station: &Station) -> Result<Known, BackendError> {
    Ok(Known { revoked: revoked::catch_up(station).await?, limits: shared_limits::catch_up(station).await? })
}
