//! A world: a store, what was sent into it, and the workers that live in it one after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apium::core::{Broker, ResultStore};
use apium::{App, Backend, Client, Stop, WorkerOptions};
use apium_bodies::WireBodies;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::clock::Stepped;
use crate::diary::{self, Diary, What};
use crate::doom::{self, Death, Doom};
use crate::kinds::{Case, Kind, QUEUE, Setup, StopAt};
use crate::lives::{Fate, Life, Ports};
use crate::server::Server;
use crate::store::{Store, Which};
use crate::trouble::Trouble;

/// How long one worker may take for all there is to do.
const AT_MOST: Duration = Duration::from_secs(30);

pub(crate) struct World {
    folder: TempDir,
    pub(crate) broker: Store,
    pub(crate) results: Store,
    pub(crate) clock: Stepped,
    pub(crate) cases: Vec<Case>,
    pub(crate) setup: Setup,
    pub(crate) concurrency: usize,
    pub(crate) lives: Vec<Life>,
    /// The runtimes of the dead: kept as they were, so that nothing of theirs is dropped before all is over.
    graves: Vec<(Runtime, Ports)>,
    /// Who sends and looks, and never dies.
    pub(crate) sender: Runtime,
    pub(crate) client: Client,
}

impl World {
    /// A world in which all of these were sent, and nobody lives yet.
    pub(crate) fn new(server: &Server, which: Which, kinds: &[Kind], concurrency: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setup = kinds.first().unwrap().setup();
        let of = |which: Which| match which {
            Which::Redis => server.database(),
            Which::Sqlite => Store::Sqlite(folder.path().join("apium.db")),
        };
        let other = if which == Which::Redis { Which::Sqlite } else { Which::Redis };
        let broker = of(which);
        let results = if setup.elsewhere { of(other) } else { broker.clone() };
        let sender = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = Stepped::default();
        let app = crate::tasks::app(Diary::new(folder.path(), 0), true);
        let backend = sender.block_on(open(&broker, &results, &clock, &Setup::default()));
        let client = app.client(&backend);
        let cases: Vec<_> = kinds.iter().enumerate().map(|(number, kind)| Case::new(*kind, number)).collect();
        let mut world = Self {
            folder,
            broker,
            results,
            clock,
            cases,
            setup,
            concurrency,
            lives: Vec::new(),
            graves: Vec::new(),
            sender,
            client,
        };
        world.send();
        world
    }

    fn send(&mut self) {
        let refused = self.cases.iter().filter(|case| case.kind == Kind::Refused).filter_map(Case::dead);
        for id in refused {
            // No result can be written here.
            let key = format!("celery-task-meta-{id}");
            redis::cmd("LPUSH").arg(key).arg("in the way").exec(&mut self.broker.redis().unwrap()).unwrap();
        }
        self.sender.block_on(async {
            for case in &self.cases {
                case.send(&self.client, &self.clock).await;
            }
        });
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A worker lives until it has nothing more to do, is stopped, or dies. Its troubles are those of the first.
    pub(crate) fn live(&mut self, death: Option<Death>) -> Result<(), String> {
        let number = self.lives.len() + 1;
        let app = crate::tasks::app(Diary::new(self.folder(), number), false);
        let trouble = self.setup.trouble.filter(|_| number == 1).map(|span| Trouble::new(span, self.broker.clone()));
        doom::of_this_thread(Doom::new(death, trouble));
        // After each step it is looked whether the worker has died, before anything else of it goes on.
        let runtime = Builder::new_current_thread().enable_all().event_interval(1).build().unwrap();
        let (fate, ports) = runtime.block_on(async {
            let backend = open(&self.broker, &self.results, &self.clock, &self.setup).await;
            watch_for_long(number, &self.clock, &self.setup);
            let ports = (backend.broker.clone(), backend.results.clone());
            let fate = tokio::select! {
                biased;
                () = doom::struck() => Ok(Fate::Died),
                fate = self.work(&app, &backend, number) => fate,
            };
            (fate, ports)
        });
        let reached = doom::reached();
        let fate = fate?;
        if fate == Fate::Died {
            self.sender.block_on(self.bury(&ports));
            self.graves.push((runtime, ports));
        }
        self.over(Life { fate, reached, known: Vec::new() });
        Ok(())
    }

    /// What a dead worker had already handed to the thread that writes its SQLite file is written.
    async fn bury(&self, (broker, _): &Ports) {
        if matches!(self.broker, Store::Sqlite(_)) {
            // Behind all that; it finds nothing, because no lease has run out yet.
            broker.recover().await.unwrap();
        }
    }

    async fn work(&self, app: &App, backend: &Backend, number: usize) -> Result<Fate, String> {
        let stop = Stop::new();
        let worker = app.worker(backend, self.options(number)).with_clock(Arc::new(self.clock.clone()));
        let mut running = tokio::spawn(worker.run(stop.clone()));
        let client = app.client(backend);
        let fate = tokio::select! {
            ended = &mut running => return Err(format!("life {number} ended by itself: {ended:?}")),
            fate = self.watch(&client, number) => fate?,
        };
        stop.request();
        running.await.unwrap().map_err(|error| error.to_string())?;
        Ok(fate)
    }

    pub(crate) fn options(&self, number: usize) -> WorkerOptions {
        options(&self.setup, self.concurrency, number)
    }

    /// Sees to what is to happen while a worker works; returns once there is nothing left, or it is to be stopped.
    pub(crate) async fn watch(&self, client: &Client, number: usize) -> Result<Fate, String> {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        let deadline = Instant::now() + AT_MOST;
        let mut revoked = Vec::new();
        loop {
            look.tick().await;
            let begun: Vec<_> =
                diary::read(self.folder()).into_iter().filter(|note| note.what == What::Begun).collect();
            for id in self.cases.iter().filter_map(Case::to_be_revoked) {
                if begun.iter().any(|note| note.id == id) && !revoked.contains(&id) && client.revoke(&id).await.is_ok()
                {
                    revoked.push(id);
                }
            }
            if doom::times(apium_worker::points::Point::Renewed) > 0 {
                self.go();
            }
            let stops = match self.setup.stop.filter(|_| number == 1) {
                Some(StopAt::Begun) => !begun.is_empty(),
                Some(StopAt::Reached(point)) => doom::times(point) > 0,
                None => false,
            };
            if stops {
                return Ok(Fate::Stopped);
            }
            // A store in trouble does not answer.
            if let Ok(depths) = client.broker().depths(&[QUEUE.to_owned()]).await
                && depths.iter().all(|depth| (depth.ready, depth.delayed, depth.claimed) == (0, 0, 0))
            {
                return Ok(Fate::Ended);
            }
            if Instant::now() > deadline {
                let depths = client.broker().depths(&[QUEUE.to_owned()]).await;
                return Err(format!("after {AT_MOST:?} of life {number} something is left: {depths:?}"));
            }
        }
    }

    /// Lets go on what waits for it.
    fn go(&self) {
        std::fs::write(self.folder().join("go"), "").unwrap();
    }

    /// Notes how a life ended and what was known then; its leases run out.
    pub(crate) fn over(&mut self, mut life: Life) {
        life.known = self.sender.block_on(self.known());
        self.lives.push(life);
        // A process may have stepped its own over a lease.
        let step = self.setup.lease * 2 + Duration::from_secs(7);
        self.clock.step(step);
        self.broker.age(step);
        if self.setup.elsewhere {
            self.results.age(step);
        }
        self.go();
    }

    /// The status of each id that is expected to have one.
    async fn known(&self) -> Vec<(String, String)> {
        let mut known = Vec::new();
        for expected in self.cases.iter().flat_map(Case::expected).filter(|expected| expected.status.is_some()) {
            if let Ok(apium::core::Lookup::Stored(record)) = self.client.results().lookup(&expected.id).await {
                known.push((expected.id, record.status));
            }
        }
        known
    }
}

/// The settings of every worker here.
pub(crate) fn options(setup: &Setup, concurrency: usize, number: usize) -> WorkerOptions {
    WorkerOptions {
        name: format!("life{number}@failpoints"),
        concurrency,
        lease: setup.lease,
        stop_timeout: setup.stop_timeout,
        // Deaths are what these tests are about.
        max_deaths: 0,
        enable_remote_control: false,
        without_gossip: true,
        without_mingle: true,
        without_heartbeat: true,
        ..WorkerOptions::default()
    }
}

/// Who has just come judges no lease before it has watched its clock for half of one: so long it stands there.
pub(crate) fn watch_for_long(life: usize, clock: &Stepped, setup: &Setup) {
    if life > 1 {
        clock.step(setup.lease);
    }
}

/// Opens the stores of a world.
pub(crate) async fn open(broker: &Store, results: &Store, clock: &Stepped, setup: &Setup) -> Backend {
    let bodies = Arc::new(WireBodies::default());
    let (broker_port, mut results_port): (Arc<dyn Broker>, Arc<dyn ResultStore>) = broker.open(clock, setup.busy).await;
    if broker.word() != results.word() {
        results_port = results.open(clock, setup.busy).await.1;
    }
    Backend { broker: broker_port, results: results_port, bodies }
}
